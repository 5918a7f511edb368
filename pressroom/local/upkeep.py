"""What repairs: the sweeper on its clock, and the dead letters. No request waits for them, so they start last."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pressroom.local import functions
from pressroom.local.errors import StartError
from pressroom.local.queue_poller import QueuePoller
from pressroom.local.schedule import Schedule
from shared.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_sqs.client import SQSClient

    from pressroom.local.pool import Pool
    from pressroom.local.resources import Resources
    from pressroom.local.zygote_process import Function

__all__ = ["Upkeep", "UpkeepSettings"]

_log: Final = logging.getLogger(__name__)

_FUNCTIONS: Final = (functions.SWEEPER, functions.DEAD_LETTERS)


@dataclass(frozen=True, kw_only=True)
class UpkeepSettings:
    """How often the sweeper runs: ``PRESSROOM_SWEEP_SECONDS``. In AWS it is every minute.

    Raises:
        SettingsError: that is no time.
    """

    sweep_seconds: float = 60.0

    def __post_init__(self) -> None:
        if not self.sweep_seconds > 0:
            raise SettingsError(f"PRESSROOM_SWEEP_SECONDS is {self.sweep_seconds}, not above 0")


class Upkeep:
    """Both functions and their drivers. They begin when their handlers are imported, in a thread of their own."""

    def __init__(
        self,
        make_pool: Callable[[Function], Pool],
        sqs: SQSClient,
        resources: Resources,
        *,
        environ: Callable[[str], Mapping[str, str]],
        settings: UpkeepSettings,
    ) -> None:
        """Takes what makes a function's pool, and ``environ``, which gives a function's variables by its name."""
        self._environ = environ
        self._pools = {function.name: make_pool(function) for function in _FUNCTIONS}
        self._schedule = Schedule(self._pools[functions.SWEEPER.name].invoke, every_seconds=settings.sweep_seconds)
        self._letters = QueuePoller(
            sqs,
            queue_url=resources.dead_letters_url,
            queue_arn=resources.dead_letters_arn,
            invoke=self._pools[functions.DEAD_LETTERS.name].invoke,
            concurrency=functions.DEAD_LETTERS.maximum,
        )
        self._stopping = threading.Event()
        self._starter = threading.Thread(target=self._start, name="upkeep", daemon=True)

    def start(self) -> None:
        """Begins as soon as the handlers are there."""
        self._starter.start()

    def close(self) -> None:
        """Ends both; a run under way is killed, for the next one goes on with it."""
        self._stopping.set()
        self._schedule.stop()
        self._letters.stop()
        for pool in self._pools.values():
            pool.close()
        if self._starter.is_alive():
            self._starter.join()
        self._schedule.close()
        self._letters.close()

    def _start(self) -> None:
        try:
            for name, pool in self._pools.items():
                pool.start(self._environ(name))
        except (StartError, OSError) as error:
            if not self._stopping.is_set():
                _log.warning("nothing is repaired here: %s", error)
            return
        if not self._stopping.is_set():
            self._schedule.start()
            self._letters.start()
