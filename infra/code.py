"""A function's bundle as CDK takes it: built when a stack really needs it, named by what came out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import jsii
from aws_cdk import AssetHashType, BundlingOptions, DockerImage, ILocalBundling, aws_lambda

from infra.bundles import ROOT, bundle

if TYPE_CHECKING:
    from infra.platform import Platform

__all__ = ["code_of"]

_NO_IMAGE: Final = "bundled-without-docker"
"""CDK asks for an image; a local bundler that never declines never uses it."""


def code_of(function: str, platform: Platform) -> aws_lambda.Code:
    """The code of the function in ``functions/<function>``."""
    return aws_lambda.Code.from_asset(
        str(ROOT / "functions" / function),
        asset_hash_type=AssetHashType.OUTPUT,
        bundling=BundlingOptions(
            image=DockerImage.from_registry(_NO_IMAGE),
            # CDK's cache tells bundles apart by it.
            command=[
                function,
                platform.architecture,
                platform.python,
                str(platform.compiled),
            ],
            local=_LocalBundling(function, platform),
        ),
    )


@jsii.implements(ILocalBundling)
class _LocalBundling:
    """What CDK calls. No frozen dataclass, because jsii hangs its reference on it."""

    def __init__(self, function: str, platform: Platform) -> None:
        self._function = function
        self._platform = platform

    def try_bundle(self, output_dir: str, *_options: object, **_more_options: object) -> bool:
        """Build the bundle in ``output_dir``; the options are Docker's."""
        bundle(self._function, self._platform, Path(output_dir))
        return True
