"""The brake's row: every rule as one conditional write, on both emulators."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared.errors import StoreUnavailableError
from shared.jobs.brake import Brake, Refusal, Start, after_refusal, look, take
from shared.store.brake import BrakeStore, refused_brake
from shared.store.dynamodb import DynamoTable, RefusedError
from shared.store.keys import BRAKE_KEY
from tests.support.clock import START
from tests.support.resources import fresh_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

    from tests.shared.store.conftest import Shelf

US = 1_000_000
NOW_US = round(START.timestamp() * US)
LIMITED = after_refusal(None, Refusal(overloaded=False, wait_seconds=1.0, limit_milli=5_000), START)
COUNTING = after_refusal(None, Refusal(overloaded=True), START)


@pytest.fixture
def brakes(shelf: Shelf) -> BrakeStore:
    shelf.table.client.delete_item(
        TableName=shelf.table.name, Key={name: {"S": value} for name, value in BRAKE_KEY.items()}
    )
    return BrakeStore(shelf.table, shelf.table)


def start_of(brake: Brake, **changes: Any) -> Start:
    decision = look(brake, START + timedelta(seconds=2), lambda: 0.0)
    assert isinstance(decision, Start)
    return Start(**{name: changes.get(name, getattr(decision, name)) for name in Start.__slots__})


def test_there_is_no_brake_when_nobody_was_refused(brakes: BrakeStore) -> None:
    assert brakes.read() is None


@pytest.mark.parametrize("brake", [LIMITED, COUNTING, LIMITED.evolve(refused_milli=None)])
def test_brake_is_read_as_it_was_written(brakes: BrakeStore, brake: Brake) -> None:
    assert brakes.replace(None, brake) == brake
    assert brakes.read() == brake


def test_row_is_forgotten_by_itself_when_nobody_is_refused_for_a_day(brakes: BrakeStore, shelf: Shelf) -> None:
    brakes.replace(None, LIMITED)
    row = shelf.table.get(BRAKE_KEY)
    assert row is not None
    assert row["expires"] - START.timestamp() == pytest.approx(24 * 3600 + 300, abs=2)


def test_first_refusal_counts_when_many_met_one(brakes: BrakeStore) -> None:
    brakes.replace(None, LIMITED)
    with pytest.raises(RefusedError) as refused:
        brakes.replace(None, COUNTING)
    assert refused_brake(refused.value) == LIMITED
    second = after_refusal(LIMITED, Refusal(overloaded=True), START)
    assert brakes.replace(LIMITED, second) == second
    with pytest.raises(RefusedError):
        brakes.replace(LIMITED, second.evolve(version=9))
    assert brakes.read() == second


def test_old_rate_is_gone_when_the_new_brake_has_none(brakes: BrakeStore) -> None:
    brakes.replace(None, LIMITED)
    counting = COUNTING.evolve(version=2)
    assert brakes.replace(LIMITED, counting) == counting


@pytest.mark.parametrize("next_seconds", [-5.0, 0.0, 2.0, 4.5, 5.0])
@pytest.mark.parametrize("brake", [LIMITED, COUNTING])
def test_write_is_the_rule_when_a_start_is_taken(brakes: BrakeStore, brake: Brake, next_seconds: float) -> None:
    row = brake.evolve(next_us=NOW_US + round(next_seconds * US))
    brakes.replace(None, row)
    assert brakes.take(row, start_of(row)) == take(row, start_of(row))


def test_start_counts_from_what_stands_there_when_others_took_some_since(brakes: BrakeStore) -> None:
    seen = LIMITED.evolve(next_us=NOW_US + 2 * US)
    brakes.replace(None, seen)
    start = start_of(seen)
    taken = [brakes.take(seen, start) for _ in range(3)]
    assert [brake.next_us - seen.next_us for brake in taken] == [start.step_us * n for n in (1, 2, 3)]
    assert [brake.started for brake in taken] == [1, 2, 3]


@pytest.mark.parametrize(
    ("seen", "there", "start"),
    [
        (LIMITED, LIMITED.evolve(version=2), start_of(LIMITED)),
        (LIMITED, LIMITED.evolve(next_us=NOW_US + 6 * US), start_of(LIMITED)),
        (LIMITED.evolve(next_us=NOW_US + 3 * US), LIMITED.evolve(next_us=NOW_US + 6 * US), start_of(LIMITED)),
        (LIMITED.evolve(next_us=NOW_US + 3 * US), LIMITED.evolve(next_us=NOW_US), start_of(LIMITED)),
        (LIMITED.evolve(next_us=NOW_US), LIMITED.evolve(next_us=NOW_US + 3 * US), start_of(LIMITED)),
    ],
)
def test_start_is_refused_with_the_brake_as_it_stands_when_it_has_moved_on(
    brakes: BrakeStore, seen: Brake, there: Brake, start: Start
) -> None:
    brakes.replace(None, there)
    with pytest.raises(RefusedError) as refused:
        brakes.take(seen, start)
    assert refused_brake(refused.value) == there
    assert brakes.read() == there


def test_start_is_refused_without_a_brake_when_the_row_is_gone(brakes: BrakeStore) -> None:
    with pytest.raises(RefusedError) as refused:
        brakes.take(LIMITED, start_of(LIMITED))
    assert refused_brake(refused.value) is None


def test_nobody_asks_for_longer_when_a_later_wait_is_told(brakes: BrakeStore) -> None:
    brakes.replace(None, LIMITED)
    until = START + timedelta(seconds=30)
    assert brakes.block(LIMITED, until) == LIMITED.evolve(blocked_until=until)
    with pytest.raises(RefusedError):
        brakes.block(LIMITED, START + timedelta(seconds=20))
    with pytest.raises(RefusedError):
        brakes.block(LIMITED.evolve(version=7), START + timedelta(seconds=60))


@pytest.mark.emulator
def test_no_two_take_the_same_moment_when_many_take_at_once(emulator_client: DynamoDBClient) -> None:
    with fresh_table(emulator_client) as handle:
        table = DynamoTable(emulator_client, handle.name)
        _take_at_once(BrakeStore(table, table))


def _take_at_once(brakes: BrakeStore) -> None:
    seen = LIMITED.evolve(next_us=NOW_US + 2 * US)
    brakes.replace(None, seen)
    start = start_of(seen, step_us=1_000)
    moments: list[int] = []
    threads = [threading.Thread(target=lambda: moments.append(brakes.take(seen, start).next_us)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(moments) == [seen.next_us + n * 1_000 for n in range(1, 17)]


def test_reader_hears_at_once_when_the_table_does_not_answer(shelf: Shelf) -> None:
    class Silent:
        def glance(self, *_: object) -> None:
            raise StoreUnavailableError("nothing")

    with pytest.raises(StoreUnavailableError):
        BrakeStore(shelf.table, Silent()).read()  # type: ignore[arg-type]
