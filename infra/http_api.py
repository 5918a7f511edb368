"""The gateway: checks tokens, limits rates, hands requests to the api."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, cast

from aws_cdk import Acknowledgment, Duration, Validations, aws_apigatewayv2, aws_certificatemanager
from aws_cdk.aws_apigatewayv2_authorizers import HttpJwtAuthorizer
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from constructs import Construct

from infra.logs import log_group

if TYPE_CHECKING:
    from infra.api import Api
    from infra.identity import Identity
    from infra.stage import Stage

__all__ = ["HttpApi"]

_PUBLIC_PATHS: Final = ("/v1/health", "/v1/openapi.json", "/docs")
_READ_BY_ALL: Final = "Public by design: health, the OpenAPI document and its reader."
_PREFLIGHT: Final = "The gateway itself answers a browser's preflight, which carries no token."
_ASKED_HEADERS: Final = ("authorization", "content-type", "idempotency-key", "if-match", "if-none-match")
"""What a page of another origin may send."""
_TOLD_HEADERS: Final = (
    *("allow", "etag", "idempotent-replayed", "link", "location", "ratelimit", "ratelimit-policy", "retry-after"),
    *("www-authenticate", "x-request-id"),
)
"""What it may read of an answer."""
_ACCESS_LOG: Final = {
    "request_id": "$context.requestId",
    "time": "$context.requestTime",
    "caller": "$context.authorizer.claims.username",
    "client": "$context.authorizer.claims.client_id",
    "address": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "path": "$context.path",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "milliseconds": "$context.responseLatency",
    "function_milliseconds": "$context.integrationLatency",
    "error": "$context.error.message",
    "authorizer_error": "$context.authorizer.error",
}


class HttpApi(Construct):
    """Everything goes to one function; all but three public paths needs an access token, unknown paths too."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, api: Api, identity: Identity) -> None:
        super().__init__(scope, construct_id)
        name = f"pressroom-{stage.name}"
        integration = HttpLambdaIntegration("Api", api.function.target)
        self.gateway = aws_apigatewayv2.HttpApi(
            self,
            "Gateway",
            api_name=name,
            description=f"Pressroom's HTTP API ({stage.name})",
            create_default_stage=False,
            cors_preflight=_cors(stage),
            default_integration=integration,
            default_authorizer=HttpJwtAuthorizer(
                "Tokens",
                identity.issuer,
                authorizer_name=f"{name}-users",
                # An access token of Cognito has no audience; the gateway then compares its client_id.
                jwt_audience=identity.client_ids,
            ),
        )
        for path in _PUBLIC_PATHS:
            self._open(path, integration, aws_apigatewayv2.HttpMethod.GET, _READ_BY_ALL)
        if stage.cors_origins:
            # Browsers ask before a call, and send no token with the question: the default route would answer it 401.
            self._open("/{proxy+}", integration, aws_apigatewayv2.HttpMethod.OPTIONS, _PREFLIGHT)
        self.logs = log_group(self, f"/aws/vendedlogs/{name}-http-api", stage)
        self.stage = self.gateway.add_stage(
            "Stage",
            stage_name="$default",
            auto_deploy=True,
            throttle=aws_apigatewayv2.ThrottleSettings(
                rate_limit=stage.requests_per_second, burst_limit=stage.request_burst
            ),
        )
        cast(
            "aws_apigatewayv2.CfnStage", self.stage.node.default_child
        ).access_log_settings = aws_apigatewayv2.CfnStage.AccessLogSettingsProperty(
            destination_arn=self.logs.log_group_arn,
            format=json.dumps(_ACCESS_LOG),
        )
        self.domain = self._name(stage)

    def _name(self, stage: Stage) -> aws_apigatewayv2.DomainName | None:
        """The stage's own domain, over the gateway."""
        if not stage.domain_name:
            return None
        domain = aws_apigatewayv2.DomainName(
            self,
            "Domain",
            domain_name=stage.domain_name,
            certificate=aws_certificatemanager.Certificate.from_certificate_arn(
                self, "Certificate", stage.domain_certificate_arn
            ),
            security_policy=aws_apigatewayv2.SecurityPolicy.TLS_1_2,
        )
        aws_apigatewayv2.ApiMapping(self, "Mapping", api=self.gateway, domain_name=domain, stage=self.stage)
        return domain

    @property
    def url(self) -> str:
        """Where the API is, without a slash at the end."""
        return self.gateway.api_endpoint

    def _open(
        self, path: str, integration: HttpLambdaIntegration, method: aws_apigatewayv2.HttpMethod, why: str
    ) -> None:
        """Let anybody call ``path``."""
        routes = self.gateway.add_routes(
            path=path,
            methods=[method],
            integration=integration,
            authorizer=aws_apigatewayv2.HttpNoneAuthorizer(),
        )
        for route in routes:
            Validations.of(route).acknowledge(
                Acknowledgment(
                    id="AwsSolutions::AwsSolutions-APIG4",
                    reason=why,
                )
            )


def _cors(stage: Stage) -> aws_apigatewayv2.CorsPreflightOptions | None:
    """What browsers are told of other origins: nothing where the stage names none."""
    if not stage.cors_origins:
        return None
    return aws_apigatewayv2.CorsPreflightOptions(
        allow_origins=list(stage.cors_origins),
        allow_methods=[aws_apigatewayv2.CorsHttpMethod.ANY],
        allow_headers=list(_ASKED_HEADERS),
        expose_headers=list(_TOLD_HEADERS),
        max_age=Duration.hours(1),
    )
