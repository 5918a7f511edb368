"""``python -m pressroom.cli``: the same as ``pressroom``."""

from __future__ import annotations

import sys

from pressroom.cli import main

sys.exit(main())
