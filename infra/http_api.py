"""The gateway: checks tokens, limits rates, hands requests to the api."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, cast

from aws_cdk import Acknowledgment, Validations, aws_apigatewayv2
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
        integration = HttpLambdaIntegration("Api", api.function.function)
        self.gateway = aws_apigatewayv2.HttpApi(
            self,
            "Gateway",
            api_name=name,
            description=f"Pressroom's HTTP API ({stage.name})",
            create_default_stage=False,
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
            self._open(path, integration)
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
            destination_arn=log_group(self, f"/aws/vendedlogs/{name}-http-api", stage).log_group_arn,
            format=json.dumps(_ACCESS_LOG),
        )

    @property
    def url(self) -> str:
        """Where the API is, without a slash at the end."""
        return self.gateway.api_endpoint

    def _open(self, path: str, integration: HttpLambdaIntegration) -> None:
        """Let anybody read ``path``."""
        routes = self.gateway.add_routes(
            path=path,
            methods=[aws_apigatewayv2.HttpMethod.GET],
            integration=integration,
            authorizer=aws_apigatewayv2.HttpNoneAuthorizer(),
        )
        for route in routes:
            Validations.of(route).acknowledge(
                Acknowledgment(
                    id="AwsSolutions::AwsSolutions-APIG4",
                    reason="Public by design: health, the OpenAPI document and its reader.",
                )
            )
