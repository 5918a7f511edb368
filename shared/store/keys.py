"""The keys of the one table. Ids lose their prefix in a key: the place tells the kind, and every byte is paid."""

from __future__ import annotations

from typing import Final

from shared.jobs.ids import JOB, PROJECT, TEMPLATE, ulid_of

__all__ = [
    "BRAKE_KEY",
    "DELETED_PREFIX",
    "ERASING",
    "EVENT_PREFIX",
    "FORMER_PREFIX",
    "IDEMPOTENCY_PREFIX",
    "ITEM_PREFIX",
    "JOB_PREFIX",
    "MEMBER_PREFIX",
    "PROJECT_PREFIX",
    "TEMPLATE_PREFIX",
    "USER_PREFIX",
    "WATCH_SHARDS",
    "Key",
    "deleted_job_key",
    "deleted_job_of",
    "ended_shard",
    "event_key",
    "former_member_key",
    "idempotency_key",
    "item_key",
    "job_id_of",
    "job_partition",
    "ledger_key",
    "load_key",
    "member_key",
    "membership_key",
    "position_of_key",
    "project_id_of",
    "project_key",
    "project_partition",
    "spec_key",
    "template_id_of",
    "template_key",
    "template_version_key",
    "template_version_prefix",
    "usage_key",
    "user_of_key",
    "user_partition",
    "voice_key",
    "voice_version_key",
    "watch_shard",
    "work_key",
    "work_prefix",
]

Key = dict[str, str]

JOB_PREFIX: Final = "JOB#"
ITEM_PREFIX: Final = "ITEM#"
EVENT_PREFIX: Final = "EVENT#"
PROJECT_PREFIX: Final = "PROJECT#"
USER_PREFIX: Final = "USER#"
IDEMPOTENCY_PREFIX: Final = "IDEMPOTENCY#"
BRAKE_KEY: Final[Key] = {"pk": "BRAKE", "sk": "CLAUDE"}
MEMBER_PREFIX: Final = "MEMBER#"
FORMER_PREFIX: Final = "FORMER#"
TEMPLATE_PREFIX: Final = "TEMPLATE#"
DELETED_PREFIX: Final = "DELETED#"
WATCH_SHARDS: Final = 8
"""The sweeper's index is spread over so many partitions."""
ERASING: Final = "erasing"
"""And has one more, of what is to be erased."""


def project_partition(project_id: str) -> str:
    """Where a project and its ledgers live."""
    return PROJECT_PREFIX + ulid_of(project_id)


def job_partition(job_id: str) -> str:
    """Where a job's spec, items, work lists and events live."""
    return JOB_PREFIX + ulid_of(job_id)


def user_partition(user: str) -> str:
    """Where a user's memberships and loads live."""
    return USER_PREFIX + user


def project_key(project_id: str) -> Key:
    """The project itself."""
    return {"pk": project_partition(project_id), "sk": "PROJECT"}


def member_key(project_id: str, user: str) -> Key:
    """A member's role."""
    return {"pk": project_partition(project_id), "sk": MEMBER_PREFIX + user}


def former_member_key(project_id: str, user: str) -> Key:
    """That somebody was a member: their own partition may still hold rows of the project."""
    return {"pk": project_partition(project_id), "sk": FORMER_PREFIX + user}


def membership_key(project_id: str, user: str) -> Key:
    """The same fact from the user's side, so that "my projects" is a query."""
    return {"pk": user_partition(user), "sk": project_partition(project_id)}


def load_key(user: str, project_id: str) -> Key:
    """What a user does in a project, which limits how many jobs they may begin."""
    return {"pk": user_partition(user), "sk": f"LIMIT#{ulid_of(project_id)}"}


def usage_key(project_id: str, period: str) -> Key:
    """What a project has taken of its quota in a month, ``2026-11``."""
    return {"pk": project_partition(project_id), "sk": f"USAGE#{period}"}


