from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from infra.checks import Each, Members, OneOf, Optional, Text, Whole, YesNo
from infra.stage import RETENTIONS

EMAIL = Text(r"[^@\s]+@[^@\s]+", "ada@example.com")


@pytest.mark.parametrize(
    ("check", "good", "bad", "wanted"),
    [
        (YesNo(), True, "true", "true or false"),
        (Whole(1, 2_000), 2_000, 2_001, "a whole number from 1 to 2,000"),
        (OneOf(("a", "b")), "b", "c", "one of a, b"),
        (EMAIL, "a@b", "a@b c", "such as ada@example.com"),
        (EMAIL, "a@b", 7, "such as ada@example.com"),
        (Optional(EMAIL), "", "a", '"" or such as ada@example.com'),
        (Each(EMAIL, 2), [], "a@b", "a list of at most 2 different values, each such as ada@example.com"),
        (Each(EMAIL, 2), ["a@b", "c@d"], ["a@b"] * 2, "a list of at most 2 different values, each such as"),
        (Each(EMAIL, 2), ["a@b"], ["a@b", "c"], "a list, each such as ada@example.com"),
        (Each(EMAIL, 1), ["a@b"], ["a@b", "c@d"], "a list of at most 1"),
        (Members(("a", "b"), Whole(0, 1)), {"a": 1}, {"c": 1}, "an object with members of a, b"),
        (Members(("a",), Whole(0, 1)), {}, {"a": 2}, "an object whose members are each a whole number from 0 to 1"),
        (Members(None, None), {"any": []}, None, "an object"),
    ],
)
def test_value_is_taken_or_told_what_is_wanted_when_checked(
    check: Whole, good: object, bad: object, wanted: str
) -> None:
    assert check.wanted(good) is None
    assert str(check.wanted(bad)).startswith(wanted)


def test_periods_are_cdks_when_a_retention_is_chosen() -> None:
    # Loading CDK to compare would start Node, so its source is read.
    package = find_spec("aws_cdk")
    assert package is not None
    assert package.submodule_search_locations
    source = Path(package.submodule_search_locations[0]) / "aws_logs" / "__init__.py"
    text = source.read_text(encoding="utf-8")
    names = text[text.index("class RetentionDays(") :]

    assert [name for name in RETENTIONS if f'    {name} = "{name}"' not in names] == []
