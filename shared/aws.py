"""Clients of AWS: botocore's own, of one session, with time-outs and tries that the caller has to choose.

boto3 is never loaded. Its clients are botocore's; what it adds (resources, transfers to S3) nobody here uses, and
importing it is a third of a cold start.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from botocore.config import Config
from botocore.session import Session, get_session

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_lambda.client import LambdaClient
    from mypy_boto3_sns.client import SNSClient
    from mypy_boto3_sqs.client import SQSClient

__all__ = ["client"]

_ONE_AT_A_TIME: Final = threading.Lock()
"""A botocore session makes its parts at first use, and is not safe to do that in two threads. Its clients are safe."""


@overload
def client(
    service: Literal["dynamodb"], *, connect_seconds: float, read_seconds: float, tries: int
) -> DynamoDBClient: ...
@overload
def client(service: Literal["lambda"], *, connect_seconds: float, read_seconds: float, tries: int) -> LambdaClient: ...
@overload
def client(service: Literal["sns"], *, connect_seconds: float, read_seconds: float, tries: int) -> SNSClient: ...
@overload
def client(service: Literal["sqs"], *, connect_seconds: float, read_seconds: float, tries: int) -> SQSClient: ...
def client(service: str, *, connect_seconds: float, read_seconds: float, tries: int) -> Any:
    """A new client of ``service`` in the environment's account and region; safe to share between threads.

    Args:
        service: as botocore names it.
        connect_seconds: for a connection to stand.
        read_seconds: of silence on it.
        tries: the first one included; between them botocore waits by its standard mode.
    """
    config = Config(
        connect_timeout=connect_seconds,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": tries},
    )
    with _ONE_AT_A_TIME:
        return _session().create_client(service, config=config)


@cache
def _session() -> Session:
    return get_session()
