"""The queues, from the definitions that the code and the tests use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, Duration, RemovalPolicy, Validations, aws_lambda, aws_sqs
from constructs import Construct

from infra.encryption import key_of
from infra.pinning import pin
from shared.queue.queues import DEAD_LETTERS, WORK_QUEUE

if TYPE_CHECKING:
    from infra.stage import Stage
    from shared.queue.queues import Queue

__all__ = ["Queues", "acknowledge_redrive"]


class Queues(Construct):
    """The work queue, its dead letters, and what the stream's readers gave up. Each takes messages over TLS only."""

    def __init__(self, scope: Construct, construct_id: str, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self._stage = stage
        self.dead_letters = self._fifo("DeadLetters", "dead-letters", DEAD_LETTERS)
        self.work = self._fifo("Work", "work", WORK_QUEUE, dead_letters=self.dead_letters)
        self.stream_failures = aws_sqs.Queue(
            self,
            "StreamFailures",  # a stream's failure destination must not be FIFO
            queue_name=f"pressroom-{stage.name}-stream-failures",
            retention_period=Duration.days(14),
            enforce_ssl=True,
            encryption_master_key=key_of(self, stage),
            removal_policy=self._removal_policy,
        )
        pin(self.stream_failures, "StreamFailures")
        Validations.of(self.stream_failures).acknowledge(
            *(
                Acknowledgment(
                    id=finding, reason="Holds what failed already; an operator reads it, nothing receives from it."
                )
                for finding in ("AwsSolutions::AwsSolutions-SQS3", "Serverless::Serverless-SQSRedrivePolicy")
            )
        )
        Validations.of(self.dead_letters).acknowledge(
            Acknowledgment(
                id="Serverless::Serverless-SQSRedrivePolicy",
                reason="It is the redrive target itself; a letter stays until its function has brought its lane on.",
            )
        )

    @property
    def _removal_policy(self) -> RemovalPolicy:
        return RemovalPolicy.RETAIN if self._stage.keep_data else RemovalPolicy.DESTROY

    def _fifo(
        self, logical_id: str, name: str, definition: Queue, *, dead_letters: aws_sqs.Queue | None = None
    ) -> aws_sqs.Queue:
        """A FIFO queue in high-throughput mode."""
        queue = aws_sqs.Queue(
            self,
            logical_id,
            queue_name=f"pressroom-{self._stage.name}-{name}.fifo",
            fifo=True,
            content_based_deduplication=False,
            deduplication_scope=aws_sqs.DeduplicationScope.MESSAGE_GROUP,
            fifo_throughput_limit=aws_sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
            visibility_timeout=Duration.seconds(definition.visibility_seconds),
            retention_period=Duration.seconds(definition.retention_seconds),
            dead_letter_queue=_redrive(definition, dead_letters),
            enforce_ssl=True,
            encryption_master_key=key_of(self, self._stage),
            removal_policy=self._removal_policy,
        )
        pin(queue, f"{logical_id}Queue")
        return queue


def acknowledge_redrive(mapping: aws_lambda.EventSourceMapping) -> None:
    """Answer for a mapping of a queue without a failure destination: mappings of queues have none."""
    Validations.of(mapping).acknowledge(
        Acknowledgment(
            id="Serverless::Serverless-LambdaEventSourceMappingDestination",
            reason="A queue's mapping takes no destination: what fails stays in the queue, under its redrive policy.",
        )
    )


def _redrive(definition: Queue, dead_letters: aws_sqs.Queue | None) -> aws_sqs.DeadLetterQueue | None:
    if definition.max_receive_count is None or dead_letters is None:
        return None
    return aws_sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=definition.max_receive_count)
