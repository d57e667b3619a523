"""A resolved domain, its stamps on disk, and each rule's input files.

In: the overrides of `--config`. Out: a `Workflow` for the Snakefile, whose methods return paths relative to the
project. Nothing here reads bulk data or imports torch: `snakemake -n` costs one look at the configuration, the sources'
file times and the modules' file times.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from domainlm.builder.origins import untrusted_folders
from domainlm.builder.requested import write_requested
from domainlm.builder.workspace import bring_to_now, forget_said
from domainlm.config.errors import ConfigurationError
from domainlm.config.resolve import resolve
from domainlm.pipeline.stamps import make_stamps, write_stamps
from domainlm.store.local import Store
from domainlm.store.location import store_folder
from domainlm.store.manifest import MANIFEST_NAME
from domainlm.store.remote_location import RemoteError
from domainlm.store.roots import register_workspace
from domainlm.store.sharing import StoreRefused, naming_refusals
from domainlm.workflow.due import find_due, needed_folders, requested_artifacts
from domainlm.workflow.dvc import check_pipeline_file
from domainlm.workflow.snakemake import Workflow

# DVC sets it for the command of a stage
DVC_VARIABLE = "DVC_STAGE"


@contextmanager
def _naming_refusals(project: Path) -> Iterator[None]:
    """Report a closed store or missing file of keys before work starts.

    A store that is closed to this user, or a file of trusted keys that does not exist, is an error of configuration.
    """
    try:
        with naming_refusals(store_folder(project)):
            yield
    except (StoreRefused, RemoteError) as error:
        raise ConfigurationError(str(error)) from None


def prepare(
    overrides: Mapping[str, Any],
    project: Path | None = None,
    is_main_process: bool = True,
    targets: Iterable[str] = (),
    is_run: bool = True,
) -> Workflow:
    """Resolve the domain and return what the rules need.

    The main process of a run writes the stamps that changed. targets: rules and files that Snakemake aims at. is_run:
    whether it will run jobs. A run without jobs (a dry run, `--list`, `--summary`, `--lint`) changes nothing here,
    because a build may be running from the present stamps, and the workspace may hold an older version that somebody
    checked out. Snakemake's jobs on other machines only read. Raises ConfigurationError.
    """
    project = project or Path.cwd()
    with _naming_refusals(project):
        return _prepare(project, overrides, is_main_process, targets, is_run)


def _prepare(
    project: Path, overrides: Mapping[str, Any], is_main_process: bool, targets: Iterable[str], is_run: bool
) -> Workflow:
    config = resolve(project, overrides)
    if not is_main_process:
        # the configuration counts as resolved when the job was submitted, not as edited while it waited in a queue
        return Workflow(project, config, {})
    if DVC_VARIABLE in os.environ:
        check_pipeline_file(project, config.domain)
    stamps = make_stamps(project, config)
    needed, requested = needed_folders(stamps, targets), requested_artifacts(targets)
    store = Store(store_folder(project))
    if is_run:
        write_stamps(project, stamps)
        if store.root.is_dir():
            # a workspace that only ever checked out needs its store's records as well
            register_workspace(store.root, project)
        write_requested(project, config.domain, requested)
        forget_said(project)
        bring_to_now(project / folder / MANIFEST_NAME for folder in needed)
    due = find_due(project, stamps, needed, requested, store, is_remembered=is_run)
    due |= untrusted_folders(project, stamps, store, is_remembered=is_run).keys() & needed
    by_name = {(stamp.artifact, stamp.shard): stamp for stamp in stamps}
    return Workflow(project, config, by_name, tuple(f"{folder}/{MANIFEST_NAME}" for folder in sorted(due)))
