"""Fuzz every reader: `python benchmarks/text/fuzz_readers.py [--minutes 10] [--formats pdf docx ...] [--seed 1]`.

In: small valid files of each format, which `tests/material/torture.py` writes, started as a process. They are mutated (bits,
bytes, blocks, lengths, splices with another seed; the parts of zip files before they are packed again) and read by the reader of
their format. Out: for each format how many files were read and how they ended. FIND: an exception left `read_documents_of`, so it
would have stopped a build. HELD: a reason of `FAULTS`, so the process of `reader_process`, in which the stage reads its files, was
needed. The files of both are written to `--finds` with their number.
Not hypothesis: its shrinking is made for values of Python; bytes inside of compressed parts want mutations of their own.
atheris does not build here.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

from domainlm.config.text import Documents
from domainlm.text.reading.isolation import ReaderProcess
from domainlm.text.reading.pieces import Rejection
from domainlm.text.reading.readers import read_documents_of, reader_process

SECONDS = 20
# reasons that no file of a few kilobytes should end with: its reader hung, took all memory, or raised what it should not
FAULTS = ("time_limit", "memory_limit", "crashed")
FORMATS = (
    "txt",
    "md",
    "rst",
    "html",
    "jsonl",
    "json",
    "csv",
    "tsv",
    "parquet",
    "arrow",
    "docx",
    "epub",
    "pdf",
    "obo",
    "mediawiki",
)
INTERESTING = (
    b"\0",
    b"\xff",
    b"\n",
    b"\r",
    b'"',
    b"<",
    b">",
    b"{",
    b"[",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"%n",
    b"-1",
)


def write_seeds(folder: Path) -> None:
    """The tests' own files of each format and character set, written by the tests' own script."""
    command = [sys.executable, "-m", "material.torture", str(folder), "sound", "charsets"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "tests")}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def seeds_of(document_format: str, folder: Path) -> list[bytes]:
    suffixes = {"md": ("md", "markdown"), "html": ("html", "htm", "xhtml")}.get(document_format, (document_format,))
    found = [path.read_bytes() for path in sorted(folder.rglob("*.*")) if path.suffix[1:].lower() in suffixes]
    if document_format == "mediawiki":
        page = "<page><title>Lung</title><ns>0</ns><id>1</id><revision><text>'''Lung''' is [[organ|an]] {{x|y}}</text></revision></page>"
        found = [f"<mediawiki>{page * 3}</mediawiki>".encode()]
    return found


def mutated_bytes(data: bytes, source: random.Random, others: list[bytes]) -> bytes:
    """One to eight small changes."""
    changed = bytearray(data)
    for _ in range(source.choice((1, 1, 2, 3, 8))):
        at = source.randrange(len(changed) + 1)
        end = min(len(changed), at + source.choice((1, 2, 4, 16, 200)))
        kind = source.randrange(8)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << source.randrange(8)
        elif kind == 1:
            changed[at:end] = source.randbytes(end - at)
        elif kind == 2:
            del changed[at:end]
        elif kind == 3:
            changed[at:at] = changed[at:end] * source.choice((1, 2, 50))
        elif kind == 4:
            changed[at:at] = source.choice(INTERESTING)
        elif kind == 5:
            changed[at : at + 4] = source.choice(INTERESTING)
        elif kind == 6 and others:
            other = source.choice(others)
            begin = source.randrange(len(other) + 1)
            changed[at:end] = other[begin : begin + source.choice((4, 50, 1000))]
        elif kind == 7 and source.random() < 0.3:
            del changed[at:]
    return bytes(changed)


def mutated(data: bytes, source: random.Random, others: list[bytes]) -> bytes:
    """A changed file; of a zip file mostly a changed part, packed again."""
    if not data.startswith(b"PK") or source.random() < 0.2:
        return mutated_bytes(data, source, others)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = source.choice(list(parts))
    parts[name] = mutated_bytes(parts[name], source, list(parts.values()))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, content in parts.items():
            archive.writestr(each, content)
    return file.getvalue()


def outcome_of(document_format: str, data: bytes, process: ReaderProcess) -> str:
    """text, or the first reason why there is none; no_document where there is none, which the stage says."""
    row: dict[str, Any] = dict.fromkeys(("licence", "authority", "stance"), "")
    row |= {"source": "s", "role": "corpus", "path": "a", "format": document_format, "charset": None}
    row |= {"start": 0, "size": len(data), "end": len(data)}
    found = list(read_documents_of(row, io.BytesIO(data), Documents(max_seconds=SECONDS), process))
    if not found:
        return "no_document"
    for each in found:
        if not isinstance(each, Rejection):
            each.text.encode("utf-8")
            each.meta.encode("utf-8")
    reasons = [each.reason for each in found if isinstance(each, Rejection)]
    held = [each for each in found if isinstance(each, Rejection) and each.reason in FAULTS]
    if held:
        return f"HELD: {held[0].reason}: {held[0].detail}"
    return "text" if len(reasons) < len(found) else reasons[0]


def fuzz(document_format: str, minutes: float, first: int, folder: Path, seed_folder: Path) -> None:
    seeds = seeds_of(document_format, seed_folder)
    until = time.monotonic() + minutes * 60
    outcomes: Counter[str] = Counter()
    number = first
    with reader_process(Documents(max_seconds=SECONDS)) as process:
        while time.monotonic() < until:
            source = random.Random(f"{document_format} {number}")
            data = mutated(source.choice(seeds), source, seeds)
            try:
                outcome = outcome_of(document_format, data, process)
            except Exception as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                outcome = (
                    f"FIND: {type(error).__name__} at {Path(place.filename).name}:{place.lineno} {str(error)[:80]!r}"
                )
            if outcome.startswith(("FIND", "HELD")):
                (folder / f"{document_format}.{number}").write_bytes(data)
            outcomes[outcome] += 1
            number += 1
    print(f"{document_format}: {sum(outcomes.values())} files from seed {first} in {minutes} minutes", flush=True)
    for outcome, count in sorted(
        outcomes.items(), key=lambda item: (not item[0].startswith(("FIND", "HELD")), -item[1])
    ):
        print(f"  {count:>8}  {outcome}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--seed", type=int, default=0, help="number of the first mutation")
    parser.add_argument("--finds", type=Path, default=Path(".cache/benchmarks/fuzz"))
    arguments = parser.parse_args()
    arguments.finds.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="domainlm-fuzz-") as seeds:
        write_seeds(Path(seeds))
        for document_format in arguments.formats:
            fuzz(document_format, arguments.minutes, arguments.seed, arguments.finds, Path(seeds))


if __name__ == "__main__":
    main()
