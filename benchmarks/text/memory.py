"""Memory of the workers that read and clean: one line-oriented file of 500 MB, and, if asked for, a corpus of 5 GB in eight formats.

In: sizes, and a folder with room for them. Out: Markdown tables: for each stage and shard the peak resident memory of the worker
and of the process in which it reads files; their sum is held against 1 GiB, though pages that both share count twice in
it. The stages' own functions run, all shards at once, each in a process of its own as a job of Snakemake would; cleaning has
every rule set, mask and repair switched on. Texts are generated, every record another one. What is in the folder already is used again.
Fails above the bound.

    python benchmarks/text/memory.py --folder FOLDER [--one-file jsonl|csv|parquet] [--one-file-mb 500] [--corpus-mb 5000] [--defaults]
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import multiprocessing
import random
import resource
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from domainlm.config.cleaning import CleanShards
from domainlm.config.sources import RawCorpus
from domainlm.config.text import Documents
from domainlm.contract import Inputs, Resources
from domainlm.pipeline.slices import parse_slice
from domainlm.raw.segments import byte_ranges, shard_of
from domainlm.stages import clean_shards, documents
from domainlm.text.json_files import read_json

BOUND_MB = 1024
SOURCE = {"source": "memory", "role": "corpus", "licence": "CC0-1.0", "authority": "", "stance": "", "charset": None}
# of each format: MB of text in a file (those that pack are smaller on disk), share of the corpus
FORMATS = {
    "jsonl": (500.0, 0.2),
    "csv": (500.0, 0.1),
    "parquet": (500.0, 0.2),
    "html": (0.2, 0.2),
    "txt": (0.2, 0.15),
    "pdf": (2.0, 0.05),
    "docx": (10.0, 0.05),
    "epub": (10.0, 0.05),
}
EVERYTHING = {
    "quality": ["gopher_repetition", "gopher_quality", "c4", "fineweb", "chinese"],
    "personal_data": dict.fromkeys(("email", "phone", "mobile", "chinese_id", "bank_card", "ip"), "mask"),
    **{"has_ascii_width": True, "script": "simplified", "repeated_lines": "drop", "secrets": "mask"},
}
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
SYLLABLES = [first + second for first in "bcdfghjklmnprstvz" for second in "aeiou"]
ENGLISH = "The {} of {} was {} to the {} that {} and {} have in {}. "
CHARACTERS = (
    "水山风雨春秋早晚城市桥路书信木石火土田园房屋门窗年月时间人家老少东西南北高低大小新旧多少长短远近花草鸟鱼米面"
)
CHINESE = "{}的{}在{}，{}是{}了，他们把{}和{}也放到{}。"


def prose(number: int) -> str:
    """About 4 kB of words without sense, in which no rule finds fault; every third number is in Chinese."""
    drawn = random.Random(number)
    said, parts = (CHINESE, CHARACTERS) if number % 3 == 2 else (ENGLISH, SYLLABLES)
    sentences = [said.format(*("".join(drawn.choices(parts, k=3)) for _ in range(8))) for _ in range(54)]
    return "\n\n".join("".join(sentences[start : start + 6]).strip() for start in range(0, len(sentences), 6))


def records(megabytes: float, first: int) -> Iterator[dict[str, str]]:
    size = 0
    while size < megabytes * 1e6:
        row = {"title": f"Record {first}", "text": prose(first)}
        size += len(row["text"].encode())
        first += 1
        yield row


def write_file(path: Path, megabytes: float, first: int) -> None:
    rows, name = records(megabytes, first), path.suffix[1:]
    if name == "jsonl":
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    elif name == "csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, ("title", "text"))
            table.writeheader()
            table.writerows(rows)
    elif name == "parquet":
        write_parquet(path, rows)
    else:
        texts = [row["text"] for row in rows]
        made = {
            "html": lambda: html("</p><p>".join(texts)).encode(),
            "txt": lambda: "\n\n".join(texts).encode("gb18030"),
            # its fonts have no Chinese
            "pdf": lambda: pdf([text for text in texts if text.isascii()]),
            "docx": lambda: docx("\n".join(texts)),
            "epub": lambda: epub("</p><p>".join(texts)),
        }
        path.write_bytes(made[name]())


def html(text: str) -> str:
    return f"<html><head><title>Page</title></head><body><h1>Lung</h1><p>{text}</p></body></html>"


def zipped(files: Mapping[str, str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def docx(text: str) -> bytes:
    body = "".join(f"<w:p><w:r><w:t>{line}</w:t></w:r></w:p>" for line in text.split("\n"))
    return zipped({"word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>"})


def epub(text: str) -> bytes:
    package = (
        "<package><metadata><title>Book</title></metadata><manifest>"
        '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest><spine><itemref idref="a"/></spine></package>'
    )
    container = '<container><rootfile full-path="book.opf"/></container>'
    parts = {"META-INF/container.xml": container, "book.opf": package, "a.xhtml": html(text)}
    return zipped({"mimetype": "application/epub+zip", **parts})


def pdf(pages: list[str]) -> bytes:
    from reportlab.pdfgen.canvas import Canvas

    file = io.BytesIO()
    canvas = Canvas(file, invariant=1)
    for page in pages:
        for number in range(0, len(page), 80):
            canvas.drawString(72, 760 - number // 5, page[number : number + 80])
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def write_parquet(path: Path, rows: Iterator[dict[str, str]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("title", pa.string()), ("text", pa.string())])
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as file:
        batch: list[dict[str, str]] = []
        for row in rows:
            batch.append(row)
            if len(batch) == 2000:
                file.write_table(pa.Table.from_pylist(batch, schema))
                batch = []
        file.write_table(pa.Table.from_pylist(batch, schema))


def write_files(folder: Path, name: str, total: float, of_each: float) -> list[Path]:
    """Files of one format, together of so many megabytes of text."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    count = max(1, round(total / of_each))
    for number in range(count):
        path = folder / f"{number:06d}.{name}"
        if not path.exists():
            write_file(path, total / count, number * 1_000_000)
        found.append(path)
    return found


