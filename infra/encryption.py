"""The key under which a stage's data lies: AWS's own, one that the stack makes, or one that is there already.

Everything that keeps data asks :func:`key_of`; a role is given by :func:`decryption` what the actions that it may take
need of the key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from aws_cdk import ArnFormat, RemovalPolicy, Stack, aws_iam, aws_kms

from infra.pinning import pin
from infra.stage import OWN_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from constructs import Construct

    from infra.stage import Stage

__all__ = ["decryption", "key_of"]

_ID: Final = "EncryptionKey"
_READ: Final = ("kms:Decrypt",)
_WRITE: Final = ("kms:Decrypt", "kms:GenerateDataKey")
_ROWS: Final = (
    *("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt"),
    *("kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"),
)
"""What DynamoDB documents for tables under a customer's key, but for the grant, which making the table needs alone."""
_NEEDED: Final[Mapping[str, Sequence[str]]] = {
    "dynamodb:": _ROWS,
    "secretsmanager:GetSecretValue": _READ,
    "sns:Publish": _WRITE,
    "sqs:ReceiveMessage": _READ,
    "sqs:SendMessage": _WRITE,
}
"""What an action that begins so needs of the key, by way of its service."""


def key_of(scope: Construct, stage: Stage) -> aws_kms.IKey | None:
    """The stage's key, made where it is first asked for; None is AWS's own, which nobody has to be permitted."""
    if not stage.encryption_key:
        return None
    stack = Stack.of(scope)
    made = stack.node.try_find_child(_ID)
    if made is not None:
        return cast("aws_kms.IKey", made)
    if stage.encryption_key == OWN_KEY:
        return _make(stack, stage)
    return aws_kms.Key.from_key_arn(stack, _ID, stage.encryption_key)


def decryption(scope: Construct, key: aws_kms.IKey, actions: Sequence[str]) -> Iterator[aws_iam.PolicyStatement]:
    """What a role that may take ``actions`` needs of ``key``, through the services of the actions only."""
    for begin, needed in _NEEDED.items():
        if any(action.startswith(begin) for action in actions):
            service = begin.partition(":")[0]
            yield aws_iam.PolicyStatement(
                actions=list(needed),
                resources=[key.key_arn],
                conditions={"StringEquals": {"kms:ViaService": f"{service}.{Stack.of(scope).region}.amazonaws.com"}},
            )


def _make(stack: Stack, stage: Stage) -> aws_kms.Key:
    key = aws_kms.Key(
        stack,
        _ID,
        alias=f"alias/pressroom-{stage.name}",
        description=f"What Pressroom keeps ({stage.name})",
        enable_key_rotation=True,
        # Without it a table that outlives the stack is unreadable.
        removal_policy=RemovalPolicy.RETAIN if stage.keep_data else RemovalPolicy.DESTROY,
    )
    pin(key, _ID)
    for statement in _services(stack, stage):
        key.add_to_resource_policy(statement)
    return key


def _services(stack: Stack, stage: Stage) -> list[aws_iam.PolicyStatement]:
    """What AWS's services do on nobody's behalf: keep logs, and publish what alarms say.

    ``docs/configuration.md`` shows them to those who bring a key.
    """
    groups = [
        stack.format_arn(
            service="logs", resource="log-group", resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
        )
        for name in (f"/aws/lambda/pressroom-{stage.name}-*", f"/aws/vendedlogs/pressroom-{stage.name}-*")
    ]
    return [
        aws_iam.PolicyStatement(
            sid="Logs",
            principals=[aws_iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
            actions=["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
            resources=["*"],
            conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
        ),
        aws_iam.PolicyStatement(
            sid="Alarms",
            principals=[aws_iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            actions=["kms:Decrypt", "kms:GenerateDataKey*"],
            resources=["*"],
            conditions={"StringEquals": {"aws:SourceAccount": stack.account}},
        ),
    ]
