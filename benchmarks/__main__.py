"""``make bench``: what an item, a creation, a status and a cold start cost, in one run.

Counts and ratios hold on any machine; the rates are of this one, and stand beside the emulator's own rate in the
same run.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

# A benchmark reaches the emulator and the offline Claude, and nothing else.
for _name in [name for name in os.environ if name.startswith(("AWS_", "ANTHROPIC_", "PRESSROOM_"))]:
    del os.environ[_name]
os.environ["PRESSROOM_FORBID_PAID_CALLS"] = "1"
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ |= dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "test")

from benchmarks import (  # noqa: E402  the environment comes first
    brake,
    creation,
    designs,
    handled,
    imports,
    item_cost,
    journal,
    memory,
    price,
    prices,
    throughput,
)
from benchmarks.price import Shape  # noqa: E402
from tests.support.emulator import running_emulator  # noqa: E402
from tests.support.resources import fresh_queue, fresh_table  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable


_missed: list[str] = []


def _line(what: str, figure: str, goal: str = "", *, is_met: bool = True) -> None:
    print(f"  {what:<66}{figure:>16}  {goal}{'' if is_met else '  MISSED'}")
    if not is_met:
        _missed.append(f"{what}: {figure}, not {goal}")


def _costs() -> None:
    with running_emulator() as emulator:
        dynamodb, sqs = emulator.client("dynamodb"), emulator.client("sqs")
        with fresh_table(dynamodb) as table, fresh_queue(sqs) as queue:
            print("One item at concurrency 4, four lanes leased, an output of 9 KB")
            for items, text in ((120, item_cost.made_up), (1_000, item_cost.made_up), (120, item_cost.dense)):
                cost = item_cost.measure(dynamodb, sqs, table.name, queue.url, items=items, text=text)
                of = f"job of {items}, {text.__name__} prose"
                _line(f"{of}: table calls (claim, read, settle)", f"{cost.table_calls:.2f}", "at most 3")
                _line(f"{of}: looks at the brake beside them, {cost.seconds:.1f} s", f"{cost.looks}", "one a second")
                _line(f"{of}: write units; read units", f"{cost.write_units:.2f}; {cost.read_units:.2f}", "at most 12")
                _line(f"{of}: bytes of ledger; item's row", f"{cost.ledger_bytes}; {cost.item_row_bytes:.0f}")
            _line("queue calls beside them (receive, visibility, delete)", f"{cost.queue_calls:.2f}")
            told = journal.measure(emulator.endpoint_url, table, queue, items=200)
            _line("the journal: events; write units an item", f"{told.events / 200:.2f}; {told.write_units / 200:.2f}")
            _line(
                "the journal: its writes an item; bytes of an event", f"{told.writes / 200:.2f}; {told.row_bytes:.0f}"
            )
            print("Creating a job")
            for items in (50, 1_000):
                made = creation.measure(dynamodb, sqs, table.name, queue.url, items=items)
                _line(f"{items} items: table calls, queue calls", f"{made.table_calls}, {made.queue_calls}")
                print(f"      {made.by_operation}")
        dynamodb.close()
        sqs.close()


def _rates() -> None:
    print("The local runtime, a Claude that answers at once")
    result = throughput.measure()
    for status in result.statuses:
        _line(f"status of a job of {status.items} finished items: read units", f"{status.later:.1f}", "at most 1")
        _line(
            "  the first time a process sees the job; membership beside it",
            f"{status.first:.1f}; {status.membership:.1f}",
        )
    _line(f"{result.items} items end to end: items a second", f"{result.end_to_end:.0f}")
    _line("the emulator alone, three bare calls an item: items a second", f"{result.emulator_ceiling:.0f}")
    _line("part of an item's time that those three calls do not explain", f"{result.ours:.0%}")
    for process, milliseconds in result.cpu_milliseconds.items():
        _line(f"  CPU milliseconds an item: {process}", f"{milliseconds:.1f}")


def _brake() -> None:
    print(f"A Claude that allows k = {brake.RATE:g} requests a second, after 30 s of settling in")
    for lanes in brake.LANES:
        run = brake.measure(lanes, settle_seconds=30, seconds=30)
        could_ask = run.could_ask / brake.RATE
        asks, used, is_calm = could_ask >= brake.ASKS, run.used >= brake.USED, run.refused < brake.REFUSED
        _line(f"{lanes} lanes could ask, in k", f"{could_ask:.1f}", f"at least {brake.ASKS:g}", is_met=asks)
        _line(f"{lanes} lanes use, of k", f"{run.used:.0%}", f"at least {brake.USED:.0%}", is_met=used)
        _line(f"{lanes} lanes: calls refused", f"{run.refused:.1%}", f"under {brake.REFUSED:.0%}", is_met=is_calm)
        _line(f"{lanes} lanes: items failed", f"{run.failed}", "0", is_met=not run.failed)


def _imports() -> None:
    print("Starting a function from its bundle: CPU of its import as a ratio to a bare botocore DynamoDB client")
    with TemporaryDirectory(prefix="pressroom-bundles-") as folder:
        (Path(folder) / "runtime").mkdir()
        runtime = imports.lay_out_runtime(Path(folder) / "runtime")
        for name, ceiling in imports.CEILINGS.items():
            unpacked = imports.build(name, Path(folder))
            weight = f"{imports.megabytes(unpacked):.1f} MB"
            fits = imports.megabytes(unpacked) <= imports.MAX_MEGABYTES[name]
            goal = f"at most {imports.MAX_MEGABYTES[name]:g} MB"
            _line(f"{name}: bundle without compiled files", weight, goal, is_met=fits)
            ratio = imports.ratio(name, unpacked, runtime, runs=5)
            _line(f"{name}: ratio", f"{ratio:.2f}", f"at most {ceiling}", is_met=ratio <= ceiling)


def _memory() -> None:
    print("The most memory that a function holds, from its bundle and with its events; Lambda's own part is not in it")
    with TemporaryDirectory(prefix="pressroom-bundles-") as folder, running_emulator() as emulator:
        (Path(folder) / "runtime").mkdir()
        runtime = imports.lay_out_runtime(Path(folder) / "runtime")
        with handled.open_stage(emulator) as stage:
            for name, ceiling in memory.CEILINGS.items():
                bundle = imports.build(name, Path(folder))
                took = memory.measure(stage, name, bundle, runtime, items=100 if name == "api" else 20)
                figure = f"{took.imported_megabytes:.0f} MB; {took.peak_megabytes:.0f} MB"
                _line(f"{name}: when imported; at its peak", figure, f"at most {ceiling:.0f} MB")


def _price(shape: Shape) -> None:
    print(f"A million items, dollars, {prices.REGION}; {shape}")
    with TemporaryDirectory(prefix="pressroom-bundles-") as folder, running_emulator() as emulator:
        found = designs.measure(emulator, Path(folder), shape)
    used: dict[str, None] = {}
    for design in found:
        lines = price.bill(design.item)
        used.update(dict.fromkeys(lines))
        _line(design.name, f"{sum(lines.values()):,.2f}", design.says)
        for name, dollars in lines.items():
            _line(f"    {name}", f"{dollars:,.2f}", f"{design.item[name]:.6g} an item")
        for name, function in design.functions.items():
            dollars = price.bill(function.materials(shape))["lambda time"]
            says = (
                f"{function.invocations:.4g} times {function.seconds(shape):.3f} s of {function.memory_mb} MB an item"
            )
            _line(f"        time of {name}", f"{dollars:,.2f}", says)
    print("  Not in it: Claude, free tiers, starts, retries, and what runs without items (the sweeper, idle pollers)")
    print(f"  The prices, as read on {prices.READ}, and what of them is confirmed:")
    for name in used:
        known = prices.PRICES[name]
        figure = f"{known.usd:g} / {known.units:,}"
        print(f"    {name:<22}{figure:>20} {known.unit}: {known.page}; {known.confirmed.value} ({known.seen})")


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(prog="make bench", description="What an item, a creation and a start cost.")
    _parser.add_argument("--only", choices=("costs", "rates", "brake", "starts", "memory", "price"), help="one part")
    _parser.add_argument("--waiting", type=float, default=Shape.waiting_seconds, help="for Claude, seconds an item")
    _parser.add_argument("--size", type=int, default=Shape.output_bytes, help="of an item's output, bytes")
    _parser.add_argument("--items", type=int, default=Shape.job_items, help="of a job that is priced")
    _parser.add_argument("--lanes", type=int, default=Shape.lanes, help="of a job that is priced")
    _given = _parser.parse_args()
    _shape = Shape(_given.waiting, output_bytes=_given.size, job_items=_given.items, lanes=_given.lanes)
    _PARTS: dict[str, Callable[[], None]] = {
        "costs": _costs,
        "rates": _rates,
        "brake": _brake,
        "starts": _imports,
        "memory": _memory,
        "price": lambda: _price(_shape),
    }
    for _name, _part in _PARTS.items():
        if _given.only in {None, _name}:
            _part()
    sys.exit("".join(f"\nMissed: {each}" for each in _missed) if _missed else 0)
