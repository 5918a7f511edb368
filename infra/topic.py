"""Where finished jobs are told of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, Validations, aws_sns, aws_sns_subscriptions
from constructs import Construct

from infra.encryption import key_of
from infra.pinning import pin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.stage import Stage

__all__ = ["JobTopic", "tell"]


class JobTopic(Construct):
    """One message a finished generation; publishing goes over TLS only."""

    def __init__(self, scope: Construct, construct_id: str, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self.topic = aws_sns.Topic(
            self,
            "Topic",
            topic_name=f"pressroom-{stage.name}-jobs",
            display_name=f"Pressroom jobs ({stage.name})",
            enforce_ssl=True,
            master_key=key_of(self, stage),
        )
        pin(self.topic, "JobTopic")
        tell(self.topic, stage.notify_emails)

    @property
    def arn(self) -> str:
        """The ARN of the topic."""
        return self.topic.topic_arn


def tell(topic: aws_sns.Topic, addresses: Sequence[str]) -> None:
    """Send what ``topic`` tells to these e-mail addresses, once their owners agree."""
    for address in addresses:
        subscription = topic.add_subscription(aws_sns_subscriptions.EmailSubscription(address))
        Validations.of(subscription).acknowledge(
            Acknowledgment(
                id="Serverless::Serverless-SNSRedrivePolicy",
                reason="An e-mail that is not delivered has no use later; the job and the alarm show what it said.",
            )
        )
