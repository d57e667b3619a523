"""`domainlm trace FILE`: the way of a file, and of its parts.

In: the installed artifacts of the text stages and a file's name. Out: a `Trace`: the inventory's facts of each file
with this name, the result of reading it, and for every piece its end, or the stage that rejected or excluded it, with
rule, value and threshold. The trace follows the built artifacts, not the present configuration; if an artifact was
built from other inputs than the present ones, that is reported, not guessed at. Only columns are read, never texts,
so a corpus of gigabytes is traced in seconds.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from domainlm.builder.hollow import hollow_folders
from domainlm.contract import StageError
from domainlm.explain.fates import Fate, Place, documents_in, rejected, seen_in, unknown
from domainlm.explain.unlisted import path_below, unlisted
from domainlm.pipeline.places import artifact_folder
from domainlm.pipeline.table import BY_NAME
from domainlm.raw.file_names import readable_name
from domainlm.raw.label_names import LABELS
from domainlm.raw.raw_file import RawFile
from domainlm.store.manifest import read_manifest
from domainlm.text.json_rows import rows_of

ARTIFACTS = ("raw_corpus", "documents", "clean_shards", "unique_shards", "corpus_split", "sft_dataset")
FACTS = ("role", "sha256", "size", "format", "media_type", *LABELS)


@dataclass(frozen=True)
class Piece:
    """A document of the file.

    section, start, end: its place. questions: conversations that were derived from it, or that it is, by split.
    not_learned: those of them that sft_tokens rejected, by reason.
    """

    id: str
    section: str
    start: int
    end: int
    language: str
    use: str
    fate: Fate
    questions: Mapping[str, int]
    not_learned: Mapping[str, int]


@dataclass(frozen=True)
class TracedFile:
    """A file of the inventory.

    refused: the parts that archive or reader rejected. is_changed: its bytes have changed since. coverage: characters
    that the file shows, that were kept, removed as navigation, and lost; empty where its format does not say.
    """

    source: str
    path: str
    facts: Mapping[str, Any]
    is_changed: bool
    refused: tuple[Fate, ...]
    pieces: tuple[Piece, ...]
    coverage: Mapping[str, int]


@dataclass(frozen=True)
class Trace:
    """The result of a trace.

    reason: why no inventory lists the file, if none does. notes: the artifacts that were not read, and the fix.
    """

    domain: str
    name: str
    files: tuple[TracedFile, ...]
    reason: str | None
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def make_trace(project: Path, domain: str, name: str, roots: Mapping[str, str]) -> Trace:
    """The trace of a name.

    roots: source -> local folder or file, as configured. Raises StageError if nothing is built or bytes are not here.
    """
    folders, notes = _present(project, domain)
    wanted = _named(name, project, roots)
    shown = readable_name(os.fsencode(name))
    listed: dict[Place, RawFile | None] = {}
    for inventory in sorted(folders["raw_corpus"].glob("[0-9]*/inventory.jsonl")):
        for row in rows_of(inventory):
            if _is_wanted(row["source"], row["path"], wanted):
                listed.setdefault((row["source"], row["path"]), cast(RawFile, row))
    refused = _refused(folders, wanted, listed)
    for source, path in refused:
        listed.setdefault((source, path), None)
    if not listed:
        return Trace(domain, shown, (), unlisted(project, domain, name), tuple(notes))
    pieces = _pieces(folders, set(listed))
    coverages = _coverages(folders.get("documents"), listed)
    files = [
        TracedFile(
            source=source,
            path=path,
            facts={key: row.get(key) for key in FACTS if row.get(key) is not None} if row is not None else {},
            is_changed=_is_changed(project, roots.get(source), row),
            refused=tuple(refused.get((source, path), ())),
            pieces=tuple(pieces.get((source, path), ())),
            coverage=coverages.get((source, path), {}),
        )
        for (source, path), row in sorted(listed.items())
    ]
    return Trace(domain, shown, tuple(files), None, tuple(notes))


def _present(project: Path, domain: str) -> tuple[dict[str, Path], list[str]]:
    """Folders of the built artifacts, and a note on the first gap."""
    hollow = set(hollow_folders(project, domain))
    found: dict[str, Path] = {}
    for artifact in ARTIFACTS:
        folder = artifact_folder(domain, artifact)
        command = f"snakemake --cores all {artifact} --config domain={domain}"
        if not _is_built(project, domain, artifact):
            if artifact == "raw_corpus":
                raise StageError(
                    f"raw_corpus of {domain} is not built here, so no file can be traced; build it: {command}"
                )
            return found, [f"{artifact} and the stages after it are not built here; build them: {command}"]
        missing = sorted(name for name in hollow if name == folder or name.startswith(f"{folder}/"))
        if missing:
            raise StageError(f"{missing[0]} is hollow: only its records are here; fill it: {command}")
        found[artifact] = project / folder
    # the tokens are not needed, only the list beside them
    tokens = project / artifact_folder(domain, "sft_tokens")
    if _is_built(project, domain, "sft_tokens") and (tokens / "rejected.jsonl").exists():
        found["sft_tokens"] = tokens
    return found, []


def _is_built(project: Path, domain: str, artifact: str) -> bool:
    """Whether an artifact, or all of its shards, are here.

    A run for a later artifact does not need some artifacts as a whole.
    """
    folder = project / artifact_folder(domain, artifact)
    shards = sorted(path.name for path in folder.glob("[0-9]*") if path.is_dir())
    parts = [folder / shard for shard in shards] if BY_NAME[artifact].is_sharded else [folder]
    return bool(parts) and all(read_manifest(part) is not None for part in parts)


def _named(name: str, project: Path, roots: Mapping[str, str]) -> list[tuple[str | None, str]]:
    """(source or any, path) for each possible meaning of a name.

    These are SOURCE:path, a path of an inventory, or a file of the project. The path of a source's own folder, file
    or archive is "", which means all that it lists.
    """
    found: list[tuple[str | None, str]] = [(None, name.rstrip("/"))]
    source, separator, path = name.partition(":")
    if separator:
        found.append((source, path))
    for source, root in roots.items():
        if (inner := path_below(project, name, root)) is not None:
            found.append((source, inner))
    # inventories have names that are not UTF-8 as readable text
    return [(source, readable_name(os.fsencode(path))) for source, path in found]


def _is_wanted(source: str, path: str, wanted: list[tuple[str | None, str]]) -> bool:
    """Whether a file is the named one, or in the named folder.

    An archive counts as a folder.
    """
    return any(
        own in (None, source) and (path == name or not name or path.startswith(f"{name}/")) for own, name in wanted
    )


def _is_changed(project: Path, root: str | None, row: RawFile | None) -> bool:
    """Whether a local file's bytes differ from those of the inventory.

    False if it is in an archive or no longer exists.
    """
    if root is None or row is None or row.get("archive") is not None:
        return False
    path = project / root
    path = path if path.is_file() else path / (row.get("file_name") or row["path"])
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() != row["sha256"]


def _refused(
    folders: Mapping[str, Path], wanted: list[tuple[str | None, str]], listed: Collection[Place]
) -> dict[Place, list[Fate]]:
    """The parts that archives and readers rejected, by file."""
    found: dict[Place, list[Fate]] = {}
    for artifact in ("raw_corpus", "documents"):
        if artifact in folders:
            for path in sorted(folders[artifact].glob("[0-9]*/rejected.jsonl")):
                for row in rows_of(path):
                    place = row["source"], row["path"]
                    if place in listed or _is_wanted(*place, wanted):
                        found.setdefault(place, []).append(rejected(artifact, row))
    return found


def _coverages(folder: Path | None, listed: Collection[Place]) -> dict[Place, dict[str, int]]:
    """How much of these files' visible text was read."""
    found: dict[Place, dict[str, int]] = {}
    for path in sorted(folder.glob("[0-9]*/coverage.jsonl")) if folder is not None else ():
        for row in rows_of(path):
            if (row["source"], row["path"]) in listed:
                found[row["source"], row["path"]] = {name: row[name] for name in ("shown", "kept", "removed", "lost")}
    return found


