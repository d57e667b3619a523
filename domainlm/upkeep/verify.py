"""`domainlm verify`: a comparison of bytes with their digests.

In: a project, optionally one of its artifacts. Out: a report: the damaged files, the artifacts that they belong to,
their other names, and the next steps. Nothing is repaired here: the damage is made visible, and the next plain build
repairs it the way it would have built it. Objects that are sound in the workspace and missing in the store are
restored to the store.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.table import Table

from domainlm.builder.hollow import is_hollow
from domainlm.contract import StageError
from domainlm.pipeline.places import artifact_folder
from domainlm.sources.fetch import declared_digests
from domainlm.store.damage import Links, describe_links, projects_of, remove_from_dvc
from domainlm.store.install import read_record
from domainlm.store.integrity import Damaged, Hashed, Item, Progress, hash_all, objects_of
from domainlm.store.local import Store
from domainlm.store.location import store_folder
from domainlm.store.manifest import MANIFEST_NAME, read_manifest
from domainlm.store.records import Records, check_records
from domainlm.store.remote import open_remote
from domainlm.terminal import line
from domainlm.upkeep.give_back import GivenBack, give_back
from domainlm.upkeep.workspace_needs import installed_folders
from domainlm.wording import bytes_in_words, seconds_in_words

SHOWN_NAMES = 3
_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


@dataclass(frozen=True)
class Finding:
    """One damaged file.

    named_by: artifacts whose records name its digest. heals: the next steps, in words.
    """

    damaged: Damaged
    links: Links
    named_by: tuple[str, ...]
    heals: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """The findings of one `verify`.

    records is None if only one artifact's files were examined, and were sound.
    """

    what: str
    hashed: Hashed
    findings: tuple[Finding, ...]
    records: Records | None
    given_back: GivenBack = field(default_factory=GivenBack)

    @property
    def is_sound(self) -> bool:
        return not self.findings and (self.records is None or not self.records.wrong)

    def as_json(self) -> dict[str, Any]:
        records = self.records
        return {
            "what": self.what,
            "is_sound": self.is_sound,
            "files": self.hashed.files,
            "bytes": self.hashed.bytes,
            "files_of_the_interrupted_run": self.hashed.earlier_files,
            "seconds": round(self.hashed.seconds, 3),
            "megabytes_per_second": round(self.hashed.megabytes_per_second, 1),
            "damaged": [
                {**asdict(f.damaged), **asdict(f.links), "named_by": f.named_by, "heals": f.heals}
                for f in self.findings
            ],
            "action_records": records.actions if records else None,
            "trees": records.trees if records else None,
            "wrong_records": [asdict(wrong) for wrong in records.wrong] if records else [],
            "missing": [asdict(missing) for missing in records.missing] if records else [],
            "given_back": asdict(self.given_back),
        }


def verify(project: Path, domain: str, artifact: str | None, threads: int, is_anew: bool, progress: Progress) -> Report:
    """Hash the store's objects, or the files of one artifact.

    The artifact is installed. Raises StageError, VerifyRunning, PermissionError.
    """
    store = Store(store_folder(project))
    if artifact is None:
        what, items, notes = str(store.root), list(objects_of(store)), "objects"
        hashed = hash_all(store, items, notes, threads, is_anew, progress)
    else:
        what = artifact_folder(domain, artifact)
        items = installed_items(project, domain, artifact)
        hashed = hash_all(store, items, f"{domain}.{artifact}", threads, is_anew, progress)
        gone = [Damaged(i.name, i.sha256, i.size, "is missing", None) for i in items if not i.path.exists()]
        hashed = Hashed(**{**vars(hashed), "damaged": (*hashed.damaged, *gone)})
    # every installed one where the store is verified: a damaged object may belong to any of them
    folders = installed_folders(project) if artifact is None else [project / what, *_shard_folders(project / what)]
    given_back = give_back(project, folders, store)
    records = None
    if artifact is None or hashed.damaged:
        records = check_records(store, partial(declared_digests, store), [found.sha256 for found in hashed.damaged])
    return Report(what, hashed, _findings(project, store, hashed, records), records, given_back)


def _shard_folders(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob(f"[0-9][0-9][0-9][0-9]/{MANIFEST_NAME}"))


def installed_items(project: Path, domain: str, artifact: str) -> list[Item]:
    """The files of an installed artifact, or of its shards.

    The shards count if it is not gathered yet. Raises StageError if there are none.
    """
    folder = project / artifact_folder(domain, artifact)
    items: dict[str, Item] = {}
    for part in [folder, *_shard_folders(folder)]:
        manifest, record = read_manifest(part), read_record(part)
        if manifest is None:
            continue
        if record is not None and is_hollow(project, part.relative_to(project).as_posix(), record["key"]):
            continue
        for entry in manifest.entries:
            file = part / entry.path
            name = file.relative_to(folder).as_posix()
            items[name] = Item(name, file, entry.sha256, entry.size)
    if not items:
        raise StageError(
            f"{artifact_folder(domain, artifact)} has no files here (not built, or only its record came from the remote); "
            f"build it: snakemake --cores all {artifact}"
        )
    return [items[name] for name in sorted(items)]


def _findings(project: Path, store: Store, hashed: Hashed, records: Records | None) -> tuple[Finding, ...]:
    if not hashed.damaged:
        return ()
    kept = [Path(damaged.kept) for damaged in hashed.damaged if damaged.kept is not None]
    links = remove_from_dvc(kept, projects_of(store.root, project))
    remote = open_remote(project)
    findings = []
    for damaged in hashed.damaged:
        named_by = records.named_by.get(damaged.sha256, ()) if records else ()
        found = links.get(Path(damaged.kept), Links()) if damaged.kept is not None else Links()
        heals = describe_links(found)
        if named_by:
            way = f"fetched from {remote} where it has it, else built again" if remote is not None else "built again"
            heals.append(f"{_some(tuple(name.split()[0] for name in named_by))}: {way} when a build asks for it")
        else:
            heals.append("no record names it: no build asks for it")
        findings.append(Finding(damaged, found, named_by, tuple(heals)))
    return tuple(findings)


def _some(names: tuple[str, ...]) -> str:
    """'a, b, c and 4 more'."""
    ordered = list(dict.fromkeys(names))
    more = len(ordered) - SHOWN_NAMES
    return ", ".join(ordered[:SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


def summary(report: Report) -> list[str]:
    """Lines for a person: amount, speed, and notes that are no damage."""
    hashed, records = report.hashed, report.records
    lines = [
        f"{report.what}: {hashed.files} files, {bytes_in_words(hashed.bytes)} read in {seconds_in_words(hashed.seconds)} "
        f"({hashed.megabytes_per_second:.0f} MB/s)"
    ]
    if hashed.earlier_files:
        lines.append(
            f"{hashed.earlier_files} more were read by the run that was interrupted (--again reads them again)"
        )
    if records is not None:
        lines.append(f"{records.actions} action records, {records.trees} trees")
    if records is not None and records.missing:
        count, size = sum(m.objects for m in records.missing), sum(m.bytes for m in records.missing)
        lines.append(
            f"{len(records.missing)} records name {count} objects ({bytes_in_words(size)}) that are not here: collected, "
            "or left in the remote; no damage"
        )
    given_back = report.given_back.in_words()
    if given_back is not None:
        lines.append(given_back)
    if report.is_sound:
        lines.append("sound")
    return lines


def damage_table(report: Report, project: Path) -> Table:
    """Object, size, owner and next step of each damaged file.

    Paths below the project are relative.
    """
    table = Table("damaged", "size", "why", "belongs to", "next step", show_lines=True)
    for column in table.columns:
        column.overflow = "fold"

    def cut(text: str) -> str:
        return _DIGEST.sub(r"\1", text)

    def said(parts: Iterable[str], kept: str | None) -> str:
        text = "; ".join([*parts, *([f"its bytes: {kept}"] if kept is not None else [])])
        return text.replace(f"{project}{os.sep}", "")

    rows = []
    for finding in report.findings:
        found = finding.damaged
        names = _some(finding.named_by) or "-"
        rows.append((found.name, bytes_in_words(found.size), found.reason, names, said(finding.heals, found.kept)))
    for wrong in report.records.wrong if report.records else ():
        rows.append((wrong.name, "-", wrong.reason, "-", said(["recorded again by the next build"], wrong.kept)))
    for name, size, reason, owners, next_ in rows:
        table.add_row(line(cut(name)), size, line(cut(reason)), line(owners), line(next_))
    return table
