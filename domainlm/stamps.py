"""Stamps: everything that a build needs to know, resolved once by the main process.

In: a resolved configuration. Out: one small file per artifact and shard,
`.domainlm/stamps/<domain>/<artifact>[.NNNN].json`, rewritten only if changed: code digest, configuration slice,
versions, and where the inputs lie. `build` reads it and never resolves again, and cluster jobs find it on the shared file
system. It is no input of a rule: which rules have to run is told by keys (`domainlm/due.py`), not by its time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domainlm.config.domain import DomainConfig
from domainlm.local_index import LocalIndex
from domainlm.pipeline import (
    BY_NAME,
    EXCLUDED_MODULES,
    PACKAGE_ROOT,
    STAGES,
    Stage,
    compared_domains,
    config_slice,
    package_data_files,
    stage_inputs,
)
from domainlm.resolve import ConfigurationError
from domainlm.sources import base_model_slice, check_left_behind, text_slices
from domainlm.store.actions import make_action
from domainlm.store.canonical import canonical_json, pretty_json
from domainlm.store.code import CodeIndex
from domainlm.store.notes import has_kinds, parse_note, read_note
from domainlm.store.staging import replace_file

LOCK_FILES = ("envs/cpu.lock", "envs/torch.lock")
CODE_INDEX_FILE = ".domainlm/code_index.json"
_PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)")


@dataclass(frozen=True)
class Stamp:
    """One build, ready to run. Paths are relative to the project. shard: its number as text, or None for a whole artifact.

    roots (source -> local file or folder) says where raw bytes lie; it is not part of the action key, their digests are.
    """

    domain: str
    artifact: str
    shard: str | None
    folder: str
    inputs: dict[str, str]
    code_digest: str
    config: dict[str, Any]
    distributions: dict[str, str]
    roots: dict[str, str] = field(default_factory=dict)
    is_gather: bool = False
    uses_torch: bool = False


def parse_stamp(data: bytes) -> Stamp | None:
    """The stamp that a file holds; None for a torn one, or one of another version of this package."""
    try:
        return Stamp(**(parse_note(data) or {}))
    except TypeError:
        return None


def locked_versions(project: Path) -> dict[str, str]:
    """Distribution -> public version in the lock files. The local part (+cpu, +cu130) is a build, not a version."""
    versions: dict[str, str] = {}
    for name in LOCK_FILES:
        try:
            lines = (project / name).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise ConfigurationError(
                f"{name}: cannot be read ({error.strerror}); it says which versions keys are made of: git checkout {name}"
            ) from error
        for line in lines:
            found = _PIN.match(line)
            if found:
                versions[found[1].lower().replace("_", "-")] = found[2].split("+")[0]
    return versions


def action_of(stamp: Stamp, input_digests: Mapping[str, str]) -> dict[str, Any]:
    """The action that a stamp asks for. input_digests: input name -> tree digest of what is installed."""
    name = f"{stamp.artifact}{'_shard' if stamp.shard is not None else ''}"
    return make_action(name, stamp.code_digest, stamp.config, input_digests, stamp.distributions)


def shard_names(config: DomainConfig) -> list[str]:
    return [f"{index:04d}" for index in range(config.raw_corpus.shards)]


def artifact_folder(domain: str, artifact: str, shard: str | None = None) -> str:
    return "/".join(["artifacts", domain, artifact, *([shard] if shard else [])])


def stamp_path(domain: str, artifact: str, shard: str | None = None) -> str:
    return f".domainlm/stamps/{domain}/{artifact}{f'.{shard}' if shard else ''}.json"


def _installed_note(project: Path, stamp: Stamp) -> Path:
    name = f"{stamp.artifact}{f'.{stamp.shard}' if stamp.shard else ''}"
    return project / ".domainlm" / "installed" / stamp.domain / name


def read_installed_note(project: Path, stamp: Stamp) -> tuple[str, str] | None:
    """Key and tree digest that the last build installed here, whatever lies there by now. None where nothing says so."""
    row = read_note(_installed_note(project, stamp)) or {}
    return (row["key"], row["tree_digest"]) if has_kinds(row, ("key", "tree_digest")) else None


def note_installed(project: Path, stamp: Stamp, key: str, tree_digest: str) -> None:
    """Keep what a key gave: what was made from it stays up to date when its own files are removed to make room."""
    if read_installed_note(project, stamp) != (key, tree_digest):
        replace_file(_installed_note(project, stamp), canonical_json({"key": key, "tree_digest": tree_digest}))


def _roots(config: DomainConfig) -> dict[str, str]:
    return {name: source.local for name, source in config.sources.items() if source.local is not None}


def check_package(project: Path) -> None:
    """A project that holds the package must be run by it: keys are of its code, and so must the bytes be.

    An experiment's folder is such a project, while an installed package is the checkout that it was installed from. Raises
    ConfigurationError.
    """
    own = project / "domainlm" / "stamps.py"
    if own.exists() and not own.samefile(__file__):
        raise ConfigurationError(
            f"{project} holds its own domainlm/, but the code that runs is {PACKAGE_ROOT}'s; run snakemake or "
            "`python -m domainlm` inside the project (not the script `domainlm`), without PYTHONSAFEPATH"
        )


def code_index(project: Path) -> CodeIndex:
    return CodeIndex(PACKAGE_ROOT, project / CODE_INDEX_FILE, EXCLUDED_MODULES)


def code_definitions(project: Path, artifact: str) -> tuple[str, dict[str, dict[str, str]]]:
    """Code digest of an artifact's stage as its code is now, and what it is made of: file -> definition -> digest."""
    stage, code = BY_NAME[artifact], code_index(project)
    data = package_data_files(stage)
    return code.digest(stage.modules, data), code.definitions(stage.modules, data)


