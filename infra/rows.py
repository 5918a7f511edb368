"""Which rows a function may touch: by the beginning of their partition key, action by action.

A role that may update jobs can thereby not touch a membership. IAM compares ``dynamodb:LeadingKeys``, the partition
keys of a call, with patterns; **all** of a call's keys must match within one statement, so an action stands in one
statement with every partition that it is used on. A transaction is judged member by member, under the action of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.store.keys import BRAKE_KEY, IDEMPOTENCY_PREFIX, JOB_PREFIX, PROJECT_PREFIX, USER_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.function import Function
    from infra.table import JobTable

__all__ = ["BRAKE", "IDEMPOTENCY", "JOBS", "PROJECTS", "USERS", "allow_rows"]

PROJECTS: Final = f"{PROJECT_PREFIX}*"
"""Projects, their members, and the ledgers of their jobs."""
JOBS: Final = f"{JOB_PREFIX}*"
"""What is of one job: spec, items, lists of work, timeline."""
USERS: Final = f"{USER_PREFIX}*"
"""Which projects a user is a member of, and how many jobs they have begun there."""
IDEMPOTENCY: Final = f"{IDEMPOTENCY_PREFIX}*"
"""What Idempotency-Keys were used for."""
BRAKE: Final = BRAKE_KEY["pk"]
"""The shared brake."""


def allow_rows(function: Function, table: JobTable, rows: Mapping[str, Sequence[str]]) -> None:
    """Let ``function`` take actions of DynamoDB on the partitions that are named with each.

    ``tests/infra/test_rows.py`` compares them with the calls that the functions make: none is missing, none unused.
    Queries of an index are allowed apart, with the index's own ARN.
    """
    for action, partitions in rows.items():
        condition = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(partitions)}}
        function.allow(table.arn, f"dynamodb:{action}", conditions=condition)
