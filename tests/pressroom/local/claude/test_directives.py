from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pressroom.local.claude.directives import Directive, DirectiveError, Fault, parse, plan

SIMPLE = [fault for fault in Fault if fault is not Fault.STATUS]
DIRECTIVES = st.builds(
    Directive,
    fault=st.none() | st.sampled_from(SIMPLE),
    delay_seconds=st.integers(min_value=0, max_value=9).map(float),
    times=st.none() | st.integers(min_value=0, max_value=4),
)


def written(directive: Directive) -> str:
    words = [] if directive.fault is None else [directive.fault.value]
    if directive.delay_seconds or directive.fault is None:
        words.append(f"delay={directive.delay_seconds:g}")
    if directive.times is not None:
        words.append(f"times={directive.times}")
    return f"[[claude: {' '.join(words)}]]"


@given(directives=st.lists(DIRECTIVES, max_size=4), between=st.text(alphabet="abc \n[]"))
def test_directives_are_read_as_they_were_written(directives: list[Directive], between: str) -> None:
    text = between.join(written(directive) for directive in directives)

    assert parse(text) == tuple(directives)


@given(text=st.text() | st.text(alphabet=" =delaystutimhng0123456789.-").map(lambda words: f"[[claude:{words}]]"))
def test_a_text_is_understood_or_refused_in_words(text: str) -> None:
    refusal = ""
    try:
        parse(text)
    except DirectiveError as error:
        refusal = str(error) or "(no words)"

    assert refusal != "(no words)"


@pytest.mark.parametrize(
    ("text", "directive"),
    [
        ("[[claude: delay=3]]", Directive(delay_seconds=3)),
        ("[[claude: status=529 times=2]]", Directive(Fault.STATUS, status=529, times=2)),
        (
            "[[claude: status=429 retry_after=2 times=1]]",
            Directive(Fault.STATUS, status=429, retry_after="2", times=1),
        ),
        (
            "[[claude: status=429 type=billing_error code=enforced_spend_limit_reached]]",
            Directive(Fault.STATUS, status=429, error_type="billing_error", error_code="enforced_spend_limit_reached"),
        ),
        ("[[Claude:refusal]]", Directive(Fault.REFUSAL)),
        ("[[claude: disconnect times=1]]", Directive(Fault.DISCONNECT, times=1)),
        ("[[claude: hang delay=1.5]]", Directive(Fault.HANG, delay_seconds=1.5)),
        ("[[claude: write=20]]", Directive(write_seconds=20)),
        ("[[claude: interrupted]]", Directive(Fault.INTERRUPTED)),
        ("[[claude: interrupted type=api_error]]", Directive(Fault.INTERRUPTED, error_type="api_error")),
    ],
)
def test_a_directive_is_read(text: str, directive: Directive) -> None:
    assert parse(f"Green tea {text} for all") == (directive,)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "names no fault"),
        ("times=2", "names no fault"),
        ("refusal hang", "two faults"),
        ("refusal refusal", "stands twice"),
        ("explode", "unknown word"),
        ("status", "needs a value"),
        ("status=", "needs a value"),
        ("refusal=1", "takes no value"),
        ("hang retry_after=2", "go with status only"),
        ("interrupted code=x", "go with status only"),
        ("write=long", "write=long is no number"),
        ("status=200", "from 400 to 599"),
        ("status=4e2", "from 400 to 599"),
        ("status=²²²", "from 400 to 599"),
        ("status=529 times=-1", "times=-1"),
        ("delay=soon", "no number of seconds"),
        ("delay=-1", "not between"),
        ("delay=nan", "not between"),
        ("delay=1e9", "not between"),
    ],
)
def test_a_directive_that_makes_no_sense_is_refused_in_words(words: str, said: str) -> None:
    with pytest.raises(DirectiveError, match=said):
        parse(f"[[claude: {words}]]")


def faults(text: str, calls: int) -> list[Fault | None]:
    planned = [plan(parse(text), number) for number in range(1, calls + 1)]
    return [one.fault.fault if one.fault else None for one in planned]


def test_a_fault_without_times_holds_for_ever() -> None:
    assert faults("[[claude: refusal]]", 3) == [Fault.REFUSAL] * 3


def test_faults_queue_up() -> None:
    text = "[[claude: status=529 times=2]] [[claude: disconnect times=1]] [[claude: delay=1]]"

    assert faults(text, 4) == [Fault.STATUS, Fault.STATUS, Fault.DISCONNECT, None]


def test_delays_add_up_and_end_by_themselves() -> None:
    directives = parse("[[claude: delay=1]] [[claude: delay=2 times=1]] [[claude: empty delay=4 times=2]]")

    assert [plan(directives, number).delay_seconds for number in (1, 2, 3)] == [7, 5, 1]


@given(directives=st.lists(DIRECTIVES, max_size=5), number=st.integers(min_value=1, max_value=30))
def test_a_call_meets_one_fault_at_most_and_none_after_all_are_used_up(
    directives: list[Directive], number: int
) -> None:
    planned = plan(directives, number)

    assert planned.fault is None or planned.fault in directives
    bounded = [d.times for d in directives if d.fault is not None and d.times is not None]
    endless = any(d.fault is not None and d.times is None for d in directives)
    if not endless:
        assert (planned.fault is not None) == (number <= sum(bounded))


def test_slow_writing_adds_up_and_passes_as_delays_do() -> None:
    directives = parse("[[claude: write=2]] [[claude: write=3 times=1]] [[claude: interrupted write=4 times=2]]")

    assert [plan(directives, number).write_seconds for number in (1, 2, 3)] == [9, 6, 2]
