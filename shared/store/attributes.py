"""Python values and DynamoDB's attribute values, both ways. Numbers are whole: there is no float in the table.

boto3's own conversion does the same, and more that no row of ours has; it brings all of boto3 with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

__all__ = ["Row", "Value", "attributes", "from_attributes"]

Value: TypeAlias = Any
"""str, int, bool, None, bytes, or lists and string-keyed dicts of them."""
Row: TypeAlias = "dict[str, Value]"


def attributes(row: Mapping[str, Value]) -> dict[str, AttributeValueTypeDef]:
    """``row`` as the low-level client takes it.

    Raises:
        TypeError: a value, at any depth, is of a type that no row has; or a key is no text.
    """
    return {name: _attribute(value) for name, value in row.items()}


def from_attributes(item: Mapping[str, Any]) -> Row:
    """The inverse of :func:`attributes`; takes the client's answers and stream images alike.

    Raises:
        TypeError: an attribute of a type that no row of ours has, such as a set.
        ValueError: a number that is not whole.
    """
    return {name: _value(attribute) for name, attribute in item.items()}


def _attribute(value: Value) -> AttributeValueTypeDef:  # noqa: PLR0911  a type a line
    # A bool is an int too, so it is asked for first.
    match value:
        case str():
            return {"S": value}
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(int(value))}
        case bytes():
            return {"B": value}
        case list() | tuple():
            # A TypedDict of the stubs wants its own members' types, which are these.
            return cast("AttributeValueTypeDef", {"L": [_attribute(member) for member in value]})
        case Mapping():
            for key in value:
                if not isinstance(key, str):
                    raise TypeError(f"the key of a map in a row is {key!r}, no text")
            return cast("AttributeValueTypeDef", {"M": attributes(value)})
    raise TypeError(f"a row cannot hold {value!r}, of type {type(value).__name__}")


def _value(attribute: Mapping[str, Any]) -> Value:
    ((kind, value),) = attribute.items()
    match kind:
        case "S" | "BOOL":
            return value
        case "N":
            return int(value)
        case "NULL":
            return None
        case "B":
            return bytes(value)
        case "L":
            return [_value(member) for member in value]
        case "M":
            return {name: _value(member) for name, member in value.items()}
    raise TypeError(f"no row of ours has an attribute of type {kind!r}")
