"""What the Snakefile needs: a resolved domain, its stamps on disk, and the input files of each rule.

In: the overrides of `--config`. Out: a `Workflow`, whose methods return paths relative to the project. Nothing here
reads bulk data or imports torch: `snakemake -n` costs one look at the configuration, the sources' file times and the
modules' file times.
"""

from __future__ import annotations

import inspect
import json
import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.config.domain import DomainConfig
from domainlm.dvc import check_pipeline_file
from domainlm.hollow import is_hollow, write_requested
from domainlm.pipeline import BY_NAME
from domainlm.resolve import ConfigurationError, default_domain, resolve
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
from domainlm.store.local import Store
from domainlm.store.location import store_folder
from domainlm.store.manifest import ACTION_NAME, MANIFEST_NAME, read_manifest
from domainlm.store.roots import register_workspace
from domainlm.workspace import forget_said, installing, read_late

# DVC sets it for the command of a stage
DVC_VARIABLE = "DVC_STAGE"


@dataclass(frozen=True)
class Workflow:
    """A resolved domain as the rules see it. stamps: empty in a job of a cluster, which reads those few that it needs."""

    project: Path
    config: DomainConfig
    stamps: Mapping[tuple[str, str | None], Stamp]
    # manifests of what was found damaged: their rules have to run although everything that follows is up to date
    damaged: tuple[str, ...] = ()

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
        stamp = self.stamps[artifact, shard] if self.stamps else self._written_stamp(artifact, shard)
        for name, folder in stamp.inputs.items():
            if name.startswith("compare:") and not (self.project / folder / MANIFEST_NAME).exists():
                other = name.removeprefix("compare:")
                raise ConfigurationError(
                    f"eval_results.compare names {other!r}, whose results are not built ({folder}); build them first: "
                    f"snakemake --cores all --config domain={other}"
                )
        return [f"{folder}/{MANIFEST_NAME}" for folder in stamp.inputs.values()]

    def _written_stamp(self, artifact: str, shard: str | None) -> Stamp:
        path = self.project / self.stamp(artifact, shard)
        data = read_late(path)
        if data is None:
            raise ConfigurationError(f"stamp {path} is not there; the snakemake that submits the jobs writes it")
        return Stamp(**json.loads(data))

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
        record = read_record(self.project / folder)
        if record is not None and is_hollow(self.project, folder, record["key"]):
            domain = "" if self.domain == default_domain(self.project) else f" --domain {self.domain}"
            print(f"the base is still in the remote; fetch it first:  domainlm pull {base}{domain}", file=sys.stderr)
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


def retire_hollow(project: Path, stamps: list[Stamp], requested: set[str]) -> None:
    """Take the manifest from what is wanted by name and has no bytes: its rule runs then, and the build fetches them."""
    for stamp in stamps:
        if stamp.shard is None and stamp.artifact in requested:
            record = read_record(project / stamp.folder)
            if record is not None and is_hollow(project, stamp.folder, record["key"]):
                (project / stamp.folder / MANIFEST_NAME).unlink(missing_ok=True)


def find_damaged(project: Path, stamps: list[Stamp]) -> set[str]:
    """Folders of artifacts and shards whose records cannot be read or whose files are not as the manifest says.

    Also those of raw_corpus whose fetched files in the store were written to. Nothing is changed here: the manifests stay, as
    damage shows until it is healed, also after a dry run or a kill. Costs one look at every installed file's size and time; what
    was only touched is hashed once.
    """
    damaged = damaged_fetches(project, stamps)
    for stamp in stamps:
        folder = project / stamp.folder
        manifest, record = read_manifest(folder), read_record(folder)
        if manifest is None or record is None:
            if (folder / MANIFEST_NAME).exists():
                damaged.add(stamp.folder)
        elif not is_hollow(project, stamp.folder, record["key"]) and not is_sound(folder, manifest):
            damaged.add(stamp.folder)
    return damaged