def inventories(files: list[Path], folder: Path, shards: int) -> list[Path]:
    """One folder a shard, with `inventory.jsonl` as raw_corpus would write it."""
    rows: list[list[str]] = [[] for _ in range(shards)]
    for path in sorted(files, key=str):
        size, name = path.stat().st_size, path.suffix[1:]
        for start, end in byte_ranges(size, name, RawCorpus().segment_bytes):
            place = {"path": str(path), "size": size, "start": start, "end": end, "format": name, "sha256": "0"}
            rows[shard_of("memory", str(path), start, shards)].append(json.dumps({**SOURCE, **place}) + "\n")
    found = [folder / f"raw_corpus/{shard:04d}" for shard in range(shards)]
    for shard, lines in zip(found, rows, strict=True):
        shard.mkdir(parents=True, exist_ok=True)
        (shard / "inventory.jsonl").write_text("".join(lines), encoding="utf-8")
    return found


def opened(row: Mapping[str, Any]) -> BinaryIO:
    return Path(row["path"]).open("rb")


def work(stage: str, section: Mapping[str, Any], above: Path, out: Path, pipe: Any) -> None:
    """One job: sends MB of this process and of the largest one that it started, and seconds."""
    began = time.perf_counter()
    quiet = Resources(log=lambda line: None)
    if stage == "documents":
        documents.run_shard(
            Inputs({"raw_corpus": above}, opened),
            parse_slice("documents", {"section": section}, is_shard=True),
            out,
            out,
            quiet,
        )
    else:
        clean_shards.run_shard(
            Inputs({"documents": above}),
            parse_slice("clean_shards", {"section": section, "policy": []}, is_shard=True),
            out,
            out,
            quiet,
        )
    status = Path("/proc/self/status").read_text(encoding="ascii")
    own = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    started = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    pipe.send((own, started, time.perf_counter() - began))


def measured(files: list[Path], folder: Path, shards: int, cleaning: CleanShards) -> float:
    """Runs both stages, all shards at once, and prints a row for each; returns the largest sum in MB."""
    spawned, largest = multiprocessing.get_context("spawn"), 0.0
    print("| stage, shard | worker, MB | its reading process, MB | sum | documents | rejected | seconds |")
    print("|---|---|---|---|---|---|---|")
    above = inventories(files, folder, shards)
    sections = {"documents": Documents().model_dump(mode="json"), "clean_shards": cleaning.model_dump(mode="json")}
    for stage, section in sections.items():
        made = [folder / f"{stage}/{shard:04d}" for shard in range(shards)]
        running = []
        for inputs, out in zip(above, made, strict=True):
            out.mkdir(parents=True, exist_ok=True)
            here, there = spawned.Pipe(duplex=False)
            process = spawned.Process(target=work, args=(stage, section, inputs, out, there))
            process.start()
            there.close()
            running.append((process, here))
        for shard, (process, here) in enumerate(running):
            own, started, seconds = here.recv()
            process.join()
            stats = read_json(made[shard] / "stats.json")
            largest = max(largest, own + started)
            said = json.dumps(stats["rejected"]) if stats["rejected"] else "-"
            print(
                f"| {stage}, {shard} | {own:.0f} | {started:.0f} | {own + started:.0f} | {stats['documents']:,} | {said} "
                f"| {seconds:.0f} |",
                flush=True,
            )
        above = made
    return largest


def main() -> None:
    parser = argparse.ArgumentParser(description="Peak memory of reading and cleaning")
    parser.add_argument("--folder", type=Path, required=True, help="where files are made; they stay")
    parser.add_argument("--one-file", choices=("jsonl", "csv", "parquet"), default="jsonl")
    parser.add_argument("--one-file-mb", type=float, default=500.0)
    parser.add_argument(
        "--corpus-mb", type=float, default=0.0, help="MB of text of the corpus of eight formats (0: none)"
    )
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--defaults", action="store_true", help="clean as by default, in a third of the time")
    options = parser.parse_args()
    cleaning = CleanShards.model_validate({} if options.defaults else EVERYTHING)
    folder = options.folder / f"one_{options.one_file}_{options.one_file_mb:g}"
    sets = {f"one {options.one_file} file": (folder, write_files(folder, options.one_file, options.one_file_mb, 1e9))}
    if options.corpus_mb:
        folder = options.folder / f"corpus_{options.corpus_mb:g}"
        files = [
            path
            for name, (of_each, share) in FORMATS.items()
            for path in write_files(folder / name, name, options.corpus_mb * share, of_each)
        ]
        sets["corpus of eight formats"] = (folder, files)
    largest = 0.0
    for title, (folder, files) in sets.items():
        megabytes = sum(path.stat().st_size for path in files) / 1e6
        print(f"\n{title}: {len(files):,} files, {megabytes:,.0f} MB on disk, {options.shards} shards\n")
        largest = max(largest, measured(files, folder / "built", options.shards, cleaning))
    print(f"\nlargest sum {largest:.0f} MB, bound {BOUND_MB} MB")
    if largest > BOUND_MB:
        raise SystemExit(f"{largest:.0f} MB is more than {BOUND_MB} MB")


if __name__ == "__main__":
    main()
