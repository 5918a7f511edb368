"""The local runtime: ministack, the offline Claude, the handlers' workers, and what drives them. One process tree.

::

    runtime ─┬─ ministack            unless AWS_ENDPOINT_URL says where the services are
             ├─ offline Claude       unless ANTHROPIC_API_KEY is set
             ├─ zygote of the api ───────── workers
             ├─ zygote of the processor ─── workers
             ├─ zygote of the finalizer ─── workers
             ├─ zygote of the journal ───── worker
             ├─ zygote of the sweeper ───── worker
             └─ zygote of the dead letters  workers

Every child ends when the runtime ends, also when it is killed.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, Self

from pressroom.local import functions
from pressroom.local.children import inherited
from pressroom.local.emulator import Emulator
from pressroom.local.folder import runtime_folder
from pressroom.local.listener import Listener
from pressroom.local.offline_claude import OfflineClaude
from pressroom.local.pool import Pool
from shared.environment import read

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import FrameType, TracebackType

    from pressroom.local.drivers import Drivers
    from pressroom.local.resources import Resources
    from pressroom.local.tokens import Tokens
    from pressroom.local.zygote_process import Function

__all__ = ["DEFAULT_PORT", "LocalRuntime", "serve"]

DEFAULT_PORT: Final = 8787
_CHECK_SECONDS: Final = 1.0
_FUNCTIONS: Final = (functions.PROCESSOR, functions.API, functions.FINALIZER, functions.JOURNAL)
"""The slowest import first."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class LocalRuntime:
    """A running runtime, as a context manager.

    Attributes (inside the ``with``):
        base_url: where the API is, ``http://127.0.0.1:<port>``.
        aws_endpoint_url: where the AWS services are.
        claude_url: where the offline Claude is; None when the real one is called.
        resources: table, queues, topic and user pool.
        folder: logs and temporary files; gone at the end.
    """

    base_url: str
    aws_endpoint_url: str
    claude_url: str | None
    resources: Resources
    folder: Path

    def __init__(
        self,
        *,
        port: int = 0,
        environ: Mapping[str, str] | None = None,
        stage: str = "local",
        verbose: bool = False,
    ) -> None:
        """Takes what to run.

        Args:
            port: where to serve the API; 0 takes any free port.
            environ: read for ``AWS_ENDPOINT_URL``, ``ANTHROPIC_API_KEY`` and ``PRESSROOM_…`` limits, and handed on
                to the children without accounts and keys; default the process's own.
            stage: part of the names of table, queues and topic.
            verbose: the functions' logs go to standard error rather than to files in ``folder``.
        """
        self._port = port
        self._environ = dict(os.environ if environ is None else environ)
        self._stage = stage
        self._verbose = verbose
        self._ends = ExitStack()
        self._parts: list[Emulator | OfflineClaude] = []
        self._tokens: Tokens

    def __enter__(self) -> Self:
        """Starts everything; returns when a first request will be answered.

        Raises:
            PortTakenError: somebody listens on the port.
            StartError: a part did not start.
            ServicesError: the AWS endpoint cannot be used.
            SettingsError: a ``PRESSROOM_…`` variable is not of its type.
        """
        try:
            self._start()
        except BaseException:
            self._ends.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends everything in order. Repeating is harmless."""
        self._ends.close()

    def token(self, user: str) -> str:
        """An access token of ``user``, who is made on first use."""
        return self._tokens.token(user)

    def wait(self) -> None:
        """Waits until a part dies; interrupt it to end earlier.

        Raises:
            PartDiedError: the emulator or the offline Claude has ended.
        """
        while True:
            for part in self._parts:
                part.check()
            time.sleep(_CHECK_SECONDS)

    def _start(self) -> None:
        """Processes first, all at once, for they take the time; then what needs them."""
        listener = Listener(port=self._port)
        self._ends.callback(listener.close)
        self.base_url = listener.url
        self.folder = self._ends.enter_context(runtime_folder())
        emulator, claude = self._start_parts()
        pools = {function.name: self._start_pool(function) for function in _FUNCTIONS}
        from pressroom.local.drivers import Drivers  # noqa: PLC0415  boto3: half a second while the children start

        if emulator is not None:
            emulator.wait_until_healthy()
            self.aws_endpoint_url = emulator.endpoint_url
        self.claude_url = None if claude is None else claude.wait_until_ready()
        drivers = Drivers(
            self._ends, pools, aws_endpoint_url=self.aws_endpoint_url, claude_url=self.claude_url, stage=self._stage
        )
        self.resources = drivers.resources
        self._tokens = drivers.tokens
        self._configure(pools, drivers.invoke_url)
        drivers.start(listener)
        self._start_upkeep(drivers)

    def _start_parts(self) -> tuple[Emulator | None, OfflineClaude | None]:
        emulator = claude = None
        self.aws_endpoint_url = self._environ.get("AWS_ENDPOINT_URL", "").rstrip("/")
        if not self.aws_endpoint_url:
            emulator = Emulator(self._environ, self.folder)
            self._ends.callback(emulator.close)
            self._parts.append(emulator)
        if not self._environ.get("ANTHROPIC_API_KEY"):
            claude = OfflineClaude(self._environ, self.folder)
            self._ends.callback(claude.close)
            self._parts.append(claude)
        return emulator, claude

    def _start_upkeep(self, drivers: Drivers) -> None:
        """A first request can be answered by now: what nobody waits for begins."""
        from pressroom.local.upkeep import Upkeep, UpkeepSettings  # noqa: PLC0415  boto3, as above

        upkeep = Upkeep(
            self._start_pool,
            drivers.clients.sqs,
            self.resources,
            environ=self._variables(drivers.invoke_url).__getitem__,
            settings=read(UpkeepSettings, self._environ),
        )
        self._ends.callback(upkeep.close)
        upkeep.start()

    def _start_pool(self, function: Function) -> Pool:
        pool = Pool(
            function,
            environ=inherited(self._environ, self.folder) | functions.powertools(function),
            folder=self.folder,
            log=None if self._verbose else self.folder / f"{function.name}.log",
        )
        self._ends.callback(pool.close)
        return pool

    def _configure(self, pools: Mapping[str, Pool], invoke_url: str) -> None:
        """Waits for the imports, and tells the workers where everything is."""
        variables = self._variables(invoke_url)
        for name, pool in pools.items():
            pool.start(variables[name])

    def _variables(self, invoke_url: str) -> dict[str, dict[str, str]]:
        """What each function is told, by its name."""
        settings = functions.settings(
            self._environ,
            self.resources,
            claude_url=self.claude_url,
            anthropic_api_key=self._environ.get("ANTHROPIC_API_KEY") or "offline",
            sign_in_url=self.aws_endpoint_url,
        )
        endpoints = {"AWS_ENDPOINT_URL": self.aws_endpoint_url, "AWS_ENDPOINT_URL_LAMBDA": invoke_url}
        return {name: variables | endpoints for name, variables in settings.items()}


def serve(port: int = DEFAULT_PORT, *, verbose: bool = False, environ: Mapping[str, str] | None = None) -> None:
    """Runs the runtime until Ctrl-C, SIGTERM or SIGHUP; prints one line on standard output when it is ready.

    Trouble is told on standard error. Call it from the main thread.

    Raises:
        PortTakenError: somebody listens on the port.
        StartError: a part did not start.
        ServicesError: the AWS endpoint cannot be used.
        SettingsError: a ``PRESSROOM_…`` variable is not of its type.
        PartDiedError: the emulator or the offline Claude ended by itself.
    """
    with _logging_to_stderr(verbose=verbose), _signals_end_it():
        try:
            with LocalRuntime(port=port, environ=environ, verbose=verbose) as runtime:
                claude = "the real Claude" if runtime.claude_url is None else "the offline Claude"
                sys.stdout.write(f"Pressroom is ready on {runtime.base_url} with {claude}. Ctrl-C ends it.\n")
                sys.stdout.flush()
                runtime.wait()
        except KeyboardInterrupt:
            return


@contextmanager
def _logging_to_stderr(*, verbose: bool) -> Iterator[None]:
    logger = logging.getLogger("pressroom")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("pressroom local: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if verbose else logging.WARNING)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def _signals_end_it() -> Iterator[None]:
    """The first signal interrupts the main thread; a second one ends us at once, and the children see that."""
    asked = False

    def end(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            os._exit(130)
        asked = True
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)
