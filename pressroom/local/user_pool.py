"""The local user pool: the same resource server, scopes and public client as in AWS, and a password flow for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.contracts.sign_in import REDIRECT_PORTS, RESOURCE_SERVER, Scope, redirect_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

__all__ = ["UserPool", "client_ids", "ensure_user_pool"]

_TOKEN_HOURS: Final = 24
_PAGE: Final = 60


@dataclass(frozen=True, slots=True)
class UserPool:
    """Who may call, locally.

    Attributes:
        pool_id: the pool's id, such as ``us-east-1_a1b2c3``.
        client_id: of the public client that the command line is.
    """

    pool_id: str
    client_id: str


def ensure_user_pool(client: CognitoIdentityProviderClient, name: str) -> UserPool:
    """The pool ``name``, made with all it needs where that is missing.

    Raises:
        ClientError: the endpoint refuses.
        BotoCoreError: it does not answer.
    """
    pool_id = _pool(client, name)
    _resource_server(client, pool_id)
    return UserPool(pool_id, _command_line(client, pool_id, f"{name}-local-command-line"))


def client_ids(client: CognitoIdentityProviderClient, pool_id: str, name: str) -> Iterator[str]:
    """The ids of the pool's clients of that name."""
    pages = client.get_paginator("list_user_pool_clients").paginate(
        UserPoolId=pool_id, PaginationConfig={"PageSize": _PAGE}
    )
    for page in pages:
        for found in page["UserPoolClients"]:
            if found.get("ClientName") == name:
                yield found["ClientId"]


def _pool(client: CognitoIdentityProviderClient, name: str) -> str:
    for page in client.get_paginator("list_user_pools").paginate(PaginationConfig={"PageSize": _PAGE}):
        for pool in page["UserPools"]:
            if pool.get("Name") == name:
                return pool["Id"]
    return client.create_user_pool(PoolName=name)["UserPool"]["Id"]


def _resource_server(client: CognitoIdentityProviderClient, pool_id: str) -> None:
    try:
        client.describe_resource_server(UserPoolId=pool_id, Identifier=RESOURCE_SERVER)
    except client.exceptions.ResourceNotFoundException:
        client.create_resource_server(
            UserPoolId=pool_id,
            Identifier=RESOURCE_SERVER,
            Name=RESOURCE_SERVER,
            Scopes=[{"ScopeName": scope.short, "ScopeDescription": scope.meaning} for scope in Scope],
        )


def _command_line(client: CognitoIdentityProviderClient, pool_id: str, name: str) -> str:
    """The public client's id: a browser brings it codes, and our own runtime signs users in by password."""
    for client_id in client_ids(client, pool_id, name):
        return client_id
    made = client.create_user_pool_client(
        UserPoolId=pool_id,
        ClientName=name,
        ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthFlows=["code"],
        AllowedOAuthScopes=["openid", *Scope],
        CallbackURLs=[redirect_uri(port) for port in REDIRECT_PORTS],
        SupportedIdentityProviders=["COGNITO"],
        AccessTokenValidity=_TOKEN_HOURS,
        TokenValidityUnits={"AccessToken": "hours"},
    )
    return made["UserPoolClient"]["ClientId"]
