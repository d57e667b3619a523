"""The interface to Snakemake: paths of each rule, shell line, settings.

In: a resolved domain and its stamps (`domainlm/workflow/prepare.py`), and the settings that Snakemake has before it
makes its graph. Out: a `Workflow`, whose methods return paths relative to the project.
"""

from __future__ import annotations

import inspect
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.builder.hollow import is_hollow
from domainlm.config.domain import DomainConfig
from domainlm.config.errors import ConfigurationError
from domainlm.config.resolve import default_domain
from domainlm.pipeline.chain import chain
from domainlm.pipeline.places import COMPARED, artifact_folder, stamp_path
from domainlm.pipeline.stamp import Stamp, parse_stamp
from domainlm.pipeline.stamps import shard_names
from domainlm.pipeline.table import BY_NAME, LAST_ARTIFACT
from domainlm.store.install import read_record
from domainlm.store.late_files import read_late
from domainlm.store.manifest import MANIFEST_NAME

# options of Snakemake's command line with which it runs no job
# fmt: off
LOOKS = (
    "dryrun", "touch", "lint", "list_rules", "list_target_rules", "print_compilation", "report", "containerize",
    "generate_unit_tests", "dag", "rulegraph", "filegraph", "d3dag", "unlock", "cleanup_metadata", "conda_cleanup_envs",
    "conda_create_envs_only", "list_conda_envs", "cleanup_shadow", "container_cleanup_images", "list_changes",
    "list_input_changes", "list_params_changes", "list_untracked", "summary", "detailed_summary", "archive",
    "delete_all_output", "delete_temp_output",
)
# fmt: on


@dataclass(frozen=True)
class Workflow:
    """A resolved domain as the rules see it.

    stamps: empty in a job of a cluster, which reads the few that it needs.
    """

    project: Path
    config: DomainConfig
    stamps: dict[tuple[str, str | None], Stamp]
    # manifests whose rules have to run, even if the files' times mean "up to date" to Snakemake
    due: tuple[str, ...] = ()

    @property
    def domain(self) -> str:
        return self.config.domain

    @property
    def shards(self) -> list[str]:
        return shard_names(self.config)

    def manifest(self, artifact: str, shard: str | None = None) -> str:
        """The rule's output."""
        return f"{artifact_folder(self.domain, artifact, shard)}/{MANIFEST_NAME}"

    def input(self, artifact: str, name: str, shard: str | None = None) -> list[str]:
        """One of the rule's inputs: the manifest of an upstream artifact.

        The list is empty where the configuration does without it.
        """
        folder = self._stamp(artifact, shard).inputs.get(name)
        return [f"{folder}/{MANIFEST_NAME}"] if folder is not None else []

    def shard_manifests(self, artifact: str) -> list[str]:
        """The inputs of the rule that gathers an artifact's shards."""
        return [f"{folder}/{MANIFEST_NAME}" for folder in self._stamp(artifact, None).inputs.values()]

    def compared(self, artifact: str) -> list[str]:
        """Manifests of the same artifact of other domains.

        Raises ConfigurationError where one was not built.
        """
        found = []
        for name, folder in self._stamp(artifact, None).inputs.items():
            if not name.startswith(COMPARED):
                continue
            if not (self.project / folder / MANIFEST_NAME).exists():
                other = name.removeprefix(COMPARED)
                raise ConfigurationError(
                    f"{BY_NAME[artifact].compares} names {other!r}, whose results are not built ({folder}); build them first: "
                    f"snakemake --cores all --config domain={other}"
                )
            found.append(f"{folder}/{MANIFEST_NAME}")
        return found

    def _stamp(self, artifact: str, shard: str | None) -> Stamp:
        """The stamp of an artifact or shard.

        In a job of a cluster each is read once, when the first rule's inputs ask for it.
        """
        if (artifact, shard) not in self.stamps:
            self.stamps[artifact, shard] = self._written_stamp(artifact, shard)
        return self.stamps[artifact, shard]

    def _written_stamp(self, artifact: str, shard: str | None) -> Stamp:
        path = self.project / stamp_path(self.domain, artifact, shard)
        data = read_late(path)
        stamp = parse_stamp(data) if data is not None else None
        if stamp is None:
            wrong = "is not there" if data is None else "is torn, or of another version"
            raise ConfigurationError(f"stamp {path} {wrong}; the snakemake that submits the jobs writes it")
        return stamp

    def log(self, artifact: str, shard: str | None = None) -> str:
        return f"logs/{self.domain}/{artifact}{f'/{shard}' if shard else ''}.log"

    def benchmark(self, artifact: str, shard: str | None = None) -> str:
        return f"logs/{self.domain}/{artifact}{f'/{shard}' if shard else ''}.benchmark.tsv"

    def memory_mb(self, artifact: str) -> int:
        return BY_NAME[artifact].memory_mb

    def say_how_to_use(self) -> None:
        """Print the adapter's place and how to load it, once built."""
        model = chain(self.config)[-1]
        adapter = artifact_folder(self.domain, model.adapter or model.checkpoint)
        if not (self.project / adapter / MANIFEST_NAME).exists():
            return
        base = model.checkpoint
        folder = artifact_folder(self.domain, base)
        report = artifact_folder(self.domain, LAST_ARTIFACT) + "/report.html"
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


def asked_of_snakemake() -> tuple[Any, set[str], bool]:
    """Snakemake's settings and targets, and whether it runs jobs.

    Settings: the rules to run whatever their state; None where Snakemake makes no graph. Targets: rules and files. The
    Snakefile is read while the call that receives the settings runs, and `workflow.dag_settings` is set only after
    that, but the requested and the due artifacts have to be known before the graph is made. Targets of --forcerun,
    --until and --prioritize are made, too. Whether jobs will run is known by then from the command line alone; without
    one (Snakemake's Python interface) they do.
    """
    settings, targets, is_run = None, set[str](), True
    frame = inspect.currentframe()
    while frame is not None:
        caller: Any = frame.f_locals.get("self")
        if type(caller).__name__ == "DAGApi":
            settings = caller.dag_settings
            targets |= {*(settings.targets or ["all"]), *settings.forcerun, *settings.until}
        if frame.f_code.co_name == "args_to_api":
            arguments = frame.f_locals.get("args")
            is_run = not any(getattr(arguments, name, None) for name in LOOKS)
            targets |= {*(getattr(arguments, "prioritize", None) or ())}
        frame = frame.f_back
    return settings, targets, is_run


def share_volume() -> None:
    """Declare that Kubernetes pods share this folder.

    profiles/kubernetes mounts it so. The executor's plugin declares that pods share nothing, whatever --shared-fs-usage
    is. Snakemake would then copy the files that a rule names, which here are manifests, through a storage provider, and
    the bytes of artifacts, which no rule names, would be nowhere.
    """
    from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

    plugins = ExecutorPluginRegistry().plugins
    if "kubernetes" in plugins:
        plugins["kubernetes"].common_settings.implies_no_shared_fs = False


def build_command() -> str:
    """The shell line of every rule.

    It uses `exec`, so that Snakemake is the build's parent and the build ends with it. The shell sets $PPID when it
    starts, half a second before Python can read its parent's id.
    """
    # Snakemake replaces the text in braces
    python = shlex.quote(sys.executable).replace("{", "{{").replace("}", "}}")
    return f"exec {python} -m domainlm build --as-needed --parent $PPID"
