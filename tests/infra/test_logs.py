from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.infra.templates import Assembly


def test_every_log_group_forgets_in_time_when_synthesized(dev: Assembly, prod: Assembly) -> None:
    kept = {
        assembly.stage: {each["Properties"]["RetentionInDays"] for each in assembly.all("AWS::Logs::LogGroup").values()}
        for assembly in (dev, prod)
    }

    assert kept == {"dev": {14}, "prod": {90}}