def damaged_fetches(project: Path, stamps: list[Stamp]) -> set[str]:
    """Folders of raw_corpus whose fetched files in the store were written to; their build fetches them again."""
    store, found, is_written_to = Store(store_folder(project)), set(), {}
    for stamp in stamps:
        if stamp.artifact != "raw_corpus" or stamp.shard is None:
            continue
        for sha256 in (row["sha256"] for row in stamp.config["fetched"]):
            if sha256 not in is_written_to:
                is_written_to[sha256] = store.objects.is_written_to(sha256)
            if is_written_to[sha256] and (project / stamp.folder / MANIFEST_NAME).exists():
                found.add(stamp.folder)
    return found


def needed_folders(stamps: list[Stamp], targets: Iterable[str]) -> set[str]:
    """Folders of what Snakemake's targets name and of everything that it is made from."""
    inputs = {stamp.folder: stamp.inputs.values() for stamp in stamps}
    whole = {stamp.artifact: stamp.folder for stamp in stamps if stamp.shard is None}
    waiting = [whole.get(name, str(Path(name).parent)) for name in targets if name != "all"]
    if len(waiting) < len(list(targets)) or not waiting:
        waiting.append(whole["eval_report"])
    found: set[str] = set()
    while waiting:
        folder = waiting.pop()
        if folder not in found and folder in inputs:
            found.add(folder)
            waiting.extend(inputs[folder])
    return found


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
    if not is_main_process:
        # what was resolved when the job was submitted counts, whatever was edited while it waited in a queue
        return Workflow(project, config, {})
    if DVC_VARIABLE in os.environ:
        check_pipeline_file(project, config.domain)
    stamps = make_stamps(project, config)
    write_stamps(project, stamps)
    needed = needed_folders(stamps, targets)
    root = store_folder(project)
    if root.is_dir():
        # a workspace that only ever checked out needs its store's records as well
        register_workspace(root, project)
    requested = requested_artifacts(targets)
    write_requested(project, config.domain, requested)
    forget_said(project)
    with installing(project):
        retire_others(project, stamps)
        retire_hollow(project, stamps, requested)
    damaged = find_damaged(project, [stamp for stamp in stamps if stamp.folder in needed])
    by_name = {(stamp.artifact, stamp.shard): stamp for stamp in stamps}
    return Workflow(project, config, by_name, tuple(f"{folder}/{MANIFEST_NAME}" for folder in sorted(damaged)))


def dag_settings() -> Any:
    """Snakemake's settings of this run: its targets, the rules to run whatever their state. None where it makes no graph.

    The Snakefile is read while the call that is given them runs, and `workflow.dag_settings` is set only after that; what
    is requested and what is damaged has to be known and said before the graph is made.
    """
    frame = inspect.currentframe()
    while frame is not None:
        caller: Any = frame.f_locals.get("self")
        if type(caller).__name__ == "DAGApi":
            return caller.dag_settings
        frame = frame.f_back
    return None


def share_volume() -> None:
    """Let Snakemake's Kubernetes executor know that its pods see this folder, as profiles/kubernetes mounts it.

    The plugin declares that pods share nothing, whatever --shared-fs-usage says. Snakemake would then copy what a rule names, which
    here are manifests, through a storage provider, and the bytes of artifacts, which no rule names, would be nowhere.
    """
    from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

    plugins = ExecutorPluginRegistry().plugins
    if "kubernetes" in plugins:
        plugins["kubernetes"].common_settings.implies_no_shared_fs = False


def build_command() -> str:
    """The shell line of every rule. `exec`, so that the build's parent is Snakemake and it ends when Snakemake does.

    $PPID is set by the shell when it starts, half a second before Python can look who its parent is.
    """
    # Snakemake fills in what stands in braces
    python = shlex.quote(sys.executable).replace("{", "{{").replace("}", "}}")
    return f"exec {python} -m domainlm build --as-needed --parent $PPID"


__all__ = ["ConfigurationError", "Workflow", "build_command", "dag_settings", "prepare", "share_volume"]
