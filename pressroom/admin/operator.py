"""Looking at a job as it is stored, stopping it, and running the sweeper by hand.

Everything written here is a transition of the protocol, as the functions write it: safe beside all of them.
"""

from __future__ import annotations

import getpass
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from functions.sweeper.erase import Eraser
from functions.sweeper.sweep import Sweeper, Swept, plan_of
from shared import patience
from shared.clock import Clock, SystemClock
from shared.ending.closing import Closer
from shared.ending.topic import SnsTopic
from shared.errors import PressroomError, StoreUnavailableError
from shared.jobs.quotas import Usage, month_of
from shared.jobs.statuses import CancelReason
from shared.logs import function_logger
from shared.queue.dispatch import WorkQueue, slots_ahead
from shared.store.dynamodb import DynamoTable, RefusedError
from shared.store.erasures import ErasureStore
from shared.store.intake import IntakeStore
from shared.store.items import ItemStore
from shared.store.keys import ledger_key
from shared.store.ledgers import LedgerStore, refused_ledger
from shared.store.usages import OwnQuota, UsageStore
from shared.store.watch import WatchList

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping

    from shared.jobs.ledger import Ledger

__all__ = [
    "AdminError",
    "AwsError",
    "Inspection",
    "NoSuchJobError",
    "NoSuchProjectError",
    "Operator",
    "ProjectQuota",
    "StepRefusedError",
    "aws_answers",
]

_RUN_SECONDS: Final = 300.0


class AdminError(PressroomError):
    """An operator's command could not be carried out."""


class NoSuchJobError(AdminError):
    """The table holds no such job."""


class NoSuchProjectError(AdminError):
    """The table holds no such project."""


class StepRefusedError(AdminError):
    """The job's state does not allow it."""


class AwsError(AdminError):
    """AWS refused, or did not answer: credentials, region, the table's name, the network."""


@dataclass(frozen=True, slots=True)
class ProjectQuota:
    """A project's own quota, and its usage of this month."""

    own: OwnQuota
    usage: Usage


@dataclass(frozen=True, slots=True)
class Inspection:
    """A job as it is stored.

    Attributes:
        row: the ledger's row, attribute by attribute.
        ledger: the same, read.
        cursor_limit: how far the dispatch cursor may go now.
        repairs: what the sweeper would do now, in words.
        mismatches: what no rule explains.
    """

    row: Mapping[str, Any]
    ledger: Ledger
    cursor_limit: int
    repairs: tuple[str, ...]
    mismatches: tuple[str, ...]


@contextmanager
def aws_answers() -> Iterator[None]:
    """AWS's errors as ours.

    Raises:
        AwsError: AWS refused or did not answer.
    """
    try:
        yield
    except (BotoCoreError, ClientError, StoreUnavailableError) as error:
        raise AwsError(str(error)) from error