def _pieces(folders: Mapping[str, Path], places: Collection[Place]) -> dict[Place, list[Piece]]:
    """Every piece of these files with its fate."""
    if "documents" not in folders:
        return {}
    read = seen_in(folders["documents"], "documents", places, ())
    last = {identifier: ("documents", row) for identifier, row in read.documents.items()}
    fates: dict[str, Fate] = {}
    for artifact in ("clean_shards", "unique_shards"):
        if artifact in folders:
            seen = seen_in(folders[artifact], artifact, places, last)
            for identifier in last:
                if identifier in seen.documents and identifier not in fates:
                    last[identifier] = artifact, seen.documents[identifier]
                elif identifier not in fates:
                    fates[identifier] = seen.kept_out.get(identifier) or unknown(artifact)
    if "corpus_split" in folders:
        folder = folders["corpus_split"]
        left_out = seen_in(folder, "corpus_split", (), last).kept_out
        split = {row["id"]: path.stem for path in folder.glob("*.parquet") for row in documents_in([path], places)}
        for identifier in last:
            if identifier not in fates:
                other = left_out.get(identifier) or unknown("corpus_split")
                fates[identifier] = Fate("corpus_split", split[identifier]) if identifier in split else other
    questions = _questions(folders.get("sft_dataset"), last)
    not_learned = _not_learned(folders.get("sft_tokens"), last)
    found: dict[Place, list[Piece]] = {}
    for identifier, (stage, row) in sorted(last.items(), key=lambda item: (item[1][1]["start"], item[1][1]["section"])):
        facts = {name: row[name] for name in ("id", "section", "start", "end", "language", "use")}
        fate = fates.get(identifier) or Fate(stage, "kept")
        piece = Piece(
            **facts, fate=fate, questions=questions.get(identifier, {}), not_learned=not_learned.get(identifier, {})
        )
        found.setdefault((row["source"], row["path"]), []).append(piece)
    return found


def _not_learned(folder: Path | None, known: Collection[str]) -> dict[str, dict[str, int]]:
    """Conversations of each document that sft_tokens rejected, by reason."""
    found: dict[str, dict[str, int]] = {}
    for row in rows_of(folder / "rejected.jsonl") if folder is not None else ():
        if row["document"] in known:
            counts = found.setdefault(row["document"], {})
            counts[row["reason"]] = counts.get(row["reason"], 0) + 1
    return found


def _questions(folder: Path | None, known: Collection[str]) -> dict[str, dict[str, int]]:
    """Conversations derived from each document, by split."""
    found: dict[str, dict[str, int]] = {}
    for path in sorted(folder.glob("*.jsonl")) if folder is not None else ():
        for row in rows_of(path):
            if row["document"] in known:
                counts = found.setdefault(row["document"], {})
                counts[path.stem] = counts.get(path.stem, 0) + 1
    return found
