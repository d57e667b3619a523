"""Thresholds of the quality rules for Chinese, from pages that exist in English and in Chinese.

In: Debian packages of documentation in both languages (LibreOffice's help, Debian Reference, the Debian handbook), by version
and sha256, by apt-get into --cache. Out: a Markdown table: of each rule the share of pages refused in English by the published
threshold, in Chinese by ours, on how many pages both verdicts are the same, and the threshold for Chinese at which the
shares would be equal. Half of the pages, by a stable hash, is to choose by, half to report. The idea: a translation is as
good a text as its original. Then the speed of all rules on the Chinese pages, in bytes and characters of one core.

    python benchmarks/text/quality_thresholds.py [--cache FOLDER]
"""

from __future__ import annotations

import argparse
import hashlib
import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from lxml import html
from pinned import members, package_file

from domainlm.config.cleaning import CleanShards
from domainlm.text.characters import cjk_count, letter_count, normalised
from domainlm.text.cleaning import c4, fineweb, gopher
from domainlm.text.cleaning.conventions import CHINESE, ENGLISH, Conventions
from domainlm.text.cleaning.parts import Parts
from domainlm.text.cleaning.quality import kept_lines, quality_failures

DOCUMENTATION = (
    "debian-reference-en",
    "debian-reference-zh-cn",
    "libreoffice-help-en-us",
    "libreoffice-help-zh-cn",
    "debian-handbook",
)
# English member, and how the Chinese one is called
PAGES = (
    (re.compile(r"usr/share/libreoffice/help/en-US/text/.*\.html"), "en-US", "zh-CN"),
    (re.compile(r"usr/share/doc/debian-handbook/html/en-US/.*\.html"), "en-US", "zh-CN"),
    (re.compile(r"usr/share/debian-reference/.*\.en\.html"), ".en.", ".zh-cn."),
)
HEADINGS = ("h1", "h2", "h3", "h4")
BLOCKS = ("p", "h5", "dt", "pre", "td", *HEADINGS)
NOT_TEXT = "//script|//style|//nav|//div[@class='navheader' or @class='navfooter']|//ul[@class='docnav']|//div[@id='DonationFrame']"
MIN_CHARS = 200


def documentation(cache: Path) -> dict[str, bytes]:
    packages = (package_file(name, cache) for name in DOCUMENTATION)
    return dict(page for package in packages for page in members(package, lambda name: name.endswith(".html")))


def pieces(page: bytes) -> list[str]:
    """Text between headings, a block a paragraph."""
    body = html.fromstring(page, parser=html.HTMLParser(encoding="utf-8")).find("body")
    for element in body.xpath(NOT_TEXT):
        element.drop_tree()
    found: list[list[str]] = [[]]

    def walk(parent: html.HtmlElement) -> None:
        for element in parent:
            if element.tag in BLOCKS:
                if element.tag in HEADINGS and found[-1]:
                    found.append([])
                text = element.text_content()
                found[-1].append(text if element.tag == "pre" else " ".join(text.split()))
            elif isinstance(element.tag, str):
                walk(element)

    walk(body)
    return [normalised("\n\n".join(filter(None, blocks))) for blocks in found]


def pairs(cache: Path) -> Iterator[tuple[str, str]]:
    """The same text in English and Chinese, where both have as many pieces and the Chinese one is translated."""
    files = documentation(cache)
    for name in sorted(files):
        for pattern, english, chinese in PAGES:
            other = name.replace(english, chinese)
            if pattern.fullmatch(name) and other in files:
                ours, theirs = pieces(files[name]), pieces(files[other])
                if len(ours) == len(theirs):
                    for first, second in zip(ours, theirs, strict=True):
                        han = cjk_count(second) / max(letter_count(second), 1)
                        if len(first) > MIN_CHARS and han > 0.4 and not cjk_count(first):
                            yield first, second


def measured(text: str, conventions: Conventions) -> dict[str, float]:
    """Every measure: limits that nothing is within."""
    limits = {rule: 1e9 if "_min_" in rule else -1.0 for rule in conventions.thresholds}
    parts = Parts(text)
    return {
        **dict(c4.document_measures(text, conventions, limits)),
        **dict(fineweb.measures(parts, conventions)),
        **dict(gopher.quality_measures(parts, conventions, limits)),
        **dict(gopher.repetition_measures(parts, conventions, limits)),
    }


def print_table(texts: list[tuple[str, str]], name: str) -> None:
    english = [measured(first, ENGLISH) for first, _ in texts]
    chinese = [measured(second, CHINESE) for _, second in texts]
    words = [b["gopher_min_words"] / a["gopher_min_words"] for a, b in zip(english, chinese, strict=True)]
    chars = [len(second) / len(first) for first, second in texts]
    print(
        f"\n{len(texts)} pages to {name} by; Chinese characters and words a word of English {statistics.median(words):.2f}, ",
        end="",
    )
    print(f"characters a character {statistics.median(chars):.2f}\n")
    print("| rule | refused in English | in Chinese | same verdict | threshold en | zh | equal shares at |")
    print("|---|---|---|---|---|---|---|")
    lines_only = ("c4_max_word", "c4_min_line", "c4_max_line")
    for rule, threshold in ENGLISH.thresholds.items():
        if rule.startswith(lines_only):
            continue
        # no measure: no run is there twice
        both = [(a.get(rule, 0.0), b.get(rule, 0.0)) for a, b in zip(english, chinese, strict=True)]
        ours, theirs = np.array(both).T
        is_min = "_min_" in rule
        first = ours < threshold if is_min else ours > threshold
        second = theirs < CHINESE.thresholds[rule] if is_min else theirs > CHINESE.thresholds[rule]
        equal = np.quantile(theirs, first.mean() if is_min else 1 - first.mean())
        print(f"| {rule} | {first.mean():.1%} | {second.mean():.1%} | {(first == second).mean():.1%} ", end="")
        print(f"| {threshold:g} | {CHINESE.thresholds[rule]:g} | {equal:.3g} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    texts = list(pairs(parser.parse_args().cache.resolve()))
    for half, name in enumerate(("choose", "report")):
        print_table([pair for pair in texts if hashlib.sha256(pair[0].encode()).digest()[0] % 2 == half], name)
    chinese = [second for _, second in texts]
    config = CleanShards(quality=["gopher_repetition", "gopher_quality", "c4", "fineweb"])
    started = time.process_time()
    for text in chinese:
        list(quality_failures(kept_lines(text, "zh", config), "zh", config))
    seconds = time.process_time() - started
    size = sum(len(text.encode()) for text in chinese)
    print(
        f"\nevery rule on every Chinese page: {size / seconds / 1e6:.2f} MB/s, {sum(map(len, chinese)) / seconds / 1e6:.2f} M characters/s"
    )


if __name__ == "__main__":
    main()
