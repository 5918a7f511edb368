"""Claude's key in Secrets Manager: read at a process's first call, and once more when Claude refuses it.

So a key is rotated by writing the new one into the secret: no deploy, and no item notices. What goes wrong with the
secret is an error of the item that met it: its job is paused, as for a key that was revoked, until somebody has mended
the secret and resumes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from botocore.exceptions import BotoCoreError, ClientError

from shared import aws, patience
from shared.errors import ErrorCode, ItemError, item_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools import Logger

    from functions.processor.writing import Claude
    from shared.clock import Clock
    from shared.generation.answers import Generation
    from shared.generation.prompts import Prompt

__all__ = ["KeyedClaude", "SecretKey", "SecretsClient"]

_PASSING: Final = frozenset({"InternalServiceError", "ThrottlingException", "TooManyRequestsException"})
_SERVER_FAULT: Final = 500


class SecretsClient(Protocol):
    """As much of Secrets Manager's client as is used."""

    def get_secret_value(self, *, SecretId: str) -> Mapping[str, Any]:  # noqa: N803  AWS names it
        """The secret, as ``SecretString`` where it is text."""
        ...


@dataclass(frozen=True)
class SecretKey:
    """The key in the secret ``name``; its whole text is the key, spaces around it aside."""

    client: SecretsClient
    name: str

    @classmethod
    def from_env(cls, name: str) -> Self:
        """The secret in the environment's account and region."""
        return cls(aws.client("secretsmanager", patience.SECRET), name)

    def read(self) -> str:
        """The key as it stands now.

        Raises:
            ItemError: ``authentication``, the secret is missing, not ours to read, or no key; ``network``, Secrets
                Manager did not answer.
        """
        try:
            answer = self.client.get_secret_value(SecretId=self.name)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _PASSING or error.response["ResponseMetadata"]["HTTPStatusCode"] >= _SERVER_FAULT:
                raise item_error(ErrorCode.NETWORK, f"Secrets Manager did not answer: {code}") from error
            raise item_error(
                ErrorCode.AUTHENTICATION, f"the secret {self.name} with Claude's key cannot be read: {code}"
            ) from error
        except BotoCoreError as error:
            raise item_error(ErrorCode.NETWORK, f"Secrets Manager cannot be reached: {error}") from error
        key = str(answer.get("SecretString", "")).strip()
        if not key or key.startswith("{") or any(character.isspace() for character in key):
            raise item_error(
                ErrorCode.AUTHENTICATION,
                f"the secret {self.name} holds no key for Claude: its whole text must be the key, and nothing else",
            )
        return key


@dataclass
class KeyedClaude:
    """A Claude whose key is read when it is needed. One a process; ``connect`` makes the client of a key."""

    read_key: Callable[[], str]
    connect: Callable[[str], Claude]
    clock: Clock
    logger: Logger
    _key: str = field(default="", init=False, repr=False)
    _claude: Claude | None = field(default=None, init=False, repr=False)

    def generate(
        self,
        prompt: Prompt,
        *,
        model: str,
        idempotency_key: str,
        timeout_seconds: float,
        cancelled: Callable[[], bool],
    ) -> Generation:
        """One call; a second one where Claude refused the key and the secret holds another by now.

        Raises:
            ItemError: as the client's, or as :meth:`SecretKey.read`'s.
            CallCancelledError: as the client's.
        """
        started = self.clock.now()

        def call(claude: Claude) -> Generation:
            left = timeout_seconds - (self.clock.now() - started).total_seconds()
            if left <= 0:
                raise item_error(ErrorCode.TIMEOUT, "reading Claude's key left no time for the call")
            return claude.generate(
                prompt, model=model, idempotency_key=idempotency_key, timeout_seconds=left, cancelled=cancelled
            )

        try:
            return call(self._claude or self._connected(self.read_key()))
        except ItemError as error:
            renewed = self._renewed() if error.code is ErrorCode.AUTHENTICATION else None
            if renewed is None:
                raise
        self.logger.info("Claude's key was rotated")
        return call(renewed)

    def _renewed(self) -> Claude | None:
        """A client with the secret's key, where that is another than the one that was refused."""
        try:
            key = self.read_key()
        except ItemError as error:
            self.logger.warning("the key was refused, and no other could be read", code=error.code, exc_info=error)
            return None
        return None if key == self._key else self._connected(key)

    def _connected(self, key: str) -> Claude:
        self._claude, self._key = self.connect(key), key
        return self._claude
