"""Python values and DynamoDB's attribute values, both ways. Numbers are whole: there is no float in the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

__all__ = ["Row", "Value", "attributes", "from_attributes"]

Value: TypeAlias = Any
"""str, int, bool, None, bytes, or lists and string-keyed dicts of them."""
Row: TypeAlias = "dict[str, Value]"


class _Deserializer(TypeDeserializer):
    """The library's deserializer but for numbers, which would be Decimals."""

    def _deserialize_n(self, value: str) -> int:
        return int(value)

    def _deserialize_b(self, value: bytes) -> bytes:
        return bytes(value)


_SERIALIZER = TypeSerializer()
_DESERIALIZER = _Deserializer()


def attributes(row: Mapping[str, Value]) -> dict[str, AttributeValueTypeDef]:
    """``row`` as the low-level client takes it."""
    return {name: _SERIALIZER.serialize(value) for name, value in row.items()}


def from_attributes(item: Mapping[str, Any]) -> Row:
    """The inverse of :func:`attributes`; takes the client's answers and stream images alike."""
    return {name: _DESERIALIZER.deserialize(value) for name, value in item.items()}
