"""What the api may load of generation, in an interpreter of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

FORBIDDEN = ("anthropic", "boto3", "botocore", "httpx2", "aws_lambda_powertools")


def loaded_by(*modules: str) -> set[str]:
    script = f"import sys, {', '.join(modules)}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    "module", ["shared.generation.kinds", "shared.generation.pricing", "shared.generation.answers"]
)
def test_a_module_that_the_api_loads_reaches_no_sdk(module: str) -> None:
    assert loaded_by(module).isdisjoint(FORBIDDEN)


def test_prices_need_no_models() -> None:
    assert "pydantic" not in loaded_by("shared.generation.pricing")
