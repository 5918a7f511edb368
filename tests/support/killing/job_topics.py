"""Topics that tell the offline Claude what to do with an item, and how jobs of two of them end."""

from __future__ import annotations

from typing import Final

__all__ = [
    "BOTH",
    "FIRST_LOST",
    "FORBIDDEN_ONCE",
    "GOOD",
    "OVERLOADED_ONCE",
    "REFUSED",
    "SERVER_ERROR_ONCE",
]

GOOD: Final = "Topic 2"
SERVER_ERROR_ONCE: Final = "Topic 1 [[claude: status=500 times=1]]"
"""An error that passes, and brakes nobody."""
OVERLOADED_ONCE: Final = "Topic 1 [[claude: status=529 times=1]]"
"""An error that passes, and brakes everybody."""
REFUSED: Final = "Topic 1 [[claude: refusal]]"
FORBIDDEN_ONCE: Final = "Topic 1 [[claude: status=401 times=1]]"
"""An error of the account."""

BOTH: Final = "completed: 2 completed"
FIRST_LOST: Final = "partially_failed: 1 completed, 1 failed"
