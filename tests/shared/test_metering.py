"""Lines that CloudWatch takes for metrics."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shared.metering import Meter
from tests.support.clock import START

if TYPE_CHECKING:
    import pytest

    from tests.support.clock import ManualClock


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_line_is_a_metric_of_its_deployment_when_something_is_counted(
    clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    Meter("sweeper", "pressroom-dev", clock).count("Repairs", 2)

    assert lines(capsys) == [
        {
            "_aws": {
                "Timestamp": int(START.timestamp() * 1000),
                "CloudWatchMetrics": [
                    {
                        "Namespace": "Pressroom",
                        "Dimensions": [["deployment"]],
                        "Metrics": [{"Name": "Repairs", "Unit": "Count"}],
                    }
                ],
            },
            "service": "sweeper",
            "deployment": "pressroom-dev",
            "Repairs": 2,
        }
    ]


def test_sum_stands_beside_the_parts_when_a_metric_has_a_dimension(
    clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    Meter("journal", "pressroom-dev", clock).count_all({"ItemsFailed": 3, "WaitSeconds": 0.5}, code="refused")

    [line] = lines(capsys)
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["deployment"], ["deployment", "code"]]
    assert [metric["Unit"] for metric in directive["Metrics"]] == ["Count", "Seconds"]
    assert (line["code"], line["ItemsFailed"]) == ("refused", 3)


def test_nothing_is_written_when_there_is_nothing_to_count(
    clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    Meter("journal", "pressroom-dev", clock).count_all({})

    assert lines(capsys) == []
