from __future__ import annotations

import pytest

from shared import errors
from shared.errors import (
    CLASS_OF,
    AccountError,
    BadField,
    ErrorClass,
    ErrorCode,
    ItemError,
    OurError,
    PermanentError,
    PressroomError,
    RequestError,
    TransientError,
    TransitionRefusedError,
    is_retryable,
    item_error,
)

TYPES = {
    ErrorClass.TRANSIENT: TransientError,
    ErrorClass.ACCOUNT: AccountError,
    ErrorClass.PERMANENT: PermanentError,
    ErrorClass.OURS: OurError,
}


def test_every_code_has_a_class_when_looked_up() -> None:
    assert set(CLASS_OF) == set(ErrorCode)


@pytest.mark.parametrize("code", ErrorCode)
def test_item_error_is_of_the_type_of_its_class_when_made_from_a_code(code: ErrorCode) -> None:
    error = item_error(code, "what happened")

    assert type(error) is TYPES[CLASS_OF[code]]
    assert error.error_class is CLASS_OF[code]


@pytest.mark.acceptance(17)
def test_item_error_keeps_the_whole_story_when_claude_answered() -> None:
    error = item_error(
        ErrorCode.RATE_LIMITED,
        "slow down\nand wait",
        http_status=429,
        claude_request_id="req_1",
        retry_after_seconds=2.5,
    )

    assert (error.code, error.message, str(error)) == (ErrorCode.RATE_LIMITED, "slow down\nand wait", error.message)
    assert (error.http_status, error.claude_request_id, error.retry_after_seconds) == (429, "req_1", 2.5)
    assert error.retryable


def test_item_error_costs_nothing_when_nothing_was_billed() -> None:
    error = item_error(ErrorCode.NETWORK, "no answer")

    assert (error.input_tokens, error.output_tokens, error.cost_microusd, error.model) == (0, 0, 0, None)


@pytest.mark.parametrize("code", ErrorCode)
def test_only_permanent_errors_are_not_retryable_when_asked(code: ErrorCode) -> None:
    assert is_retryable(code) is (CLASS_OF[code] is not ErrorClass.PERMANENT)


def test_request_error_keeps_every_bad_field_when_there_are_many() -> None:
    fields = [BadField("/items/0/input/tone", "unknown"), BadField("/items/7", "too large")]

    error = RequestError(422, "invalid", "2 fields are wrong", errors=fields, extra={"remaining": 3})

    assert error.errors == tuple(fields)
    assert error.extra == {"remaining": 3}
    assert not error.retryable


def test_refused_transition_says_which_and_why_when_printed() -> None:
    error = TransitionRefusedError("claim", "the lane has a lease")

    assert (error.transition, error.reason) == ("claim", "the lane has a lease")
    assert str(error) == "claim: the lane has a lease"


def test_every_error_is_under_the_root_when_the_tree_is_walked() -> None:
    classes = {getattr(errors, name) for name in errors.__all__ if name.endswith("Error")}

    assert all(issubclass(one, PressroomError) for one in classes)
    assert {one for one in classes if issubclass(one, ItemError)} == {ItemError, *TYPES.values()}


def test_tree_in_the_docstring_names_every_code_when_codes_are_added() -> None:
    assert errors.__doc__ is not None
    assert [code for code in ErrorCode if code not in errors.__doc__] == []
