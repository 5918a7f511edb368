"""What the functions of a deployment were allowed, and what they really did: by action and resource.

The guarded emulator writes a line for every decision; the grants are read from the roles as they are deployed.
"""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from mypy_boto3_iam.client import IAMClient
    from mypy_boto3_lambda.client import LambdaClient

    from tests.support.deployment import Deployment

__all__ = ["Access", "AccessMissingError", "Trail", "granted", "unused", "without"]


@dataclass(frozen=True, order=True, slots=True)
class Access:
    """An action of a function on a resource; of a grant, the resource's pattern."""

    function: str
    action: str
    resource: str

    def covers(self, used: Access) -> bool:
        """Whether this grant is what allowed ``used``."""
        return (self.function, self.action) == (used.function, used.action) and fnmatchcase(
            used.resource, self.resource
        )


class AccessMissingError(AssertionError):
    """A function was denied something."""

    def __init__(self, denied: Access) -> None:
        super().__init__(f"{denied.function} may not {denied.action} on {denied.resource}")
        self.denied = denied


class Trail:
    """The decisions since the last :meth:`begin`."""

    def __init__(self, deployment: Deployment) -> None:
        self._path: Path = deployment.folder / "trail.jsonl"
        self._prefix = deployment.function("")
        self._start = 0

    def begin(self) -> None:
        """Forget what was."""
        self._start = self._path.stat().st_size if self._path.exists() else 0

    def used(self) -> set[Access]:
        """What functions did."""
        return {access for access, allowed in self._decisions() if allowed}

    def check(self) -> None:
        """Raises AccessMissingError for the first thing that a function may not do."""
        for access, allowed in self._decisions():
            if not allowed:
                raise AccessMissingError(access)

    def _decisions(self) -> Iterator[tuple[Access, bool]]:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._start)
            for raw in file:
                if not raw.endswith(b"\n"):
                    return  # still being written
                line: dict[str, Any] = json.loads(raw)
                if line["function"].startswith(self._prefix):
                    name = line["function"].removeprefix(self._prefix)
                    yield Access(name, line["action"], line["resource"]), line["allowed"]


def granted(deployment: Deployment, functions: Iterable[str]) -> set[Access]:
    """What the roles of ``functions`` allow, as they are deployed."""
    found: set[Access] = set()
    for function in functions:
        for document in _policies(deployment, function).values():
            for statement in document["Statement"]:
                assert statement["Effect"] == "Allow", statement
                found |= {
                    Access(function, action, resource)
                    for action in _listed(statement["Action"])
                    for resource in _listed(statement["Resource"])
                }
    return found


def unused(grants: Iterable[Access], used: Iterable[Access]) -> set[Access]:
    """The grants that nothing used."""
    done = list(used)
    return {grant for grant in grants if not any(grant.covers(access) for access in done)}


@contextmanager
def without(deployment: Deployment, grant: Access) -> Iterator[None]:
    """Takes one action on one resource away from a role, and gives it back at the end.

    The function starts afresh, so that nothing that it has read before helps it out.
    """
    policies = _policies(deployment, grant.function)
    lacking = {
        name: {**document, "Statement": [kept for each in document["Statement"] for kept in _less(each, grant)]}
        for name, document in policies.items()
    }
    assert lacking != policies, f"nothing grants {grant}"
    _put(deployment, grant.function, lacking)
    with closing(cast("LambdaClient", deployment.client("lambda"))) as client:
        client.update_function_configuration(FunctionName=deployment.function(grant.function), Description="lacking")
    try:
        yield
    finally:
        _put(deployment, grant.function, policies)


def _less(statement: Mapping[str, Any], grant: Access) -> Iterator[dict[str, Any]]:
    """A statement without the action on the resource, and the action on its other resources."""
    actions, resources = _listed(statement["Action"]), _listed(statement["Resource"])
    if grant.action not in actions or grant.resource not in resources:
        yield dict(statement)
        return
    if others := [action for action in actions if action != grant.action]:
        yield {**statement, "Action": others}
    if elsewhere := [resource for resource in resources if resource != grant.resource]:
        yield {**statement, "Action": [grant.action], "Resource": elsewhere}


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _role(deployment: Deployment, function: str) -> str:
    with closing(cast("LambdaClient", deployment.client("lambda"))) as client:
        role = client.get_function_configuration(FunctionName=deployment.function(function))["Role"]
    return role.rpartition("/")[2]


def _policies(deployment: Deployment, function: str) -> dict[str, Any]:
    """The inline policies of a function's role; it has no others."""
    role = _role(deployment, function)
    with closing(cast("IAMClient", deployment.client("iam"))) as iam:
        assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        return {name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}


def _put(deployment: Deployment, function: str, policies: Mapping[str, Any]) -> None:
    role = _role(deployment, function)
    with closing(cast("IAMClient", deployment.client("iam"))) as iam:
        for name, document in policies.items():
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))
