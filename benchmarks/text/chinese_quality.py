"""Which Chinese passages the quality rules keep, on labelled ones: `python benchmarks/text/chinese_quality.py [--cache FOLDER]`.

In: chinese_passages.jsonl: 290 passages, each `keep` or not, of a kind: prose (news, reviews, technical
documentation), menus (navigation, comments, lists of links), lists (tables, dictionaries), spam, OCR noise, code. Real text is
a span of characters over a file of a package, fetched by version and sha256 (pinned.py); of
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
import sys
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pinned import members, package_file

from domainlm.config.cleaning import CleanShards
from domainlm.text.characters import normalised
from domainlm.text.cleaning.clean import cleaned, rules_of
from domainlm.text.cleaning.plain import Failure
from domainlm.text.document import Document

PASSAGES = Path(__file__).with_name("chinese_passages.jsonl")
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
def passage_files(path: Path) -> Mapping[str, bytes]:
    """Files of a package that passages are taken from, by name."""
    wanted = {row["member"] for row in passages() if "member" in row}
    return dict(members(path, wanted.__contains__))


@cache
def member_text(path: Path, member: str) -> str:
    data = passage_files(path)[member]
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
