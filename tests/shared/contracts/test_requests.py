from __future__ import annotations

import pytest
from pydantic import ValidationError

from shared.contracts.limits import Limits
from shared.contracts.requests import (
    MAX_PAGE,
    CreateJobQuery,
    CreateJobRequest,
    CreateProjectRequest,
    JobFilter,
    JobsQuery,
    NewItemRequest,
    OptionsRequest,
    PageQuery,
    ProcessNextRequest,
    ResultFormat,
    ResultsQuery,
)
from shared.jobs.ledger import MAX_LANES
from shared.jobs.spec import JobOptions
from shared.jobs.statuses import ShownStatus
from shared.queue.queues import MAX_ITEM_TIMEOUT_SECONDS, MIN_ITEM_TIMEOUT_SECONDS


def test_options_that_are_not_given_are_those_of_the_rules() -> None:
    request, rules = OptionsRequest(), JobOptions()

    names = set(OptionsRequest.model_fields) - {"budget_usd"}
    assert {name: getattr(request, name) for name in names} == {name: getattr(rules, name) for name in names}
    assert request.budget_usd is rules.budget_microusd is None


def test_the_time_limit_of_an_item_has_the_queues_bounds() -> None:
    for seconds in (MIN_ITEM_TIMEOUT_SECONDS, MAX_ITEM_TIMEOUT_SECONDS):
        assert OptionsRequest(item_timeout_seconds=seconds).item_timeout_seconds == seconds
    for seconds in (MIN_ITEM_TIMEOUT_SECONDS - 1, MAX_ITEM_TIMEOUT_SECONDS + 1):
        with pytest.raises(ValidationError):
            OptionsRequest(item_timeout_seconds=seconds)


def test_the_filter_of_jobs_knows_every_shown_status_and_one_more() -> None:
    assert {status.value for status in JobFilter} == {status.value for status in ShownStatus} | {"active"}
    assert JobsQuery.model_validate({"status": "pausing"}).status is JobFilter.PAUSING


def test_a_body_refuses_what_it_does_not_know_and_a_query_ignores_it() -> None:
    with pytest.raises(ValidationError):
        CreateProjectRequest.model_validate({"name": "Blog", "owner": "bob"})
    assert PageQuery.model_validate({"utm_source": "mail"}).limit == 20


def test_a_query_reads_text() -> None:
    assert PageQuery.model_validate({"limit": str(MAX_PAGE)}).limit == MAX_PAGE
    assert CreateJobQuery.model_validate({"dry_run": "true"}).dry_run is True
    assert ResultsQuery.model_validate({"format": "csv"}).format is ResultFormat.CSV


def test_a_job_is_read_whole() -> None:
    job = CreateJobRequest.model_validate({"kind": "outline", "items": [{"input": {"topic": "Tea"}}]})

    assert job.items == [NewItemRequest(input={"topic": "Tea"})]
    assert (job.name, job.template_id, job.defaults, job.options) == (None, None, {}, OptionsRequest())


@pytest.mark.parametrize("wait", ["5", 5.0, True])
def test_a_number_in_a_body_is_a_number(wait: object) -> None:
    with pytest.raises(ValidationError):
        ProcessNextRequest.model_validate({"wait_seconds": wait})


def test_the_limits_are_the_contracts() -> None:
    limits = Limits()

    assert (limits.min_items_per_job, limits.max_items_per_job) == (1, 1_000)
    assert (limits.bytes_per_item, limits.bytes_per_request) == (16_384, 4_194_304)
    assert (limits.concurrency_max, limits.jobs_per_hour, limits.active_jobs) == (MAX_LANES, 60, 20)
