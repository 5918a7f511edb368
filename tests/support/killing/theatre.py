"""Everything that killed processes and their survivors share: emulator, offline Claude, topic, and the processes.

One a session (or worker); each point of the matrix gets a :class:`~tests.support.killing.stage.Stage` of its own in it.
"""

from __future__ import annotations

import json
import os
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pressroom.local.claude.server import OfflineClaude
from shared.generation.client import ClaudeClient
from shared.generation.pricing import parse_price_table
from tests.support.emulator import CREDENTIALS, running_emulator
from tests.support.killing.executioner import running_executioner
from tests.support.resources import make_queue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_sns.client import SNSClient
    from mypy_boto3_sqs.client import SQSClient

    from tests.support.emulator import Emulator
    from tests.support.killing.executioner import Executioner
    from tests.support.resources import QueueHandle

__all__ = ["Theatre", "open_theatre", "opened_in"]

_INHERITED: Final = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Theatre:
    """``topic_arn`` is where jobs' ends are told; all of it arrives in the queue ``inbox_url``."""

    dynamodb: DynamoDBClient
    sqs: SQSClient
    sns: SNSClient
    offline_claude: OfflineClaude
    claude: ClaudeClient
    executioner: Executioner
    topic_arn: str
    inbox_url: str
    spare_queues: list[QueueHandle] = field(default_factory=list)
    """Queues that were found empty at the end of a stage: the next one gets them."""

    @contextmanager
    def borrowed_queue(self) -> Iterator[QueueHandle]:
        """An empty work queue. It is only given back by who comes to a good end, which asserts that it is empty."""
        queue = self.spare_queues.pop() if self.spare_queues else make_queue(self.sqs)
        yield queue
        self.spare_queues.append(queue)

    def told(self) -> list[dict[str, Any]]:
        """The notifications that have arrived since the last look."""
        found: list[dict[str, Any]] = []
        while messages := self.sqs.receive_message(QueueUrl=self.inbox_url, MaxNumberOfMessages=10).get("Messages"):
            found += [json.loads(message["Body"]) for message in messages]
            for message in messages:
                self.sqs.delete_message(QueueUrl=self.inbox_url, ReceiptHandle=message["ReceiptHandle"])
        return found


@contextmanager
def opened_in(emulator: Emulator) -> Iterator[Theatre]:
    """A theatre over a running emulator."""
    with ExitStack() as stack:
        offline = stack.enter_context(OfflineClaude())
        claude = stack.enter_context(ClaudeClient(api_key="", base_url=offline.base_url, prices=parse_price_table("")))
        executioner = stack.enter_context(running_executioner(_environ(emulator)))
        dynamodb, sqs, sns = emulator.client("dynamodb"), emulator.client("sqs"), emulator.client("sns")
        for client in (dynamodb, sqs, sns):
            stack.callback(client.close)
        name = f"pressroom-told-{uuid.uuid4().hex[:12]}"
        topic_arn = sns.create_topic(Name=name)["TopicArn"]
        inbox_url = sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=inbox_url, AttributeNames=["QueueArn"])["Attributes"]
        sns.subscribe(
            TopicArn=topic_arn,
            Protocol="sqs",
            Endpoint=attributes["QueueArn"],
            Attributes={"RawMessageDelivery": "true"},
        )
        yield Theatre(dynamodb, sqs, sns, offline, claude, executioner, topic_arn, inbox_url)


@contextmanager
def open_theatre() -> Iterator[Theatre]:
    """A theatre with an emulator of its own."""
    os.environ.update(_HARMLESS)
    with running_emulator() as emulator, opened_in(emulator) as theatre:
        yield theatre


_HARMLESS: Final = {
    **CREDENTIALS,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "NO_PROXY": "127.0.0.1,localhost,::1",
    "PRESSROOM_FORBID_PAID_CALLS": "1",
}
"""An environment that reaches no real account and no Claude that costs money."""


def _environ(emulator: Emulator) -> dict[str, str]:
    """The whole environment of a process to kill, before its run adds its settings."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {
        **kept,
        **_HARMLESS,
        "AWS_ENDPOINT_URL": emulator.endpoint_url,
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        "POWERTOOLS_METRICS_NAMESPACE": "Pressroom",
        "POWERTOOLS_TRACE_DISABLED": "1",
    }
