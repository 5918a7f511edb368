"""``make deploy-local``: the service as it is deployed, on an emulator that enforces IAM, through its HTTP API.

One test, because a deployment takes as long as all that is done with it.
"""

from __future__ import annotations

import faulthandler
import random
import time
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from pressroom.admin.doctor import Doctor
from shared.clock import SystemClock
from tests.support.breakages import BREAKAGES
from tests.support.deployment import STAGE, deployed
from tests.support.emulator import CREDENTIALS, REGION
from tests.support.journey import Journey
from tests.support.trail import Access, AccessMissingError, Trail, granted, unused, without

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from pressroom.admin.doctor import Trouble
    from shared.clock import Clock
    from tests.infra.templates import Assembly
    from tests.support.deployment import Deployment

FUNCTIONS: Final = ("api", "dead_letters", "finalizer", "journal", "processor", "sweeper")
READERS: Final = ("finalizer", "journal")
SAMPLED: Final = 5
MOST_SECONDS: Final = 300
"""What one phase may take before it counts as hung, as for any other test."""


@pytest.mark.long
def test_deployment_does_everything_with_just_what_it_is_granted_when_iam_is_enforced(
    tmp_path: Path, dev: Assembly, subtests: pytest.Subtests
) -> None:
    with deployed(tmp_path) as deployment:
        with subtests.test("the template is that of AWS"):
            assert differences(dev.template, deployment.template) == {"Architectures", "Runtime", "S3Key"}

        with subtests.test("a stranger gets nothing but health, description and its page"):
            stranger = deployment.api()
            answers = {path: stranger.ask("GET", path).status for path in ("/v1/health", "/docs", "/v1/projects")}
            assert answers == {"/v1/health": 200, "/docs": 200, "/v1/projects": 401}

        go_on()
        trail = Trail(deployment)
        with Journey(deployment, trail, "alice", scheduled=True) as journey:
            journey.go()

        # Where Lambda sends what it gave up after ten tries; the emulator tries for ever.
        unseen = {Access(reader, "sqs:SendMessage", deployment.queue_arn("StreamFailures")) for reader in READERS}
        grants, used = granted(deployment, FUNCTIONS), trail.used()
        with subtests.test("every grant was used, and everything done is granted"):
            assert unused(grants, used) == unseen
            assert {access for access in used if not any(grant.covers(access) for grant in grants)} == set()

        go_on()
        with subtests.test("the doctor finds nothing wrong"):
            assert troubles(deployment) == {}
        for name, (broken, check, says, helps) in BREAKAGES.items():
            with subtests.test("the doctor finds it", broken=name), broken(deployment):
                ((found, trouble),) = troubles(deployment).items()
                assert found == check
                assert says in trouble.what
                assert helps in trouble.helps
        with subtests.test("the doctor finds it", broken="this machine's clock"):
            assert "s off from that of AWS" in troubles(deployment, clock=Ahead())["clock"].what
        with subtests.test("the doctor finds it", broken="there is no such stage"):
            assert "no stack pressroom-prod" in troubles(deployment, stage="prod")["stack"].what
        with subtests.test("the doctor finds it", broken="who asks may not look"):
            assert "may not call DescribeStacks" in troubles(deployment, keys=deployment.nobody())["stack"].what

        for grant in random.Random(len(grants)).sample(sorted(grants - unseen), SAMPLED):
            go_on()
            with subtests.test("nothing goes without it", function=grant.function, action=grant.action):
                assert grant.covers(what_is_missing(deployment, trail, grant))

        with subtests.test("nothing is left when the stage is destroyed"):
            assert deployment.destroy() == set()


def go_on() -> None:
    """The next phase has its own time before the run counts as hung; pytest's own timer is for a whole test."""
    faulthandler.dump_traceback_later(MOST_SECONDS, exit=True)


class Ahead(SystemClock):
    """A clock that is ten minutes fast."""

    def now(self) -> datetime:
        return super().now() + timedelta(minutes=10)


def troubles(
    deployment: Deployment, *, stage: str = STAGE, clock: Clock | None = None, keys: Mapping[str, str] = CREDENTIALS
) -> dict[str, Trouble]:
    """What the doctor finds, at most one trouble a check."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in keys.items():
            patch.setenv(name, value)
        with closing(
            Doctor.from_aws(stage, clock or SystemClock(), region=REGION, endpoint_url=deployment.emulator.endpoint_url)
        ) as doctor:
            return {finding.check: trouble for finding in doctor.look() for trouble in finding.troubles}


def what_is_missing(deployment: Deployment, trail: Trail, grant: Access) -> Access:
    """What stopped a journey whose role lacked ``grant``."""
    time.sleep(1)  # what another journey began is at its end
    trail.begin()
    with without(deployment, grant):
        caller = f"without-{grant.function}-{grant.action.partition(':')[2]}".lower().replace("_", "-")
        with (
            Journey(deployment, trail, caller, scheduled=False) as journey,
            pytest.raises(AccessMissingError) as missing,
        ):
            journey.go()
    return missing.value.denied


def differences(one: object, other: object, name: str = "") -> set[str]:
    """The names of the properties that differ, wherever they stand; metadata, which CDK's command line adds, apart."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = (one.keys() | other.keys()) - {"Metadata"}
        return {found for key in names for found in differences(one.get(key), other.get(key), key)}
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return {found for pair in zip(one, other, strict=True) for found in differences(*pair, name)}
    return set() if one == other else {name}
