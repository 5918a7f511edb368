from __future__ import annotations

import json
from datetime import UTC, datetime

from shared.contracts.problems import BadFieldView, Problem
from shared.contracts.views import ErrorView, ProjectView
from shared.errors import ErrorClass, ErrorCode


def test_a_time_is_written_in_utc_with_milliseconds() -> None:
    view = ProjectView(id="prj_1", name="Blog", role="owner", created_at=datetime(2026, 11, 22, 12, tzinfo=UTC))

    assert json.loads(view.model_dump_json())["created_at"] == "2026-11-22T12:00:00.000Z"


def test_an_error_names_its_class_as_the_contract_does() -> None:
    view = ErrorView(
        code=ErrorCode.OVERLOADED,
        error_class=ErrorClass.TRANSIENT,
        retryable=True,
        http_status=529,
        message="Busy.",
        claude_request_id=None,
        trace_id=None,
    )

    assert json.loads(view.model_dump_json())["class"] == "transient"
    assert "class" in ErrorView.model_json_schema(mode="serialization")["properties"]


def test_a_problem_takes_further_members_and_leaves_out_what_it_has_not() -> None:
    problem = Problem(
        title="Conflict", status=409, detail="", instance="/", code="c", request_id="r", job_status="paused"
    )

    written = json.loads(problem.model_dump_json(exclude_none=True))
    assert written["job_status"] == "paused"
    assert "errors" not in written
    assert Problem.model_validate(written | {"errors": [{"pointer": "/a", "detail": "b"}]}).errors == (
        BadFieldView(pointer="/a", detail="b"),
    )
