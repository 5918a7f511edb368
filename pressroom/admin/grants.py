"""What the roles of a stack are granted by its template and have no more: by action, policy by policy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["missing_grants"]


def missing_grants(
    template: Mapping[str, Any] | str,
    resources: Mapping[str, tuple[str, str]],
    policy_of: Callable[[str, str], Mapping[str, Any]],
) -> Iterator[tuple[str, list[str]]]:
    """Roles that lack something, with the actions.

    A template names resources that only CloudFormation resolves, so actions are counted, not the resources behind
    them: an action that two statements allow must be allowed by two.

    Args:
        template: of the stack; JSON text or what it says.
        resources: type and physical id by logical id.
        policy_of: the document of a role's inline policy, by the names of both.
    """
    document = json.loads(template) if isinstance(template, str) else template
    for resource in document["Resources"].values():
        if resource["Type"] != "AWS::IAM::Policy":
            continue
        properties = resource["Properties"]
        wanted = _counted(properties["PolicyDocument"])
        for reference in properties["Roles"]:
            role = resources[reference["Ref"]][1]
            has = _counted(policy_of(role, properties["PolicyName"]))
            missing = sorted(action for action, count in wanted.items() if has.get(action, 0) < count)
            if missing:
                yield role, missing


def _counted(document: Mapping[str, Any]) -> dict[str, int]:
    """On how many resources each action is allowed."""
    counts: dict[str, int] = {}
    for statement in document["Statement"]:
        actions, resources = statement["Action"], statement["Resource"]
        for action in [actions] if isinstance(actions, str) else actions:
            counts[action] = counts.get(action, 0) + (len(resources) if isinstance(resources, list) else 1)
    return counts
