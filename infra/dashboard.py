"""The page that an operator opens first: what runs, what fails, what waits, what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import Duration, aws_cloudwatch
from constructs import Construct

from infra.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.alarms import Alarms
    from infra.function import Function
    from infra.http_api import HttpApi
    from infra.queues import Queues
    from infra.stage import Stage
    from infra.table import JobTable

__all__ = ["Dashboard"]

_MINUTE: Final = Duration.minutes(1)
_FIVE: Final = Duration.minutes(5)
_HOUR: Final = Duration.hours(1)


class Dashboard(Construct):
    """One dashboard a stage, named like the table."""

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
        alarms: Alarms,
    ) -> None:
        super().__init__(scope, construct_id)
        own = Metrics(f"pressroom-{stage.name}")
        self.dashboard = aws_cloudwatch.Dashboard(
            self, "Dashboard", dashboard_name=f"pressroom-{stage.name}", default_interval=Duration.hours(3)
        )
        self.dashboard.add_widgets(
            aws_cloudwatch.TextWidget(
                markdown=f"# Pressroom ({stage.name})\nAlarms come first. What each means and what helps stands in "
                "`docs/operations.md`; the saved queries of Logs Insights begin with `pressroom`.",
                width=24,
                height=2,
            )
        )
        self.dashboard.add_widgets(aws_cloudwatch.AlarmStatusWidget(title="Alarms", alarms=alarms.all, width=24))
        self.dashboard.add_widgets(*_jobs(own))
        self.dashboard.add_widgets(*_waiting(own, queues, functions))
        self.dashboard.add_widgets(*_money(own))
        self.dashboard.add_widgets(*_machinery(http_api, table, functions))


def _graph(
    title: str, *left: aws_cloudwatch.IMetric, right: Sequence[aws_cloudwatch.IMetric] = (), stacked: bool = False
) -> aws_cloudwatch.GraphWidget:
    return aws_cloudwatch.GraphWidget(
        title=title, left=list(left), right=list(right), stacked=stacked, width=8, left_y_axis=_FROM_ZERO
    )


_FROM_ZERO: Final = aws_cloudwatch.YAxisProps(min=0, show_units=False)


def _jobs(own: Metrics) -> list[aws_cloudwatch.IWidget]:
    return [
        _graph("Jobs, by the status they entered", own.by("status", "JobsEntered", _FIVE), stacked=True),
        _graph(
            "Items a minute",
            own.sum("ItemsCompleted", _MINUTE, label="completed"),
            own.sum("ItemsFailed", _MINUTE, label="failed"),
            own.sum("ItemsPutBack", _MINUTE, label="put back"),
        ),
        _graph("Failures, by code", own.by("code", "ItemsFailed", _FIVE), own.by("code", "CallsFailed", _FIVE)),
    ]


def _waiting(own: Metrics, queues: Queues, functions: Sequence[Function]) -> list[aws_cloudwatch.IWidget]:
    return [
        _graph(
            "Queue: messages, and the age of the oldest",
            queues.work.metric_approximate_number_of_messages_visible(period=_MINUTE, label="waiting"),
            queues.work.metric_approximate_number_of_messages_not_visible(period=_MINUTE, label="in work"),
            queues.dead_letters.metric_approximate_number_of_messages_visible(period=_MINUTE, label="dead letters"),
            right=[queues.work.metric_approximate_age_of_oldest_message(period=_MINUTE, label="oldest, seconds")],
        ),
        _graph(
            "Lag of the stream's readers, milliseconds",
            *(
                each.function.metric("IteratorAge", period=_MINUTE, statistic="Maximum", label=each.short_name)
                for each in functions
                if each.short_name in {"finalizer", "journal"}
            ),
        ),
        _graph(
            "Brake: turns held back, and refusals",
            own.sum("BrakeHeld", _MINUTE, label="held back"),
            own.sum("CallsFailed", _MINUTE, label="calls that failed"),
            right=[own.sum("Calls", _MINUTE, label="calls")],
        ),
    ]


def _money(own: Metrics) -> list[aws_cloudwatch.IWidget]:
    cost = aws_cloudwatch.MathExpression(
        expression="cost / 1000000",
        using_metrics={"cost": own.sum("CostMicrousd", _HOUR)},
        period=_HOUR,
        label="USD an hour",
    )
    return [
        _graph("Cost of Claude", cost),
        _graph(
            "Tokens an hour",
            own.sum("OutputTokens", _HOUR, label="output"),
            right=[own.sum("InputTokens", _HOUR, label="input")],
        ),
        _graph(
            "A call, seconds",
            own.sum("CallSeconds", _FIVE, statistic="p50", label="half are faster"),
            own.sum("CallSeconds", _FIVE, statistic="p95", label="19 of 20 are faster"),
        ),
    ]


def _machinery(http_api: HttpApi, table: JobTable, functions: Sequence[Function]) -> list[aws_cloudwatch.IWidget]:
    gateway = http_api.gateway
    return [
        _graph(
            "Requests",
            gateway.metric_count(period=_MINUTE, statistic="Sum", label="all"),
            gateway.metric_client_error(period=_MINUTE, statistic="Sum", label="4xx"),
            gateway.metric_server_error(period=_MINUTE, statistic="Sum", label="5xx"),
            right=[gateway.metric_latency(period=_MINUTE, statistic="p95", label="milliseconds, 19 of 20")],
        ),
        _graph(
            "Functions: errors, throttles",
            *(each.function.metric_errors(period=_FIVE, label=each.short_name) for each in functions),
            right=[
                each.function.metric_throttles(period=_FIVE, label=f"{each.short_name}, throttled")
                for each in functions
            ],
        ),
        _graph(
            "Table: units a minute, throttles",
            table.table.metric_consumed_read_capacity_units(period=_MINUTE, label="read"),
            table.table.metric_consumed_write_capacity_units(period=_MINUTE, label="written"),
            right=table.throttles(_MINUTE),
        ),
    ]
