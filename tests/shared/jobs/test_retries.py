from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import CLASS_OF, ErrorClass, ErrorCode, item_error
from shared.jobs.retries import (
    BASE_SECONDS,
    CAP_SECONDS,
    RETRY_AFTER_CAP_SECONDS,
    Fail,
    PauseJob,
    PutBack,
    back_off_seconds,
    decide,
)
from shared.jobs.statuses import PauseReason

uniform = st.floats(min_value=0, max_value=1, exclude_max=True)


def of_class(error_class: ErrorClass) -> list[ErrorCode]:
    return [code for code in ErrorCode if CLASS_OF[code] is error_class]


@given(st.integers(min_value=1, max_value=40), uniform)
def test_back_off_lies_between_nothing_and_the_doubled_bound(attempt: int, drawn: float) -> None:
    bound = min(CAP_SECONDS, BASE_SECONDS * 2 ** (attempt - 1))

    assert 0 <= back_off_seconds(attempt, lambda: drawn) <= bound


@pytest.mark.parametrize(("attempt", "bound"), [(1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 60), (7, 60)])
def test_back_off_doubles_up_to_its_cap(attempt: int, bound: float) -> None:
    assert back_off_seconds(attempt, lambda: 1.0) == bound
    assert back_off_seconds(attempt, lambda: 0.0) == 0


@pytest.mark.parametrize("code", of_class(ErrorClass.TRANSIENT))
@pytest.mark.acceptance(16)
def test_transient_error_is_put_back_when_attempts_are_left(code: ErrorCode) -> None:
    decision = decide(item_error(code, "later"), attempts_before=1, max_attempts=3, random=lambda: 0.5)

    assert decision == PutBack(2.0)


@pytest.mark.parametrize("code", of_class(ErrorClass.TRANSIENT))
@pytest.mark.parametrize(("before", "allowed"), [(2, 3), (3, 3), (0, 1), (4, 5)])
@pytest.mark.acceptance(16)
def test_transient_error_fails_the_item_when_it_was_the_last_attempt(
    code: ErrorCode, before: int, allowed: int
) -> None:
    decision = decide(item_error(code, "later"), attempts_before=before, max_attempts=allowed, random=lambda: 0.5)

    assert decision == Fail()


@given(st.floats(min_value=0, max_value=100_000), uniform)
def test_retry_after_is_a_lower_bound_when_claude_sends_one(retry_after: float, drawn: float) -> None:
    error = item_error(ErrorCode.RATE_LIMITED, "later", retry_after_seconds=retry_after)

    decision = decide(error, attempts_before=0, max_attempts=3, random=lambda: drawn)

    assert isinstance(decision, PutBack)
    told = min(retry_after, RETRY_AFTER_CAP_SECONDS)
    assert told <= decision.wait_seconds <= told + 1


@pytest.mark.parametrize("before", [0, 2, 9])
@pytest.mark.parametrize("code", of_class(ErrorClass.ACCOUNT))
@pytest.mark.acceptance(18)
def test_account_error_pauses_the_job_whatever_was_tried(code: ErrorCode, before: int) -> None:
    decision = decide(item_error(code, "no"), attempts_before=before, max_attempts=3, random=lambda: 0.5)

    assert decision == PauseJob(PauseReason(code.value))


@pytest.mark.parametrize("code", [*of_class(ErrorClass.PERMANENT), *of_class(ErrorClass.OURS)])
def test_other_errors_fail_the_item_at_once(code: ErrorCode) -> None:
    error = item_error(code, "no", retry_after_seconds=5)

    assert decide(error, attempts_before=0, max_attempts=5, random=lambda: 0.5) == Fail()
