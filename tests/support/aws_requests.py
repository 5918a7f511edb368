"""What a request to AWS asks for, told from its bytes: service, operation, and the table's rows that it names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["AwsRequest", "UnknownRequestError"]

_TARGETS: Final = {
    "DynamoDB_20120810": "dynamodb",
    "DynamoDBStreams_20120810": "dynamodbstreams",
    "AmazonSQS": "sqs",
    "secretsmanager": "secretsmanager",
    "AWSCognitoIdentityProviderService": "cognito-idp",
}
"""Services of the JSON protocols, by the first half of their target header."""
_INVOCATIONS: Final = "/invocations"


class UnknownRequestError(Exception):
    """A request of a service that nothing here knows."""


@dataclass(frozen=True, slots=True)
class AwsRequest:
    """A request. ``operation`` is ``service.Operation``; ``body`` is its parameters (of Invoke, the payload)."""

    operation: str
    body: Mapping[str, Any]

    @classmethod
    def read(cls, path: str, headers: Mapping[str, str], body: bytes) -> AwsRequest:
        """The request with these bytes.

        Raises:
            UnknownRequestError: it is of no service that Pressroom uses.
        """
        target, _, operation = headers.get("X-Amz-Target", "").partition(".")
        if target in _TARGETS:
            return cls(f"{_TARGETS[target]}.{operation}", json.loads(body or b"{}"))
        if urlsplit(path).path.endswith(_INVOCATIONS):
            return cls("lambda.Invoke", json.loads(body or b"{}"))
        form = dict(parse_qsl(body.decode()))
        if "TopicArn" in form or form.get("Action") == "CreateTopic":
            return cls(f"sns.{form['Action']}", form)
        raise UnknownRequestError(f"{path} {target} {body[:80]!r}")

    @property
    def service(self) -> str:
        """The service."""
        return self.operation.partition(".")[0]

    @property
    def rows(self) -> tuple[str, ...]:
        """The rows that a request of the table names, as ``partition/sort``; of a query, the partition."""
        return tuple(self._rows()) if self.service == "dynamodb" else ()

    def _rows(self) -> Iterator[str]:
        if "Key" in self.body:
            yield _row(self.body["Key"])
        for member in self.body.get("TransactItems", ()):
            (inner,) = member.values()
            yield _row(inner.get("Key") or inner["Item"])
        for asked in self.body.get("RequestItems", {}).values():
            yield from map(_row, asked["Keys"] if isinstance(asked, dict) else map(_written, asked))
        if "KeyConditionExpression" in self.body:
            yield str(self.body["ExpressionAttributeValues"][":pk"]["S"])

    def __str__(self) -> str:
        return " ".join([self.operation, *self.rows[:3], *(["…"] if len(self.rows) > 3 else [])])


def _written(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row, or its key, of an entry of a batch that writes."""
    (inner,) = entry.values()
    found: Mapping[str, Any] = inner.get("Key") or inner["Item"]
    return found


def _row(key: Mapping[str, Any]) -> str:
    return f"{key['pk']['S']}/{key['sk']['S']}"
