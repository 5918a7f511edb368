"""Metrics, as lines of the log that CloudWatch reads (its embedded metric format): no call, no permission, no wait.

Every metric has the dimension ``deployment``, which is the table's name: two stages of one account do not mix. A
further dimension, such as the code of a failure, adds a metric of its own beside the sum over all of them.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.clock import Clock

__all__ = ["DEPLOYMENT", "NAMESPACE", "Meter"]

NAMESPACE: Final = "Pressroom"
DEPLOYMENT: Final = "deployment"


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


@dataclass(frozen=True)
class Meter:
    """Counts what ``service`` does in ``deployment``. ``write`` takes a line."""

    service: str
    deployment: str
    clock: Clock
    write: Callable[[str], None] = _print

    def count(self, name: str, value: float = 1, **of: str) -> None:
        """Add ``value`` to the metric ``name``; in seconds where the name ends so. ``of`` are further dimensions."""
        self.count_all({name: value}, **of)

    def count_all(self, values: Mapping[str, float], **of: str) -> None:
        """Likewise, several metrics in one line; nothing where there are none."""
        if not values:
            return
        metrics = [{"Name": name, "Unit": "Seconds" if name.endswith("Seconds") else "Count"} for name in values]
        dimensions = [[DEPLOYMENT], *([[DEPLOYMENT, *of]] if of else [])]
        directive = {"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": metrics}
        head = {"Timestamp": int(self.clock.now().timestamp() * 1000), "CloudWatchMetrics": [directive]}
        line = {"_aws": head, "service": self.service, DEPLOYMENT: self.deployment, **of, **values}
        self.write(json.dumps(line))