@dataclass(frozen=True)
class Operator:
    """Somebody with credentials of the account. ``name`` stands on the timeline for what they do."""

    table: DynamoTable
    clock: Clock
    name: str
    endpoint_url: str | None = None

    @classmethod
    def from_aws(cls, table_name: str, *, endpoint_url: str | None) -> Self:
        """Of the table in the account and region that boto3 finds; or at ``endpoint_url``.

        Raises:
            AwsError: there is no region.
        """
        with aws_answers():
            client = boto3.client("dynamodb", endpoint_url=endpoint_url, config=patience.STORE)
        return cls(DynamoTable(client, table_name), SystemClock(), f"operator:{getpass.getuser()}", endpoint_url)

    def find(self, job_id: str, project_id: str | None) -> Ledger:
        """The ledger of a job. The project is needed only where the job has lost its spec.

        Raises:
            NoSuchJobError: there is none.
            CorruptRowError: it cannot be read.
        """
        ledgers = LedgerStore(self.table)
        if project_id is None:
            spec = ItemStore(self.table).spec(job_id)
            if spec is None:
                raise NoSuchJobError(f"no job {job_id} in the table {self.table.name}")
            project_id = spec.project_id
        ledger = ledgers.read(project_id, job_id)
        if ledger is None:
            raise NoSuchJobError(f"no job {job_id} of {project_id} in the table {self.table.name}")
        return ledger

    def inspect(self, job_id: str, project_id: str | None) -> Inspection:
        """Everything that decides about a job. Nothing is written.

        Raises:
            NoSuchJobError: there is none.
            CorruptRowError: a row cannot be read.
        """
        ledger, items = self.find(job_id, project_id), ItemStore(self.table)
        row = self.table.get(ledger_key(ledger.project_id, job_id), consistent=True)
        plan = plan_of(items, ledger, items.require_spec(job_id), self.clock.now())
        return Inspection(
            row=row or {},
            ledger=ledger,
            cursor_limit=slots_ahead(ledger),
            repairs=tuple(str(repair) for repair in plan.repairs),
            mismatches=plan.mismatches,
        )

    def cancel(self, job_id: str, project_id: str | None) -> Ledger:
        """Stop a job, whatever has wedged it: the transition that the API writes.

        Raises:
            NoSuchJobError: there is none.
            StepRefusedError: it has ended, or is being cancelled.
            CorruptRowError: it cannot be read.
        """
        ledger = self.find(job_id, project_id)
        try:
            return LedgerStore(self.table).cancel(
                ledger, reason=CancelReason.USER, check_at=self.clock.now(), actor=self.name
            )
        except RefusedError as refused:
            now = refused_ledger(refused)
            state = "gone" if now is None else now.status.value
            raise StepRefusedError(f"the job {job_id} is {state}: there is nothing to cancel") from refused

    def quota(
        self, project_id: str, *, items: int | None = None, microusd: int | None = None, reset: bool = False
    ) -> ProjectQuota:
        """What the project may take a month of its own, and has taken of this one; set first where something is given.

        Args:
            project_id: whose.
            items: its own quota of items from now on; None leaves what it has.
            microusd: likewise of micro-dollars.
            reset: the deployment's default holds again for whatever is not given.

        Raises:
            NoSuchProjectError: there is none.
        """
        store = UsageStore(self.table)
        own = store.own_quota(project_id)
        if own is None:
            raise NoSuchProjectError(f"no project {project_id} in the table {self.table.name}")
        kept = OwnQuota() if reset else own
        wanted = OwnQuota(kept.items if items is None else items, kept.microusd if microusd is None else microusd)
        if wanted != own:
            try:
                store.set_quota(project_id, wanted)
            except RefusedError as refused:
                raise NoSuchProjectError(f"the project {project_id} was deleted meanwhile") from refused
        return ProjectQuota(wanted, store.read(project_id, month_of(self.clock.now())))

    def sweep(self, *, queue_url: str, topic_arn: str, retention_days: int = 0) -> tuple[Swept, Counter[str]]:
        """One run of the sweeper, from here: what was repaired, and what was erased.

        Args:
            queue_url: of the work queue.
            topic_arn: where ends are told.
            retention_days: after its end a job is deleted, as the deployment's setting says; 0 keeps them all.
        """
        ledgers, items = LedgerStore(self.table), ItemStore(self.table)
        sqs = boto3.client("sqs", endpoint_url=self.endpoint_url, config=patience.QUEUE)
        sns = boto3.client("sns", endpoint_url=self.endpoint_url, config=patience.TOPIC)
        ends = time.monotonic() + _RUN_SECONDS
        watch, logger = WatchList(self.table), function_logger("sweeper", stream=sys.stderr, level="WARNING")
        sweeper = Sweeper(
            watch=watch,
            ledgers=ledgers,
            items=items,
            intake=IntakeStore(self.table),
            queue=WorkQueue(sqs, queue_url),
            closer=Closer(ledgers, items, SnsTopic(sns, topic_arn), self.clock, actor=self.name),
            clock=self.clock,
            logger=logger,
            meter=_uncounted,
        )
        eraser = Eraser(
            erasures=ErasureStore(self.table),
            ledgers=ledgers,
            watch=watch,
            clock=self.clock,
            logger=logger,
            retention_days=retention_days,
        )
        swept = sweeper.sweep(lambda: ends - time.monotonic())
        return swept, eraser.erase(lambda: time.monotonic() < ends)


def _uncounted(_name: str, _count: int) -> None:
    """The log says the same; metrics are the function's."""
