"""Claude on Bedrock in the template: the models' ids as the functions read them, and the permission to call them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from aws_cdk import Acknowledgment, Stack, Validations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.function import Function
    from infra.stage import Stage

__all__ = ["allow_models", "bedrock_models_json"]

_ACTIONS: Final = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")
_MODEL: Final = "anthropic."
"""How the id of a foundation model begins; an inference profile's has a prefix before it."""
_GLOBAL: Final = "global."
"""The prefix of a profile that calls its model in any region of the world."""


def bedrock_models_json(stage: Stage) -> str:
    """The stage's ids for a function's settings; empty where Claude is not on Bedrock."""
    return json.dumps(dict(stage.bedrock_models), sort_keys=True) if stage.bedrock_models else ""


def allow_models(function: Function, ids: Mapping[str, str], region: str) -> None:
    """Let ``function`` call the models of ``ids``, and no others.

    A foundation model is called in ``region``. An inference profile of ``region`` calls its model in regions of its
    own choice, for which AWS wants a permission too: it is given for that profile's calls only.
    """
    stack = Stack.of(function)
    for bedrock_id in sorted(set(ids.values())):
        if bedrock_id.startswith(_MODEL):
            function.allow(f"arn:{stack.partition}:bedrock:{region}::foundation-model/{bedrock_id}", *_ACTIONS)
            continue
        profile = f"arn:{stack.partition}:bedrock:{region}:{stack.account}:inference-profile/{bedrock_id}"
        model = bedrock_id[bedrock_id.index(_MODEL) :]
        function.allow(profile, *_ACTIONS)
        within = {"StringEquals": {"bedrock:InferenceProfileArn": profile}}
        function.allow(f"arn:{stack.partition}:bedrock:*::foundation-model/{model}", *_ACTIONS, conditions=within)
        if bedrock_id.startswith(_GLOBAL):
            # Its model has an ARN without a region besides, which no pattern for a region is documented to match.
            function.allow(f"arn:{stack.partition}:bedrock:::foundation-model/{model}", *_ACTIONS, conditions=within)
        Validations.of(function.role).acknowledge(
            Acknowledgment(
                id=f"AwsSolutions::AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:bedrock:*::foundation-model/{model}]",
                reason="AWS chooses the region within an inference profile; the condition names the profile.",
            )
        )
