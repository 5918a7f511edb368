"""What a million items cost: the arithmetic, and the table that it multiplies with."""

from __future__ import annotations

from datetime import date

import pytest

from benchmarks import price
from benchmarks.price import Invoked, Shape
from benchmarks.prices import PRICES, READ, Confirmed

SHAPE = Shape(waiting_seconds=20, call_seconds=0.01, output_bytes=1024**3 // 1_000_000)
TASK = Invoked(1, 256, cpu_seconds=0.1, calls=3, waiting_seconds=20)


def test_a_small_function_takes_longer_when_its_memory_buys_less_of_a_processor() -> None:
    assert TASK.seconds(SHAPE) == pytest.approx(0.1 * 1769 / 256 + 0.03 + 20)
    assert Invoked(1, 3_008, 0.1, 0).seconds(SHAPE) == pytest.approx(0.1)


def test_waiting_is_paid_as_memory_times_time_when_a_function_waits() -> None:
    waits = Invoked(invocations=2, memory_mb=512, cpu_seconds=0, calls=0, waiting_seconds=3, log_bytes=734)

    taken = waits.materials(SHAPE)

    assert taken["lambda time"] == pytest.approx(2 * 3 * 0.5)
    assert taken["lambda requests"] == 2
    assert taken["logs"] == pytest.approx(2 * 1024 / 1024**3)


def test_a_design_adds_up_when_it_has_several_functions() -> None:
    taken = price.materials(SHAPE, {"one": TASK, "other": TASK}, {"table writes": 12.5, "lambda requests": 0.5})

    assert taken["lambda requests"] == 2.5
    assert taken["table writes"] == 12.5
    assert taken["lambda time"] == pytest.approx(2 * TASK.seconds(SHAPE) / 4)


def test_a_bill_is_units_times_price_when_a_million_is_asked_for() -> None:
    dollars = price.bill({"table writes": 10, "lambda time": 5, "step transitions": 2})

    assert dollars == pytest.approx({"lambda time": 66.667, "step transitions": 50, "table writes": 6.25})
    assert list(dollars) == ["lambda time", "step transitions", "table writes"]
    assert price.bill({"table writes": 10}, items=1_000) == pytest.approx({"table writes": 0.00625})


def test_a_bill_is_refused_when_something_has_no_price() -> None:
    with pytest.raises(KeyError, match="carrier pigeons"):
        price.bill({"carrier pigeons": 1})


@pytest.mark.parametrize(("cpu", "seconds"), [(0.0, 20.1), (0.06, 20.1), (0.08, 20.2)])
def test_an_express_child_is_paid_in_tenths_of_a_second_when_its_task_waits(cpu: float, seconds: float) -> None:
    task = Invoked(1, 1_769, cpu_seconds=cpu, calls=4, waiting_seconds=20)

    taken = price.express(SHAPE, task)

    assert taken["express time"] == pytest.approx(seconds / 16)
    assert (taken["express requests"], taken["step transitions"]) == (1, 1)


def test_a_standard_child_is_paid_by_its_transitions_when_it_waits() -> None:
    taken = price.standard(SHAPE, TASK)

    assert taken["step transitions"] == 2
    assert "express time" not in taken


def test_a_durable_execution_is_paid_by_operations_and_data_when_it_ends() -> None:
    dollars = price.bill(price.durable(SHAPE, TASK))

    assert dollars["durable operations"] == pytest.approx(16)
    assert dollars["durable data written"] == pytest.approx(0.25, rel=1e-3)
    assert dollars["durable data kept"] == pytest.approx(0.15 * 14 / 30, rel=1e-3)


def test_every_price_names_its_page_and_what_was_read_when_listed() -> None:
    assert date.fromisoformat(READ).year >= 2026
    assert [name for name, known in PRICES.items() if known.usd <= 0 or known.units < 1] == []
    assert [name for name, known in PRICES.items() if not (known.page and known.seen and known.unit)] == []
    assert {known.confirmed for known in PRICES.values()} == set(Confirmed)
