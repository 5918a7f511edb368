"""The emulator as a deployment meets it: its functions run on a Lambda's own packages, under their own roles.

ministack with ``AUTH=true`` decides by IAM about every call that a function makes. What it lacks is added here, in
its own process, so that ``cdk deploy`` and the functions need no change:

* A function runs on the Python named by :data:`LAMBDA_PYTHON`, where nothing but boto3 is installed, so that what its
  bundle lacks is missing; ministack itself would lend it the packages of the tests.
* What Lambda does with a function's role asks that role: its pollers before they read, its logs before they are
  written. ministack does both unasked.
* A batch of SQS is judged as the action that it is a batch of, as IAM does it; ministack takes it for another action.
* Calls of DynamoDB carry ``dynamodb:LeadingKeys``, the partition keys that they name, each member of a transaction its
  own; ministack leaves the key out, and a condition on it lets everything pass.
* Alarms on expressions and saved queries, which people look at and no function does, are made and stand still;
  ministack refuses a template with either.
* Every call counts as one over TLS, as AWS's endpoints are: the policies of queues and topic refuse all others, and on
  loopback nothing else than plain HTTP is spoken.

Every decision is written to the file named by :data:`TRAIL`. Run as a program, this module *is* the emulator's process.
"""

# ruff: noqa: PLC0415  only the emulator's own process loads ministack

from __future__ import annotations

import json
import os
import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.support.emulator import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["LAMBDA_PYTHON", "TRAIL"]

LAMBDA_PYTHON: Final = "PRESSROOM_LAMBDA_PYTHON"
"""The variable that names the interpreter of the functions."""
TRAIL: Final = "PRESSROOM_TRAIL"
"""The variable that names the file of decisions: a line of JSON each, see :mod:`tests.support.trail`."""

_BATCHES: Final = {
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
}
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html"""
_POLLED: Final = {
    "sqs": ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"),
    "dynamodb": (
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
    ),
}
"""What Lambda's pollers do with the role of their function: what AWS's own execution roles for them allow.
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaSQSQueueExecutionRole.html
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaDynamoDBExecutionRole.html"""
_LOGGED: Final = ("logs:CreateLogStream", "logs:PutLogEvents")
_MEMBERS: Final = ("Put", "Update", "Delete", "ConditionCheck", "Get")
"""Of a transaction. A member has exactly one of them."""


@dataclass
class _Trail:
    """Decisions, one line each. What pollers ask all the time is written when the answer changes."""

    path: Path
    _answers: dict[tuple[str, str, str], bool] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, principal: str, action: str, resource: str, *, allowed: bool, repeats: bool = False) -> None:
        """``principal`` is the ARN of a session; its last part is the function's name."""
        function = principal.rpartition("/")[2]
        with self._lock:
            if repeats and self._answers.get((function, action, resource)) is allowed:
                return
            self._answers[function, action, resource] = allowed
            line = {"function": function, "action": action, "resource": resource, "allowed": allowed}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


def _run_functions_on(python: str) -> None:
    from ministack.core import lambda_runtime

    binary_and_script = lambda_runtime._detect_runtime_binary

    def detect(runtime: str) -> tuple[str, str]:
        binary, script = binary_and_script(runtime)
        return (python if runtime.startswith("python") else binary), script

    lambda_runtime._detect_runtime_binary = detect


def _judge_calls(trail: _Trail) -> None:
    """Every call of a function, by its own action and with its partition keys."""
    from ministack.core import iam_actions, iam_evaluator
    from ministack.services import sts

    enforce, keyless = iam_evaluator.enforce, iam_actions.dynamodb_service_context
    members: ContextVar[Iterator[list[str]]] = ContextVar("members")  # of this request, in the order of its checks

    def keyed(body: bytes) -> dict[str, Any]:
        request = json.loads(body or b"{}")
        members.set(iter([_partitions(item) for item in request.get("TransactItems", ())]))
        keys = _partitions(request)
        return {**keyless(body), **({"dynamodb:LeadingKeys": keys} if keys else {})}

    def judge(  # noqa: PLR0917  the signature is ministack's
        access_key: str, action: str, service: str, region: str, resource_arn: str = "*", service_context: Any = None
    ) -> Any:
        action, context = _BATCHES.get(action, action), service_context
        if service == "dynamodb" and "dynamodb:EnclosingOperation" in (context or {}):
            context = {**context, "dynamodb:LeadingKeys": next(members.get())}
        denied = enforce(access_key, action, service, region, resource_arn=resource_arn, service_context=context)
        session = sts._sessions.get(access_key)
        if session is not None:
            trail.note(session["Arn"], action, resource_arn, allowed=denied is None)
        return denied

    iam_evaluator.enforce = judge
    iam_actions.dynamodb_service_context = keyed


