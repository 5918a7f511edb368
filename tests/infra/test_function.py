from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from functions.api.settings import ApiSettings
from functions.dead_letters.settings import DeadLettersSettings
from functions.finalizer.settings import FinalizerSettings
from functions.journal.settings import JournalSettings
from functions.processor.settings import ProcessorSettings
from functions.sweeper.settings import SweeperSettings
from infra.stage import FUNCTIONS
from shared.environment import read, variables
from tests.infra.templates import allowed
from tests.support.repository import ROOT

if TYPE_CHECKING:
    from tests.infra.templates import Assembly

SETTINGS: dict[str, type[Any]] = {
    "api": ApiSettings,
    "dead_letters": DeadLettersSettings,
    "finalizer": FinalizerSettings,
    "journal": JournalSettings,
    "processor": ProcessorSettings,
    "sweeper": SweeperSettings,
}


def test_every_function_is_deployed_when_it_has_a_folder(dev: Assembly) -> None:
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/settings.py")}
    names = {each["Properties"]["FunctionName"] for each in dev.all("AWS::Lambda::Function").values()}

    assert names == {f"pressroom-dev-{folder}" for folder in folders}
    assert folders == SETTINGS.keys() == set(FUNCTIONS)


@pytest.mark.parametrize("name", SETTINGS)
def test_function_can_read_its_settings_when_deployed(dev: Assembly, name: str) -> None:
    environ = dev.environment(name)

    settings = read(SETTINGS[name], environ)

    # Both ways: nothing is missing, and nothing is there that the function does not read.
    assert variables(settings) == environ
    assert settings.table_name == "Table"


@pytest.mark.parametrize("name", SETTINGS)
def test_function_runs_on_the_platform_of_its_bundle_when_deployed(dev: Assembly, name: str) -> None:
    function = dev.function(name)

    assert (function["Architectures"], function["Runtime"]) == (["arm64"], "python3.13")
    assert function["Handler"] == f"functions.{name}.handler.handler"
    assert "Layers" not in function
    assert "TracingConfig" not in function


@pytest.mark.parametrize("name", SETTINGS)
def test_function_logs_into_a_group_of_its_own_when_deployed(dev: Assembly, name: str) -> None:
    group = dev.function(name)["LoggingConfig"]["LogGroup"]["Ref"]

    assert allowed(dev, name)[f"{group}.Arn"] == {"logs:CreateLogStream", "logs:PutLogEvents"}
    assert dev.all("AWS::Logs::LogGroup")[group]["Properties"]["LogGroupName"] == f"/aws/lambda/pressroom-dev-{name}"


@pytest.mark.parametrize("name", SETTINGS)
def test_function_may_do_nothing_to_everything_when_deployed(dev: Assembly, name: str) -> None:
    role = dev.all("AWS::IAM::Role")[dev.function(name)["Role"]["Fn::GetAtt"][0]]["Properties"]

    assert "ManagedPolicyArns" not in role
    assert "*" not in "".join(allowed(dev, name))
    assert "*" not in "".join(action for actions in allowed(dev, name).values() for action in actions)


def test_function_waits_for_its_permissions_when_deployed(dev: Assembly) -> None:
    # Making a mapping fails while the role cannot read the source yet.
    policies = dev.all("AWS::IAM::Policy").keys()

    for function in dev.all("AWS::Lambda::Function").values():
        assert policies & set(function["DependsOn"])


def test_memory_is_what_each_function_needs_when_the_stage_says_nothing(dev: Assembly) -> None:
    assert {name: dev.function(name)["MemorySize"] for name in SETTINGS} == {
        "api": 512,
        "dead_letters": 128,
        "finalizer": 128,
        "journal": 128,
        "processor": 256,
        "sweeper": 512,
    }
