from __future__ import annotations

import json
import re
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
    "internal-errors",
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
    mine = {"Name": "deployment", "Value": {"Ref": "Table"}}

    assert metrics.pop("CallsFailed") == [{"Name": "code", "Value": "internal_error"}, mine]
    assert metrics.keys() == {"CostMicrousd", "DeadLettered", "JobsLookedAt", "LedgerMismatch", "Repairs"}
    assert all(each == [mine] for each in metrics.values())


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


def test_letters_are_seen_when_their_function_has_them_in_hand(dev: Assembly) -> None:
    found = alarm(dev, "dead-letters")
    total, *parts = sorted(found["Metrics"], key=lambda each: "MetricStat" in each)
    named = {part["Id"]: part["MetricStat"] for part in parts}
    letters = [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["DeadLettersQueue", "QueueName"]}}]

    assert (total["Expression"], total["ReturnData"]) == ("FILL(m0, 0) + FILL(m1, 0)", True)
    assert {part["Metric"]["MetricName"] for part in named.values()} == {
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesVisible",
    }
    assert all(part["Metric"]["Dimensions"] == letters for part in named.values())
    assert {(part["Period"], part["Stat"]) for part in named.values()} == {(60, "Maximum")}
    assert (found["Threshold"], found["EvaluationPeriods"]) == (1, 15)
    assert found.get("DatapointsToAlarm", 15) == 15


def test_throttles_of_indexes_are_counted_beside_the_tables(dev: Assembly) -> None:
    metrics = [
        each["MetricStat"]["Metric"] for each in alarm(dev, "table-throttles")["Metrics"] if "MetricStat" in each
    ]

    seen = {(each["MetricName"], *sorted(str(part["Value"]) for part in each["Dimensions"])) for each in metrics}
    table = str({"Ref": "Table"})
    assert seen == {
        (name, *sorted([table, *index]))
        for name in ("ReadThrottleEvents", "WriteThrottleEvents")
        for index in ([], ["active"], ["watch"])
    }


@pytest.mark.parametrize(
    ("line", "is_told"),
    [
        ("[ERROR] KeyError: 'x'\nTraceback (most recent call last):", True),
        ("[ERROR] Runtime.ImportModuleError: Unable to import module", True),
        ("2026-11-27T10:00:00Z 5e1f Task timed out after 120.00 seconds", True),
        ("RequestId: 5e1f Error: Runtime exited with error: signal: killed Runtime.ExitError", True),
        ("INIT_START Runtime Version: python:3.13.v1", False),
        ('{"level":"INFO","message":"answered [ERROR]"}', False),
    ],
)
def test_query_of_errors_finds_what_lambda_writes_itself(dev: Assembly, line: str, is_told: bool) -> None:
    asked = dev.one("AWS::Logs::QueryDefinition", Name="pressroom/dev/errors")["QueryString"]
    (pattern,) = re.findall(r"like /(.*?)/", asked)

    assert bool(re.search(pattern, line)) is is_told
