"""An offline Claude and the real client to it, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pressroom.local.claude import OfflineClaude
from shared.generation.client import FORBID_PAID_CALLS, ClaudeClient
from shared.generation.pricing import BUILT_IN
from tests.support.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def no_paid_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FORBID_PAID_CALLS, "1")


@pytest.fixture
def claude() -> Iterator[OfflineClaude]:
    with OfflineClaude() as server:
        yield server


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def client(claude: OfflineClaude, clock: ManualClock) -> Iterator[ClaudeClient]:
    with ClaudeClient(api_key="key", base_url=claude.base_url, prices=BUILT_IN, clock=clock) as made:
        yield made
