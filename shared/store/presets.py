"""What stands behind a job's items beside their own inputs: a template and the brand voice, each at one version.

A job names both versions. They are never written again, so what they made of an item can be made again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from shared.errors import CorruptRowError
from shared.jobs.spec import TemplateRef
from shared.store.keys import template_key, voice_key
from shared.store.templates import Template, TemplateStore, template_from_row
from shared.store.voices import SILENCE, Voice, VoiceStore, voice_from_row

if TYPE_CHECKING:
    from collections.abc import Collection

    from shared.jobs.spec import JobSpec
    from shared.store.dynamodb import DynamoTable

__all__ = ["PresetStore", "Presets"]


@dataclass(frozen=True, slots=True)
class Presets:
    """A template, if there is one, and a voice, which may be silent."""

    template: Template | None = None
    voice: Voice = SILENCE

    def values(self, fields: Collection[str]) -> dict[str, Any]:
        """What an item of a kind with these ``fields`` inherits: the template's values before the voice's.

        A voice speaks to every kind, so what a kind has no field for is left out; a template is its kind's own.
        """
        spoken = {name: value for name, value in self.voice.values.items() if name in fields}
        return {**spoken, **(self.template.values if self.template is not None else {})}

    def with_template(self, template: Template) -> Self:
        """The same voice, and ``template``."""
        return type(self)(template, self.voice)

    @property
    def reference(self) -> TemplateRef | None:
        """What the job keeps of the template."""
        return None if self.template is None else TemplateRef(self.template.template_id, self.template.version)


@dataclass(frozen=True)
class PresetStore:
    """Reads presets."""

    table: DynamoTable

    def current(self, project_id: str, template_id: str | None) -> Presets:
        """The voice as it stands, and the template, deleted or not; without one where there is none of that id."""
        keys = [voice_key(project_id), *([] if template_id is None else [template_key(project_id, template_id)])]
        voice, *templates = self.table.get_many(keys, consistent=True)
        template = None
        if template_id is not None and templates[0] is not None:
            template = template_from_row(templates[0], template_id)
        return Presets(template, SILENCE if voice is None else voice_from_row(voice))

    def of_kind(self, project_id: str, kind: str) -> list[Template]:
        """Every template of ``kind`` that is not deleted."""
        return TemplateStore(self.table).of_kind(project_id, kind)

    def pinned(self, spec: JobSpec) -> Presets:
        """What the job was created with, whatever has become of it since.

        Raises:
            CorruptRowError: a version that the job names is not there.
        """
        template = None
        if spec.template is not None:
            reference = spec.template
            template = TemplateStore(self.table).read_version(spec.project_id, reference.template_id, reference.version)
            if template is None:
                raise CorruptRowError(f"{spec.job_id} names {reference}, and there is no such version")
        voice = VoiceStore(self.table).read_version(spec.project_id, spec.voice_version)
        if voice is None:
            raise CorruptRowError(f"{spec.job_id} names version {spec.voice_version} of the voice, and there is none")
        return Presets(template, voice)
