"""What a flow is: one run of one function, how it comes about, the calls that it makes, and how its jobs may end.

The flows stand in the ``*_flows`` modules beside this one. The calls stand in ``calls.json``: a run that makes others
fails, and ``make crash-matrix ARGS="--record"`` writes them anew, to be looked at like any other change.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support.killing.executioner import KillingError
from tests.support.killing.stage import staged
from tests.support.killing.victim import ANSWER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.support.killing.executioner import Ended
    from tests.support.killing.stage import Invocation, Stage
    from tests.support.killing.theatre import Theatre

__all__ = ["CALLS", "Flow", "Point", "calls_of", "die_at", "live_through", "points_of", "record"]

CALLS: Final = Path(__file__).with_name("calls.json")


def _nothing(_: Stage) -> None:
    """Nothing more is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One run of one function.

    Attributes:
        name: what happens in it, unique.
        arrange: brings a stage to the moment before it, and makes the event.
        ends: how the jobs may end, as :meth:`~tests.support.killing.stage.Stage.outcome` says it: the first is how
            they do when nobody dies.
        meanwhile: the name of a call, and what somebody else does before it is made.
        afterwards: what somebody does when the process is dead or done, before everybody goes on.
        holds: what else must be so in the end.
        spared: calls to Claude of an item that end in an error of the account, and are no attempts.
    """

    name: str
    arrange: Callable[[Stage], Invocation]
    ends: Sequence[str]
    meanwhile: tuple[str, Callable[[Stage], object]] | None = None
    afterwards: Callable[[Stage], object] = _nothing
    holds: Callable[[Stage], object] = _nothing
    spared: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """Where the process dies: before its call ``number`` (from 1), the last "call" being its answer."""

    number: int
    call: str

    def __str__(self) -> str:
        return f"{self.number} {self.call}"


@cache
def _all_calls() -> Mapping[str, Sequence[str]]:
    calls: dict[str, list[str]] = json.loads(CALLS.read_text("utf-8"))
    return calls


def calls_of(flow: Flow) -> tuple[str, ...]:
    """The calls that the flow's run makes, in order.

    Raises:
        KillingError: nobody has recorded them.
    """
    calls = _all_calls().get(flow.name)
    if calls is None:
        raise KillingError(f'{CALLS.name} knows no flow {flow.name!r}: make crash-matrix ARGS="--record"')
    return tuple(calls)


def points_of(flow: Flow) -> tuple[Point, ...]:
    """Every point between two calls, the one before the first and the one after the last.

    After a call and before the next one are one point: nothing that a process does in between outlives it.
    """
    return tuple(Point(number, call) for number, call in enumerate((*calls_of(flow), ANSWER), start=1))


def live_through(theatre: Theatre, flow: Flow) -> tuple[str, ...]:
    """The run with nobody dying, and everything that must then be so; the calls that it made."""
    with staged(theatre) as stage:
        invocation = flow.arrange(stage)
        ended = _carry_out(stage, flow, invocation)
        assert ended.answer is not None
        if invocation.acknowledged is not None:
            invocation.acknowledged(ended.answer)
        _deliver(invocation, ended)
        outcome = _go_on(stage, flow)
        if outcome != flow.ends[0]:
            raise KillingError(f"{flow.name}: ended as {outcome!r}, the flow says {flow.ends[0]!r}")
        return ended.calls


def die_at(theatre: Theatre, flow: Flow, point: Point) -> str:
    """The run, killed at ``point``, and everything that must then be so; how the jobs ended."""
    with staged(theatre) as stage:
        invocation = flow.arrange(stage)
        ended = _carry_out(stage, flow, invocation, point)
        told, expected = ended.calls, calls_of(flow)[: point.number]
        if told != expected:
            raise KillingError(f"{flow.name}: the run made {list(told)}, the flow says {list(expected)}")
        _deliver(invocation, ended)
        recorded, calls = stage.check_now(), stage.called()
        if invocation.repeated is not None:
            invocation.repeated()
        outcome = _go_on(stage, flow)
        again = {key for key in recorded if stage.called()[key] != calls[key]}
        if again:
            raise KillingError(f"{flow.name}: Claude was asked again for what was recorded: {sorted(again)}")
        if outcome not in flow.ends:
            raise KillingError(f"{flow.name}: ended as {outcome!r}, the flow says {list(flow.ends)}")
        return outcome


def _carry_out(stage: Stage, flow: Flow, invocation: Invocation, point: Point | None = None) -> Ended:
    waits_at, act = flow.meanwhile or ("", _nothing)
    run = stage.run_of(
        invocation,
        dies_before=point.number if point is not None and point.call != ANSWER else 0,
        dies_at=ANSWER if point is not None and point.call == ANSWER else "",
        waits_at=waits_at,
    )
    with stage.counting_closed() if invocation.function == "sweeper" else nullcontext():
        return stage.theatre.executioner.carry_out(run, meanwhile=lambda: act(stage))


def _deliver(invocation: Invocation, ended: Ended) -> None:
    """The events that it sent to other functions."""
    if invocation.invokes is not None:
        for event in ended.payloads:
            invocation.invokes(event)


def _go_on(stage: Stage, flow: Flow) -> str:
    flow.afterwards(stage)
    stage.live_on()
    stage.check_end(spared=flow.spared)
    flow.holds(stage)
    return stage.outcome()


def record(calls: Mapping[str, Sequence[str]]) -> None:
    """Write what every flow's run makes."""
    CALLS.write_text(json.dumps(calls, indent=1, ensure_ascii=False) + "\n", "utf-8")
    _all_calls.cache_clear()
