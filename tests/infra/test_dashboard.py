from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from infra.stage import FUNCTIONS
from tests.support.repository import ROOT

if TYPE_CHECKING:
    from tests.infra.templates import Assembly


def widgets(assembly: Assembly) -> list[dict[str, Any]]:
    """The widgets; whatever only a deployment knows stands as its logical id."""
    body = assembly.one("AWS::CloudWatch::Dashboard")["DashboardBody"]["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else str(next(iter(part.values()))) for part in body)
    text = re.sub(r"\['(\w+)', 'Arn'\]", r"\1", text)
    found: list[dict[str, Any]] = json.loads(text)["widgets"]
    return found


def test_operator_sees_what_runs_fails_waits_and_costs_when_the_page_opens(dev: Assembly) -> None:
    titles = [each["properties"].get("title") for each in widgets(dev)]

    assert titles == [
        None,
        "Alarms",
        "Jobs, by the status they entered",
        "Items a minute",
        "Failures, by code",
        "Queue: messages, and the age of the oldest",
        "Lag of the stream's readers, milliseconds",
        "Brake: turns held back, and refusals",
        "Cost of Claude",
        "Tokens an hour",
        "A call, seconds",
        "Requests",
        "Functions: errors, throttles",
        "Table: units a minute, throttles",
    ]


def test_every_own_metric_is_one_that_a_function_writes_when_shown(dev: Assembly) -> None:
    text = json.dumps(widgets(dev)) + json.dumps(dev.all("AWS::CloudWatch::Alarm"))
    shown = set(re.findall(r'"Pressroom", "(\w+)"', text)) | set(re.findall(r'MetricName=\\+"(\w+)', text))
    shown |= set(re.findall(r'"MetricName": "(\w+)", "Namespace": "Pressroom"', text))
    written = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "functions").rglob("*.py"))

    assert len(shown) >= 12
    assert [name for name in shown if f'"{name}"' not in written] == []


def test_stages_show_their_own_numbers_when_compared(dev: Assembly, prod: Assembly) -> None:
    for assembly in (dev, prod):
        text = json.dumps(widgets(assembly))
        assert set(re.findall(r"pressroom-(dev|prod)\b", text)) == {assembly.stage}


def test_queries_ask_the_logs_of_every_function_when_saved(dev: Assembly) -> None:
    queries = {
        each["Properties"]["Name"]: each["Properties"] for each in dev.all("AWS::Logs::QueryDefinition").values()
    }
    groups = {name for name, each in dev.all("AWS::Logs::LogGroup").items() if "lambda" in str(each["Properties"])}

    assert queries.keys() >= {"pressroom/dev/one job", "pressroom/dev/errors", "pressroom/dev/requests"}
    assert {each["Ref"] for each in queries["pressroom/dev/one job"]["LogGroupNames"]} == groups
    assert len(groups) == len(FUNCTIONS)
