"""The process whose children are killed: everything is imported once, and each child is a fork of it.

Run as a program (``python -m tests.support.killing.zygote FD``), it reads commands from the socket ``FD``: one byte
with the descriptor of a socket is one child that lives on that socket; the answer is the child's wait status. It ends
when the socket does, so that it goes even when the test run that started it was killed.
"""

from __future__ import annotations

import importlib
import os
import socket
import struct
import sys
from typing import Final, Literal

from shared import aws, patience
from tests.support.killing import victim

__all__ = ["HANDLERS", "STATUS"]

STATUS: Final = struct.Struct("!I")
HANDLERS: Final = tuple(
    f"functions.{name}.handler" for name in ("api", "dead_letters", "finalizer", "journal", "processor", "sweeper")
)
_SERVICES: Final[tuple[Literal["dynamodb", "lambda", "sns", "sqs"], ...]] = ("dynamodb", "lambda", "sns", "sqs")


def _warm_up() -> None:
    """What a Lambda function does when it starts, up to its first event: it is the same in all children."""
    for handler in HANDLERS:
        importlib.import_module(handler)
    importlib.import_module("shared.generation.kinds")
    for service in _SERVICES:
        aws.client(service, patience.STORE).close()  # the descriptions of the services are read


def _serve(control: socket.socket) -> None:
    while True:
        command, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not command:
            return
        (descriptor,) = descriptors
        pid = os.fork()
        if pid == 0:
            control.close()
            _be_a_child(descriptor)
        os.close(descriptor)
        _, status = os.waitpid(pid, 0)
        control.sendall(STATUS.pack(status))


def _be_a_child(descriptor: int) -> None:
    """What the child logs goes nowhere; what it has to say goes to its socket."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        with socket.socket(fileno=descriptor) as connection:
            victim.live(connection)
    finally:
        os._exit(0)


if __name__ == "__main__":
    _warm_up()
    with socket.socket(fileno=int(sys.argv[1])) as parent:
        _serve(parent)
