"""The ``pressroom`` command."""

from __future__ import annotations

__all__ = ["main"]


def main() -> int:
    """Runs the command line of this process; the exit code (:class:`pressroom.cli.exits.ExitCode`)."""
    try:
        # Imported here, so that even a Ctrl-C while Python still loads modules ends without a traceback.
        from pressroom.cli.app import run  # noqa: PLC0415

        return run()
    except KeyboardInterrupt:
        return 130
