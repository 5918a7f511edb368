"""What log lines are about, under the same names in every function, so that one query finds all lines of a job.

``project``, ``job``, ``lane``, ``position``, ``generation``, ``attempt``: a line has those that are known where it is
written. The request's id stands beside them as ``correlation_id``, which each handler sets.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from shared.store.keys import DELETED_PREFIX, JOB_PREFIX, deleted_job_of, job_id_of, project_id_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aws_lambda_powertools import Logger

    from shared.contracts.messages import LaneMessage

__all__ = ["about_message", "names_in_change", "names_in_key"]

_NAMES: Final = ("project", "job", "lane", "position", "generation", "attempt")


@contextmanager
def about_message(logger: Logger, message: LaneMessage) -> Iterator[None]:
    """Every line of ``logger`` within is about the lane of ``message``, and about what is appended within.

    Afterwards none is: the next message of the same machine may be of another job.
    """
    logger.append_keys(project=message.project, job=message.job, lane=message.lane)
    try:
        yield
    finally:
        logger.remove_keys(_NAMES)


def names_in_key(key: Mapping[str, Any]) -> dict[str, Any]:
    """The project and, where there is one, the job of a ledger's key or of the marker of what was deleted."""
    project, place = {"project": project_id_of(key["pk"])}, key["sk"]
    if place.startswith(JOB_PREFIX):
        return project | {"job": job_id_of(place)}
    return project | ({"job": deleted_job_of(place)} if place.startswith(DELETED_PREFIX) else {})


def names_in_change(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a stream's record of a ledger is about, as far as it can be told: the rest of it may be unreadable.

    Never raises, for it is asked where something else is told of already.
    """
    image = record["dynamodb"].get("NewImage", {})
    key = {name: image.get(name, {}).get("S") for name in ("pk", "sk")}
    names = names_in_key(key) if None not in key.values() else {}
    generation = image.get("generation", {}).get("N", "")
    return names | ({"generation": int(generation)} if generation.isdecimal() else {})
