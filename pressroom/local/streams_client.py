"""A client of DynamoDB Streams that leaves what it reads as the JSON that came.

Lambda's event is that same JSON, and turning every attribute of every image into Python's richer types and back was
half of what the runtime itself spent on an item.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypedDict, cast

import boto3
import botocore.session
from botocore.parsers import JSONParser, ResponseParser, ResponseParserFactory

if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_dynamodbstreams.client import DynamoDBStreamsClient

__all__ = ["Account", "streams_client"]


class Account(TypedDict):
    """Whose resources, where: keywords of a boto3 session."""

    region_name: str
    aws_access_key_id: str
    aws_secret_access_key: str


class _PlainParser(JSONParser):
    """Times stay seconds, binary values base64."""

    def _handle_json_body(self, raw_body: bytes, shape: object) -> Any:  # noqa: ANN401, ARG002  the base class's
        return json.loads(raw_body or b"{}")


class _PlainParserFactory(ResponseParserFactory):
    def create_parser(self, protocol_name: str) -> ResponseParser:
        return _PlainParser() if protocol_name == "json" else super().create_parser(protocol_name)


def streams_client(endpoint_url: str, config: Config, account: Account) -> DynamoDBStreamsClient:
    """The client, safe to share between threads; ``account`` are keywords of a boto3 session."""
    plain = botocore.session.get_session()
    plain.register_component("response_parser_factory", _PlainParserFactory())
    session = boto3.Session(botocore_session=plain, **account)
    return cast("DynamoDBStreamsClient", session.client("dynamodbstreams", endpoint_url=endpoint_url, config=config))
