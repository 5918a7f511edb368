from __future__ import annotations

from typing import Any

import pytest

from shared.contracts.messages import LaneMessage, LaterMessageError, MalformedMessageError

MESSAGE = LaneMessage("prj_1", "job_1", 3, 2, 120, est=5, next=7)


@pytest.mark.parametrize("message", [MESSAGE, LaneMessage("prj_1", "job_1", 0, 0, 5)])
def test_a_message_is_read_as_it_was_written(message: LaneMessage) -> None:
    assert LaneMessage.from_json(message.to_json()) == message


def test_what_is_not_said_is_not_written() -> None:
    assert LaneMessage("p", "j", 0, 0, 5).to_dict() == {
        "project": "p",
        "job": "j",
        "lane": 0,
        "epoch": 0,
        "timeout_seconds": 5,
    }


@pytest.mark.parametrize("text", ["", "{", "[]", '"text"', "null", "{}"])
def test_a_text_that_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessageError):
        LaneMessage.from_json(text)


@pytest.mark.parametrize("change", [{"lane": "0"}, {"lane": True}, {"project": 5}, {"job": None}, {"next": 1.5}])
def test_a_member_of_another_type_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessageError):
        LaneMessage.from_dict(MESSAGE.to_dict() | change)


def test_a_message_that_says_more_is_told_from_one_of_nobody_when_read() -> None:
    with pytest.raises(LaterMessageError, match="colour"):
        LaneMessage.from_dict(MESSAGE.to_dict() | {"colour": "red"})
    with pytest.raises(MalformedMessageError) as refused:
        LaneMessage.from_dict(MESSAGE.to_dict() | {"colour": "red", "lane": "0"})
    assert not isinstance(refused.value, LaterMessageError)
