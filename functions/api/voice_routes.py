"""Routes of a project's brand voice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.api.preconditions import changed_since, require_match
from functions.api.presenter import voice_etag, voice_view
from functions.api.preset_values import voice_values
from functions.api.problems import no_project
from functions.api.routing import Answer
from shared.contracts.requests import VoiceRequest
from shared.errors import NoProjectError, PreconditionError

if TYPE_CHECKING:
    from functions.api.routing import Call
    from shared.store.voices import Voice

__all__ = ["put", "read"]


def read(call: Call) -> Answer:
    """The voice; version 0 where nobody has set one."""
    return _shown(call, call.services.voices.read(call.project))


def put(call: Call) -> Answer:
    """A new version of the voice."""
    request = call.body(VoiceRequest)
    services = call.services
    values = voice_values(list(services.kinds().values()), request.values, most_bytes=services.limits.bytes_per_item)
    old = services.voices.read(call.project)
    if call.headers.get("if-match") == voice_etag(call.project, old.version - 1) and dict(old.values) == values:
        return _shown(call, old)  # the answer of an earlier try was lost: the next version says just this
    require_match(call, voice_etag(call.project, old.version), version=old.version)
    try:
        new = services.voices.put(call.project, values, old=old.version, now=services.clock.now())
    except PreconditionError as error:
        raise changed_since(services.voices.read(call.project).version) from error
    except NoProjectError as error:
        raise no_project() from error
    return _shown(call, new)


def _shown(call: Call, voice: Voice) -> Answer:
    return Answer(body=voice_view(voice), headers={"ETag": voice_etag(call.project, voice.version)})
