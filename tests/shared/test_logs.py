"""A line tells where an error was raised, and none of the texts that its words may repeat."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.exceptions import ClientError, ParamValidationError

from shared.errors import CorruptRowError, ErrorCode, StoreUnavailableError, item_error
from shared.jobs.ids import new_token
from shared.logs import function_logger
from tests.support.repository import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = "a text that nobody else must read"


def logged(error: Exception, *, level: str = "INFO") -> dict[str, Any]:
    """The line that a function writes of ``error``."""
    stream = io.StringIO()
    function_logger(new_token(), level=level, stream=stream).error("something went wrong", exc_info=error)
    line: dict[str, Any] = json.loads(stream.getvalue())
    return line


def raised(cause: Exception, error: Exception | None = None, *, chained: bool = True) -> Exception:
    """``error`` as it is caught, raised because of ``cause``; or the cause alone."""
    try:
        try:
            raise cause  # noqa: TRY301  here, so that it has a traceback
        except Exception as caught:
            if error is None:
                raise
            raise error from (caught if chained else None)
    except Exception as caught:  # noqa: BLE001  whatever it is
        return caught


def unknown_parameter() -> Exception:
    """What the client says of a value that it cannot send."""
    client: Any = botocore.session.get_session().create_client(
        "dynamodb", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    with pytest.raises(ParamValidationError) as caught:
        client.get_item(TableName="t", Key={"pk": {"S": {"text": TEXT}}})
    assert TEXT in str(caught.value)
    return caught.value


WITH_TEXTS: dict[str, Callable[[], Exception]] = {
    "any error": lambda: raised(ValueError(TEXT)),
    "a key": lambda: raised(KeyError(TEXT)),
    "Claude's words": lambda: raised(item_error(ErrorCode.REFUSED, TEXT)),
    "the client's": unknown_parameter,
    "a cause": lambda: raised(ValueError(TEXT), CorruptRowError("the row cannot be read")),
    "what was handled": lambda: raised(ValueError(TEXT), RuntimeError(TEXT)),
}


@pytest.mark.parametrize("make", WITH_TEXTS.values(), ids=WITH_TEXTS)
def test_no_words_of_an_error_are_written_when_they_may_be_somebodys(make: Callable[[], Exception]) -> None:
    error = make()
    error.add_note(TEXT)

    line = logged(error)

    assert TEXT not in json.dumps(line)
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert Path(__file__).name in line["exception"]
    assert line["exception_name"] == type(error).__name__ in line["exception"].splitlines()[-1]


@pytest.mark.parametrize("make", WITH_TEXTS.values(), ids=WITH_TEXTS)
def test_everything_is_written_when_the_level_is_debug(make: Callable[[], Exception]) -> None:
    assert TEXT in logged(make(), level="DEBUG")["exception"]


def test_item_error_is_told_by_its_code() -> None:
    assert logged(raised(item_error(ErrorCode.REFUSED, TEXT)))["exception"].endswith("\nPermanentError: refused")


@pytest.mark.parametrize(
    "error",
    [
        StoreUnavailableError("DynamoDB refused, 8 times"),
        ClientError({"Error": {"Code": "AccessDenied", "Message": "not allowed to dynamodb:GetItem"}}, "GetItem"),
    ],
)
def test_words_are_written_when_they_name_rows_and_operations_only(error: Exception) -> None:
    assert str(error) in logged(raised(error))["exception"]


def test_chain_is_told_as_python_tells_it() -> None:
    handled = raised(ValueError(TEXT), raised(KeyError(TEXT), StoreUnavailableError("no answer")))
    cut = raised(ValueError(TEXT), StoreUnavailableError("no answer"), chained=False)
    loop = raised(ValueError(TEXT))
    loop.__context__ = other = raised(KeyError(TEXT))
    other.__context__ = loop

    assert "the direct cause of the following exception" in logged(handled)["exception"]
    assert "ValueError" not in logged(cut)["exception"]
    assert "During handling of the above exception" in logged(loop)["exception"]
    assert logged(CorruptRowError("never raised"))["exception"] == "CorruptRowError: never raised"


def test_line_without_an_error_has_no_traceback() -> None:
    stream = io.StringIO()
    logger = function_logger(new_token(), stream=stream)
    logger.error("nothing was raised", exc_info=sys.exc_info())

    line = json.loads(stream.getvalue())
    assert (line["message"], line["level"], line["service"]) == ("nothing was raised", "ERROR", logger.service)
    assert "Traceback" not in stream.getvalue()


def test_every_function_logs_this_way() -> None:
    for path in (ROOT / "functions").glob("*/handler.py"):
        assert f'function_logger("{path.parent.name}")' in path.read_text()
