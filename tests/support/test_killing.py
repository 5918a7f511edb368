"""The crash matrix covers what there is: every transition, every function; and its harness notices what it must."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from shared.store import transitions
from tests.support.killing import flows
from tests.support.killing.executioner import KillingError
from tests.support.killing.flows import CALLS, Point, calls_of, die_at, live_through, points_of
from tests.support.killing.matrix import PAGE, rows_on
from tests.support.killing.registry import FLOWS, is_write, sample, written_in
from tests.support.killing.theatre import Theatre, opened_in
from tests.support.repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.emulator import Emulator
    from tests.support.killing.flows import Flow


def flow_named(name: str) -> Flow:
    (found,) = (flow for flow in FLOWS if flow.name == name)
    return found


@pytest.fixture(scope="module")
def theatre(emulator: Emulator) -> Iterator[Theatre]:
    with opened_in(emulator) as theatre:
        yield theatre


def writes_in_the_stores() -> set[str]:
    """The name of every write that a store hands to the table: the first argument, where it is a literal."""
    found = set[str]()
    for path in (ROOT / "shared" / "store").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                called, first = node.func.attr, node.args[0]
                if called in {"update", "transact", "_write"} and isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


def test_every_write_of_a_store_is_in_a_flow_when_recorded() -> None:
    killed_in = set[str]().union(*(written_in(calls_of(flow)) for flow in FLOWS))
    writes = writes_in_the_stores()

    assert set(transitions.__all__) <= writes | {"finalize"}
    # An operator's command, not a function, sets a project's own quota: one write by itself, and nothing follows it.
    assert writes - killed_in == {"set_quota"}


def test_every_function_is_killed_when_it_is_a_lambda() -> None:
    lambdas = {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}

    assert {flow.name.partition(":")[0].replace(" ", "_") for flow in FLOWS} == lambdas


def test_every_flow_has_a_name_of_its_own_and_calls_when_recorded() -> None:
    assert [name for name, count in Counter(flow.name for flow in FLOWS).items() if count > 1] == []
    assert [flow.name for flow in FLOWS if not calls_of(flow)] == []


def test_the_page_tells_of_every_point_when_read() -> None:
    points = [(flow.name, str(point)) for flow in FLOWS for point in points_of(flow)]
    rows = rows_on(PAGE.read_text("utf-8"))
    ends = {flow.name: flow.ends for flow in FLOWS}

    assert [(row.flow, row.point) for row in rows] == points
    assert [row for row in rows if row.outcome not in ends[row.flow]] == []


def test_sample_has_what_lies_between_the_writes_of_a_flow_when_taken() -> None:
    for flow in FLOWS:
        points, chosen = points_of(flow), sample(flow, 0, seed=1)
        writes = [number for number, point in enumerate(points) if is_write(point.call)]
        numbers = [points.index(point) for point in chosen]
        assert numbers == sorted(set(numbers))
        if len(writes) > 1:
            assert any(writes[0] < number <= writes[-1] for number in numbers), flow.name
        elif writes:
            assert numbers == [writes[0], writes[0] + 1], flow.name


@pytest.mark.parametrize("name", ["api: a job is created, and the caller asks again", "processor: an item is put back"])
def test_flow_makes_the_calls_that_were_recorded_when_nobody_dies(theatre: Theatre, name: str) -> None:
    flow = flow_named(name)

    assert live_through(theatre, flow) == calls_of(flow)


@pytest.fixture
def other_calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Calls that somebody recorded before the code was changed."""
    recorded: dict[str, list[str]] = {flow.name: list(calls_of(flow)) for flow in FLOWS}
    monkeypatch.setattr(flows, "_all_calls", lambda: recorded)
    return recorded


def test_point_fails_when_the_run_makes_other_calls_than_were_recorded(
    theatre: Theatre, other_calls: dict[str, list[str]]
) -> None:
    flow = flow_named("processor: an item completes")
    other_calls[flow.name][1] = "UpdateItem take_over"

    with pytest.raises(KillingError, match=r"the run made \['GetItem', 'UpdateItem claim'.*, the flow says"):
        die_at(theatre, flow, points_of(flow)[3])


def test_point_fails_when_the_run_makes_more_calls_than_were_recorded(
    theatre: Theatre, other_calls: dict[str, list[str]]
) -> None:
    flow = flow_named("processor: an item completes")
    del other_calls[flow.name][-1]

    with pytest.raises(KillingError, match=r"the run made .*settle.*, the flow says"):
        die_at(theatre, flow, points_of(flow)[-1])


def test_point_fails_when_the_run_makes_fewer_calls_than_were_recorded(
    theatre: Theatre, other_calls: dict[str, list[str]]
) -> None:
    flow = flow_named("processor: an item completes")
    other_calls[flow.name].append("DeleteItem")

    with pytest.raises(KillingError, match="not as it was told to"):
        die_at(theatre, flow, Point(len(other_calls[flow.name]), "DeleteItem"))


def test_point_fails_when_the_jobs_end_otherwise_than_the_flow_says(theatre: Theatre) -> None:
    flow = replace(flow_named("processor: an item completes"), ends=("completed: 3 completed",))

    with pytest.raises(KillingError, match="ended as 'completed: 2 completed', the flow says"):
        die_at(theatre, flow, points_of(flow)[1])


def test_flow_is_unknown_when_nobody_has_recorded_its_calls() -> None:
    with pytest.raises(KillingError, match=CALLS.name):
        calls_of(replace(FLOWS[0], name="api: something new"))
