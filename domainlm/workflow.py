"""What the Snakefile needs: a resolved domain, its stamps on disk, and the input files of each rule.

In: the overrides of `--config`. Out: a `Workflow`, whose methods return paths relative to the project. Nothing here
reads bulk data or imports torch: `snakemake -n` costs one look at the configuration, the sources' file times and the
modules' file times.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.config import DomainConfig
from domainlm.hollow import is_hollow, write_requested
from domainlm.pipeline import BY_NAME
from domainlm.resolve import ConfigurationError, resolve
from domainlm.stamps import (
    Stamp,
    action_of,
    artifact_folder,
    installed_note,
    make_stamps,
    shard_names,
    stamp_path,
    write_stamps,
)
from domainlm.store.actions import action_key
from domainlm.store.canonical import sha256_of_file
from domainlm.store.install import is_sound, read_record
from domainlm.store.manifest import ACTION_NAME, MANIFEST_NAME, read_manifest


@dataclass(frozen=True)
class Workflow:
    """A resolved domain as the rules see it."""

    project: Path
    config: DomainConfig
    stamps: Mapping[tuple[str, str | None], Stamp]

    @property
    def domain(self) -> str:
        return self.config.domain

    @property
    def shards(self) -> list[str]:
        return shard_names(self.config)

    def manifest(self, artifact: str, shard: str | None = None) -> str:
        """The rule's output."""
        return f"{artifact_folder(self.domain, artifact, shard)}/{MANIFEST_NAME}"

    def stamp(self, artifact: str, shard: str | None = None) -> str:
        return stamp_path(self.domain, artifact, shard)

    def inputs(self, artifact: str, shard: str | None = None) -> list[str]:
        """The rule's inputs: upstream manifests. Raises ConfigurationError where a compared domain was not built."""
        stamp = self.stamps[artifact, shard]
        for name, folder in stamp.inputs.items():
            if name.startswith("compare:") and not (self.project / folder / MANIFEST_NAME).exists():
                other = name.removeprefix("compare:")
                raise ConfigurationError(
                    f"eval_results.compare names {other!r}, whose results are not built ({folder}); build them first: "
                    f"snakemake --cores all --config domain={other}"
                )
        return [f"{folder}/{MANIFEST_NAME}" for folder in stamp.inputs.values()]

    def log(self, artifact: str, shard: str | None = None) -> str:
        return f"logs/{self.domain}/{artifact}{f'/{shard}' if shard else ''}.log"

    def benchmark(self, artifact: str, shard: str | None = None) -> str:
        return f"logs/{self.domain}/{artifact}{f'/{shard}' if shard else ''}.benchmark.tsv"

    def memory_mb(self, artifact: str) -> int:
        return BY_NAME[artifact].memory_mb

    def say_how_to_use(self) -> None:
        """Print where the adapter lies and how to load it, once it is built."""
        adapter = artifact_folder(self.domain, "sft_adapter")
        if not (self.project / adapter / MANIFEST_NAME).exists():
            return
        base = "merged_model" if self.config.sft_adapter.relay == "merge" else "base_model"
        folder = artifact_folder(self.domain, base)
        report = artifact_folder(self.domain, "eval_report") + "/report.html"
        print(
            f"\nadapter: {adapter}\nbase:    {folder}\n"
            f"use it:  model = AutoModelForCausalLM.from_pretrained({folder!r})\n"
            f"         model = PeftModel.from_pretrained(model, {adapter!r})   # docs/tutorial.md has the whole script",
            file=sys.stderr,
        )
        if (self.project / report).exists():
            print(f"report:  {report}", file=sys.stderr)


def retire_others(project: Path, stamps: list[Stamp]) -> None:
    """Take the manifest from what was put in place by something else than a build and is not what its stamp asks for.

    A `dvc checkout` brings another version's bytes with other times; Snakemake compares times, then the checksums that it
    noted at its own last job, and sees neither. A folder without its manifest is no artifact, so the rule runs, and the
    store gives it back at once. What a build installed Snakemake judges rightly.
    """
    for stamp in stamps:
        manifest = project / stamp.folder / MANIFEST_NAME
        try:
            key = json.loads((project / stamp.folder / ACTION_NAME).read_bytes())["key"]
            note = installed_note(project, stamp)
            if note.exists() and note.read_text() == key:
                continue
            inputs = {name: sha256_of_file(project / path / MANIFEST_NAME) for name, path in stamp.inputs.items()}
        except (OSError, ValueError, KeyError, TypeError):
            # nothing installed, or an input is missing: its rule runs, and with it all that follow
            continue
        if key != action_key(action_of(stamp, inputs)):
            manifest.unlink(missing_ok=True)


def retire_damaged(project: Path, stamps: list[Stamp], requested: set[str]) -> None:
    """Take the manifest from what is not as its manifest says (a file was written to), or is wanted and has no bytes.

    Its rule runs then, and the build heals, fetches or builds it. Costs one look at every installed file's size and time;
    what was only touched is hashed once.
    """
    for stamp in stamps:
        folder = project / stamp.folder
        manifest, record = read_manifest(folder), read_record(folder)
        if manifest is None or record is None:
            continue
        if is_hollow(project, stamp.folder, record["key"]):
            is_kept = stamp.shard is not None or stamp.artifact not in requested
        else:
            is_kept = is_sound(folder, manifest)
        if not is_kept:
            (folder / MANIFEST_NAME).unlink(missing_ok=True)


def requested_artifacts(targets: Iterable[str]) -> set[str]:
    """Artifacts that Snakemake's targets (rules or files) name. No target: the report."""
    found = set()
    for target in targets or ["all"]:
        parts = Path(target).parts
        name = parts[-2] if parts[-1] == MANIFEST_NAME and len(parts) > 1 else target
        found.add("eval_report" if name == "all" else name)
    return found & set(BY_NAME)


def prepare(
    overrides: Mapping[str, Any],
    project: Path | None = None,
    is_main_process: bool = True,
    targets: Iterable[str] = (),
) -> Workflow:
    """Resolve and return what the rules need; the main process writes the stamps that changed.

    targets: what Snakemake was asked for. Snakemake's jobs on other machines only read. Raises ConfigurationError.
    """
    project = project or Path.cwd()
    config = resolve(project, overrides)
    stamps = make_stamps(project, config)
    if is_main_process:
        write_stamps(project, stamps)
        requested = requested_artifacts(targets)
        write_requested(project, config.domain, requested)
        retire_others(project, stamps)
        retire_damaged(project, stamps, requested)
    return Workflow(project, config, {(stamp.artifact, stamp.shard): stamp for stamp in stamps})


def build_command() -> str:
    """The shell line of every rule. `exec`, so that the build's parent is Snakemake and it ends when Snakemake does."""
    return f"exec {shlex.quote(sys.executable)} -m domainlm build --as-needed"


__all__ = ["ConfigurationError", "Workflow", "build_command", "prepare"]
