from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from aws_cdk import App, Stack

from infra.identity import Identity, _check_machine
from infra.stage import ConfigurationError, Stage
from shared.contracts.sign_in import REDIRECT_PORTS, RESOURCE_SERVER, Scope, redirect_uri
from tests.support.repository import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.infra.templates import Assembly

Alone: TypeAlias = Callable[[dict[str, list[str]]], tuple[Identity, dict[str, Any]]]


@pytest.fixture
def alone(tmp_path: Path) -> Alone:
    """Synthesizes the construct in a stack of its own."""

    def synthesize(machines: dict[str, list[str]]) -> tuple[Identity, dict[str, Any]]:
        stages = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]["stages"]
        app = App(outdir=str(tmp_path / "out"), analytics_reporting=False)
        stack = Stack(app, "alone")
        identity = Identity(stack, "Identity", replace(Stage.from_context("dev", stages), machines=machines))
        template: dict[str, Any] = app.synth().get_stack_by_name("alone").template
        return identity, template["Resources"]

    return synthesize


def test_nobody_signs_up_alone_when_synthesized(dev: Assembly) -> None:
    pool = dev.one("AWS::Cognito::UserPool")

    assert pool["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}
    assert pool["UsernameConfiguration"] == {"CaseSensitive": False}
    assert pool["Policies"]["PasswordPolicy"]["MinimumLength"] >= 12


def test_command_line_signs_in_by_code_only_and_holds_no_secret_when_synthesized(dev: Assembly) -> None:
    client = dev.one("AWS::Cognito::UserPoolClient", ClientName="pressroom-dev-command-line")

    assert client["GenerateSecret"] is False
    assert client["ExplicitAuthFlows"] == ["ALLOW_REFRESH_TOKEN_AUTH"]
    assert (client["AllowedOAuthFlows"], client["AllowedOAuthFlowsUserPoolClient"]) == (["code"], True)
    assert client["CallbackURLs"] == [redirect_uri(port) for port in REDIRECT_PORTS]
    assert _scopes(client) == {"openid", *Scope}
    assert client["PreventUserExistenceErrors"] == "ENABLED"


def test_machine_gets_its_scopes_and_no_other_flow_when_its_stage_names_one(alone: Alone) -> None:
    identity, resources = alone({"nightly-reports": ["jobs.read"]})
    client = resources["MachineNightlyReports"]["Properties"]

    assert (client["ClientName"], client["GenerateSecret"]) == ("pressroom-dev-nightly-reports", True)
    assert client["AllowedOAuthFlows"] == ["client_credentials"]
    assert client["ExplicitAuthFlows"] == ["ALLOW_REFRESH_TOKEN_AUTH"]
    assert _scopes(client) == {"pressroom/jobs.read"}
    assert len(identity.client_ids) == 2


@pytest.mark.parametrize(
    ("machines", "told"),
    [
        ({"Reports": ["jobs.read"]}, "'Reports' in cdk.json: a name has"),
        ({"reports": []}, "it needs scopes; known are jobs.read, jobs.write, projects.manage"),
        ({"reports": ["jobs.read", "jobs.delete"]}, "that do not exist: jobs.delete;"),
    ],
)
def test_machine_is_refused_when_its_stage_describes_none(machines: dict[str, list[str]], told: str) -> None:
    (only,) = machines.items()

    with pytest.raises(ConfigurationError, match=told):
        _check_machine(*only)


def test_resource_server_knows_the_scopes_that_the_api_asks_for_when_synthesized(dev: Assembly) -> None:
    server = dev.one("AWS::Cognito::UserPoolResourceServer")

    assert {f"{server['Identifier']}/{scope['ScopeName']}" for scope in server["Scopes"]} == set(Scope)
    assert all(scope["ScopeDescription"] for scope in server["Scopes"])


def test_sign_in_pages_have_an_address_of_their_own_when_synthesized(dev: Assembly) -> None:
    domain = dev.one("AWS::Cognito::UserPoolDomain")["Domain"]

    assert domain == {"Fn::Join": ["", ["pressroom-dev-", {"Ref": "AWS::AccountId"}]]}


def _scopes(client: dict[str, Any]) -> set[str]:
    """The scopes of a client; one of a resource server is written with a reference to it."""
    return {
        scope if isinstance(scope, str) else RESOURCE_SERVER + scope["Fn::Join"][1][-1]
        for scope in client["AllowedOAuthScopes"]
    }


def test_users_outlive_the_stack_when_the_stage_keeps_data(dev: Assembly, prod: Assembly) -> None:
    kept, dropped = prod.all("AWS::Cognito::UserPool")["Users"], dev.all("AWS::Cognito::UserPool")["Users"]

    assert (kept["DeletionPolicy"], kept["Properties"]["DeletionProtection"]) == ("Retain", "ACTIVE")
    assert (dropped["DeletionPolicy"], dropped["Properties"]["DeletionProtection"]) == ("Delete", "INACTIVE")
