"""Logical ids that no change of the construct tree moves: CloudFormation would replace the resource, and its data."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from aws_cdk import CfnElement
    from constructs import Construct

__all__ = ["pin"]


def pin(construct: Construct, logical_id: str) -> None:
    """Give the resource of ``construct`` the id ``logical_id`` for good."""
    cast("CfnElement", construct.node.default_child).override_logical_id(logical_id)
