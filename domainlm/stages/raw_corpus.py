"""raw_corpus: the inventory of the pinned raw files.

In: the rows that the resolver gave this shard: local files (path, digest, byte range) and fetched files or archives
(digest). Out: `inventory.jsonl`, one row per byte range of a raw file, with source, digest and labels. The bytes stay
where they are: local files in the project, fetched ones in the store. The network is used before `run_shard`, by the
builder, and nowhere later.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from domainlm.stage import Inputs, Resources, StageError, Stats
from domainlm.text.reading.archives import iter_members
from domainlm.text.reading.segments import byte_ranges, format_of, is_included, shard_of


def expand_archive(row: Mapping[str, Any], inputs: Inputs) -> Iterator[dict[str, Any]]:
    """One row per included member of a fetched archive; paths are relative to its single top folder, if it has one."""
    assert inputs.open_raw is not None
    with inputs.open_raw(row) as file:
        for name, data in iter_members(file):
            parts = PurePosixPath(name).parts
            path = "/".join(parts[1:]) if row["kind"] == "sdist" else name
            if path and is_included(path, row["include"], row["exclude"]):
                digest = hashlib.sha256(data).hexdigest()
                yield {
                    **row,
                    "path": path,
                    "member": name,
                    "archive": row["sha256"],
                    "sha256": digest,
                    "size": len(data),
                }


def fetched_rows(row: Mapping[str, Any], inputs: Inputs, config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Byte ranges of a fetched file or archive that belong to this shard."""
    assert inputs.open_raw is not None
    if row["member"] is None:
        files = list(expand_archive(row, inputs))
        if not files:
            raise StageError(f"source {row['source']}: no member of the archive matches include {row['include']}")
    else:
        with inputs.open_raw(row) as file:
            size = file.seek(0, 2)
        files = [{**row, "path": row["member"], "size": size, "archive": None, "member": None}]
    for found in files:
        found["format"] = found["format"] or format_of(found["path"])
        for start, end in byte_ranges(found["size"], found["format"], config["segment_bytes"]):
            if shard_of(found["source"], found["path"], start, config["shards"]) == config["shard"]:
                yield {**found, "start": start, "end": end}


KEPT = (
    *("source", "role", "path", "sha256", "size", "start", "end", "format", "member", "archive"),
    *("origin", "licence", "authority", "stance", "package", "version"),
)


def run_shard(inputs: Inputs, config: Mapping[str, Any], out: Path, scratch: Path, resources: Resources) -> Stats:
    assert inputs.open_raw is not None
    rows = []
    for row in config["files"]:
        # opening checks the digest: a file that changed since it was listed stops the build here
        with inputs.open_raw(row):
            rows.append(row)
    for row in config["fetched"]:
        rows.extend(fetched_rows(row, inputs, config))
    rows.sort(key=lambda row: (row["source"], row["path"], row["start"]))
    with (out / "inventory.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            kept = {name: row.get(name) for name in KEPT}
            file.write(json.dumps(kept, sort_keys=True) + "\n")
    return {"ranges": len(rows), "bytes": sum(row["end"] - row["start"] for row in rows)}


def run(inputs: Inputs, config: Mapping[str, Any], out: Path, scratch: Path, resources: Resources) -> Stats:
    sources: dict[str, dict[str, Any]] = {}
    files: set[tuple[str, str]] = set()
    for folder in inputs.folders.values():
        for line in (folder / "inventory.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            kept = ("role", "licence", "authority", "stance", "origin", "package", "version")
            source = sources.setdefault(row["source"], {**{k: row[k] for k in kept}, "files": 0, "bytes": 0})
            source["bytes"] += row["end"] - row["start"]
            if (row["source"], row["path"]) not in files:
                files.add((row["source"], row["path"]))
                source["files"] += 1
    if not any(source["role"] == "corpus" for source in sources.values()):
        raise StageError("no file of role corpus was found; check sources.*.include against the folder")
    stats = {"sources": sources, "files": len(files), "bytes": sum(s["bytes"] for s in sources.values())}
    (out / "stats.json").write_text(
        json.dumps(stats, sort_keys=True, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n"
    )
    return {"files": stats["files"], "bytes": stats["bytes"]}
