"""Artifact `raw_corpus`: the inventory of the pinned raw files.

In: the rows that the resolver gave this shard: local files (path, digest, byte range, or the reason why one cannot be
read), local archives, and fetches (digest). Out: `inventory.jsonl`, one row per byte range of a file to read, with
source, digest, media type and labels; `rejected.jsonl`, the rejected entries of folders and archives with reasons.
The bytes stay in their place: local files in the project, fetched ones in the store; those of a source with `copy`
are put into `files/`, so that the store keeps them. The builder uses the network before `run_shard`, and nothing does
later.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, cast

from domainlm.config.sources import RawCorpusShardSlice, RawCorpusSlice
from domainlm.contract import Inputs, Resources, StageError, Stats
from domainlm.raw.archives import ArchiveFault, Limits
from domainlm.raw.expansion import EMPTY, Found, Refused, digest_of, expand, facts_of
from domainlm.raw.label_names import LABELS
from domainlm.raw.labels import labelled
from domainlm.raw.raw_file import SOURCE_FACTS, Declared, RawFile
from domainlm.raw.segments import byte_ranges, shard_of
from domainlm.text.json_files import write_json
from domainlm.text.json_rows import open_rows, write_row

KEPT = sorted(RawFile.__required_keys__ | RawFile.__optional_keys__)
Row = dict[str, Any]


def limits_of(config: RawCorpusShardSlice) -> Limits:
    return Limits(config.max_archive_ratio, config.max_archive_bytes, config.max_archive_depth)


def is_whole_in_shard(row: Declared, segment_bytes: int) -> bool:
    """Whether all of a local archive belongs to one shard.

    A small one does, so that a change of it affects one shard only.
    """
    return bool(row["origin"] == "local" and row["size"] <= segment_bytes)


def rows_of_archive(
    row: Declared, inputs: Inputs, config: RawCorpusShardSlice, scratch: Path
) -> Iterator[RawFile | Refused]:
    """This shard's byte ranges of an archive's files, and rejected entries.

    The archive may be fetched.
    """
    assert inputs.open_raw is not None
    source, own, shards = row["source"], config.shard, config.shards
    is_whole = is_whole_in_shard(row, config.segment_bytes)

    def is_own(path: str, start: int) -> bool:
        return is_whole or shard_of(source, path, start, shards) == own

    unmatched, lost, is_empty, first = set(row["label_table"]), set[str](), True, ""
    with inputs.open_raw(row) as file:
        for found in expand(file, row, scratch, limits_of(config)):
            if isinstance(found, Refused):
                first = first or f" ({found.path}: {found.fault.detail})"
                lost.add(found.path)
                if is_own(found.path, 0):
                    yield found
                continue
            is_empty = False
            unmatched.discard(found.path)
            # a small file has one range, whatever its format: what is another shard's is not opened
            if found.size > config.segment_bytes or is_own(found.path, 0):
                try:
                    ranges = _ranges(row, found, config.segment_bytes)
                except ArchiveFault as fault:
                    if is_own(found.path, 0):
                        yield Refused(found.path, fault)
                    continue
                yield from (each for each in ranges if is_own(each["path"], each["start"]))
    if is_empty and not first and row["origin"] == "local" and is_own(str(row["path"]), 0):
        yield Refused(str(row["path"]), EMPTY)
    if is_empty and row["origin"] != "local":
        raise StageError(f"source {source}: no member of the archive matches include {row['include']}{first}")
    # what lies in a refused archive is not known, and may be what the table names
    if not lost.isdisjoint(("", row["path"])):
        unmatched.clear()
    unmatched = {path for path in unmatched if lost.isdisjoint((path, *map(str, PurePosixPath(path).parents)))}
    if unmatched:
        raise StageError(
            f"sources.{source}.label_table: {min(unmatched)} is no file of the source ({len(unmatched)} such paths); "
            "expected paths as raw_corpus/*/inventory.jsonl lists them"
        )


def _ranges(row: Declared, found: Found, segment_bytes: int) -> list[RawFile]:
    name = found.members[-1] if found.members else found.path
    with found.opened() as file:
        facts = facts_of(name, file, row["format"])
        digest = digest_of(file) if found.members else row["sha256"]
    labels = labelled(found.path, row, row["labels"], row["label_table"])
    place = {"path": found.path, "sha256": digest, "size": found.size}
    inner: Row = {}
    if found.members:
        location = (row.get("file_name") or row["path"]) if row["origin"] == "local" else None
        inner = {"members": list(found.members), "archive": row["sha256"], "archive_path": location, "file_name": None}
    ranges = byte_ranges(found.size, facts["format"], segment_bytes)
    own = {**row, **facts, **labels, **place, **inner}
    return [cast(RawFile, {**own, "start": start, "end": end}) for start, end in ranges]


def hub_rows(config: RawCorpusShardSlice) -> Iterator[Declared]:
    """One row for each file of the hub repositories, as fetched."""
    for hub in config.hubs:
        table = dict(hub["label_table"])
        for file in config.hub_files[hub["source"]]:
            own = {path: table.pop(path) for path in list(table) if f"{path}/".startswith(f"{file['path']}/")}
            place = {"prefix": f"{file['path']}/", "include": ["**"], "label_table": own, "origin": hub["origin"]}
            yield cast(Declared, {**hub, **file, **place})
        if table:
            raise StageError(
                f"sources.{hub['source']}.label_table: {min(table)} is no file that is read from the repository"
            )


def run_shard(inputs: Inputs, config: RawCorpusShardSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    assert inputs.open_raw is not None
    rows: list[RawFile] = []
    refused: list[tuple[str, Refused]] = []
    declared = cast("list[Declared]", [*config.files, *config.fetched, *hub_rows(config)])
    for done, row in enumerate(declared):
        resources.progress(done, len(declared), {})
        if "fault" in row:
            refused.append((row["source"], Refused(str(row["path"]), ArchiveFault(row["fault"], row["detail"]))))
        elif row.get("is_archive", True):
            for found in rows_of_archive(row, inputs, config, scratch):
                if isinstance(found, Refused):
                    refused.append((row["source"], found))
                else:
                    rows.append(found)
        else:
            # opening checks the digest: a file that changed since it was listed stops the build here
            with inputs.open_raw(row):
                rows.append(cast(RawFile, row))
    rows.sort(key=lambda row: (row["source"], row["path"], row["start"]))
    copied = _copy_bytes(rows, inputs, out / "files")
    with (out / "inventory.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for listed in rows:
            kept = {name: listed.get(name) for name in KEPT}
            file.write(json.dumps(kept, sort_keys=True) + "\n")
    refused.sort(key=lambda found: (found[0], found[1].path, found[1].fault.reason))
    with open_rows(out / "rejected.jsonl") as rejected_file:
        for source, found in refused:
            fault = found.fault
            place = {"source": source, "path": found.path, "section": "", "excerpt": "", "detail": fault.detail}
            verdict = {"reason": fault.reason, "value": fault.value, "threshold": fault.threshold}
            write_row(rejected_file, {**place, **verdict})
    return {"ranges": len(rows), "bytes": sum(row["end"] - row["start"] for row in rows), "copied_bytes": copied}


def _copy_bytes(rows: list[RawFile], inputs: Inputs, folder: Path) -> int:
    """Put the raw files of sources with `copy` into a folder.

    They are named by digest. Returns their bytes.
    """
    assert inputs.open_raw is not None
    copied = 0
    for row in rows:
        digest = row.get("archive") or row["sha256"]
        target = folder / digest[:2] / digest[2:]
        if row.get("is_copied") and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with inputs.open_raw({**row, "members": None}) as file, target.open("wb") as copy:
                shutil.copyfileobj(file, copy)
                copied += copy.tell()
    return copied


def run(inputs: Inputs, config: RawCorpusSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    sources: dict[str, Row] = {}
    files: set[tuple[str, str]] = set()
    kinds: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    disagreeing = 0
    for folder in inputs.folders.values():
        for row in _rows(folder / "inventory.jsonl"):
            source = sources.setdefault(
                row["source"],
                {
                    **{k: row[k] for k in SOURCE_FACTS},
                    "files": 0,
                    "bytes": 0,
                    "files_by_label": {k: {} for k in LABELS},
                },
            )
            source["bytes"] += row["end"] - row["start"]
            if (row["source"], row["path"]) not in files:
                files.add((row["source"], row["path"]))
                source["files"] += 1
                kinds[row["media_type"]] += 1
                disagreeing += row["extension_format"] is not None
                for label in LABELS:
                    counts = source["files_by_label"][label]
                    counts[row[label]] = counts.get(row[label], 0) + 1
        rejected.update(row["reason"] for row in _rows(folder / "rejected.jsonl"))
    for source in sources.values():
        # files of one source may have different labels
        source.update({label: "; ".join(sorted(source["files_by_label"][label])) for label in LABELS})
    needed = "corpus" if config.has_corpus else "instruction"
    if not any(source["role"] == needed for source in sources.values()):
        raise StageError(f"no file of role {needed} was found; check sources.*.include against the folder")
    stats = {
        "sources": sources,
        "files": len(files),
        "bytes": sum(source["bytes"] for source in sources.values()),
        "media_types": kinds,
        # files whose content is of another format than their extension says
        "disagreeing": disagreeing,
        "rejected": rejected,
    }
    write_json(out / "stats.json", stats)
    return {"files": stats["files"], "bytes": stats["bytes"]}


def _rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
