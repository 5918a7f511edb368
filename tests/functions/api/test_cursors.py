from __future__ import annotations

import base64
import json

import pytest

from functions.api.cursors import Listing
from shared.errors import RequestError

JOBS = Listing(("jobs", "prj_1", ""))
JOB = "job_01JDA4Y3C0D1E2F3G4H5J6K7M8"


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def digest(listing: Listing) -> str:
    text = listing.cursor(1)
    found: str = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))[0]
    return found


def test_a_cursor_goes_on_where_it_was_made() -> None:
    assert JOBS.after_id(JOBS.cursor(JOB)) == JOB
    assert JOBS.after_position(JOBS.cursor(17)) == 17
    assert JOBS.after_id(None) is None
    assert JOBS.after_position(None) == 0


@pytest.mark.acceptance(41)
@pytest.mark.parametrize("scope", [("jobs", "prj_2", ""), ("jobs", "prj_1", "active"), ("items", "prj_1", "")])
def test_a_cursor_of_another_project_or_query_is_refused(scope: tuple[str, ...]) -> None:
    with pytest.raises(RequestError) as caught:
        Listing(scope).after_id(JOBS.cursor(JOB))

    assert caught.value.status == 422
    assert [bad.pointer for bad in caught.value.errors] == ["/query/cursor"]


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "!",
        "a",
        "\u00e9",
        encoded([]),
        encoded("text"),
        encoded({"a": 1}),
        encoded(5),
        encoded([digest(JOBS)]),
        encoded([digest(JOBS), None]),
        encoded([digest(JOBS), "job_1"]),
        encoded([digest(JOBS), ["x"]]),
        encoded([digest(JOBS), -1]),
        encoded([digest(JOBS), True]),
        base64.urlsafe_b64encode(b"[" * 700).decode(),
        base64.urlsafe_b64encode(b"\xff\xff").decode(),
    ],
)
def test_a_cursor_that_is_none_is_refused(cursor: str) -> None:
    for read in (JOBS.after_id, JOBS.after_position):
        with pytest.raises(RequestError) as caught:
            read(cursor)
        assert caught.value.status == 422
