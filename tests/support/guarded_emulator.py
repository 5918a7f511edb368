"""The emulator as a deployment meets it: its functions run on a Lambda's own packages, under their own roles.

ministack with ``AUTH=true`` decides by IAM about every call that a function makes. What it lacks is added here, in
its own process, so that ``cdk deploy`` and the functions need no change:

* A function runs on the Python named by :data:`LAMBDA_PYTHON`, where nothing but boto3 is installed, so that what its
  bundle lacks is missing; ministack itself would lend it the packages of the tests.
* A batch of SQS is judged as the action that it is a batch of, as IAM does it; ministack takes it for another action.
* Every call counts as one over TLS, as AWS's endpoints are: the policies of queues and topic refuse all others, and on
  loopback nothing else than plain HTTP is spoken.

Run as a program, this module *is* the emulator's process.
"""

from __future__ import annotations

import os
from typing import Any, Final

from tests.support.emulator import run

__all__ = ["LAMBDA_PYTHON"]

LAMBDA_PYTHON: Final = "PRESSROOM_LAMBDA_PYTHON"
"""The variable that names the interpreter of the functions."""
_BATCHES: Final = {
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
}
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html"""


def _run_functions_on(python: str) -> None:
    from ministack.core import lambda_runtime  # noqa: PLC0415  only the emulator's own process loads it

    binary_and_script = lambda_runtime._detect_runtime_binary

    def detect(runtime: str) -> tuple[str, str]:
        binary, script = binary_and_script(runtime)
        return (python if runtime.startswith("python") else binary), script

    lambda_runtime._detect_runtime_binary = detect


def _judge_batches_as_single_calls() -> None:
    from ministack.core import iam_evaluator  # noqa: PLC0415  likewise

    enforce = iam_evaluator.enforce

    def judge(access_key: str, action: str, *rest: Any, **more: Any) -> Any:
        return enforce(access_key, _BATCHES.get(action, action), *rest, **more)

    iam_evaluator.enforce = judge


def _count_calls_as_secure() -> None:
    from ministack import app  # noqa: PLC0415  likewise

    pin = app.pin_request_origin
    app.pin_request_origin = lambda address, _secure: pin(address, True)


def _main() -> None:
    _run_functions_on(os.environ.pop(LAMBDA_PYTHON))
    _judge_batches_as_single_calls()
    _count_calls_as_secure()
    run()


if __name__ == "__main__":
    _main()
