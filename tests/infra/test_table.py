from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.store.table import TABLE, create_table_request

if TYPE_CHECKING:
    from tests.infra.templates import Assembly


def _table(assembly: Assembly) -> dict[str, Any]:
    return assembly.one("AWS::DynamoDB::Table")


def test_table_equals_the_definition_when_synthesized(dev: Assembly) -> None:
    table = _table(dev)
    definition = create_table_request("pressroom-dev")

    assert table["TableName"] == definition["TableName"]
    assert table["KeySchema"] == definition["KeySchema"]
    assert table["BillingMode"] == definition["BillingMode"]
    assert table["GlobalSecondaryIndexes"] == definition["GlobalSecondaryIndexes"]
    assert table["StreamSpecification"] == {"StreamViewType": definition["StreamSpecification"]["StreamViewType"]}
    by_name = sorted(table["AttributeDefinitions"], key=lambda each: str(each["AttributeName"]))
    assert by_name == definition["AttributeDefinitions"]


def test_table_can_be_restored_and_forgets_when_synthesized(dev: Assembly) -> None:
    table = _table(dev)

    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["TimeToLiveSpecification"] == {"AttributeName": TABLE.ttl_attribute, "Enabled": True}


def test_table_outlives_its_stack_when_the_stage_keeps_data(dev: Assembly, prod: Assembly) -> None:
    kept, dropped = prod.all("AWS::DynamoDB::Table")["Table"], dev.all("AWS::DynamoDB::Table")["Table"]

    assert (kept["DeletionPolicy"], kept["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert kept["Properties"]["DeletionProtectionEnabled"] is True
    assert (dropped["DeletionPolicy"], dropped["Properties"]["DeletionProtectionEnabled"]) == ("Delete", False)
