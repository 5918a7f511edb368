from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.infra.templates import allowed

if TYPE_CHECKING:
    from tests.infra.templates import Assembly

GATEWAY_GIVES_UP_AFTER_SECONDS = 30
LONGEST_WAIT_SECONDS = 25


def test_function_ends_first_when_the_gateway_gives_up(dev: Assembly) -> None:
    assert LONGEST_WAIT_SECONDS < dev.function("api")["Timeout"] < GATEWAY_GIVES_UP_AFTER_SECONDS


def test_api_may_only_send_and_invoke_when_it_starts_work(dev: Assembly) -> None:
    granted = allowed(dev, "api")
    (processor,) = [
        logical_id
        for logical_id, each in dev.all("AWS::Lambda::Function").items()
        if each["Properties"]["FunctionName"] == "pressroom-dev-processor"
    ]

    assert granted["WorkQueue.Arn"] == {"sqs:SendMessage"}
    assert granted[f"{processor}.Arn"] == {"lambda:InvokeFunction"}
    assert dev.environment("api")["PRESSROOM_PROCESSOR_FUNCTION"] == processor


def test_api_knows_where_people_sign_in_when_the_command_line_asks(dev: Assembly) -> None:
    environment = dev.environment("api")

    assert environment["PRESSROOM_SIGN_IN_URL"] == "https://SignIn.auth.AWS::Region.amazoncognito.com"
    assert environment["PRESSROOM_SIGN_IN_CLIENT_ID"] == "CommandLineClient"


def test_api_reads_one_index_when_it_lists_active_jobs(dev: Assembly) -> None:
    indexes = {resource: actions for resource, actions in allowed(dev, "api").items() if "/index/" in resource}

    assert indexes == {"Table.Arn/index/active": {"dynamodb:Query"}}


def test_api_writes_rows_one_by_one_and_never_scans_when_deployed(dev: Assembly) -> None:
    actions = allowed(dev, "api")["Table.Arn"]

    assert not {action for action in actions if re.search("Scan|BatchWrite|PartiQL", action)}
