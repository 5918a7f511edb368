"""What the routes work with, made once in a process."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from functions.api.advancer import Advancer
from functions.api.budgets import microusd
from functions.api.controller import Controller
from functions.api.creator import Creator
from functions.api.deleter import Deleter
from functions.api.filler import Filler
from functions.api.invoker import Invoker, LambdaInvoker
from functions.api.item_reader import ItemReader
from functions.api.job_reader import JobReader, Pace, Specs
from functions.api.results import Exporter
from functions.api.retrier import Retrier
from functions.api.submission import SubmissionReader
from shared import aws, patience
from shared.clock import Clock, SystemClock
from shared.contracts.sign_in import SignIn
from shared.errors import SettingsError
from shared.generation.bedrock import Bedrock
from shared.generation.pricing import parse_price_table
from shared.jobs.quotas import Amount
from shared.jobs.rates import Caps
from shared.queue.dispatch import WorkQueue
from shared.store.admissions import Admissions, Allowance
from shared.store.dynamodb import DynamoTable
from shared.store.erasures import ErasureStore
from shared.store.events import EventStore
from shared.store.intake import IntakeStore
from shared.store.items import ItemStore
from shared.store.job_lists import JobLists
from shared.store.ledgers import LedgerStore
from shared.store.presets import PresetStore
from shared.store.projects import ProjectStore
from shared.store.templates import TemplateStore
from shared.store.voices import VoiceStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools import Logger
    from mypy_boto3_lambda.client import LambdaClient

    from functions.api.settings import ApiSettings
    from shared.contracts.limits import Limits
    from shared.generation.kind import Kind
    from shared.generation.pricing import PriceTable

__all__ = ["Services"]


@dataclass(frozen=True, kw_only=True)
class Services:
    """The routes' collaborators. Nothing in them decides anything between two requests.

    Kinds, and the clients of queue and Lambda, are made at their first use: most requests are polls.
    """

    limits: Limits
    kinds: Callable[[], Mapping[str, Kind[Any, Any]]]
    prices: PriceTable
    projects: ProjectStore
    templates: TemplateStore
    voices: VoiceStore
    submissions: SubmissionReader
    creator: Creator
    controller: Controller
    retrier: Retrier
    deleter: Deleter
    jobs: JobReader
    items: ItemReader
    events: EventStore
    exporter: Exporter
    advancer: Advancer
    admissions: Admissions
    clock: Clock
    sign_in: SignIn

    @classmethod
    def from_settings(cls, settings: ApiSettings, logger: Logger) -> Self:
        """The services of the environment's account and region. Queue and Lambda clients are made at their first use.

        Raises:
            SettingsError: the prices or Bedrock's ids are none, or the default model is not among them.
        """
        return cls.over(
            settings,
            logger,
            table=DynamoTable.from_env(settings.table_name),
            queue=cache(lambda: WorkQueue.from_env(settings.queue_url)),
            invoker=LambdaInvoker(cache(_lambda_client), settings.processor_function),
            clock=SystemClock(),
        )

    @classmethod
    def over(
        cls,
        settings: ApiSettings,
        logger: Logger,
        *,
        table: DynamoTable,
        queue: Callable[[], WorkQueue],
        invoker: Invoker,
        clock: Clock,
    ) -> Self:
        """The services over these parts."""
        bedrock = Bedrock.parse(settings.bedrock_models_json)
        prices = parse_price_table(settings.price_table_json)
        if bedrock is not None:
            prices = bedrock.priced(prices)
        if not prices.known(settings.default_model):
            raise SettingsError(f"PRESSROOM_DEFAULT_MODEL: {settings.default_model!r} has no price")
        ledgers, items = LedgerStore(table), ItemStore(table)
        pace = Pace(clock, random.random)
        jobs = JobReader(ledgers, JobLists(table), Specs(items), clock, pace)
        reader = ItemReader(jobs, items)
        filler = Filler(ledgers, queue, logger)
        presets = PresetStore(table)
        submissions = SubmissionReader(settings, _kinds, prices, settings.default_model, presets)
        admissions = Admissions(table, _allowance(settings))
        return cls(
            limits=settings,
            kinds=_kinds,
            prices=prices,
            projects=ProjectStore(table),
            templates=TemplateStore(table),
            voices=VoiceStore(table),
            submissions=submissions,
            creator=Creator(IntakeStore(table), filler, prices, submissions, presets, admissions, clock),
            controller=Controller(jobs, ledgers, filler, clock),
            deleter=Deleter(jobs, ErasureStore(table), clock, pace),
            retrier=Retrier(jobs, ledgers, items, filler, admissions, clock),
            jobs=jobs,
            items=reader,
            events=EventStore(table),
            exporter=Exporter(reader, _kinds),
            advancer=Advancer(jobs, reader, items, invoker, clock, pace, random.choice),
            admissions=admissions,
            clock=clock,
            sign_in=SignIn(settings.sign_in_url, settings.sign_in_client_id),
        )


def _allowance(limits: Limits) -> Allowance:
    return Allowance(
        Caps(jobs_per_hour=limits.jobs_per_hour, active_jobs=limits.active_jobs),
        Amount(limits.items_per_month, microusd(limits.usd_per_month)),
    )


@cache
def _kinds() -> Mapping[str, Kind[Any, Any]]:
    from shared.generation.kinds import KINDS  # noqa: PLC0415  most requests are polls, which need no kind

    return KINDS


def _lambda_client() -> LambdaClient:
    return aws.client("lambda", patience.INVOKE)