def make_stamps(project: Path, config: DomainConfig, is_remembered: bool = True) -> list[Stamp]:
    """Every stamp of a domain, in pipeline order. Raises ConfigurationError for missing sources.

    is_remembered: whether digests of files and modules that changed are kept for the next run. `plan` writes nothing.
    """
    check_package(project)
    check_left_behind(project, config)
    index = LocalIndex(project)
    code = code_index(project)
    versions = locked_versions(project)
    texts = text_slices(project, config, index)
    model = base_model_slice(project, config, index)
    stamps: list[Stamp] = []
    for stage in STAGES:
        digest = code.digest(stage.modules, package_data_files(stage))
        missing = [name for name in stage.distributions if name not in versions]
        if missing:
            raise ConfigurationError(
                f"{' and '.join(LOCK_FILES)} have no version of {missing}, which {stage.name} uses"
            )
        common: dict[str, Any] = {
            "domain": config.domain,
            "artifact": stage.name,
            "code_digest": digest,
            "distributions": {name: versions[name] for name in stage.distributions},
            "uses_torch": stage.uses_torch,
        }
        stamps.extend(_stage_stamps(stage, config, common, texts, model))
    if is_remembered:
        index.save()
        code.save()
    return stamps


def _stage_stamps(
    stage: Stage,
    config: DomainConfig,
    common: dict[str, Any],
    texts: list[dict[str, Any]],
    model: dict[str, Any],
) -> list[Stamp]:
    domain, shards = config.domain, shard_names(config)
    roots = _roots(config) if stage.name in ("raw_corpus", "base_model", "documents") else {}
    if stage.is_sharded:
        stamps = []
        common_slice = config_slice(stage, config)
        for number, shard in enumerate(shards):
            slice_ = texts[number] if stage.name == "raw_corpus" else common_slice
            inputs = {name: artifact_folder(domain, name, shard) for name in stage.inputs}
            folder = artifact_folder(domain, stage.name, shard)
            stamps.append(Stamp(shard=shard, folder=folder, inputs=inputs, config=slice_, roots=roots, **common))
        gathered = {shard: artifact_folder(domain, stage.name, shard) for shard in shards}
        folder = artifact_folder(domain, stage.name)
        # raw_corpus's own section says how files are dealt out, which the shards' inventories show already
        slice_ = {} if stage.name == "raw_corpus" else common_slice
        stamps.append(Stamp(shard=None, folder=folder, inputs=gathered, config=slice_, is_gather=True, **common))
        return stamps
    inputs = {name: artifact_folder(domain, name) for name in stage_inputs(stage, config)}
    inputs |= {f"compare:{other}": artifact_folder(other, stage.name) for other in compared_domains(stage, config)}
    slice_ = config_slice(stage, config)
    if stage.name == "base_model":
        slice_ |= model
    folder = artifact_folder(domain, stage.name)
    return [Stamp(shard=None, folder=folder, inputs=inputs, config=slice_, roots=roots, **common)]


def write_stamps(project: Path, stamps: list[Stamp]) -> None:
    """Write what changed, and remove the stamps of shards that are no more."""
    wanted = set()
    for stamp in stamps:
        path = project / stamp_path(stamp.domain, stamp.artifact, stamp.shard)
        wanted.add(path)
        values = vars(stamp)
        if not _says(path, values):
            replace_file(path, pretty_json(values))
    for folder in {path.parent for path in wanted}:
        for path in set(folder.glob("*.json")) - wanted:
            path.unlink(missing_ok=True)


def _says(path: Path, values: Mapping[str, Any]) -> bool:
    """Whether a stamp's file holds these values. One line is written much faster than the readable form, and as strict."""
    return canonical_json(read_note(path)) == canonical_json(values)
