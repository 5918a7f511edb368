"""A synthesized template, read as the JSON that it is: nothing of CDK is loaded to look at it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Assembly", "Statement", "allowed", "named", "statements"]


@dataclass(frozen=True)
class Assembly:
    """What ``app.py`` wrote for a stage."""

    folder: Path
    stage: str

    @property
    def text(self) -> str:
        return (self.folder / f"pressroom-{self.stage}.template.json").read_text(encoding="utf-8")

    @property
    def manifest(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
        return document

    @property
    def template(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.text)
        return document

    def all(self, resource_type: str) -> dict[str, dict[str, Any]]:
        """The resources of a type, whole, by their logical ids."""
        resources: dict[str, dict[str, Any]] = self.template["Resources"]
        return {name: each for name, each in resources.items() if each["Type"] == resource_type}

    def one(self, resource_type: str, **properties: object) -> dict[str, Any]:
        """The properties of the only resource of a type that has these ``properties``."""
        found = [each["Properties"] for each in self.all(resource_type).values()]
        (only,) = [each for each in found if all(each.get(key) == value for key, value in properties.items())]
        result: dict[str, Any] = only
        return result

    def function(self, name: str) -> dict[str, Any]:
        """The properties of the function ``name``."""
        return self.one("AWS::Lambda::Function", FunctionName=f"pressroom-{self.stage}-{name}")

    def invocations_of(self, name: str) -> dict[str, Any]:
        """How the function ``name`` is invoked by whoever does not wait for it."""
        called = f"pressroom-{self.stage}-{name}"
        functions = self.all("AWS::Lambda::Function").items()
        (logical_id,) = [found for found, each in functions if each["Properties"].get("FunctionName") == called]
        return self.one("AWS::Lambda::EventInvokeConfig", FunctionName={"Ref": logical_id})

    def mapping_of(self, name: str) -> dict[str, Any]:
        """The properties of the only event source mapping of the function ``name``."""
        functions = self.all("AWS::Lambda::Function").items()
        full_name = f"pressroom-{self.stage}-{name}"
        (logical_id,) = [key for key, each in functions if each["Properties"]["FunctionName"] == full_name]
        return self.one("AWS::Lambda::EventSourceMapping", FunctionName={"Ref": logical_id})

    def environment(self, name: str) -> dict[str, str]:
        """The variables of the function ``name``; a reference stands as its logical id, in text too."""
        variables = self.function(name)["Environment"]["Variables"]
        return {key: named(value) for key, value in variables.items()}

    def bundle(self, name: str) -> Path:
        """The folder that becomes the archive of the function ``name``."""
        digest = self.function(name)["Code"]["S3Key"].removesuffix(".zip")
        return self.folder / f"asset.{digest}"


@dataclass(frozen=True)
class Statement:
    """What a role may do to one resource (``Table.Arn``, ``Table.Arn/index/active``), and under which conditions."""

    resource: str
    actions: frozenset[str]
    conditions: dict[str, Any]


def statements(assembly: Assembly, name: str) -> list[Statement]:
    """Everything that the function ``name`` may do."""
    role = assembly.function(name)["Role"]["Fn::GetAtt"][0]
    found = []
    for policy in [each["Properties"] for each in assembly.all("AWS::IAM::Policy").values()]:
        if policy["Roles"] != [{"Ref": role}]:
            continue
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            actions, resources = statement["Action"], statement["Resource"]
            found += [
                Statement(
                    named(resource),
                    frozenset([actions] if isinstance(actions, str) else actions),
                    statement.get("Condition", {}),
                )
                for resource in (resources if isinstance(resources, list) else [resources])
            ]
    return found


def allowed(assembly: Assembly, name: str) -> dict[str, set[str]]:
    """The actions that the function ``name`` may take, by resource, whatever the conditions."""
    granted: dict[str, set[str]] = {}
    for statement in statements(assembly, name):
        granted.setdefault(statement.resource, set()).update(statement.actions)
    return granted


def named(resource: dict[str, Any] | str) -> str:
    """A value of a template as text, each reference in it as its logical id."""
    if isinstance(resource, str):
        return resource
    if "Ref" in resource:
        return str(resource["Ref"])
    if "Fn::GetAtt" in resource:
        return ".".join(resource["Fn::GetAtt"])
    separator, parts = resource["Fn::Join"]
    return str(separator.join(map(named, parts)))
