"""A lane at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from shared.errors import StoreUnavailableError
from shared.jobs.statuses import JobStatus
from shared.store.dynamodb import DynamoTable
from shared.store.lane_views import LaneView, LaneViews
from tests.support.ledgers import make_lane, make_lease, make_ledger

if TYPE_CHECKING:
    from tests.shared.store.conftest import Shelf


def test_view_tells_status_version_and_holder_when_a_lane_is_held(shelf: Shelf) -> None:
    job = make_ledger(make_lane(), make_lane(lease=make_lease("token-1")), status=JobStatus.CANCELLING)
    shelf.place(job)
    views = LaneViews(shelf.table)
    assert views.of(job.project_id, job.job_id, 1) == LaneView(JobStatus.CANCELLING, job.version, "token-1")
    assert views.of(job.project_id, job.job_id, 0) == LaneView(JobStatus.CANCELLING, job.version, None)
    assert views.of(job.project_id, job.job_id, 7) == LaneView(JobStatus.CANCELLING, job.version, None)


def test_there_is_no_view_when_there_is_no_job(shelf: Shelf) -> None:
    assert LaneViews(shelf.table).of("prj_01NONE", make_ledger().job_id, 0) is None


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="http://nowhere"),
        ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow"}}, "GetItem"),
        ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetItem"),
    ],
)
def test_glance_fails_at_once_when_the_table_does_not_answer(error: Exception) -> None:
    asked: list[object] = []

    class Failing:
        def get_item(self, **request: object) -> None:
            asked.append(request)
            raise error

    with pytest.raises(StoreUnavailableError):
        LaneViews(DynamoTable(Failing(), "t")).of("prj_1", "job_1", 0)  # type: ignore[arg-type]
    assert len(asked) == 1


def test_hasty_table_gives_up_within_seconds(aws: None) -> None:  # noqa: ARG001  the environment comes first
    config: Any = DynamoTable.from_env("t", hasty=True).client.meta.config
    assert config.connect_timeout + config.read_timeout <= 2
    assert config.retries["total_max_attempts"] == 1
