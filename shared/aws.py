"""Clients of AWS: botocore's own, of one session, with the patience that the caller has to name.

boto3 is never loaded. Its clients are botocore's; what it adds (resources, transfers to S3) nobody here uses, and
its import makes a client of DynamoDB 14 percent dearer to start (decision 23).
"""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from botocore.session import Session, get_session

if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_lambda.client import LambdaClient
    from mypy_boto3_secretsmanager.client import SecretsManagerClient
    from mypy_boto3_sns.client import SNSClient
    from mypy_boto3_sqs.client import SQSClient

__all__ = ["client", "forget"]

_ONE_AT_A_TIME: Final = threading.Lock()
"""A botocore session makes its parts at first use, and is not safe to do that in two threads. Its clients are safe."""


@overload
def client(service: Literal["dynamodb"], config: Config) -> DynamoDBClient: ...
@overload
def client(service: Literal["lambda"], config: Config) -> LambdaClient: ...
@overload
def client(service: Literal["secretsmanager"], config: Config) -> SecretsManagerClient: ...
@overload
def client(service: Literal["sns"], config: Config) -> SNSClient: ...
@overload
def client(service: Literal["sqs"], config: Config) -> SQSClient: ...
def client(service: str, config: Config) -> Any:
    """A new client of ``service`` in the environment's account and region; safe to share between threads.

    ``config`` is one of :mod:`shared.patience`, where all time-outs and tries stand.
    """
    with _ONE_AT_A_TIME:
        return _session().create_client(service, config=config)


@cache
def _session() -> Session:
    return get_session()


def forget() -> None:
    """Let the next client be of a new session, with credentials of its own; what botocore has read stays read."""
    with _ONE_AT_A_TIME:
        loader = _session().get_component("data_loader")
        _session.cache_clear()
        _session().register_component("data_loader", loader)