def _partitions(request: Mapping[str, Any]) -> list[str]:
    """The partition keys that a request of DynamoDB, or a member of a transaction, names."""
    for member in _MEMBERS:
        if member in request:
            return _partitions(request[member])
    keys = [request[name] for name in ("Key", "Item") if name in request]
    for wanted in request.get("RequestItems", {}).values():
        if isinstance(wanted, list):
            keys += [
                write["PutRequest"]["Item"] if "PutRequest" in write else write["DeleteRequest"]["Key"]
                for write in wanted
            ]
        else:
            keys += wanted["Keys"]
    if "KeyConditionExpression" in request and "IndexName" not in request:
        keys.append({"pk": request["ExpressionAttributeValues"][":pk"]})
    return sorted({key["pk"]["S"] for key in keys})


def _ask_for_lambda(trail: _Trail) -> None:
    """What Lambda itself does with a role: it is asked, and what it may not do is left undone."""
    from ministack.core import iam_evaluator, lambda_runtime
    from ministack.services import lambda_svc

    iterate, emit = lambda_svc._iter_all_esms, lambda_svc._emit_lambda_logs

    def may(config: Mapping[str, Any], action: str, resource: str, *, repeats: bool) -> bool:
        region, account = resource.split(":")[3:5]
        key = lambda_runtime.execution_credentials(config)["AWS_ACCESS_KEY_ID"]
        principal = iam_evaluator.resolve_principal(key, account)
        context = iam_evaluator.EvalContext(
            principal_arn=principal.arn,
            principal_type=principal.type,
            principal_account=principal.account,
            action=action,
            resource_arn=resource,
            region=region,
        )
        decision = iam_evaluator.evaluate(context, principal.policies, *principal.limits).decision
        trail.note(principal.arn, action, resource, allowed=decision == "Allow", repeats=repeats)
        return bool(decision == "Allow")

    def permitted() -> Iterator[tuple[str, str, dict[str, Any]]]:
        for account, region, mapping in iterate():
            _, config = lambda_svc._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))
            source = mapping["EventSourceArn"]
            actions = _POLLED[source.split(":")[2]] if config and mapping.get("Enabled", True) else ()
            if all(may(config, action, source, repeats=True) for action in actions):
                yield account, region, mapping

    def log(function: dict[str, Any], request_id: str, *rest: Any, **more: Any) -> None:
        config = function.get("config") or function
        region, account = config["FunctionArn"].split(":")[3:5]
        group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
        stream = f"arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:any"
        if all(may(config, action, stream, repeats=True) for action in _LOGGED):
            emit(function, request_id, *rest, **more)

    lambda_svc._iter_all_esms = permitted
    lambda_svc._emit_lambda_logs = log


def _make_what_people_look_at() -> None:
    from ministack.services.cloudformation import provisioners

    record = provisioners._cw_metric_alarm_record

    def plain(name: str, properties: dict[str, Any]) -> Any:
        if "Metrics" in properties:
            others = {key: value for key, value in properties.items() if key != "Metrics"}
            properties = others | {"MetricName": "of an expression", "Namespace": "Standing still"}
        return record(name, properties)

    def create(logical_id: str, _properties: object, stack_name: str) -> tuple[str, dict[str, str]]:
        return f"{stack_name}-{logical_id}", {"QueryDefinitionId": logical_id}

    provisioners._cw_metric_alarm_record = plain
    provisioners._RESOURCE_HANDLERS["AWS::Logs::QueryDefinition"] = {"create": create, "delete": lambda *_: None}


def _count_calls_as_secure() -> None:
    from ministack import app

    pin = app.pin_request_origin
    app.pin_request_origin = lambda address, _secure: pin(address, True)


def _main() -> None:
    trail = _Trail(Path(os.environ.pop(TRAIL)))
    _run_functions_on(os.environ.pop(LAMBDA_PYTHON))
    _judge_calls(trail)
    _ask_for_lambda(trail)
    _make_what_people_look_at()
    _count_calls_as_secure()
    run()


if __name__ == "__main__":
    _main()
