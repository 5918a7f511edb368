"""What the local runtime adds to the command: ``local``, ``token``, and a place for the demo."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pressroom.cli.exits import CommandError, ExitCode
from pressroom.cli.session import checked_url, local_token
from shared.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["serve", "starting_local", "token_of"]


def serve(port: int, *, verbose: bool) -> ExitCode:
    """Serves the local runtime until Ctrl-C."""
    with starting_local():
        from pressroom.local.runtime import serve as work  # noqa: PLC0415  the heaviest import of all

        work(port, verbose=verbose)
    return ExitCode.OK


def token_of(api_url: str, user: str) -> str:
    """An access token of ``user`` at the local runtime."""
    return local_token(checked_url(api_url), user)


@contextmanager
def starting_local() -> Iterator[None]:
    """The local runtime's errors, as ways for a command to end.

    Raises:
        CommandError: it cannot be imported or started.
    """
    try:
        from pressroom.local.errors import LocalRuntimeError, PortTakenError, ServicesError  # noqa: PLC0415

        try:
            yield
        except PortTakenError as error:
            raise CommandError(str(error), ExitCode.BAD_INPUT) from error
        except ServicesError as error:
            hint = "AWS_ENDPOINT_URL names the services that it uses; without it, it starts its own."
            raise CommandError(str(error), ExitCode.UNREACHABLE, hint=hint) from error
        except SettingsError as error:
            raise CommandError(str(error), ExitCode.BAD_INPUT) from error
        except LocalRuntimeError as error:
            raise CommandError(str(error), ExitCode.INTERNAL) from error
    except ModuleNotFoundError as error:
        raise CommandError(
            f"the local runtime is not installed here: {error.name} is missing",
            ExitCode.BAD_INPUT,
            hint="It comes with a checkout of Pressroom: run make setup there.",
        ) from error
