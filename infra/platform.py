"""Architecture and Python of every function, as one setting: bundles and template cannot disagree."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from infra.stage import ConfigurationError

if TYPE_CHECKING:
    from infra.stage import Stage

__all__ = ["Platform"]

_WHEELS: Final = {"arm64": "aarch64-manylinux2014", "x86_64": "x86_64-manylinux2014"}
"""Lambda's architectures, and what uv calls them."""
_EXAMPLES: Final = tuple(f"{architecture}-3.13" for architecture in _WHEELS)

_FIRST_WITH_SNAPSHOTS: Final = 12
"""Of Python 3, on either architecture."""


@dataclass(frozen=True, slots=True)
class Platform:
    """Such as ``arm64`` and ``3.13`` on AWS; on an emulator, those of the host."""

    architecture: str
    python: str
    compiled: bool = True
    """Bundles carry bytecode, which halves a start and needs a Python of this version where they are built."""

    @classmethod
    def from_context(cls, value: object, *, bytecode: object = "on") -> Self:
        """The context's ``platform``, such as ``arm64-3.13``, and its ``bytecode``, ``on`` or ``off``.

        Raises:
            ConfigurationError: it names no architecture that Lambda has, or no version of Python; or bytecode is
                neither on nor off.
        """
        architecture, _, python = str(value).partition("-")
        if architecture not in _WHEELS or not re.fullmatch(r"3\.\d+", python):
            raise ConfigurationError(f"platform in cdk.json is {value!r}, not one like {' or '.join(_EXAMPLES)}")
        if bytecode not in {"on", "off"}:
            raise ConfigurationError(f"bytecode in cdk.json is {bytecode!r}, neither 'on' nor 'off'")
        return cls(architecture, python, bytecode == "on")

    def check(self, stage: Stage) -> None:
        """See that it can do what ``stage`` wants.

        Raises:
            ConfigurationError: the stage wants snapshots of a Python of which Lambda takes none.
        """
        if stage.snap_start and int(self.python.removeprefix("3.")) < _FIRST_WITH_SNAPSHOTS:
            raise ConfigurationError(
                f"stage {stage.name!r} in cdk.json: snap_start needs Python 3.{_FIRST_WITH_SNAPSHOTS} or later, "
                f"and platform says {self.python}"
            )

    @property
    def wheels(self) -> str:
        """The architecture as uv says it."""
        return _WHEELS[self.architecture]
