from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.infra.templates import Assembly

ALARMS = {
    "cost",
    "dead-letters",
    "errors",
    "http-5xx",
    "items-dead-lettered",
    "ledger-mismatch",
    "queue-age",
    "stream-failures",
    "stream-lag-finalizer",
    "stream-lag-journal",
    "sweeper-repairs",
    "sweeper-silent",
    "table-throttles",
    "throttles",
}


def alarm(assembly: Assembly, name: str) -> dict[str, Any]:
    return assembly.one("AWS::CloudWatch::Alarm", AlarmName=f"pressroom-{assembly.stage}-{name}")


def own_metrics(node: object) -> Iterator[tuple[str, object]]:
    """The functions' own metrics in a template: name and dimensions."""
    if isinstance(node, dict):
        if node.get("Namespace") == "Pressroom":
            yield node["MetricName"], node["Dimensions"]
        for value in node.values():
            yield from own_metrics(value)
    elif isinstance(node, list):
        for value in node:
            yield from own_metrics(value)


def test_every_alarm_tells_people_what_it_means_when_it_begins_and_ends(dev: Assembly) -> None:
    alarms = [each["Properties"] for each in dev.all("AWS::CloudWatch::Alarm").values()]

    assert {each["AlarmName"].removeprefix("pressroom-dev-") for each in alarms} == ALARMS
    for each in alarms:
        assert each["AlarmActions"] == each["OKActions"] == [{"Ref": "AlarmTopic"}]
        assert len(each["AlarmDescription"]) > 40


def test_alarms_look_at_metrics_of_their_own_deployment_when_two_share_an_account(dev: Assembly) -> None:
    metrics = dict(own_metrics(dev.all("AWS::CloudWatch::Alarm")))

    assert metrics.keys() == {"CostMicrousd", "DeadLettered", "JobsLookedAt", "LedgerMismatch", "Repairs"}
    assert all(each == [{"Name": "deployment", "Value": {"Ref": "Table"}}] for each in metrics.values())


def test_silence_is_an_alarm_when_the_sweeper_tells_nothing(dev: Assembly) -> None:
    silent = alarm(dev, "sweeper-silent")

    # A run tells how many jobs it looked at, which may be none: what counts is that it tells at all.
    [query] = silent["Metrics"]
    assert (query["MetricStat"]["Stat"], query["MetricStat"]["Period"]) == ("SampleCount", 60)
    assert (silent["EvaluationPeriods"], silent["ComparisonOperator"]) == (5, "LessThanThreshold")
    assert silent["TreatMissingData"] == "breaching"
    others = [alarm(dev, name)["TreatMissingData"] for name in ALARMS - {"sweeper-silent"}]
    assert set(others) == {"notBreaching"}


@pytest.mark.parametrize(
    ("name", "threshold"), [("cost", 25_000_000), ("queue-age", 3_600), ("sweeper-repairs", 20), ("ledger-mismatch", 1)]
)
def test_threshold_is_the_stages_when_it_sets_one(dev: Assembly, name: str, threshold: int) -> None:
    assert alarm(dev, name)["Threshold"] == threshold


def test_every_function_is_watched_when_it_fails_or_is_throttled(dev: Assembly) -> None:
    functions = dev.all("AWS::Lambda::Function").keys()

    for name in ("errors", "throttles"):
        text = json.dumps(alarm(dev, name))
        assert {function for function in functions if f'"Ref": "{function}"' in text} == functions
