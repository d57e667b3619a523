"""`domainlm push` and `domainlm pull`: artifacts to and from the remote.

In: the names of artifacts. Out: a report. Push sends installed artifacts, whatever the present configuration, because
a key determines what the artifact was made from. Pull fills hollow artifacts, or, for named artifacts, fetches the
result of the present configuration, and only the records of its inputs. Neither ever runs a stage. Fetched raw files
are not sent to a remote: they come from their own pinned place, under their own licence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from domainlm.builder.alternatives import Alternative, compare_outputs
from domainlm.builder.history import recorded_build
from domainlm.builder.hollow import hollow_folders, is_hollow
from domainlm.builder.inputs import LEASE_TIMEOUT_SECONDS, fetch_raw_files, install_found
from domainlm.builder.installed import installed_in
from domainlm.builder.looks import missing_entries
from domainlm.builder.origins import installed_fault, origin_of_installed, recorded_of, trusted_keys
from domainlm.builder.outlook import needed_stamps, predict
from domainlm.config.errors import ConfigurationError
from domainlm.contract import Resources, StageError
from domainlm.pipeline.places import artifact_folder
from domainlm.pipeline.table import BY_NAME, STAGES
from domainlm.store.lease import lease
from domainlm.store.local import Store
from domainlm.store.location import store_folder
from domainlm.store.manifest import Manifest
from domainlm.store.remote import Parcel, Remote, Sent, open_remote
from domainlm.wording import bytes_in_words
from domainlm.workflow.prepare import prepare

Log = Callable[[str], None]
_SHARD = re.compile(r"\d{4}")


def configured_remote(project: Path, log: Log) -> Remote:
    """The configured remote; reports which options of DVC are not used.

    Raises ConfigurationError if no remote is configured.
    """
    remote = open_remote(project)
    if remote is None:
        raise ConfigurationError(
            "no remote is configured; set DOMAINLM_REMOTE to a folder or an s3://, ssh:// or https:// address, or give "
            "DVC a default remote: dvc remote add --default NAME URL"
        )
    if remote.location.ignored:
        log(f"not used, because credentials come from the environment alone: {', '.join(remote.location.ignored)}")
    return remote


@dataclass(frozen=True)
class Push:
    """The result of a push, or of its dry run.

    others: the remote's different output for a key of ours, from the same kind of platform or another. hollow: not
    here, so not sent. damaged: folder -> a file that does not match its manifest.
    """

    remote: str
    is_dry_run: bool
    sent: Sent
    hollow: tuple[str, ...] = ()
    others: Mapping[str, Alternative] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        return not self.sent.damaged and not any(other.is_nondeterminism for other in self.others.values())

    def as_json(self) -> dict[str, Any]:
        return {
            "remote": self.remote,
            "dry_run": self.is_dry_run,
            "pushed": self.sent.pushed,
            "present": self.sent.present,
            "hollow": list(self.hollow),
            "damaged": self.sent.damaged,
            "others": {name: other.as_json() for name, other in self.others.items()},
            "objects_moved": self.sent.moved_objects,
            "bytes_moved": self.sent.moved_bytes,
        }

    def lines(self) -> Iterator[str]:
        verb = "would send" if self.is_dry_run else "sent"
        moved = f"{bytes_in_words(self.sent.moved_bytes)} in {self.sent.moved_objects} objects"
        yield f"{verb} {moved} to {self.remote}"
        yield f"{len(self.sent.pushed)} new there, {len(self.sent.present)} were there, {len(self.hollow)} hollow here"
        for name, file in self.sent.damaged.items():
            yield f"{name} was not sent: {file} does not match its manifest; run: domainlm verify"
        for name, other in self.others.items():
            yield f"{name} was not sent, the remote has another output for its key, which stays: {other.in_words()}"


def push(project: Path, domain: str, artifacts: Iterable[str], log: Log, is_dry_run: bool = False) -> Push:
    """Send installed artifacts and their shards.

    All of them are sent if none is named. Raises RemoteError, StageError.
    """
    remote = configured_remote(project, log)
    store = Store(store_folder(project))
    named = list(artifacts)
    sent, hollow = Sent(), []
    for stage in STAGES:
        if named and stage.name not in named:
            continue
        parcels = []
        for folder in _folders(project, domain, stage.name):
            installed = installed_in(project, folder)
            if installed is None:
                continue
            if is_hollow(project, folder, installed.key):
                hollow.append(folder)
            else:
                origin = origin_of_installed(installed, store)
                values = installed.path, installed.key, installed.manifest, installed.record, origin
                parcels.append(Parcel(folder, *values))
        if not parcels and not hollow and stage.name in named:
            raise StageError(
                f"{stage.name} of domain {domain} is not built here; run: snakemake --cores all {stage.name}"
            )
        # one artifact after another, so that a push that ends early leaves whole artifacts behind
        sent.add(remote.push(parcels, store.objects, log, is_dry_run))
    others = {
        parcel.name: different
        for parcel, manifest, record in sent.others
        if (different := compare_outputs(store, (manifest, record), (parcel.manifest, parcel.record))) is not None
    }
    return Push(str(remote.location), is_dry_run, sent, tuple(hollow), others)


def _folders(project: Path, domain: str, artifact: str) -> list[str]:
    """Existing folders of an artifact and of its shards."""
    folder = artifact_folder(domain, artifact)
    path = project / folder
    shards = sorted(p.name for p in path.iterdir() if _SHARD.fullmatch(p.name)) if path.is_dir() else []
    return [folder, *(f"{folder}/{shard}" for shard in shards if BY_NAME[artifact].is_sharded)]


@dataclass(frozen=True)
class Pull:
    """The result of a pull, or of its dry run.

    missing: folder -> the first file that the remote lacks or has damaged.
    """

    remote: str
    is_dry_run: bool
    filled: Mapping[str, int]
    missing: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "bytes_moved": sum(self.filled.values())}

    def lines(self) -> Iterator[str]:
        verb = "would fetch" if self.is_dry_run else "fetched"
        yield f"{verb} {bytes_in_words(sum(self.filled.values()))} from {self.remote}"
        for name, moved in self.filled.items():
            yield f"{name}: {bytes_in_words(moved)}"
        for name, file in self.missing.items():
            yield f"{name} stays hollow: the remote has no sound {file}; a build that needs it builds it"


def pull_hollow(project: Path, domain: str, log: Log, is_dry_run: bool = False) -> Pull:
    """Fill every hollow artifact of a domain. Raises RemoteError."""
    remote = configured_remote(project, log)
    store = Store(store_folder(project))
    filled, missing = {}, {}
    for folder in hollow_folders(project, domain):
        installed = installed_in(project, folder)
        # a shard is filled with the whole artifact that it is part of
        if installed is None or folder.rpartition("/")[0] in filled:
            continue
        if not is_hollow(project, folder, installed.key):
            continue
        keys = trusted_keys(project)
        fault = installed_fault(project, folder, store, keys) if keys is not None else None
        if fault is not None:
            log(f"{folder} is not filled: {fault}")
            missing[folder] = "signed record"
            continue
        if is_dry_run:
            filled[folder] = sum(entry.size for entry in missing_entries(installed.manifest, store))
            continue
        with lease(store.leases, installed.key, LEASE_TIMEOUT_SECONDS, log):
            is_whole, moved = install_found(project, folder, recorded_of(installed), store, log)
        if is_whole:
            fetch_raw_files(project, folder, store, log)
            filled[folder] = moved
        else:
            missing[folder] = _first_missing(installed.manifest, store)
    return Pull(str(remote.location), is_dry_run, filled, missing)


def _first_missing(manifest: Manifest, store: Store) -> str:
    return next((entry.path for entry in missing_entries(manifest, store)), "file")


def pull_named(project: Path, domain: str, artifacts: Iterable[str], log: Log, is_dry_run: bool = False) -> Pull:
    """Fetch the artifacts of the present configuration.

    Raises StageError if one must be built.
    """
    remote = configured_remote(project, log)
    store = Store(store_folder(project))
    names = list(artifacts)
    if is_dry_run:
        from domainlm.config.resolve import resolve
        from domainlm.pipeline.stamps import make_stamps

        stamps = make_stamps(project, resolve(project, {"domain": domain}), is_remembered=False)
    else:
        stamps = list(prepare({"domain": domain}, project, targets=names).stamps.values())
    filled: dict[str, int] = {}
    for name in names:
        outlooks = predict(project, stamps, name, store, remote)
        first = next((outlook.stamp for outlook in outlooks if outlook.state == "build"), None)
        if first is not None:
            raise StageError(
                f"{remote} has no record of {first.folder} for the present configuration, which {name} is made "
                f"from; build it: snakemake --cores all {name} --config domain={domain}"
            )
        filled[artifact_folder(domain, name)] = outlooks[-1].fetch_bytes
    if not is_dry_run:
        for stamp in {stamp.folder: stamp for name in names for stamp in needed_stamps(stamps, name)}.values():
            is_wanted = stamp.shard is None and stamp.artifact in names
            outcome = recorded_build(project, stamp, Resources(log=log), is_wanted, may_run=False)
            if is_wanted:
                filled[stamp.folder] = outcome.moved_bytes
    return Pull(str(remote.location), is_dry_run, filled, {})
