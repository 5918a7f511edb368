"""What can go wrong between a client and AWS, and the bytes of the answers that say so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.support.aws_requests import AwsRequest

__all__ = ["APPLIED", "BATCHES", "READS", "REFUSED", "FalseAnswer", "Fault", "false_answer", "faults_of"]


@unique
class Fault(StrEnum):
    """One fault of one request."""

    THROTTLED = "throttled"
    """Refused for the rate; nothing was done."""
    SERVER_ERROR = "server error"
    """A 500; nothing was done."""
    CONFLICT = "conflict"
    """The table refuses a write because another is under way; nothing was done."""
    RESET_BEFORE = "reset before"
    """The connection is reset before the request arrives."""
    RESET_AFTER = "reset after"
    """It was done; the connection is reset before the answer."""
    CUT_ANSWER = "cut answer"
    """It was done; the connection is reset in the middle of the answer."""
    SERVER_ERROR_AFTER = "server error after"
    """It was done, and the answer is a 500 all the same."""
    TIMEOUT_AFTER = "timeout after"
    """It was done; no answer comes until the client gives up."""
    PARTLY = "partly"
    """Of a batch a part was done, and the answer says what is left over."""


REFUSED: Final = frozenset({Fault.THROTTLED, Fault.SERVER_ERROR, Fault.CONFLICT})
"""Answered without being passed on."""
APPLIED: Final = frozenset(
    {Fault.RESET_AFTER, Fault.CUT_ANSWER, Fault.SERVER_ERROR_AFTER, Fault.TIMEOUT_AFTER},
)
"""Passed on, and the answer is lost."""
_CONTENDED: Final = frozenset({"dynamodb.UpdateItem", "dynamodb.TransactWriteItems"})
BATCHES: Final = frozenset({"dynamodb.BatchGetItem", "dynamodb.BatchWriteItem", "sqs.SendMessageBatch"})
"""What AWS may do in part."""
READS: Final = frozenset(
    {"dynamodb.BatchGetItem", "dynamodb.GetItem", "dynamodb.Query", "secretsmanager.GetSecretValue"}
)
"""Whether one of these was done before its answer was lost makes no difference to anybody."""
_TOLD_APART_BY_WRITES: Final = frozenset({Fault.SERVER_ERROR_AFTER, Fault.RESET_AFTER})


def faults_of(operation: str) -> tuple[Fault, ...]:
    """The faults that ``operation`` can meet, and that differ for it."""
    without = set() if operation in _CONTENDED else {Fault.CONFLICT}
    without |= set() if operation in BATCHES else {Fault.PARTLY}
    without |= _TOLD_APART_BY_WRITES if operation in READS else set()
    return tuple(fault for fault in Fault if fault not in without)


@dataclass(frozen=True, slots=True)
class FalseAnswer:
    """An answer that AWS would give, and the emulator never does."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


_CODES: Final = {
    ("dynamodb", Fault.THROTTLED): (400, "ProvisionedThroughputExceededException"),
    ("dynamodb", Fault.CONFLICT): (400, "TransactionConflictException"),
    ("dynamodb", Fault.SERVER_ERROR): (500, "InternalServerError"),
    ("dynamodbstreams", Fault.THROTTLED): (400, "LimitExceededException"),
    ("dynamodbstreams", Fault.SERVER_ERROR): (500, "InternalServerError"),
    ("sqs", Fault.THROTTLED): (403, "RequestThrottled"),
    ("sqs", Fault.SERVER_ERROR): (500, "InternalFailure"),
    ("secretsmanager", Fault.THROTTLED): (400, "ThrottlingException"),
    ("secretsmanager", Fault.SERVER_ERROR): (500, "InternalServiceError"),
    ("sns", Fault.THROTTLED): (400, "Throttling"),
    ("sns", Fault.SERVER_ERROR): (500, "InternalError"),
    ("lambda", Fault.THROTTLED): (429, "TooManyRequestsException"),
    ("lambda", Fault.SERVER_ERROR): (500, "ServiceException"),
}
"""Status and code by service, as the services' API references name them."""


def false_answer(request: AwsRequest, fault: Fault) -> FalseAnswer:
    """The answer of the service to ``request`` that says what ``fault`` is."""
    kind = Fault.SERVER_ERROR if fault is Fault.SERVER_ERROR_AFTER else fault
    status, code = _CODES[request.service, kind]
    if request.operation == "dynamodb.TransactWriteItems" and kind is not Fault.SERVER_ERROR:
        return _cancelled(len(request.body["TransactItems"]), kind)
    if request.service == "sns":
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>a fault of the test</Message></Error>"
        body = f"<ErrorResponse>{error}<RequestId>fault</RequestId></ErrorResponse>"
        return FalseAnswer(status, (("Content-Type", "text/xml"),), body.encode())
    if request.service == "lambda":
        told = json.dumps({"Type": "User", "message": "a fault of the test"}).encode()
        return FalseAnswer(status, (("x-amzn-ErrorType", code), ("Content-Type", "application/json")), told)
    return _json(status, {"__type": f"com.amazonaws.{request.service}#{code}", "message": "a fault of the test"})


def _cancelled(members: int, fault: Fault) -> FalseAnswer:
    """A transaction is refused as a whole, and tells which member was the reason."""
    code = "TransactionConflict" if fault is Fault.CONFLICT else "ThrottlingError"
    reasons = [{"Code": code, "Message": "a fault of the test"}, *({"Code": "None"} for _ in range(members - 1))]
    kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"
    return _json(400, {"__type": kind, "Message": "Transaction cancelled", "CancellationReasons": reasons})


def _json(status: int, body: dict[str, Any]) -> FalseAnswer:
    return FalseAnswer(status, (("Content-Type", "application/x-amz-json-1.0"),), json.dumps(body).encode())
