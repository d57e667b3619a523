"""A real Chinese corpus through the text stages, and the same bytes whatever the jobs, the folder, the locale and the order.

In: Debian's Chinese reference (a PDF of 251 pages) and LibreOffice's Chinese help (2,560 HTML pages), both fetched by digest.
Out: seconds of each build up to unique_shards, the funnel by reason, and a sample of documents to look at. It is built three
times, by 1, 2 and 4 jobs, each in a folder, locale, time zone, hash seed and order of files of its own; fails where the
digest of any artifact or shard differs. `benchmarks/text/pdf_text.py` compares single pages of the PDF with their source.

    python benchmarks/text/chinese_corpus.py [--cache .cache/benchmarks] [--documents 8]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
from pinned import unpacked

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from checkout import copy_repository, environment_of

REFERENCE, HELP = "debian-reference-zh-cn", "libreoffice-help-zh-cn"
DOMAIN = "chinese"
STAGES = ("raw_corpus", "documents", "clean_shards", "unique_shards")
CONFIG = f"""\
sources:
  reference: {{role: corpus, local: data/{DOMAIN}, include: ["**/*.pdf"], licence: GPL-2.0-or-later, authority: community}}
  help: {{role: corpus, local: data/{DOMAIN}, include: ["**/*.html"], licence: MPL-2.0, authority: community}}
  model: {{role: base_model, local: data/model, licence: CC0-1.0}}
  wikipedia: null
  scikit_learn_docs: null
  style: null
raw_corpus: {{shards: 4}}
clean_shards: {{quality: [fineweb, chinese], languages: [zh, und], repeated_lines: drop}}
unique_shards: {{max_line_documents: 40}}
corpus_split: {{replay_share: 0.0}}
"""
# jobs, folder, and environment of each build
BUILDS = (
    (1, "one", {"LC_ALL": "C", "TZ": "UTC", "PYTHONHASHSEED": "1"}),
    (2, "two words", {"LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "77"}),
    (4, "四", {"LC_ALL": "POSIX", "TZ": "America/Lima", "PYTHONHASHSEED": "4321"}),
)


def files_of(cache: Path) -> list[tuple[Path, str]]:
    """(file, name in the corpus) of both packages."""
    found = []
    for package in (REFERENCE, HELP):
        content = unpacked(package, cache)
        paths = [path for path in sorted(content.rglob("*")) if path.suffix in (".pdf", ".html") and path.is_file()]
        # the reference's HTML is the same book once more
        kept = [path for path in paths if package != REFERENCE or path.suffix == ".pdf"]
        found += [(path, f"{package}/{path.relative_to(content)}") for path in kept if not path.is_symlink()]
    return found


def build(
    root: Path, files: list[tuple[Path, str]], jobs: int, environment: dict[str, str]
) -> tuple[float, dict[str, str]]:
    """Seconds of a build, and the digest of every artifact and shard of it."""
    copy_repository(root)
    (root / f"config/domains/{DOMAIN}.yaml").write_text(CONFIG, encoding="utf-8")
    random.Random(jobs).shuffle(files)
    for path, name in files:
        (root / "data" / DOMAIN / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, root / "data" / DOMAIN / name)
    (root / "data/model").mkdir()
    (root / "data/model/config.json").write_text("{}", encoding="utf-8")
    command = ["snakemake", "--cores", str(jobs), *STAGES, "--config", f"domain={DOMAIN}"]
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=root, env={**environment_of(root), **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    manifests = (root / "artifacts" / DOMAIN).rglob("manifest.json")
    digests = {
        str(path.parent.relative_to(root / "artifacts" / DOMAIN)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(manifests)
    }
    return time.perf_counter() - began, digests


def print_funnel(folder: Path) -> None:
    print("\n| stage | documents | not taken, by reason |\n|---|---|---|")
    for stage in STAGES:
        stats = json.loads((folder / stage / "stats.json").read_text(encoding="utf-8"))
        reasons = sorted(Counter(stats.get("rejected", {})).items(), key=lambda item: (-item[1], item[0]))
        listed = ", ".join(f"{reason} {count:,}" for reason, count in reasons)
        documents = f"{stats['documents']:,}" if "documents" in stats else ""
        print(f"| {stage} | {documents} | {listed} |")


def print_sample(folder: Path, count: int) -> None:
    rows = [row for path in sorted((folder / STAGES[-1]).glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    for row in sorted(random.Random(0).sample(rows, min(count, len(rows))), key=lambda row: row["id"]):
        print(f"\n--- {row['source']} {row['path']} · {row['section']}\n{row['text']}")


def main() -> None:
    parser = argparse.ArgumentParser(description="A real Chinese corpus through the text stages")
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    parser.add_argument("--documents", type=int, default=8, help="documents to print")
    options = parser.parse_args()
    files = files_of(options.cache)
    size = sum(path.stat().st_size for path, _ in files)
    print(
        f"{len(files)} files, {size / 1e6:.1f} MB, {os.cpu_count()} cores\n\n| jobs | folder | seconds |\n|---|---|---|"
    )
    expected: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="domainlm-chinese-") as folder:
        for jobs, name, environment in BUILDS:
            seconds, digests = build(Path(folder) / name, files, jobs, environment)
            print(f"| {jobs} | {name} | {seconds:.0f} |", flush=True)
            expected = expected or digests
            differing = sorted(key for key in expected | digests if expected.get(key) != digests.get(key))
            if differing:
                sys.exit(f"other bytes with {jobs} jobs in {name!r}: {', '.join(differing)}")
        together = hashlib.sha256(json.dumps(expected, sort_keys=True).encode()).hexdigest()
        print(f"\n{len(expected)} artifacts and shards, all equal; digest of their digests {together[:16]}")
        artifacts = Path(folder) / BUILDS[0][1] / "artifacts" / DOMAIN
        print_funnel(artifacts)
        print_sample(artifacts, options.documents)


if __name__ == "__main__":
    main()
