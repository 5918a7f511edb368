"""Questions that operators ask of the logs, saved in Logs Insights under the folder ``pressroom``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import aws_logs
from constructs import Construct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.function import Function
    from infra.http_api import HttpApi
    from infra.stage import Stage

__all__ = ["Queries"]

_ASKED: Final[Mapping[str, str]] = {
    "one job": 'filter job = "job_REPLACE_ME"\n'
    "| fields @timestamp, service, message, position, generation, attempt, code, correlation_id\n"
    "| sort @timestamp asc",
    "one item": 'filter job = "job_REPLACE_ME" and position = 1\n'
    "| fields @timestamp, service, message, generation, attempt, code, correlation_id\n"
    "| sort @timestamp asc",
    "one invocation": 'filter correlation_id = "REPLACE_ME" or @requestId = "REPLACE_ME"\n'
    "| fields @timestamp, service, level, message, job, position, code, exception\n"
    "| sort @timestamp asc",
    "errors": 'filter level in ["ERROR", "CRITICAL"] or @message like /Task timed out|Runtime\\.\\w+|^\\[ERROR\\]/\n'
    "| fields @timestamp, service, message, code, job, position, correlation_id, exception\n"
    "| sort @timestamp desc\n| limit 200",
    "failures by code": "filter ispresent(code) and level = 'WARNING'\n"
    "| stats count(*) as calls by code, bin(5m)\n| sort calls desc",
    "cost by hour": "filter ispresent(CostMicrousd)\n"
    "| stats sum(CostMicrousd) / 1000000 as usd, sum(Calls) as calls, sum(OutputTokens) as tokens by bin(1h)",
    "cold starts": "filter ispresent(@initDuration)\n"
    "| stats count(*) as starts, avg(@initDuration) as milliseconds, max(@maxMemoryUsed) / 1000000 as mb by @log",
    "repairs": 'filter service = "sweeper" and ispresent(repair)\n'
    "| fields @timestamp, message, job, repair\n| sort @timestamp desc\n| limit 200",
}
_OF_REQUESTS: Final[Mapping[str, str]] = {
    "requests": "fields @timestamp, status, method, path, caller, milliseconds, error, authorizer_error, request_id\n"
    "| filter status >= 400\n| sort @timestamp desc\n| limit 200",
    "who calls": "stats count(*) as requests, max(milliseconds) as slowest by caller, method\n| sort requests desc",
}


class Queries(Construct):
    """The saved queries of a stage."""

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: Stage, http_api: HttpApi, functions: Sequence[Function]
    ) -> None:
        super().__init__(scope, construct_id)
        groups = [each.logs.log_group_name for each in functions]
        for asked, of in ((_ASKED, groups), (_OF_REQUESTS, [http_api.logs.log_group_name])):
            for name, text in asked.items():
                aws_logs.CfnQueryDefinition(
                    self,
                    name,
                    name=f"pressroom/{stage.name}/{name}",
                    query_string=text,
                    log_group_names=of,
                )
