"""Who may call: the user pool whose access tokens the gateway checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, Duration, RemovalPolicy, Stack, Validations, aws_cognito
from constructs import Construct

from infra.pinning import pin

if TYPE_CHECKING:
    from infra.stage import Stage

__all__ = ["Identity"]


class Identity(Construct):
    """Users that an administrator makes, and the public client that the command line is."""

    def __init__(self, scope: Construct, construct_id: str, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self.pool = aws_cognito.UserPool(
            self,
            "Users",
            user_pool_name=f"pressroom-{stage.name}",
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
        pin(self.pool, "Users")
        self.client = self.pool.add_client(
            "CommandLine",
            user_pool_client_name=f"pressroom-{stage.name}-command-line",
            generate_secret=False,
            auth_flows=aws_cognito.AuthFlow(user_srp=True),
            disable_o_auth=True,
            access_token_validity=Duration.hours(1),
            refresh_token_validity=Duration.days(30),
            enable_token_revocation=True,
            prevent_user_existence_errors=True,
        )
        pin(self.client, "CommandLineClient")
        Validations.of(self.pool).acknowledge(
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-COG8",
                reason="The plus tier is charged by active user; users come by invitation and their number is small.",
            ),
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-COG2",
                reason="A second factor is each user's choice: forced, it would lock a team's scripts out.",
            ),
        )

    @property
    def issuer(self) -> str:
        """The issuer of its tokens."""
        stack = Stack.of(self)
        return f"https://cognito-idp.{stack.region}.{stack.url_suffix}/{self.pool.user_pool_id}"
