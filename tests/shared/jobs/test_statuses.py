from __future__ import annotations

from shared.errors import CLASS_OF, ErrorClass
from shared.jobs.statuses import FINAL, RUNNING, ItemStatus, JobStatus, PauseReason, ShownStatus


def test_every_stored_status_but_intake_can_be_shown() -> None:
    stored = {status.value for status in JobStatus} - {JobStatus.INTAKE.value}

    assert {status.value for status in ShownStatus} == stored | {"pausing"}


def test_running_and_final_share_no_status() -> None:
    assert not RUNNING & FINAL
    assert set(JobStatus) - RUNNING - FINAL == {JobStatus.INTAKE, JobStatus.PAUSED, JobStatus.CANCELLING}


def test_every_account_error_is_a_reason_to_pause() -> None:
    account = {code.value for code, error_class in CLASS_OF.items() if error_class is ErrorClass.ACCOUNT}

    assert account <= {reason.value for reason in PauseReason}


def test_an_item_has_five_statuses_and_no_sixth() -> None:
    assert [status.value for status in ItemStatus] == ["queued", "processing", "completed", "failed", "cancelled"]
