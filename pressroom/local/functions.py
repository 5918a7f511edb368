"""The Lambda functions as the runtime drives them, and the environment that each of them gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from functions.api.settings import ApiSettings
from functions.dead_letters.settings import DeadLettersSettings
from functions.finalizer.settings import FinalizerSettings
from functions.journal.settings import JournalSettings
from functions.processor.settings import ProcessorSettings
from functions.sweeper.settings import TIMEOUT_SECONDS, SweeperSettings
from pressroom.local.zygote_process import Function
from shared.environment import PREFIX, read, variables
from shared.queue.queues import FUNCTION_TIMEOUT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import DataclassInstance

    from pressroom.local.resources import Resources

__all__ = [
    "API",
    "DEAD_LETTERS",
    "FINALIZER",
    "JOURNAL",
    "PROCESSOR",
    "QUEUE_CONCURRENCY",
    "SWEEPER",
    "powertools",
    "settings",
]

API: Final = Function(
    "api",
    "functions.api.handler:handler",
    prepare="functions.api.handler:services",
    timeout_seconds=29,
    maximum=48,
)
"""A request that waits for a change holds its worker, so there are more of them than cores would ask for."""
PROCESSOR: Final = Function(
    "processor",
    "functions.processor.handler:handler",
    prepare="functions.processor.handler:processor",
    timeout_seconds=FUNCTION_TIMEOUT_SECONDS,
    maximum=64,
)
FINALIZER: Final = Function(
    "finalizer",
    "functions.finalizer.handler:handler",
    prepare="functions.finalizer.handler:finalizer",
    timeout_seconds=60,
    maximum=2,
)
JOURNAL: Final = Function(
    "journal",
    "functions.journal.handler:handler",
    prepare="functions.journal.handler:journal",
    timeout_seconds=60,
    maximum=1,
)

SWEEPER: Final = Function(
    "sweeper",
    "functions.sweeper.handler:handler",
    prepare="functions.sweeper.handler:sweeper",
    timeout_seconds=TIMEOUT_SECONDS,
    maximum=1,
)
DEAD_LETTERS: Final = Function(
    "dead_letters",
    "functions.dead_letters.handler:handler",
    prepare="functions.dead_letters.handler:prepare",
    timeout_seconds=60,
    maximum=2,
)

QUEUE_CONCURRENCY: Final = 48
"""The most items at once that come by the queue; the rest of the processor's workers are for process-next."""


def powertools(function: Function) -> dict[str, str]:
    """What Powertools reads when a handler's module is imported."""
    return {
        "POWERTOOLS_SERVICE_NAME": function.name,
        "POWERTOOLS_METRICS_NAMESPACE": "Pressroom",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
    }


def settings(
    environ: Mapping[str, str],
    resources: Resources,
    *,
    claude_url: str | None,
    anthropic_api_key: str,
    sign_in_url: str,
) -> dict[str, dict[str, str]]:
    """Each function's own variables, by its name.

    ``PRESSROOM_…`` variables of the user's environment, such as limits, reach the functions, except those that
    name what the runtime itself has made. Without ``claude_url`` the real Claude is called.

    Raises:
        SettingsError: a variable of the user's is not of its type.
    """
    own = {
        "TABLE_NAME": resources.table_name,
        "QUEUE_URL": resources.queue_url,
        "DEAD_LETTERS_URL": resources.dead_letters_url,
        "TOPIC_ARN": resources.topic_arn,
        "PROCESSOR_FUNCTION": PROCESSOR.name,
        "SIGN_IN_URL": sign_in_url,
        "SIGN_IN_CLIENT_ID": resources.user_pool_client_id,
        "ANTHROPIC_API_KEY": anthropic_api_key,
        "ANTHROPIC_BASE_URL": claude_url or environ.get("ANTHROPIC_BASE_URL", ""),
    }
    users = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    merged = users | {PREFIX + name: value for name, value in own.items()}
    classes: dict[str, type[DataclassInstance]] = {
        API.name: ApiSettings,
        PROCESSOR.name: ProcessorSettings,
        FINALIZER.name: FinalizerSettings,
        JOURNAL.name: JournalSettings,
        SWEEPER.name: SweeperSettings,
        DEAD_LETTERS.name: DeadLettersSettings,
    }
    return {name: variables(read(settings_class, merged)) for name, settings_class in classes.items()}
