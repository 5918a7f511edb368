from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.infra.templates import Assembly


def test_nobody_signs_up_alone_when_synthesized(dev: Assembly) -> None:
    pool = dev.one("AWS::Cognito::UserPool")

    assert pool["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}
    assert pool["UsernameConfiguration"] == {"CaseSensitive": False}
    assert pool["Policies"]["PasswordPolicy"]["MinimumLength"] >= 12


def test_command_line_holds_no_secret_when_synthesized(dev: Assembly) -> None:
    client = dev.one("AWS::Cognito::UserPoolClient")

    assert client["GenerateSecret"] is False
    assert "ALLOW_USER_PASSWORD_AUTH" not in client["ExplicitAuthFlows"]
    assert client["PreventUserExistenceErrors"] == "ENABLED"


def test_users_outlive_the_stack_when_the_stage_keeps_data(dev: Assembly, prod: Assembly) -> None:
    kept, dropped = prod.all("AWS::Cognito::UserPool")["Users"], dev.all("AWS::Cognito::UserPool")["Users"]

    assert (kept["DeletionPolicy"], kept["Properties"]["DeletionProtection"]) == ("Retain", "ACTIVE")
    assert (dropped["DeletionPolicy"], dropped["Properties"]["DeletionProtection"]) == ("Delete", "INACTIVE")
