"""Machines of the local user pool: clients with a secret, and tokens that carry no more than the scopes asked for."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from botocore.exceptions import BotoCoreError, ClientError

from pressroom.local.errors import ServicesError, SignInError
from pressroom.local.user_pool import client_ids
from shared.contracts.sign_in import Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

__all__ = ["Machines"]

_SECONDS: Final = 10.0


class Machines:
    """Makes machines on first use, and signs them in as they sign in to AWS. Safe to use from many threads."""

    def __init__(self, client: CognitoIdentityProviderClient, *, pool_id: str, token_url: str) -> None:
        """Takes the pool, and ``token_url``, its token endpoint (RFC 6749, section 3.2)."""
        self._client = client
        self._pool_id = pool_id
        self._token_url = token_url
        self._lock = threading.Lock()
        self._credentials: dict[str, tuple[str, str]] = {}
        self._known: set[str] = set()

    def token(self, name: str, scopes: Sequence[Scope]) -> str:
        """An access token of the machine ``name``, good for ``scopes``.

        Raises:
            SignInError: the pool refuses the name.
            ServicesError: the pool does not answer.
        """
        try:
            with self._lock:
                if name not in self._credentials:
                    self._credentials[name] = self._make(f"machine-{name}")
                credentials = self._credentials[name]
        except self._client.exceptions.InvalidParameterException as error:
            raise SignInError(f"the user pool refuses the machine's name {name!r}") from error
        except (BotoCoreError, ClientError) as error:
            raise ServicesError("the user pool does not answer") from error
        return self._sign_in(*credentials, scopes)

    def knows(self, client_id: str) -> bool:
        """Whether that is a client of the pool: of ours, or of another runtime on the same services.

        Raises:
            ServicesError: the pool does not answer.
        """
        if client_id in self._known:
            return True
        try:
            self._client.describe_user_pool_client(UserPoolId=self._pool_id, ClientId=client_id)
        except self._client.exceptions.ResourceNotFoundException:
            return False
        except (BotoCoreError, ClientError) as error:
            raise ServicesError("the user pool does not answer") from error
        self._known.add(client_id)
        return True

    def _make(self, name: str) -> tuple[str, str]:
        """Id and secret of the client ``name``."""
        for client_id in client_ids(self._client, self._pool_id, name):
            found = self._client.describe_user_pool_client(UserPoolId=self._pool_id, ClientId=client_id)
            return client_id, found["UserPoolClient"]["ClientSecret"]
        made = self._client.create_user_pool_client(
            UserPoolId=self._pool_id,
            ClientName=name,
            GenerateSecret=True,
            AllowedOAuthFlowsUserPoolClient=True,
            AllowedOAuthFlows=["client_credentials"],
            AllowedOAuthScopes=list(Scope),
        )["UserPoolClient"]
        return made["ClientId"], made["ClientSecret"]

    def _sign_in(self, client_id: str, secret: str, scopes: Sequence[Scope]) -> str:
        form = urlencode({"grant_type": "client_credentials", "scope": " ".join(scopes)})
        headers = {
            "Authorization": f"Basic {b64encode(f'{client_id}:{secret}'.encode()).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        question = Request(self._token_url, data=form.encode(), headers=headers)  # noqa: S310  the services' address
        try:
            with build_opener(ProxyHandler({})).open(question, timeout=_SECONDS) as answer:
                token: str = json.load(answer)["access_token"]
        except HTTPError as error:
            with error:
                raise ServicesError(f"the user pool gave a machine no token: {error.code}") from None
        except (URLError, OSError, ValueError, KeyError) as error:
            raise ServicesError("the user pool does not answer") from error
        return token
