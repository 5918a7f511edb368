"""The api's entry: one request of the HTTP API."""
# ruff: noqa: E402  the imports are what the collector is paused for

from __future__ import annotations

import gc

# Collecting while everything loads finds nothing, and is a fifth of a cold start's CPU time.
gc.disable()

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from functions.api.edge import Edge
from functions.api.routes import ROUTES
from functions.api.services import Services
from functions.api.settings import ApiSettings
from shared import environment, snapshots
from shared.clock import SystemClock
from shared.errors import SettingsError
from shared.logs import function_logger
from shared.metering import Meter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

__all__ = ["handler"]

gc.freeze()  # what is loaded stays: later collections need not look at it, and forked workers share it
gc.enable()

logger = function_logger("api")


@cache
def services() -> Services:
    """The services that the environment describes; made at the first request."""
    return Services.from_settings(environment.read(ApiSettings, os.environ), logger)


@cache
def edge() -> Edge:
    """The API; made at the first request."""
    return Edge(ROUTES, services, logger, Meter("api", _deployment(), SystemClock()).count)


def _deployment() -> str:
    """Whose metrics these are; a request that finds no settings is a fault that is counted too."""
    try:
        return environment.read(ApiSettings, os.environ).table_name
    except SettingsError:
        return "unknown"


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request.

    Args:
        event: of API Gateway's HTTP API, payload format 2.0, its token verified by the gateway.
        context: of Lambda.

    Returns:
        The response in the same format.
    """
    return edge().respond(event, context)


snapshots.keep_ready(services, edge, environ=os.environ)
