from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.store import keys
from shared.store.table import TABLE, create_table_request
from tests.support.ledgers import JOB_ID, PROJECT_ID
from tests.support.strategies import ids


@given(ids("job_"), ids("prj_"))
def test_ids_come_back_from_the_ledgers_key(job_id: str, project_id: str) -> None:
    key = keys.ledger_key(project_id, job_id)

    assert (keys.project_id_of(key["pk"]), keys.job_id_of(key["sk"])) == (project_id, job_id)


@given(st.integers(min_value=1, max_value=99_999), st.integers(min_value=1, max_value=99_999))
def test_items_sort_as_their_positions_do(one: int, other: int) -> None:
    first, second = keys.item_key(JOB_ID, one)["sk"], keys.item_key(JOB_ID, other)["sk"]

    assert (first < second) is (one < other)
    assert keys.position_of_key(first) == one


@given(ids("job_"))
def test_watch_shard_is_one_of_the_shards(job_id: str) -> None:
    assert keys.watch_shard(job_id) in {str(shard) for shard in range(keys.WATCH_SHARDS)}


def test_no_row_of_a_jobs_own_partition_looks_like_a_ledger_to_the_stream() -> None:
    own = [keys.spec_key(JOB_ID), keys.item_key(JOB_ID, 1), keys.work_key(JOB_ID, 2, 0)]

    assert keys.ledger_key(PROJECT_ID, JOB_ID)["sk"].startswith(keys.JOB_PREFIX)
    assert not [key for key in own if key["sk"].startswith(keys.JOB_PREFIX)]


def test_work_of_generation_two_is_not_a_prefix_of_generation_twenty() -> None:
    assert not keys.work_key(JOB_ID, 20, 0)["sk"].startswith(keys.work_prefix(2))


def test_table_has_string_keys_and_sparse_indexes_of_keys_only() -> None:
    request = create_table_request("t")

    assert {definition["AttributeType"] for definition in request["AttributeDefinitions"]} == {"S"}
    assert [index["IndexName"] for index in request.get("GlobalSecondaryIndexes", [])] == ["active", "watch"]
    assert all(
        index["Projection"] == {"ProjectionType": "KEYS_ONLY"} for index in request.get("GlobalSecondaryIndexes", [])
    )
    assert request.get("StreamSpecification") == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert TABLE.ttl_attribute == "expires"
