"""The AWS emulator of the tests: one a session (or xdist worker), on loopback, in a folder of its own.

Run as a program (``python -m tests.support.emulator``) this module *is* the emulator's process. It ends when
its standard input closes, so that it goes even when the test run that started it was killed.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, cast, overload
from urllib.error import URLError

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_dynamodbstreams.client import DynamoDBStreamsClient
    from mypy_boto3_sns.client import SNSClient
    from mypy_boto3_sqs.client import SQSClient

    type_of_client = DynamoDBClient | DynamoDBStreamsClient | SNSClient | SQSClient

__all__ = ["CREDENTIALS", "Emulator", "EmulatorError", "free_port", "run", "running_emulator"]

HOST: Final = "127.0.0.1"
REGION: Final = "us-east-1"
CREDENTIALS: Final = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
}
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 10.0
_TRIES: Final = 3


class EmulatorError(Exception):
    """The emulator did not start; the message carries what it printed."""


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator."""

    endpoint_url: str

    @overload
    def client(self, service: Literal["dynamodb"]) -> DynamoDBClient: ...
    @overload
    def client(self, service: Literal["dynamodbstreams"]) -> DynamoDBStreamsClient: ...
    @overload
    def client(self, service: Literal["sqs"]) -> SQSClient: ...
    @overload
    def client(self, service: Literal["sns"]) -> SNSClient: ...
    def client(self, service: str) -> type_of_client:
        """A client of its own session, safe to share between 50 threads. Close it, or its sockets warn."""
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
        return cast(
            "type_of_client",
            session.client(
                service,
                endpoint_url=self.endpoint_url,
                config=Config(max_pool_connections=50, retries={"total_max_attempts": 2, "mode": "standard"}),
            ),
        )


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_emulator(
    module: str = "tests.support.emulator", environ: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Emulator]:
    """Starts the emulator and waits until it is healthy; stops it and removes its folder at the end.

    Args:
        module: the program that is the emulator's process; this one, or one that ends as it does.
        environ: further variables of that process.

    Raises:
        EmulatorError: it did not start in 30 s, or gave up on three ports.
    """
    folder = Path(tempfile.mkdtemp(prefix="pressroom-emulator-"))
    process: subprocess.Popen[bytes] | None = None
    try:
        for _ in range(_TRIES):
            port = free_port()
            process = _start(module, environ, port, folder)
            if _healthy(process, port):
                yield Emulator(endpoint_url=f"http://{HOST}:{port}")
                return
            _stop(process)
        raise EmulatorError(f"the emulator did not start:\n{(folder / 'log').read_text()}")
    finally:
        if process is not None:
            _stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def _start(module: str, environ: Mapping[str, str], port: int, folder: Path) -> subprocess.Popen[bytes]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PRESSROOM_"))}
    environment = (
        inherited
        | CREDENTIALS
        | {
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(port),
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "ERROR",
            "TMPDIR": str(folder),
            "STATE_DIR": str(folder / "state"),
            "S3_DATA_DIR": str(folder / "s3"),
        }
        | dict(environ)
    )
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603  a module of the tests
            [sys.executable, "-m", module],
            cwd=Path(__file__).parents[2],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the test run, which then stops the emulator in order
        )


def _healthy(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether it answered; False when it ended or stayed silent."""
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/_ministack/health", timeout=2):
                return True
        except (URLError, OSError):
            time.sleep(0.05)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_with_parent() -> None:
    """Waits for the end of standard input, which is the end of the test run, however it came."""
    sys.stdin.buffer.read()
    folder = tempfile.gettempdir()
    if Path(folder).name.startswith("pressroom-emulator-"):
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def run() -> None:
    """Be the emulator, until the test run ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from ministack.app import main  # noqa: PLC0415  only the emulator's own process loads it

    sys.argv = ["ministack"]
    main()


if __name__ == "__main__":
    run()
