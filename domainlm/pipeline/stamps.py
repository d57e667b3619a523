"""Stamps: all that a build needs to know, resolved once.

In: a resolved configuration. Out: one small file per artifact and shard,
`.domainlm/stamps/<domain>/<artifact>[.NNNN].json`, rewritten only if changed: code digest, configuration slice,
versions, and the places of the inputs. The main process of a run writes it; `build` reads it and never resolves again,
and cluster jobs find it on the shared file system. It is no input of a rule: keys decide which rules have to run
(`domainlm/workflow/due.py`), not its time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domainlm.config.domain import DomainConfig
from domainlm.config.errors import ConfigurationError
from domainlm.pipeline.code import check_package, code_index
from domainlm.pipeline.graph import compared_domains, input_edges, is_part, stage_inputs
from domainlm.pipeline.places import COMPARED, artifact_folder, stamp_path
from domainlm.pipeline.slices import config_slice
from domainlm.pipeline.stamp import Stamp
from domainlm.pipeline.table import STAGES, Stage, package_data_files
from domainlm.sources.index import LocalIndex
from domainlm.sources.rows import check_left_behind, model_slice, text_slices
from domainlm.store.canonical import canonical_json, pretty_json
from domainlm.store.notes import read_note
from domainlm.store.staging import replace_file

LOCK_FILES = ("envs/cpu.lock", "envs/torch.lock")
_PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)")


def locked_versions(project: Path) -> dict[str, str]:
    """Distribution -> public version in the lock files.

    The local part (+cpu, +cu130) names a build, not a version.
    """
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


def shard_names(config: DomainConfig) -> list[str]:
    return [f"{index:04d}" for index in range(config.raw_corpus.shards)]


def _roots(config: DomainConfig) -> dict[str, str]:
    return {name: source.local for name, source in config.sources.items() if source.local is not None}


def make_stamps(project: Path, config: DomainConfig, is_remembered: bool = True) -> list[Stamp]:
    """Every stamp of a domain, in pipeline order.

    is_remembered: whether digests of files and modules that changed are kept for the next run; `plan` writes nothing.
    Raises ConfigurationError for missing sources.
    """
    check_package(project)
    check_left_behind(project, config)
    index = LocalIndex(project)
    code = code_index(project)
    versions = locked_versions(project)
    # the files of a model that no artifact is made of are not listed
    listed = {"texts": text_slices(project, config, index)} | {
        stage.name: [model_slice(project, config, index, stage.name)]
        for stage in STAGES
        if stage.declares == "model" and is_part(stage, config)
    }
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
        stamps.extend(_stage_stamps(stage, config, common, listed))
    if is_remembered:
        index.save()
        code.save()
    return stamps


def _stage_stamps(
    stage: Stage, config: DomainConfig, common: dict[str, Any], listed: Mapping[str, list[dict[str, Any]]]
) -> list[Stamp]:
    """The stamps of one stage.

    listed: the rows of the sources that a stage declares, one entry a shard: those of texts, or of the model of its name.
    """
    domain, name, shards = config.domain, stage.name, shard_names(config)
    rows = listed.get("texts" if stage.declares == "texts" else stage.name, [])
    roots = _roots(config) if stage.declares or stage.reads_raw_files else {}
    if not stage.is_sharded:
        inputs = {each: artifact_folder(domain, each) for each in stage_inputs(stage, config)}
        inputs |= {f"{COMPARED}{other}": artifact_folder(other, name) for other in compared_domains(stage, config)}
        slice_ = config_slice(name, config) | (rows[0] if rows else {})
        return [
            Stamp(shard=None, folder=artifact_folder(domain, name), inputs=inputs, config=slice_, roots=roots, **common)
        ]
    stamps = []
    common_slice = config_slice(name, config, is_shard=True)
    for number, shard in enumerate(shards):
        slice_ = common_slice | (rows[number] if rows else {})
        edges = input_edges(stage, config)
        inputs = {each: artifact_folder(domain, each, shard if is_same else None) for each, is_same in edges.items()}
        folder = artifact_folder(domain, name, shard)
        stamps.append(Stamp(shard=shard, folder=folder, inputs=inputs, config=slice_, roots=roots, **common))
    gathered = {shard: artifact_folder(domain, name, shard) for shard in shards}
    folder, slice_ = artifact_folder(domain, name), config_slice(name, config)
    stamps.append(Stamp(shard=None, folder=folder, inputs=gathered, config=slice_, is_gather=True, **common))
    return stamps


def write_stamps(project: Path, stamps: list[Stamp]) -> None:
    """Write the stamps that changed; remove those of shards that disappeared."""
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
    """Whether a stamp's file holds these values.

    The stamps are compared as one line, which is written much faster than the readable form and is as strict.
    """
    return canonical_json(read_note(path)) == canonical_json(values)
