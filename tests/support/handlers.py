"""Small Lambda handlers for the tests of the local runtime's machinery."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Any

_current: dict[str, Any] = {}


def echo(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """What it got, and where."""
    return {
        "event": event,
        "pid": os.getpid(),
        "request_id": context.aws_request_id,
        "function": context.function_name,
        "arn": context.invoked_function_arn,
        "memory_mb": context.memory_limit_in_mb,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "setting": os.environ.get("PRESSROOM_SETTING"),
        "key": os.environ.get("ANTHROPIC_API_KEY"),
    }


def act(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Does what the event says: sleep, raise, exit, die, or answer something that is no JSON."""
    match event["do"]:
        case "sleep":
            time.sleep(event["seconds"])
        case "raise":
            raise ValueError(event["message"])
        case "exit":
            os._exit(3)
        case "sys.exit":
            sys.exit(3)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "object":
            return {"thread": threading.current_thread()}
        case "write":
            sys.stdout.write(event["text"])
    return {"pid": os.getpid()}


def keeps_its_event_in_a_global(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """As Powertools' resolver does: right one event at a time, wrong in threads."""
    _current["event"] = event
    time.sleep(0.002)
    return dict(_current["event"])
