"""Where the word of a finished job goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from botocore.exceptions import BotoCoreError, ClientError

from shared import aws, patience
from shared.errors import TopicUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sns.client import SNSClient

__all__ = ["SnsTopic", "Topic"]


class Topic(Protocol):
    """Where notifications go."""

    def publish(self, body: str, attributes: Mapping[str, str]) -> None:
        """Publish ``body``; ``attributes`` are for filter policies.

        Raises:
            TopicUnavailableError: it was not published, or perhaps it was; safe to repeat.
        """
        ...


@dataclass(frozen=True)
class SnsTopic:
    """The topic of finished jobs."""

    client: SNSClient
    arn: str

    @classmethod
    def from_env(cls, arn: str) -> Self:
        """The topic ``arn`` in the environment's account and region."""
        return cls(aws.client("sns", patience.TOPIC), arn)

    def publish(self, body: str, attributes: Mapping[str, str]) -> None:
        """Publish ``body``."""
        try:
            self.client.publish(
                TopicArn=self.arn,
                Message=body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
            )
        except (BotoCoreError, ClientError) as error:
            raise TopicUnavailableError(str(error)) from error