def ledger_key(project_id: str, job_id: str) -> Key:
    """The ledger."""
    return {"pk": project_partition(project_id), "sk": JOB_PREFIX + ulid_of(job_id)}


def deleted_job_key(project_id: str, job_id: str) -> Key:
    """The marker of a job that is deleted: its rows are being erased."""
    return {"pk": project_partition(project_id), "sk": DELETED_PREFIX + ulid_of(job_id)}


def template_key(project_id: str, template_id: str) -> Key:
    """A template as it stands now."""
    return {"pk": project_partition(project_id), "sk": TEMPLATE_PREFIX + ulid_of(template_id)}


def template_version_prefix(template_id: str) -> str:
    """The sort keys of one template's versions begin so: apart from the templates, which lists read."""
    return f"VERSION#{ulid_of(template_id)}#"


def template_version_key(project_id: str, template_id: str, version: int) -> Key:
    """One version of a template, which never changes."""
    return {"pk": project_partition(project_id), "sk": f"{template_version_prefix(template_id)}{version:06d}"}


def voice_key(project_id: str) -> Key:
    """The project's brand voice as it stands now."""
    return {"pk": project_partition(project_id), "sk": "VOICE"}


def voice_version_key(project_id: str, version: int) -> Key:
    """One version of the brand voice, which never changes."""
    return {"pk": project_partition(project_id), "sk": f"VOICE#{version:06d}"}


def spec_key(job_id: str) -> Key:
    """The job's immutable part."""
    return {"pk": job_partition(job_id), "sk": "SPEC"}


def item_key(job_id: str, position: int) -> Key:
    """One item: input, and later the outcome."""
    return {"pk": job_partition(job_id), "sk": f"{ITEM_PREFIX}{position:05d}"}


def work_prefix(generation: int) -> str:
    """The sort keys of one generation's work lists begin so."""
    return f"WORK#{generation}#"


def work_key(job_id: str, generation: int, lane: int) -> Key:
    """The positions of one lane in a generation after the first."""
    return {"pk": job_partition(job_id), "sk": f"{work_prefix(generation)}{lane:02d}"}


def event_key(job_id: str, place: str) -> Key:
    """One entry of the timeline; places sort as they follow each other (:mod:`shared.store.events`)."""
    return {"pk": job_partition(job_id), "sk": EVENT_PREFIX + place}


def idempotency_key(project_id: str, key: str) -> Key:
    """What a client's Idempotency-Key was used for."""
    place = f"{IDEMPOTENCY_PREFIX}{ulid_of(project_id)}#{key}"
    return {"pk": place, "sk": place}


def watch_shard(job_id: str) -> str:
    """The sweeper's partition of a job; ULIDs end in random bits."""
    return str(ord(job_id[-1]) % WATCH_SHARDS)


def ended_shard(job_id: str) -> str:
    """The same for a job that has ended and told so: by when it ended."""
    return f"ended-{watch_shard(job_id)}"


def project_id_of(pk: str) -> str:
    """The project whose partition ``pk`` is."""
    return PROJECT + pk.removeprefix(PROJECT_PREFIX)


def user_of_key(sk: str) -> str:
    """The user whose membership, present or former, stands at ``sk``; users' names may hold a ``#``."""
    return sk.partition("#")[2]


def template_id_of(sk: str) -> str:
    """The template whose row stands at ``sk``."""
    return TEMPLATE + sk.removeprefix(TEMPLATE_PREFIX)


def job_id_of(sk: str) -> str:
    """The job whose ledger stands at ``sk``."""
    return JOB + sk.removeprefix(JOB_PREFIX)


def deleted_job_of(sk: str) -> str:
    """The job whose marker stands at ``sk``."""
    return JOB + sk.removeprefix(DELETED_PREFIX)


def position_of_key(sk: str) -> int:
    """The position of the item at ``sk``."""
    return int(sk.removeprefix(ITEM_PREFIX))
