"""Every call of AWS that a function makes fails, one after the other and in every way: refused, reset, or done without
an answer. What the caller hears is what it hears without a fault, and the job ends as if nothing had happened.

A part of the matrix runs by default; ``make faults`` runs all of it.
"""

from __future__ import annotations

import ast
import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from shared.jobs.repairs import LOOK_EVERY
from tests.support.aws_faults import APPLIED, BATCHES, READS, Fault, faults_of
from tests.support.fault_flows import API, FLOWS, SWEEPER
from tests.support.fault_flows_of_erasing import RETIRED
from tests.support.fault_plans import FaultPlan, FromThenOn, NoFault, Once
from tests.support.fault_runs import LISTED, QUERY, Flow
from tests.support.fault_stages import A_DAY_LATER
from tests.support.invariants import History, check
from tests.support.named_writes import operation_of, writes_in_the_sources
from tests.support.repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from shared.jobs.ledger import Ledger
    from tests.support.plant import Plant

IS_WHOLE = bool(os.environ.get("SOAK_FAULTS"))
SAMPLED = 90
"""Single faults that run by default: enough for each fault of each operation, and for each flow."""
SAMPLED_OUTAGES = 24
"""Outages that run by default: enough for each of each operation."""
A_RUN_LATER = 2 * LOOK_EVERY.total_seconds()
"""When the sweeper comes to a job again that it has put off."""
LISTS_BEFORE = (*SWEEPER[1:], RETIRED)
"""Runs that read a list, shard by shard, before anything else, as another run does too."""
WITHOUT_A_FLOW = {
    "UsageStore.set_quota: update set_quota",  # no function's: an operator types it, sees an error, and types it again
}
"""Writes that no flow makes."""
Case = tuple[Flow, str, int, Fault]


def single_faults() -> Iterator[Case]:
    """Every call of every flow, and every fault that it can meet.

    The sweeper reads its lists before it looks at any job: of the calls for them, one run has all, others the first.
    """
    for flow in FLOWS:
        for operation, count in Counter(flow.calls).items():
            for number in range(1, count + 1):
                if flow in LISTS_BEFORE and operation == QUERY and 1 < number <= LISTED:
                    continue
                for fault in faults_of(operation):
                    yield flow, operation, number, fault


def outages() -> Iterator[Case]:
    """Every operation of every flow out of order from one of its calls on for good.

    A write with and without effect; a batch in part too, each time half of what is left.
    """
    for flow in FLOWS:
        for operation, count in Counter(flow.calls).items():
            faults = [Fault.THROTTLED]
            faults += [] if operation in READS else [Fault.RESET_AFTER]
            faults += [Fault.PARTLY] if operation in BATCHES else []
            for number in {1, count}:
                for fault in faults:
                    yield flow, operation, number, fault


def pair_of(case: Case) -> tuple[str, Fault]:
    """Which operation meets which fault."""
    _, operation, _, fault = case
    return operation, fault


def sample(cases: Iterable[Case], *, most: int) -> list[Case]:
    """A part that has every fault of every operation, then every flow, and then, as far as it goes, more of both.

    Of operations that are equally new, those of few flows come first: flows that have but common ones are chosen for
    them later. Of what is equal, lost answers come first.
    """
    firsts: dict[tuple[str, str, Fault], Case] = {}
    for case in sorted(cases, key=lambda case: (case[3] not in APPLIED, case[3].name, case[2])):
        firsts.setdefault((case[0].name, *pair_of(case)), case)
    left = list(firsts.values())
    spread = Counter(operation for _, operation in {(flow.name, operation) for flow, operation, *_ in left})
    chosen: list[Case] = []
    flows: Counter[str] = Counter()
    pairs: Counter[tuple[str, Fault]] = Counter()

    def worth(case: Case) -> tuple[bool, int, int]:
        return pairs[pair_of(case)] > 0, flows[case[0].name], spread[case[1]]

    while left and len(chosen) < most:
        best = min(left, key=worth)
        left.remove(best)
        chosen.append(best)
        flows[best[0].name] += 1
        pairs[pair_of(best)] += 1
    return chosen


def chosen(cases: Iterator[Case], *, most: int) -> list[object]:
    found = list(cases) if IS_WHOLE else sample(cases, most=most)
    return [
        pytest.param(*case, id=f"{case[0].name}, {case[1].partition('.')[2]} {case[2]}, {case[3]}") for case in found
    ]


def run(plant: Plant, flow: Flow, plan: FaultPlan) -> tuple[Ledger | None, object]:
    """The flow under ``plan``: its job, and what was heard. Nothing fails after it."""
    job = flow.prepare(plant)
    plant.aws.reset(plan)
    heard = flow.run(plant, job)  # type: ignore[arg-type]  # a run that needs no job gets none
    plant.aws.plan = NoFault()
    return job, heard


