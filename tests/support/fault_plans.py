"""When a fault strikes: at one call of a flow, from one call on, or at random by a seed."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from tests.support.aws_faults import Fault, faults_of

if TYPE_CHECKING:
    from tests.support.aws_requests import AwsRequest

__all__ = ["AtRandom", "FaultPlan", "FromThenOn", "NoFault", "Once"]

_SLOW: Final = frozenset({Fault.TIMEOUT_AFTER})
"""Not at random: each takes the client's whole patience, and does what a reset after does."""


class FaultPlan(Protocol):
    """Decides on every request as it comes; a repeat of a request is a request too."""

    def __call__(self, request: AwsRequest, /) -> Fault | None: ...


class NoFault:
    """Nothing goes wrong."""

    def __call__(self, _: AwsRequest) -> Fault | None:
        return None


@dataclass
class Once:
    """The ``number``-th call of ``operation``, from 1, meets ``fault``; its repeat does not."""

    operation: str
    number: int
    fault: Fault
    struck: int = 0
    _seen: int = 0

    def __call__(self, request: AwsRequest) -> Fault | None:
        if request.operation != self.operation:
            return None
        self._seen += 1
        if self._seen != self.number:
            return None
        self.struck += 1
        return self.fault


@dataclass
class FromThenOn:
    """The ``number``-th call of ``operation`` and all later ones of it meet ``fault``: an outage."""

    operation: str
    number: int
    fault: Fault
    struck: int = 0
    _seen: int = 0

    def __call__(self, request: AwsRequest) -> Fault | None:
        if request.operation != self.operation:
            return None
        self._seen += 1
        if self._seen < self.number:
            return None
        self.struck += 1
        return self.fault


@dataclass
class AtRandom:
    """Each call meets a fault with the probability ``share``."""

    seed: int
    share: float = 0.2
    struck: Counter[tuple[str, Fault]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def __call__(self, request: AwsRequest) -> Fault | None:
        if self._random.random() >= self.share:
            return None
        fault = self._random.choice([fault for fault in faults_of(request.operation) if fault not in _SLOW])
        self.struck[request.operation, fault] += 1
        return fault
