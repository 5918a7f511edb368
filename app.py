"""Synthesizes the CloudFormation template; run by the CDK command line, by ``make synth`` or by hand.

The choices are the context in ``cdk.json``. ``-c stage=prod`` chooses another stage, and ``-c bundle=off`` leaves the
functions' bundles out, for a template that needs no network. ``-c bytecode=off`` leaves compiled files out of them,
where there is no Python of the functions' version.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from infra.platform import Platform
from infra.stage import ConfigurationError, Stage

_ROOT: Final = Path(__file__).resolve().parent
_SILENCED: Final = "20"
"""Node 20 is past its end and works; jsii would print a banner a run."""


def main(arguments: list[str] | None = None) -> int:
    """Synthesize; the exit code."""
    parser = argparse.ArgumentParser(prog="app.py", description="Synthesize Pressroom's CloudFormation template.")
    parser.add_argument("-c", "--context", metavar="KEY=VALUE", action="append", default=[], help="as for cdk")
    parser.add_argument("-o", "--output", metavar="FOLDER", help="default: $CDK_OUTDIR, else cdk.out")
    options = parser.parse_args(arguments)
    context = _context() | dict(pair.partition("=")[::2] for pair in options.context)
    if context.get("bundle") == "off":
        context["aws:cdk:bundling-stacks"] = []
    try:
        stage = Stage.from_context(context["stage"], context["stages"])
        platform = Platform.from_context(context["platform"], bytecode=context.get("bytecode", "on"))
        platform.check(stage)
    except ConfigurationError as error:
        return _refuse(str(error))
    if shutil.which(os.environ.get("JSII_NODE", "node")) is None:
        return _refuse("CDK runs on Node.js, and there is no node on the PATH: install Node.js 22 or newer.")
    os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = _SILENCED
    output = options.output or os.environ.get("CDK_OUTDIR") or str(_ROOT / "cdk.out")
    return _synthesize(stage, platform, context, output)


def _context() -> dict[str, Any]:
    """The context as the CDK command line hands it on, or as it stands in ``cdk.json`` where nobody does."""
    handed_on = os.environ.get("CDK_CONTEXT_JSON")
    document: dict[str, Any] = json.loads(handed_on or (_ROOT / "cdk.json").read_text(encoding="utf-8"))
    return document if handed_on else document["context"]


def _synthesize(stage: Stage, platform: Platform, context: dict[str, Any], output: str) -> int:
    # Importing aws_cdk starts Node, so it comes after all that can go wrong without.
    from aws_cdk import App, Validations  # noqa: PLC0415
    from cdk_nag import AwsSolutionsChecks, ServerlessChecks  # noqa: PLC0415
    from jsii.errors import JavaScriptError  # noqa: PLC0415

    from infra.stack import PressroomStack  # noqa: PLC0415

    app = App(context=context, outdir=output, analytics_reporting=False)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app), ServerlessChecks(app))
    try:
        PressroomStack(app, stage, platform)
        app.synth()
    except ConfigurationError as error:
        return _refuse(str(error))
    except RuntimeError as error:
        # What CDK refuses, a finding of the checks, or a bundle that cannot be built: the message says all of it.
        if not isinstance(error.__cause__, JavaScriptError):
            raise
        return _refuse(str(error))
    return 0


def _refuse(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
