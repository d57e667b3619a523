"""A checkpoint taken from a source, for the artifacts that are one.

In: the files of a source (one GGUF file, or a Hugging Face folder) and the section of the artifact. Out: a checkpoint
folder that plain transformers loads, tokens.json, and source.json with the facts of the report. `base_model` and
`instruct_model` differ in their sections alone, so that two checkpoints of one release are read, checked and stored
alike.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.config.sources import BaseModelConfig
from domainlm.contract import Inputs, Resources, StageError
from domainlm.models.checkpoint_files import collect_files
from domainlm.models.convert import convert
from domainlm.models.kind import has_own_template, kind_of
from domainlm.models.parallel import use_one_thread
from domainlm.text.json_files import write_json
from domainlm.tokens.special import SpecialTokens, naming_source


@dataclass(frozen=True)
class SourceCheckpoint:
    """What an artifact takes, and by which settings.

    artifact: its name, which is that of its section and of its source's role. labels, files, hub: of the source, as in
    the artifact's slice. is_chat_form: whether conversations are written by its chat template; has_system_turn: whether
    those have a system turn.
    """

    artifact: str
    section: BaseModelConfig
    labels: Mapping[str, Any]
    files: Sequence[Mapping[str, Any]]
    hub: Mapping[str, Any] | None
    has_system_turn: bool
    is_chat_form: bool = True


def write_checkpoint(
    taken: SourceCheckpoint, inputs: Inputs, out: Path, scratch: Path, resources: Resources
) -> SpecialTokens:
    """Write the artifact; returns its control tokens. Raises StageError."""
    if inputs.open_raw is None:
        raise StageError(
            f"{taken.artifact} was given no raw files; expected those of the source with role {taken.artifact}"
        )
    use_one_thread()
    source = scratch / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    with naming_source(taken.labels["source"], taken.artifact):
        sizes = collect_files(taken.files, inputs.open_raw, source)
        resources.progress(1, 2, {})
        has_template = has_own_template(source)
        has_system_turn = taken.has_system_turn and taken.is_chat_form
        tokens = convert(source, out, taken.section, has_system_turn, resources.log, taken.is_chat_form)
    is_own = taken.section.chat_template is None
    kind = kind_of(out, tokens if is_own else None, has_template, _names(taken))
    write_json(out / "source.json", {**source_facts(taken, sizes), **kind})
    return tokens


def source_facts(taken: SourceCheckpoint, sizes: Sequence[int]) -> dict[str, Any]:
    """The report's facts on a model's source.

    They are name, labels, package and version, files and bytes.
    """
    origin = taken.hub or (taken.files[0] if taken.files else {})
    package, version = origin.get("package", origin.get("repository")), origin.get("version", origin.get("revision"))
    return {**taken.labels, "package": package, "version": version, "files": len(sizes), "bytes": sum(sizes)}


def _names(taken: SourceCheckpoint) -> list[str]:
    """The names of a model's source, repository, package and file."""
    origin = taken.hub or (taken.files[0] if taken.files else {})
    found = [taken.labels["source"], *(origin.get(key) for key in ("repository", "package"))]
    found += [Path(row["path"]).stem for row in taken.files if str(row["path"]).endswith(".gguf")]
    return list(dict.fromkeys(name for name in found if isinstance(name, str)))
