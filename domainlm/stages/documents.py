"""Artifact `documents`: text from raw files, with provenance and labels.

In: a shard's inventory, by which raw files are opened. Out: `documents.parquet` in canonical order, `rejected.jsonl`
with every file or record that gave no document, `coverage.jsonl` with how much of each file's visible text was read,
where the format says what is visible, `stats.json`; of all shards together also `examples.jsonl`, a few rejected ones of
every kind, and `least_read.jsonl`, the files of which the least was read. A source of role instruction of which too few
rows are conversations stops the build, after every row is counted and listed. Properties kept: the documents of all
shards together are the same whatever the number of shards, because a record belongs to the byte range in which it
begins; and no file is lost, because a file that yields nothing is rejected, too.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

from domainlm.config.text import DocumentsSlice
from domainlm.contract import Inputs, Resources, StageError, Stats
from domainlm.raw.raw_file import RawFile
from domainlm.text.cleaning.excerpt import masked_place
from domainlm.text.document import Document, write_documents
from domainlm.text.examples import examples_of
from domainlm.text.group_field import GroupTally, check_groups
from domainlm.text.instruction_share import check_instruction
from domainlm.text.json_files import read_json, write_json
from domainlm.text.json_rows import open_rows, rows_of, write_row
from domainlm.text.reading.instruction_tally import InstructionTally
from domainlm.text.reading.pieces import Coverage, Rejection
from domainlm.text.reading.readers import read_documents_of, reader_process
from domainlm.text.sums import summed

SHOWN_LEAST_READ = 20


def inventory_of(path: Path) -> Iterator[RawFile]:
    """Rows of an inventory, one at a time.

    Raises StageError if they are not in canonical order, in which raw_corpus writes them.
    """
    last: tuple[str, str, int] | None = None
    for row in rows_of(path):
        key = (row["source"], row["path"], row["start"])
        if last is not None and key <= last:
            raise StageError(f"{path.parent.name}/{path.name}: {key} follows {last}; build raw_corpus again")
        last = key
        yield cast(RawFile, row)


def least_read(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The files of whose text, boilerplate apart, the least share was read."""

    def share(row: Mapping[str, Any]) -> tuple[float, int, str, str]:
        return round(row["kept"] / (row["kept"] + row["lost"]), 4), -row["lost"], row["source"], row["path"]

    return heapq.nsmallest(SHOWN_LEAST_READ, (row for row in rows if row["lost"]), key=share)


def run_shard(inputs: Inputs, config: DocumentsSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    assert inputs.open_raw is not None
    open_raw = inputs.open_raw
    section = config.section
    rejected: Counter[str] = Counter()
    rejected_by_source: dict[str, Counter[str]] = {}
    chars_by_source: Counter[str] = Counter()
    files_by_format: Counter[str] = Counter()
    tally = InstructionTally()
    groups = GroupTally(section.group_field)
    inventory = inputs.folders["raw_corpus"] / "inventory.jsonl"
    coverage_by_source: dict[str, Counter[str]] = {}
    with (
        reader_process(section) as process,
        open_rows(out / "rejected.jsonl") as rejected_file,
        open_rows(out / "coverage.jsonl") as coverage_file,
    ):
        total = sum(1 for _ in rows_of(inventory))

        def reject(row: RawFile, found: Rejection) -> None:
            rejected[found.reason] += 1
            rejected_by_source.setdefault(row["source"], Counter())[found.reason] += 1
            tally.add(row, found)
            place = {"source": row["source"], "path": row["path"], "section": ""}
            rule = {"reason": found.reason, "value": None, "threshold": None, "detail": masked_place(found.detail)}
            write_row(rejected_file, {**place, **rule, "excerpt": ""})

        def tell(row: RawFile, found: Coverage) -> None:
            figures = {"shown": found.shown, "kept": found.kept, "removed": found.removed, "lost": found.lost}
            coverage_by_source.setdefault(row["source"], Counter()).update({"files": 1, **figures})
            write_row(coverage_file, {"source": row["source"], "path": row["path"], **figures})

        def is_silent_file(row: RawFile) -> bool:
            """Whether no range of a file gives a document or a rejection."""
            whole: RawFile = {**row, "start": 0, "end": row["size"]}
            with open_raw(row) as file:
                return next(read_documents_of(whole, file, section, process), None) is None

        def documents() -> Iterator[Document]:
            for done, row in enumerate(inventory_of(inventory)):
                resources.progress(done, total, {})
                tally.add_file(row)
                # a file that is cut counts where it begins
                if row["start"] == 0:
                    files_by_format[row["format"] or "unknown"] += 1
                is_silent = row["start"] == 0
                with open_raw(row) as file:
                    tell_group = partial(groups.add, row["source"])
                    for found in read_documents_of(row, file, section, process, partial(tell, row), tell_group):
                        is_silent = False
                        if isinstance(found, Rejection):
                            reject(row, found)
                        else:
                            chars_by_source[found.source] += len(found.text)
                            tally.add(row, found)
                            yield found
                # whoever has the beginning of a file that is cut looks whether the other ranges are silent, too
                if is_silent and (row["end"] == row["size"] or is_silent_file(row)):
                    reject(
                        row, Rejection("no_document", f"no record was found in {row['size']} bytes of {row['format']}")
                    )
            resources.progress(total, total, {})

        count = write_documents(out / "documents.parquet", documents())
    stats = {
        "files": files_by_format.total(),
        "documents": count,
        "files_by_format": files_by_format,
        "rejected": rejected,
        "rejected_by_source": rejected_by_source,
        "chars": sum(chars_by_source.values()),
        "chars_by_source": chars_by_source,
        "coverage_by_source": coverage_by_source,
        "instruction": tally.as_stats(),
        **groups.as_stats(),
    }
    write_json(out / "stats.json", stats)
    return {"documents": count, "rejected": sum(rejected.values())}


def run(inputs: Inputs, config: DocumentsSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    folders = [folder for _, folder in sorted(inputs.folders.items())]
    stats = summed(read_json(folder / "stats.json") for folder in folders)
    if not stats["documents"]:
        raise StageError(
            f"no document was found in {stats['files']} files (rejected: {stats['rejected'] or 'none'}); expected at "
            "least one; see documents/*/rejected.jsonl, and check sources.*.include and sources.*.format"
        )
    check_instruction(stats["instruction"], config.section.min_instruction_share)
    check_groups(stats.pop("groups", {}))
    write_json(out / "stats.json", stats)
    with open_rows(out / "examples.jsonl") as file:
        for row in examples_of(row for folder in folders for row in rows_of(folder / "rejected.jsonl")):
            write_row(file, row)
    rows = (row for folder in folders for row in rows_of(folder / "coverage.jsonl"))
    with open_rows(out / "least_read.jsonl") as file:
        for row in least_read(rows):
            write_row(file, row)
    return {"documents": stats["documents"], "rejected": sum(stats["rejected"].values())}
