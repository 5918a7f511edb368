from __future__ import annotations

from typing import TYPE_CHECKING

from functions.sweeper.settings import SECONDS_FOR_ERASING, SECONDS_FOR_THE_LAST
from shared.jobs.repairs import LOOK_EVERY
from tests.infra.templates import allowed

if TYPE_CHECKING:
    from tests.infra.templates import Assembly


def test_sweeper_runs_as_often_as_a_job_is_looked_at_when_scheduled(dev: Assembly) -> None:
    rule = dev.one("AWS::Events::Rule")
    [target] = rule["Targets"]

    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(1 minute)", "ENABLED")
    assert LOOK_EVERY.total_seconds() == 60
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}


def test_run_begins_no_look_beside_the_next_run_when_it_has_too_much_to_do(dev: Assembly) -> None:
    looks_for = dev.function("sweeper")["Timeout"] - SECONDS_FOR_ERASING - SECONDS_FOR_THE_LAST

    assert looks_for <= LOOK_EVERY.total_seconds()


def test_sweeper_reads_its_own_index_and_deletes_rows_when_deployed(dev: Assembly) -> None:
    granted = allowed(dev, "sweeper")

    assert granted["Table.Arn"] == {
        "dynamodb:BatchGetItem",
        "dynamodb:BatchWriteItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
    }
    assert granted["Table.Arn/index/watch"] == {"dynamodb:Query"}
    assert granted["WorkQueue.Arn"] == {"sqs:SendMessage"}
    assert granted["JobTopic"] == {"sns:Publish"}
    assert {resource for resource in granted if "Logs" not in resource} == {
        "JobTopic",
        "Table.Arn",
        "Table.Arn/index/watch",
        "WorkQueue.Arn",
    }


def test_failed_run_is_not_repeated_when_the_next_does_it_all(dev: Assembly) -> None:
    invoke = dev.invocations_of("sweeper")

    assert (invoke["MaximumRetryAttempts"], invoke["MaximumEventAgeInSeconds"]) == (0, 60)
