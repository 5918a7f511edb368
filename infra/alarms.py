"""What a person is told of: one topic, and the alarms that publish to it. Each says what it means and where to look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import ArnFormat, Duration, Stack, aws_cloudwatch, aws_cloudwatch_actions, aws_iam, aws_sns
from constructs import Construct

from infra.encryption import key_of
from infra.metrics import Metrics
from infra.pinning import pin
from infra.topic import tell
from shared.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.function import Function
    from infra.http_api import HttpApi
    from infra.queues import Queues
    from infra.stage import Stage
    from infra.table import JobTable

__all__ = ["Alarms"]

_MISSING: Final = aws_cloudwatch.TreatMissingData
_MICROUSD: Final = 1_000_000


class Alarms(Construct):
    """The alarms of a stage. ``all`` are they, in the order of their gravity."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        table: JobTable,
        queues: Queues,
        http_api: HttpApi,
        functions: Sequence[Function],
        readers: Sequence[Function],
    ) -> None:
        super().__init__(scope, construct_id)
        self._stage = stage
        self.all: list[aws_cloudwatch.Alarm] = []
        self.topic = aws_sns.Topic(
            self,
            "Topic",
            topic_name=f"pressroom-{stage.name}-alarms",
            display_name=f"Pressroom alarms ({stage.name})",
            enforce_ssl=True,
            master_key=key_of(self, stage),
        )
        pin(self.topic, "AlarmTopic")
        self._let_alarms_publish()
        tell(self.topic, stage.alarm_emails)
        self._jobs(Metrics(table.name))
        self._queues(queues)
        self._functions(functions, readers)
        self._requests(http_api, table)

    def _let_alarms_publish(self) -> None:
        """Allow what a topic's default policy does: the one that asks for TLS has taken its place."""
        stack = Stack.of(self)
        arn = stack.format_arn(
            service="cloudwatch",
            resource="alarm",
            resource_name=f"pressroom-{self._stage.name}-*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        self.topic.add_to_resource_policy(
            aws_iam.PolicyStatement(
                sid="AlarmsPublish",
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                principals=[aws_iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                conditions={"StringEquals": {"aws:SourceAccount": stack.account}, "ArnLike": {"aws:SourceArn": arn}},
            )
        )

    def _jobs(self, metrics: Metrics) -> None:
        stage = self._stage
        self._alarm(
            "ledger-mismatch",
            "A ledger and its items disagree, which no crash explains. Nothing was changed; see docs/operations.md.",
            metrics.sum("LedgerMismatch", Duration.minutes(5)),
            threshold=1,
        )
        self._alarm(
            "sweeper-silent",
            "The sweeper has not run for five minutes: nothing mends itself. Read its log; run it by hand meanwhile.",
            metrics.sum("JobsLookedAt", Duration.minutes(1), statistic="SampleCount"),
            threshold=1,
            below=True,
            periods=5,
            missing=_MISSING.BREACHING,
        )
        self._alarm(
            "sweeper-repairs",
            "The sweeper repairs more than a lost message now and then: functions die, or the queue is not served.",
            metrics.sum("Repairs", Duration.minutes(15)),
            threshold=stage.repairs_alarm,
        )
        self._alarm(
            "items-dead-lettered",
            "Items were given up because their messages died again and again: a bad deploy, or too little memory.",
            metrics.sum("DeadLettered", Duration.minutes(5)),
            threshold=1,
        )
        self._alarm(
            "internal-errors",
            "Items fail with internal_error, each at once: a bad deploy. Pause what runs; see docs/operations.md.",
            metrics.sum("CallsFailed", Duration.minutes(5), of={"code": ErrorCode.INTERNAL_ERROR.value}),
            threshold=5,
        )
        self._alarm(
            "cost",
            f"Claude has cost more than {stage.cost_alarm_usd} USD within an hour. Budgets of jobs hold apart from it.",
            metrics.sum("CostMicrousd", Duration.hours(1)),
            threshold=stage.cost_alarm_usd * _MICROUSD,
        )

    def _queues(self, queues: Queues) -> None:
        one = Duration.minutes(1)
        self._alarm(
            "dead-letters",
            "Dead letters stay for 15 minutes: their function fails. Read its log; it drains by itself afterwards.",
            # Those in hand too: a letter that its function fails at is in flight most of the time. Not their age: SQS
            # leaves out of it what was received again and again, and such a letter is just that.
            _total(
                [
                    queues.dead_letters.metric_approximate_number_of_messages_visible(period=one, statistic="Maximum"),
                    queues.dead_letters.metric_approximate_number_of_messages_not_visible(
                        period=one, statistic="Maximum"
                    ),
                ],
                one,
                "Dead letters, waiting and in hand",
            ),
            threshold=1,
            periods=15,
        )
        self._alarm(
            "stream-failures",
            "A change of a ledger failed ten times: the timeline lacks it, or the sweeper closed its job.",
            queues.stream_failures.metric_approximate_number_of_messages_visible(
                period=Duration.minutes(5), statistic="Maximum"
            ),
            threshold=1,
        )
        # Without those that were received again and again, which SQS leaves out: they become dead letters.
        minutes = self._stage.queue_age_alarm_minutes
        self._alarm(
            "queue-age",
            f"The oldest message has waited for more than {minutes} minutes: too little concurrency, or a brake.",
            queues.work.metric_approximate_age_of_oldest_message(period=Duration.minutes(5), statistic="Maximum"),
            threshold=minutes * 60,
            periods=2,
        )

    def _functions(self, functions: Sequence[Function], readers: Sequence[Function]) -> None:
        five = Duration.minutes(5)
        self._alarm(
            "errors",
            "Functions fail: an exception, a time-out or no memory. The log query 'errors' tells which.",
            _total([each.function.metric_errors(period=five) for each in functions], five, "Errors of all functions"),
            threshold=5,
        )
        self._alarm(
            "throttles",
            "AWS starts functions later than they are asked: the account's concurrency is used up, or a reserved one.",
            _total([each.function.metric_throttles(period=five) for each in functions], five, "Throttles of all"),
            threshold=10,
            periods=3,
        )
        for reader in readers:
            self._alarm(
                f"stream-lag-{reader.short_name}",
                f"The {reader.short_name} reads the table's stream more than five minutes late.",
                reader.function.metric("IteratorAge", period=five, statistic="Maximum"),
                threshold=5 * 60 * 1000,
                periods=2,
            )

    def _requests(self, http_api: HttpApi, table: JobTable) -> None:
        five = Duration.minutes(5)
        self._alarm(
            "http-5xx",
            "The API answers with faults. The query 'requests' shows them, with the request id that leads to the log.",
            http_api.gateway.metric_server_error(period=five),
            threshold=5,
        )
        self._alarm(
            "table-throttles",
            "DynamoDB throttles the table or an index: jobs become slow, and nothing is lost.",
            _total(table.throttles(five), five, "Throttled reads and writes"),
            threshold=50,
            periods=2,
        )

    def _alarm(
        self,
        name: str,
        description: str,
        metric: aws_cloudwatch.IMetric,
        *,
        threshold: float,
        below: bool = False,
        periods: int = 1,
        missing: aws_cloudwatch.TreatMissingData = _MISSING.NOT_BREACHING,
    ) -> None:
        """Tell when ``metric`` is at or above ``threshold``, or below it, for so many periods, and when it ends."""
        operator = aws_cloudwatch.ComparisonOperator
        alarm = aws_cloudwatch.Alarm(
            self,
            name,
            alarm_name=f"pressroom-{self._stage.name}-{name}",
            alarm_description=description,
            metric=metric,
            threshold=threshold,
            comparison_operator=operator.LESS_THAN_THRESHOLD if below else operator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            evaluation_periods=periods,
            treat_missing_data=missing,
        )
        action = aws_cloudwatch_actions.SnsAction(self.topic)
        alarm.add_alarm_action(action)
        alarm.add_ok_action(action)
        self.all.append(alarm)


def _total(metrics: Sequence[aws_cloudwatch.IMetric], period: Duration, label: str) -> aws_cloudwatch.MathExpression:
    """The sum of ``metrics``."""
    named = {f"m{number}": metric for number, metric in enumerate(metrics)}
    return aws_cloudwatch.MathExpression(
        expression=" + ".join(f"FILL({name}, 0)" for name in named), using_metrics=named, period=period, label=label
    )
