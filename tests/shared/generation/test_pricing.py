from __future__ import annotations

import json
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.api.settings import ApiSettings
from functions.processor.settings import ProcessorSettings
from shared.errors import SettingsError
from shared.generation.kinds import KINDS
from shared.generation.pricing import BUILT_IN, Price, PriceTable, Usage, most_tokens, parse_price_table
from shared.generation.thinking import THINKING_TOKENS

PRICES = st.integers(min_value=0, max_value=100_000_000_000)
TOKENS = st.integers(min_value=0, max_value=10_000_000)


@given(price_in=PRICES, price_out=PRICES, tokens_in=TOKENS, tokens_out=TOKENS)
def test_a_cost_is_the_exact_one_rounded_up(price_in: int, price_out: int, tokens_in: int, tokens_out: int) -> None:
    table = PriceTable({"m": Price(price_in, price_out)}, "today")

    exact = Fraction(price_in * tokens_in + price_out * tokens_out, 1_000_000)
    assert table.cost_microusd("m", Usage(tokens_in, tokens_out)) == ceil(exact)


@given(tokens_in=TOKENS, tokens_out=TOKENS, more=TOKENS, model=st.sampled_from(BUILT_IN.models))
def test_more_tokens_never_cost_less(tokens_in: int, tokens_out: int, more: int, model: str) -> None:
    cost = BUILT_IN.cost_microusd(model, Usage(tokens_in, tokens_out))

    assert BUILT_IN.cost_microusd(model, Usage(tokens_in + more, tokens_out)) >= cost
    assert BUILT_IN.cost_microusd(model, Usage(tokens_in, tokens_out + more)) >= cost


def test_a_million_tokens_cost_the_list_price() -> None:
    assert BUILT_IN.cost_microusd("claude-sonnet-5-5", Usage(1_000_000, 0)) == 2_000_000
    assert BUILT_IN.cost_microusd("claude-sonnet-5-5", Usage(0, 1_000_000)) == 10_000_000
    assert BUILT_IN.cost_microusd("claude-haiku-5-5", Usage(1, 0)) == 1


def test_a_model_without_a_price_is_not_known_and_has_no_cost() -> None:
    assert not BUILT_IN.known("gpt-9")
    with pytest.raises(SettingsError, match="gpt-9"):
        BUILT_IN.cost_microusd("gpt-9", Usage(1, 1))


def test_the_default_models_of_the_functions_have_a_price() -> None:
    defaults = {
        ApiSettings(table_name="t", queue_url="q", processor_function="f").default_model,
        ProcessorSettings(table_name="t", queue_url="q").default_model,
    }

    assert len(defaults) == 1
    assert all(BUILT_IN.known(model) for model in defaults)


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_configuration_leaves_the_built_in_prices(text: str) -> None:
    assert parse_price_table(text) is BUILT_IN


@given(
    prices=st.dictionaries(st.text(min_size=1), st.tuples(PRICES, PRICES), min_size=1, max_size=5),
)
def test_a_configured_table_replaces_the_built_in_one(prices: dict[str, tuple[int, int]]) -> None:
    text = json.dumps({model: {"input": pair[0], "output": pair[1]} for model, pair in prices.items()})

    table = parse_price_table(text)

    assert {model: (price.input, price.output) for model, price in table.prices.items()} == prices
    assert table.models == tuple(sorted(prices))
    assert table.as_of == "configured"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "JSON object"),
        ("{}", "at least one model"),
        ('{"m": 3}', "m: must be an object"),
        ('{"m": {"input": 1}}', "m: must be an object"),
        ('{"m": {"input": 1, "output": 2, "cache": 3}}', "m: must be an object"),
        ('{"m": {"input": 1.5, "output": 2}}', r"m\.input: must be a whole number"),
        ('{"m": {"input": true, "output": 2}}', r"m\.input: must be a whole number"),
        ('{"m": {"input": 1, "output": -2}}', r"m\.output: must be a whole number"),
        ('{"m": {"input": 1, "output": 1000000000000}}', r"m\.output: must be a whole number"),
    ],
)
def test_a_wrong_configuration_is_refused_by_the_name_of_its_field(text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        parse_price_table(text)


@given(text=st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_no_configuration_breaks_more_than_the_settings(text: str) -> None:
    try:
        table = parse_price_table(text)
    except SettingsError:
        return
    assert table.models


def test_an_estimate_covers_every_byte_and_the_longest_answer() -> None:
    kind = KINDS["article"]
    prompt = kind.prompt(kind.sample)

    most = most_tokens(prompt, "claude-sonnet-5-5")

    assert most.input_tokens > prompt.size_bytes
    assert most.output_tokens == prompt.max_tokens
    assert BUILT_IN.estimate_microusd(prompt, "claude-sonnet-5-5") == BUILT_IN.cost_microusd("claude-sonnet-5-5", most)


def test_an_estimate_has_room_for_thinking_where_a_model_always_thinks() -> None:
    kind = KINDS["outline"]
    prompt = kind.prompt(kind.sample)

    assert most_tokens(prompt, "claude-opus-5-5").output_tokens == prompt.max_tokens + THINKING_TOKENS


def test_a_longer_article_is_estimated_higher() -> None:
    kind = KINDS["article"]

    def estimate(words: int) -> int:
        prompt = kind.prompt(kind.validate({"topic": "Tea", "word_count": words}))
        return BUILT_IN.estimate_microusd(prompt, "claude-sonnet-5-5")

    assert estimate(300) < estimate(1_200) < estimate(4_000)
