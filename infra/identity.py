"""Who may call: the user pool whose access tokens the gateway checks, and the clients that ask for them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, cast

from aws_cdk import Acknowledgment, Aws, Duration, RemovalPolicy, Stack, Validations, aws_cognito
from constructs import Construct

from infra.pinning import pin
from infra.stage import ConfigurationError
from shared.contracts.sign_in import REDIRECT_PORTS, RESOURCE_SERVER, Scope, redirect_uri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.stage import Stage

__all__ = ["Identity"]

_TOKEN_HOURS: Final = 1
_MACHINE_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class Identity(Construct):
    """Users that an administrator makes, the public client that the command line is, and machines with a secret.

    Nobody gives a password to anything but the pool's own pages: no client may use a password flow.
    """

    def __init__(self, scope: Construct, construct_id: str, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self._name = f"pressroom-{stage.name}"
        self.pool = self._make_pool(stage)
        self.domain = self.pool.add_domain(
            "SignIn",
            # Unique among all of a region's: the account's number makes it so.
            cognito_domain=aws_cognito.CognitoDomainOptions(domain_prefix=f"{self._name}-{Aws.ACCOUNT_ID}"),
        )
        pin(self.domain, "SignIn")
        self._scopes = self._make_scopes()
        self.client = self._make_command_line()
        self.machines = {name: self._make_machine(name, scopes) for name, scopes in stage.machines.items()}

    @property
    def issuer(self) -> str:
        """The issuer of its tokens."""
        stack = Stack.of(self)
        return f"https://cognito-idp.{stack.region}.{stack.url_suffix}/{self.pool.user_pool_id}"

    @property
    def sign_in_url(self) -> str:
        """Where its pages and its token endpoint are."""
        return self.domain.base_url()

    @property
    def client_ids(self) -> list[str]:
        """Whose tokens are taken."""
        return [client.user_pool_client_id for client in (self.client, *self.machines.values())]

    def _make_pool(self, stage: Stage) -> aws_cognito.UserPool:
        pool = aws_cognito.UserPool(
            self,
            "Users",
            user_pool_name=self._name,
            self_sign_up_enabled=False,
            sign_in_aliases=aws_cognito.SignInAliases(username=True, email=True),
            sign_in_case_sensitive=False,
            account_recovery=aws_cognito.AccountRecovery.EMAIL_ONLY,
            mfa=aws_cognito.Mfa.OPTIONAL,
            mfa_second_factor=aws_cognito.MfaSecondFactor(otp=True, sms=False),
            password_policy=aws_cognito.PasswordPolicy(
                min_length=12, require_digits=True, require_lowercase=True, require_symbols=True, require_uppercase=True
            ),
            deletion_protection=stage.keep_data,
            removal_policy=RemovalPolicy.RETAIN if stage.keep_data else RemovalPolicy.DESTROY,
        )
        pin(pool, "Users")
        Validations.of(pool).acknowledge(
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-COG8",
                reason="The plus tier is charged by active user; users come by invitation and their number is small.",
            ),
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-COG2",
                reason="A second factor is each user's choice: forced, it would lock a team's scripts out.",
            ),
        )
        return pool

    def _make_scopes(self) -> dict[Scope, aws_cognito.OAuthScope]:
        own = {
            scope: aws_cognito.ResourceServerScope(scope_name=scope.short, scope_description=scope.meaning)
            for scope in Scope
        }
        server = self.pool.add_resource_server(
            "Scopes",
            identifier=RESOURCE_SERVER,
            user_pool_resource_server_name=RESOURCE_SERVER,
            scopes=list(own.values()),
        )
        pin(server, "Scopes")
        return {scope: aws_cognito.OAuthScope.resource_server(server, each) for scope, each in own.items()}

    def _make_command_line(self) -> aws_cognito.UserPoolClient:
        """A program that everybody can read holds no secret: PKCE takes its place."""
        client = self.pool.add_client(
            "CommandLine",
            user_pool_client_name=f"{self._name}-command-line",
            generate_secret=False,
            o_auth=aws_cognito.OAuthSettings(
                flows=aws_cognito.OAuthFlows(authorization_code_grant=True),
                scopes=[aws_cognito.OAuthScope.OPENID, *self._scopes.values()],
                callback_urls=[redirect_uri(port) for port in REDIRECT_PORTS],
            ),
            supported_identity_providers=[aws_cognito.UserPoolClientIdentityProvider.COGNITO],
            access_token_validity=Duration.hours(_TOKEN_HOURS),
            refresh_token_validity=Duration.days(30),
            enable_token_revocation=True,
            prevent_user_existence_errors=True,
        )
        _refuse_passwords(client)
        pin(client, "CommandLineClient")
        return client

    def _make_machine(self, name: str, scopes: Sequence[str]) -> aws_cognito.UserPoolClient:
        _check_machine(name, scopes)
        client = self.pool.add_client(
            f"Machine-{name}",
            user_pool_client_name=f"{self._name}-{name}",
            generate_secret=True,
            o_auth=aws_cognito.OAuthSettings(
                flows=aws_cognito.OAuthFlows(client_credentials=True),
                scopes=[each for scope, each in self._scopes.items() if scope.short in scopes],
            ),
            access_token_validity=Duration.hours(_TOKEN_HOURS),
            enable_token_revocation=True,
        )
        _refuse_passwords(client)
        pin(client, "Machine" + "".join(part.capitalize() for part in name.split("-")))
        return client


def _refuse_passwords(client: aws_cognito.UserPoolClient) -> None:
    """Where a client says nothing of flows, Cognito takes passwords by SRP; CDK has no words for none."""
    cast("aws_cognito.CfnUserPoolClient", client.node.default_child).explicit_auth_flows = ["ALLOW_REFRESH_TOKEN_AUTH"]


def _check_machine(name: str, scopes: Sequence[str]) -> None:
    """What ``cdk.json`` says of a machine.

    Raises:
        ConfigurationError: its name is none, or it has no scopes, or one that does not exist.
    """
    known = [scope.short for scope in Scope]
    unknown = [scope for scope in scopes if scope not in known]
    if _MACHINE_NAME.fullmatch(name) is None:
        told = "a name has small letters, digits and single dashes"
    elif not scopes:
        told = f"it needs scopes; known are {', '.join(known)}"
    elif unknown:
        told = f"scopes that do not exist: {', '.join(unknown)}; known are {', '.join(known)}"
    else:
        return
    raise ConfigurationError(f"machine {name!r} in cdk.json: {told}")
