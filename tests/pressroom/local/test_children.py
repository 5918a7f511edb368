"""What our processes inherit, and how they end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pressroom.local.children import FAREWELL, Child, inherited, tail
from pressroom.local.errors import PartDiedError
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

READ_INPUT = "import sys; print(sys.stdin.buffer.read(), file=sys.stderr)"


def test_child_inherits_no_account_key_or_foreign_path_when_the_user_has_them(tmp_path: Path) -> None:
    users = {
        "AWS_ACCESS_KEY_ID": "real",
        "AWS_PROFILE": "work",
        "AWS_ENDPOINT_URL": "http://elsewhere",
        "ANTHROPIC_API_KEY": "real",
        "PRESSROOM_TOKEN": "real",
        "PYTHONPATH": "/elsewhere",
        "PATH": "/bin",
        "HTTPS_PROXY": "http://proxy",
        "NO_PROXY": "intranet",
    }

    environ = inherited(users, tmp_path)

    assert environ["AWS_ACCESS_KEY_ID"] == "test"
    assert not environ.keys() & {"AWS_PROFILE", "AWS_ENDPOINT_URL", "ANTHROPIC_API_KEY", "PRESSROOM_TOKEN"}
    assert "/elsewhere" not in environ["PYTHONPATH"]
    assert (environ["PATH"], environ["HTTPS_PROXY"], environ["TMPDIR"]) == ("/bin", "http://proxy", str(tmp_path))
    assert environ["NO_PROXY"] == environ["no_proxy"] == "intranet,127.0.0.1,localhost,::1"


@pytest.mark.parametrize("farewell", [b"", FAREWELL])
def test_child_reads_the_farewell_and_the_end_when_it_is_closed(tmp_path: Path, farewell: bytes) -> None:
    child = Child("a child", [sys.executable, "-c", READ_INPUT], environ={}, log=tmp_path / "log")
    child.check()

    child.close(farewell=farewell)

    assert tail(tmp_path / "log") == repr(farewell)


def test_check_tells_what_a_child_printed_when_it_has_ended(tmp_path: Path) -> None:
    child = Child("a child", [sys.executable, "-c", "raise SystemExit('no tea')"], environ={}, log=tmp_path / "log")
    eventually(lambda: not child.is_running())

    with pytest.raises(PartDiedError, match=r"a child has ended:\nno tea"):
        child.check()
    child.close(farewell=FAREWELL)
