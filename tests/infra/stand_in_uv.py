"""Stands in for ``uv pip install --target``: a package that holds the arguments it was asked with, and a script."""

from __future__ import annotations

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    target = Path(sys.argv[sys.argv.index("--target") + 1])
    if target.name == "refused":
        sys.exit("no such package")
    (target / "bin").mkdir(parents=True)
    (target / "bin" / "tool").write_text(f"#!{sys.executable}\n", encoding="utf-8")
    (target / "package").mkdir()
    # The target and the Python are of the machine and the run; the rest decides what is in the bundle.
    told = [each for each in sys.argv[1:] if each not in {str(target), sys.executable}]
    (target / "package" / "arguments.json").write_text(json.dumps(told), encoding="utf-8")
