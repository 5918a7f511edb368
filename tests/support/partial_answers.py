"""Batches of which AWS does a part, and says in its answer what it has left over: half of the entries, rounded up.

Of a single entry nothing is done, though DynamoDB would rather throttle then: its caller must not mind.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.aws_faults import FalseAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.aws_requests import AwsRequest

__all__ = ["answer_partly"]

_OK = 200
_CHECKSUM = "x-amz-crc32"


def answer_partly(request: AwsRequest, pass_on: Callable[[bytes], FalseAnswer]) -> FalseAnswer:
    """The answer to the batch ``request`` of which only a part is passed on."""
    body = request.body
    if request.operation == "sqs.SendMessageBatch":
        done, left = _halves(body["Entries"])
        why = {"Code": "InternalError", "SenderFault": False, "Message": "a fault of the test"}
        answer = _answer({**body, "Entries": done}, pass_on) if done else _nothing({"Successful": []})
        return _with(answer, {"Failed": [{"Id": entry["Id"], **why} for entry in left]})
    ((table, asked),) = body["RequestItems"].items()
    if request.operation == "dynamodb.BatchGetItem":
        done, left = _halves(asked["Keys"])
        part = {**body, "RequestItems": {table: {**asked, "Keys": done}}}
        answer = _answer(part, pass_on) if done else _nothing({"Responses": {table: []}})
        return _with(answer, {"UnprocessedKeys": {table: {**asked, "Keys": left}}})
    done, left = _halves(asked)
    answer = _answer({**body, "RequestItems": {table: done}}, pass_on) if done else _nothing({})
    return _with(answer, {"UnprocessedItems": {table: left}})


def _halves(entries: list[Any]) -> tuple[list[Any], list[Any]]:
    half = len(entries) // 2
    return entries[:half], entries[half:]


def _answer(part: Mapping[str, Any], pass_on: Callable[[bytes], FalseAnswer]) -> FalseAnswer:
    return pass_on(json.dumps(part).encode())


def _nothing(body: Mapping[str, Any]) -> FalseAnswer:
    return FalseAnswer(_OK, (("Content-Type", "application/x-amz-json-1.0"),), json.dumps(body).encode())


def _with(answer: FalseAnswer, rest: Mapping[str, Any]) -> FalseAnswer:
    """``answer``, telling of ``rest`` too, unless it is an error itself."""
    if answer.status != _OK:
        return answer
    kept = tuple((name, value) for name, value in answer.headers if name.lower() != _CHECKSUM)
    return FalseAnswer(_OK, kept, json.dumps({**json.loads(answer.body), **rest}).encode())
