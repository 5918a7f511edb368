"""Tokens of the local user pool: real users, a real password flow, a real JWT."""

from __future__ import annotations

import secrets
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from pressroom.local.errors import ServicesError, SignInError

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

__all__ = ["MAX_USER_CHARACTERS", "Tokens"]

MAX_USER_CHARACTERS: Final = 128
"""Cognito's own limit."""


class Tokens:
    """Signs users in, making them on first use. Safe to use from many threads.

    The password is this runtime's own, made at start and set anew for each user: nothing is kept, and a
    pool that outlives this runtime serves the next one as well.
    """

    def __init__(self, client: CognitoIdentityProviderClient, *, pool_id: str, client_id: str) -> None:
        self._client = client
        self._pool_id = pool_id
        self._client_id = client_id
        self._password = f"Aa1!{secrets.token_urlsafe(24)}"
        self._lock = threading.Lock()
        self._known: set[str] = set()

    def token(self, user: str) -> str:
        """An access token of ``user``.

        Raises:
            SignInError: the pool refuses the name.
            ServicesError: the pool does not answer.
        """
        try:
            self._ensure(user)
            try:
                return self._sign_in(user)
            except self._client.exceptions.NotAuthorizedException:
                with self._lock:  # another runtime on the same services has set its own password
                    self._make(user)
                return self._sign_in(user)
        except self._client.exceptions.InvalidParameterException as error:
            raise SignInError(f"the user pool refuses the user name {user!r}") from error
        except (BotoCoreError, ClientError) as error:
            raise ServicesError("the user pool does not answer") from error

    def _ensure(self, user: str) -> None:
        with self._lock:
            if user not in self._known:
                self._make(user)
                self._known.add(user)

    def _make(self, user: str) -> None:
        with suppress(self._client.exceptions.UsernameExistsException):  # of an earlier runtime
            self._client.admin_create_user(UserPoolId=self._pool_id, Username=user, MessageAction="SUPPRESS")
        self._client.admin_set_user_password(
            UserPoolId=self._pool_id, Username=user, Password=self._password, Permanent=True
        )

    def _sign_in(self, user: str) -> str:
        answer = self._client.admin_initiate_auth(
            UserPoolId=self._pool_id,
            ClientId=self._client_id,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": user, "PASSWORD": self._password},
        )
        return answer["AuthenticationResult"]["AccessToken"]
