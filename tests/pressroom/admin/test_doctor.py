"""What no deployment on the emulator shows; the rest is in ``tests/e2e/test_deployed.py``."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError

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


class Refusing:
    """CloudFormation that refuses every call with ``code``, at ``said``."""

    def __init__(self, code: str, said: datetime) -> None:
        self.response: dict[str, dict[str, Any]] = {
            "Error": {"Code": code, "Message": "No."},
            "ResponseMetadata": {"HTTPHeaders": {"date": format_datetime(said, usegmt=True)}},
        }

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        raise ClientError(cast("Any", self.response), "DescribeStacks")


@pytest.mark.parametrize(
    ("code", "what", "helps"),
    [
        ("ValidationError", "there is no stack pressroom-dev", "make deploy STAGE=dev"),
        ("AccessDenied", "your credentials may not call DescribeStacks", "aws sts get-caller-identity"),
        ("ExpiredToken", "does not know your credentials, or no longer (ExpiredToken)", "aws sts get-caller-identity"),
        ("InvalidClientTokenId", "does not know your credentials", "aws sts get-caller-identity"),
        ("SignatureDoesNotMatch", "this machine's clock is wrong, or the secret key", "sudo timedatectl set-ntp true"),
        ("RequestExpired", "this machine's clock is wrong, or the secret key", "sudo timedatectl set-ntp true"),
        ("Throttling", "AWS throttled DescribeStacks (Throttling)", "pressroom doctor --stage dev"),
        ("InternalFailure", "DescribeStacks was refused (InternalFailure): No.", "pressroom doctor --stage dev"),
        ("ResourceNotFoundException", "was refused (ResourceNotFoundException): No.", "make deploy STAGE=dev"),
    ],
)
def test_refusal_is_told_by_its_code_when_the_stack_cannot_be_read(
    clock: ManualClock, code: str, what: str, helps: str
) -> None:
    findings = list(Doctor("dev", {"cloudformation": Refusing(code, clock.now())}, clock).look())

    assert [finding.check for finding in findings] == ["stack", "clock"]
    ((trouble,), clocks) = (finding.troubles for finding in findings)
    assert what in trouble.what
    assert trouble.helps == helps
    assert clocks == ()


def test_clock_is_not_called_right_when_no_answer_told_the_time(clock: ManualClock) -> None:
    aws = Refusing("Throttling", clock.now())
    del aws.response["ResponseMetadata"]["HTTPHeaders"]["date"]

    *_, found = Doctor("dev", {"cloudformation": aws}, clock).look()

    assert (found.check, found.troubles[0].helps) == ("clock", "timedatectl status")


def test_clock_is_told_of_when_aws_refuses_what_it_signed(clock: ManualClock) -> None:
    aws = Refusing("RequestExpired", clock.now() + timedelta(minutes=20))

    *_, found = Doctor("dev", {"cloudformation": aws}, clock).look()

    assert found.check == "clock"
    assert found.troubles[0].what == "this machine's clock is 1200 s off from that of AWS"