def verify(plant: Plant, flow: Flow, job: Ledger | None) -> None:
    """Whatever happened: what every reader sees adds up, and the job ends as it must, told of under one id."""
    flow.holds(plant)
    if flow.is_deleted:
        flow.then(plant, job)  # type: ignore[arg-type]  # there was one
        for _ in range(3):
            plant.erase()
            plant.clock.advance(A_DAY_LATER)
        assert [key for key in plant.rows_left() if "IDEMPOTENCY#" not in key] == []
        assert plant.ask("GET", plant.path(job)).status == 404  # type: ignore[arg-type]  # there was one
        return
    if not flow.ends:
        assert [key for key in plant.rows_left() if "IDEMPOTENCY#" not in key] == []
        return
    job = job or plant.only_job()
    check(plant.snapshot(job), History(max_attempts=5))
    flow.then(plant, job)
    plant.drive(job)
    plant.verify(job, calls_an_item=flow.calls_an_item)
    assert plant.statuses(job) == flow.ends
    assert set(plant.notifications()) <= {f"{job.job_id}:{generation}" for generation in range(1, flow.told + 1)}
    assert plant.ledger(job).notified_generation == flow.told


def expected(flow: Flow, operation: str, number: int, fault: Fault) -> object:
    """What is heard when one call meets ``fault``."""
    if (operation, fault) == ("lambda.Invoke", Fault.CUT_ANSWER):
        return 503, None  # an answer of Invoke that breaks off behind its status is left to the caller, who asks again
    return flow.hears_instead.get((operation, number), flow.hears) if fault in APPLIED else flow.hears


def test_sample_has_every_fault_of_every_operation_and_every_flow_when_it_is_drawn() -> None:
    cases, broken = sample(single_faults(), most=SAMPLED), sample(outages(), most=SAMPLED_OUTAGES)

    assert set(map(pair_of, cases)) == set(map(pair_of, single_faults()))
    assert {flow.name for flow, *_ in cases} == {flow.name for flow in FLOWS}
    assert set(map(pair_of, broken)) == set(map(pair_of, outages()))


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_flow_asks_for_these_operations_when_nothing_fails(
    plant_for: Callable[[Fault | None], Plant], flow: Flow
) -> None:
    plant = plant_for(None)

    _, heard = run(plant, flow, NoFault())

    assert heard == flow.hears
    assert Counter(plant.aws.calls()) == Counter(flow.calls)


def test_flows_ask_for_every_operation_when_the_code_does() -> None:
    # What functions and shared call on a client, as their sources say.
    called = {
        node.attr
        for package in ("functions", "shared")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith(("self.client", "self.client()"))
    }
    named = {operation.partition(".")[2] for flow in FLOWS for operation in flow.calls}

    assert {"".join(word.capitalize() for word in name.split("_")) for name in called} == named


def writes_of(plant: Plant, flow: Flow) -> Iterator[tuple[str, str, int]]:
    """The writes that the flow makes when nothing fails: their names, operations, and the number among such calls."""
    job = flow.prepare(plant)
    before = len(plant.written)
    flow.run(plant, job)  # type: ignore[arg-type]  # a run that needs no job gets none
    numbers: Counter[str] = Counter()
    for name in plant.written[before:]:
        operation = operation_of(name)
        numbers[operation] += 1
        yield name, operation, numbers[operation]


@pytest.mark.long
def test_flows_make_every_write_of_the_stores_and_go_on_when_its_answer_is_lost(
    plant_for: Callable[[Fault | None], Plant],
) -> None:
    lost: dict[str, Case] = {}
    wanted = writes_in_the_sources()
    for flow in FLOWS:
        if lost.keys() | WITHOUT_A_FLOW == wanted and not IS_WHOLE:
            break
        for name, operation, number in writes_of(plant_for(None), flow):
            lost.setdefault(name, (flow, operation, number, Fault.RESET_AFTER))

    assert lost.keys() & WITHOUT_A_FLOW == set()
    assert lost.keys() | WITHOUT_A_FLOW == wanted
    for name, (flow, operation, number, fault) in lost.items():
        plant, plan = plant_for(fault), Once(operation, number, fault)
        job, heard = run(plant, flow, plan)
        assert (name, plan.struck, heard) == (name, 1, expected(flow, operation, number, fault))
        verify(plant, flow, job)


@pytest.mark.parametrize(("flow", "operation", "number", "fault"), chosen(single_faults(), most=SAMPLED))
@pytest.mark.acceptance(30)
@pytest.mark.acceptance(31)
@pytest.mark.acceptance(33)
def test_run_is_heard_as_ever_and_the_job_ends_when_one_call_fails(
    plant_for: Callable[[Fault | None], Plant], flow: Flow, operation: str, number: int, fault: Fault
) -> None:
    plant, plan = plant_for(fault), Once(operation, number, fault)

    job, heard = run(plant, flow, plan)

    assert plan.struck == 1
    assert heard == expected(flow, operation, number, fault)
    verify(plant, flow, job)


@pytest.mark.parametrize(("flow", "operation", "number", "fault"), chosen(outages(), most=SAMPLED_OUTAGES))
@pytest.mark.acceptance(30)
@pytest.mark.acceptance(31)
def test_job_ends_as_it_must_when_an_operation_is_out_of_order_for_a_run(
    plant_for: Callable[[Fault | None], Plant], flow: Flow, operation: str, number: int, fault: Fault
) -> None:
    plant, plan = plant_for(fault), FromThenOn(operation, number, fault)

    job, heard = run(plant, flow, plan)
    if heard != flow.hears and flow in API:
        plant.is_patient = True
        again = flow.run(plant, job)  # type: ignore[arg-type]  # as above
        assert again == flow.hears or not flow.is_same_again
    if heard != flow.hears and flow in SWEEPER:
        plant.clock.advance(A_RUN_LATER)
        plant.sweep()

    assert plan.struck
    verify(plant, flow, job)
