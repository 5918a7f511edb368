from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.infra.templates import Assembly


def test_every_request_needs_a_token_when_its_path_is_not_public(dev: Assembly) -> None:
    routes = [each["Properties"] for each in dev.all("AWS::ApiGatewayV2::Route").values()]

    assert {route["RouteKey"]: route["AuthorizationType"] for route in routes} == {
        "$default": "JWT",
        "GET /v1/health": "NONE",
        "GET /v1/openapi.json": "NONE",
        "GET /docs": "NONE",
    }


def test_tokens_are_of_the_user_pool_when_the_gateway_takes_them(dev: Assembly) -> None:
    authorizer = dev.one("AWS::ApiGatewayV2::Authorizer")
    configuration = authorizer["JwtConfiguration"]

    assert authorizer["IdentitySource"] == ["$request.header.Authorization"]
    assert configuration["Audience"] == [{"Ref": "CommandLineClient"}]
    assert configuration["Issuer"]["Fn::Join"][1] == [
        "https://cognito-idp.",
        {"Ref": "AWS::Region"},
        ".",
        {"Ref": "AWS::URLSuffix"},
        "/",
        {"Ref": "Users"},
    ]


def test_rates_follow_the_stage_when_synthesized(dev: Assembly, prod: Assembly) -> None:
    limits = [assembly.one("AWS::ApiGatewayV2::Stage")["DefaultRouteSettings"] for assembly in (dev, prod)]

    assert limits == [
        {"ThrottlingRateLimit": 50, "ThrottlingBurstLimit": 100},
        {"ThrottlingRateLimit": 200, "ThrottlingBurstLimit": 400},
    ]


def test_paths_carry_no_stage_when_the_stage_is_the_default(dev: Assembly) -> None:
    stage = dev.one("AWS::ApiGatewayV2::Stage")

    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)


def test_access_log_tells_caller_and_request_when_a_request_ends(dev: Assembly) -> None:
    line = json.loads(dev.one("AWS::ApiGatewayV2::Stage")["AccessLogSettings"]["Format"])

    assert line["request_id"] == "$context.requestId"
    assert line["caller"] == "$context.authorizer.claims.username"


def test_gateway_may_invoke_the_api_when_the_default_route_matches(dev: Assembly) -> None:
    # The ARN of the default route is <api>/<stage>/$default: a pattern with one more segment never matches it.
    permissions = [each["Properties"] for each in dev.all("AWS::Lambda::Permission").values()]
    gateway = [each for each in permissions if each["Principal"] == "apigateway.amazonaws.com"]
    patterns = {permission["SourceArn"]["Fn::Join"][1][-1] for permission in gateway}

    assert "/*/*" in patterns
    assert dev.one("AWS::ApiGatewayV2::Integration")["PayloadFormatVersion"] == "2.0"
