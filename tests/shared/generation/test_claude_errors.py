from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import CLASS_OF, ErrorClass, ErrorCode, RateLimits
from shared.generation.claude_errors import code_of, rate_limits, retry_after_seconds
from tests.support.clock import START

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=3)


@pytest.mark.acceptance(17)
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (302, ErrorCode.PROVIDER_ERROR),
        (400, ErrorCode.INVALID_REQUEST),
        (401, ErrorCode.AUTHENTICATION),
        (402, ErrorCode.BILLING),
        (403, ErrorCode.PERMISSION),
        (404, ErrorCode.INVALID_REQUEST),
        (408, ErrorCode.TIMEOUT),
        (409, ErrorCode.PROVIDER_ERROR),
        (413, ErrorCode.TOO_LARGE),
        (422, ErrorCode.INVALID_REQUEST),
        (429, ErrorCode.RATE_LIMITED),
        (500, ErrorCode.PROVIDER_ERROR),
        (503, ErrorCode.PROVIDER_ERROR),
        (504, ErrorCode.TIMEOUT),
        (529, ErrorCode.OVERLOADED),
    ],
)
def test_a_status_alone_has_its_code(status: int, code: ErrorCode) -> None:
    assert code_of(status, None, None) is code


@pytest.mark.parametrize(
    ("status", "error_type", "code"),
    [
        (400, "billing_error", ErrorCode.BILLING),
        (429, "billing_error", ErrorCode.BILLING),
        (400, "authentication_error", ErrorCode.AUTHENTICATION),
        (500, "overloaded_error", ErrorCode.OVERLOADED),
        (500, "timeout_error", ErrorCode.TIMEOUT),
        (503, "api_error", ErrorCode.PROVIDER_ERROR),
        (413, "invalid_request_error", ErrorCode.TOO_LARGE),
    ],
)
def test_a_type_says_more_than_a_status(status: int, error_type: str, code: ErrorCode) -> None:
    assert code_of(status, error_type, None) is code


@pytest.mark.acceptance(18)
@pytest.mark.parametrize("detail", ["enforced_spend_limit_reached", "contract_spend_limit_reached"])
def test_a_429_for_the_spend_limit_is_a_matter_of_billing(detail: str) -> None:
    code = code_of(429, "rate_limit_error", detail)

    assert code is ErrorCode.BILLING
    assert CLASS_OF[code] is ErrorClass.ACCOUNT


def test_a_429_for_a_ramp_limit_is_a_rate_limit() -> None:
    assert code_of(429, "rate_limit_error", "ramp_limit_exceeded") is ErrorCode.RATE_LIMITED


def test_a_400_that_concerns_the_organization_pauses() -> None:
    assert code_of(400, "invalid_request_error", "organization_on_hold") is ErrorCode.PERMISSION


@given(status=st.integers(min_value=300, max_value=999), error_type=JSON, detail=JSON)
def test_whatever_a_body_holds_there_is_a_code(status: int, error_type: object, detail: object) -> None:
    assert code_of(status, error_type, detail) in CLASS_OF


@pytest.mark.acceptance(16)
@pytest.mark.parametrize(("text", "seconds"), [("7", 7.0), ("0", 0.0), ("1.5", 1.5), (" 3 ", 3.0)])
def test_retry_after_takes_seconds(text: str, seconds: float) -> None:
    assert retry_after_seconds(text, START) == seconds


@pytest.mark.acceptance(16)
@given(seconds=st.integers(min_value=-100_000, max_value=100_000))
def test_retry_after_takes_an_http_date(seconds: int) -> None:
    text = format_datetime(START + timedelta(seconds=seconds), usegmt=True)

    assert retry_after_seconds(text, START) == max(0, seconds)


def test_retry_after_takes_a_date_without_a_zone_as_gmt() -> None:
    assert retry_after_seconds("Sun, 22 Nov 2026 12:00:09 -0000", START) == 9.0


@pytest.mark.acceptance(16)
@pytest.mark.parametrize("text", [None, "", "soon", "-1", "nan", "inf", "1e999", "Sun, 99 Nov 2026", "12:00"])
def test_a_bad_retry_after_is_ignored(text: str | None) -> None:
    assert retry_after_seconds(text, START) is None


@given(text=st.text())
def test_no_retry_after_breaks_anything(text: str) -> None:
    wait = retry_after_seconds(text, START)

    assert wait is None or wait >= 0


def limits(**fields: str) -> dict[str, str]:
    return {f"anthropic-ratelimit-{name.replace('_', '-')}": value for name, value in fields.items()}


@pytest.mark.acceptance(16)
@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, None),
        (limits(requests_limit="50"), RateLimits(50)),
        (limits(requests_limit="50", requests_remaining="3", requests_reset="2026-11-22T12:00:09Z"), RateLimits(50)),
        (
            limits(requests_limit="50", requests_remaining="0", requests_reset="2026-11-22T12:00:09Z"),
            RateLimits(50, START + timedelta(seconds=9)),
        ),
        (
            limits(
                requests_remaining="0",
                requests_reset="2026-11-22T12:00:09Z",
                output_tokens_remaining="0",
                output_tokens_reset="2026-11-22T12:00:40+00:00",
                tokens_remaining="12",
                tokens_reset="2026-11-22T12:00:59Z",
            ),
            RateLimits(None, START + timedelta(seconds=40)),
        ),
        (limits(requests_limit="many", requests_remaining="0", requests_reset="soon"), None),
        (limits(requests_limit="0", tokens_remaining="0", tokens_reset="2026-11-22T12:00:09"), None),
        (limits(tokens_remaining="0"), None),
    ],
)
def test_headers_tell_what_is_allowed_and_when_what_is_used_up_comes_back(
    headers: dict[str, str], said: RateLimits | None
) -> None:
    assert rate_limits(headers) == said
