"""What no deployment on the emulator shows; the rest is in ``tests/e2e/test_deployed.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pressroom.admin.doctor import Doctor

if TYPE_CHECKING:
    from tests.support.clock import ManualClock

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:pressroom-dev-work.fifo"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:pressroom-dev-processor"


class Lambda:
    """Knows one mapping of the queue."""

    def __init__(self, function_arn: str) -> None:
        self.mapping = {"FunctionArn": function_arn, "EventSourceArn": QUEUE, "UUID": "1", "State": "Enabled"}

    def list_event_source_mappings(self, **asked: str) -> dict[str, Any]:
        """As Lambda does: by a function's name those of the function itself, and of none of its aliases."""
        name = asked.get("FunctionName")
        found = asked.get("EventSourceArn", QUEUE) == QUEUE and (
            name is None or self.mapping["FunctionArn"].endswith(f":{name}")
        )
        return {"EventSourceMappings": [self.mapping] if found else [], "ResponseMetadata": {}}


@pytest.mark.parametrize(
    ("function_arn", "troubles"),
    [(FUNCTION, 0), (f"{FUNCTION}:live", 0), (f"{FUNCTION}-of-others", 1)],
)
def test_mapping_is_found_when_it_calls_an_alias(clock: ManualClock, function_arn: str, troubles: int) -> None:
    doctor = Doctor("dev", {"lambda": Lambda(function_arn)}, clock)

    assert len(list(doctor._mapping("processor", QUEUE))) == troubles
