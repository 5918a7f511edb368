"""The table, defined once: infra, the local runtime and the tests all make it from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import CreateTableInputTypeDef

__all__ = ["TABLE", "Index", "Table", "create_table_request"]


@dataclass(frozen=True, slots=True)
class Index:
    """A sparse index of keys only. Both keys are strings."""

    name: str
    partition_key: str
    sort_key: str


@dataclass(frozen=True, slots=True)
class Table:
    """The table's shape. All keys are strings; the stream carries new and old images."""

    partition_key: str
    sort_key: str
    indexes: tuple[Index, ...]
    ttl_attribute: str


TABLE: Final = Table(
    partition_key="pk",
    sort_key="sk",
    indexes=(Index("active", "active", "sk"), Index("watch", "watch", "check_at")),
    ttl_attribute="expires",
)


def create_table_request(name: str) -> CreateTableInputTypeDef:
    """The arguments of ``CreateTable``; time to live is switched on apart (``UpdateTimeToLive``)."""
    keys = {TABLE.partition_key, TABLE.sort_key}
    keys |= {key for index in TABLE.indexes for key in (index.partition_key, index.sort_key)}
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in sorted(keys)],
        "KeySchema": [
            {"AttributeName": TABLE.partition_key, "KeyType": "HASH"},
            {"AttributeName": TABLE.sort_key, "KeyType": "RANGE"},
        ],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": index.name,
                "KeySchema": [
                    {"AttributeName": index.partition_key, "KeyType": "HASH"},
                    {"AttributeName": index.sort_key, "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
            for index in TABLE.indexes
        ],
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    }
