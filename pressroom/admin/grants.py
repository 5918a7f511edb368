"""What the roles of a stack are granted by its template and have no more: by action, resource and condition."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["missing_grants"]

_ANY: Final = "\0"
"""What only CloudFormation resolves, in a text."""


def missing_grants(
    template: Mapping[str, Any] | str,
    resources: Mapping[str, tuple[str, str]],
    policy_of: Callable[[str, str], Mapping[str, Any]],
) -> Iterator[tuple[str, list[str]]]:
    """Roles that lack something, with the actions.

    An action must be allowed on the resource that the template means, under its very conditions: one that somebody
    took off or changed by hand is another grant. Resources are told by their names; accounts, regions and what else
    only CloudFormation knows may be anything.

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
        wanted = list(_grants(_resolved(properties["PolicyDocument"], resources)))
        for reference in properties["Roles"]:
            role = resources[reference["Ref"]][1]
            has = list(_grants(policy_of(role, properties["PolicyName"])))
            missing = {action for action, grant in wanted if not _is_among(has, action, grant)}
            if missing:
                yield role, sorted(missing)


def _grants(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every action that is allowed, and as a text on what and under which conditions."""
    for statement in document["Statement"]:
        if statement["Effect"] != "Allow":
            continue
        for resource in _listed(statement["Resource"]):
            grant = json.dumps([resource, _sorted(statement.get("Condition", {}))], sort_keys=True)
            for action in _listed(statement["Action"]):
                yield action, grant


def _is_among(has: list[tuple[str, str]], action: str, grant: str) -> bool:
    pattern = re.escape(grant).replace(re.escape(json.dumps(_ANY)[1:-1]), '[^"]*')
    return any(action == other and re.fullmatch(pattern, text) for other, text in has)


def _listed(value: Any) -> list[Any]:  # noqa: ANN401  JSON
    return value if isinstance(value, list) else [value]


def _sorted(value: Any) -> Any:  # noqa: ANN401  JSON
    """IAM takes a value for a list of one, and lists in any order."""
    if isinstance(value, dict):
        return {key: _sorted(part) for key, part in value.items()}
    return sorted(map(str, _listed(value)))


def _resolved(value: Any, resources: Mapping[str, tuple[str, str]]) -> Any:  # noqa: ANN401  JSON
    """``value`` of a template as IAM knows it, as far as the stack's resources tell."""
    if isinstance(value, list):
        return [_resolved(part, resources) for part in value]
    if not isinstance(value, dict):
        return value
    for name, given in value.items():
        if len(value) == 1 and (name == "Ref" or name.startswith("Fn::")):
            return _called(name, given, resources)
    return {key: _resolved(part, resources) for key, part in value.items()}


def _called(function: str, given: Any, resources: Mapping[str, tuple[str, str]]) -> str:  # noqa: ANN401  JSON
    """What a function of CloudFormation comes to."""
    match function:
        case "Ref":
            return resources.get(given, ("", _ANY))[1]
        case "Fn::GetAtt" if given[1] == "Arn":
            return _arn(*resources.get(given[0], ("", _ANY)))
        case "Fn::Join":
            return str(given[0]).join(str(_resolved(part, resources)) for part in given[1])
        case _:
            return _ANY


def _arn(kind: str, physical: str) -> str:
    """How the ARN of a resource ends, by its physical id: its name, its address, or the ARN itself."""
    if physical.startswith("arn:"):
        return physical
    name = physical.rpartition("/")[2] if "://" in physical else physical
    return f"{_ANY}{name}:*" if kind == "AWS::Logs::LogGroup" else f"{_ANY}{name}"
