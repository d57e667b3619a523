"""PDF to text: `read_pdf` beside the bare text call of the library that it is built on, and what it does to the text.

In: the 72 PDFs of pypdf's sdist (some broken or encrypted on purpose) and Debian's reference in Chinese, 251 pages, both
fetched by digest. Out: Markdown tables: CPU seconds of both in one run, interleaved, medians, their ratio; and, for pages
drawn by a fixed seed, how many of the bare call's characters come back in their order, and which lines do not. What should
be missing there is running heads, page numbers, leaders of contents pages, and hyphens at line ends.

    python benchmarks/text/pdf_text.py [--cache .cache/benchmarks] [--rounds 5] [--pages 20] [--show]
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import itertools
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from pinned import members, package_file

from domainlm.raw.unreadable import Unreadable
from domainlm.text.reading.pdf import read_pdf
from domainlm.text.reading.pieces import Rejection, Section

# of a clinic's guidelines: 8 MB that say nothing of the others
SKIPPED = "issue-604.pdf"


def files_of(cache: Path) -> dict[str, list[tuple[str, bytes]]]:
    """(name, bytes) of PDF files by origin."""
    samples = members(package_file("pypdf", cache), lambda name: name.endswith(".pdf") and "/resources/" in name)
    manual = members(package_file("debian-reference-zh-cn", cache), lambda name: name.endswith(".pdf"))
    return {
        "pypdf's samples": sorted((name, data) for name, data in samples if Path(name).name != SKIPPED),
        "Chinese manual": sorted(manual),
    }


def bare_pages(data: bytes) -> list[str]:
    """Text of each page by the call that the library's README gives for it."""
    import pypdfium2

    texts = []
    document = pypdfium2.PdfDocument(data)
    for page in document:
        text_page = page.get_textpage()
        texts.append(text_page.get_text_bounded())
        text_page.close()
        page.close()
    document.close()
    return texts


def attempt(reader: Callable[[bytes], object], data: bytes) -> float:
    """Seconds of the processor for one call, whatever comes out of it: other jobs on the machine say nothing of it."""
    import pypdfium2

    begin = time.process_time()
    with contextlib.suppress(Unreadable, pypdfium2.PdfiumError):
        reader(data)
    return time.process_time() - begin


def print_speed(files: dict[str, list[tuple[str, bytes]]], rounds: int) -> None:
    print(
        "\n| files | pages | bare, s | read_pdf, s | ratio of totals | median ratio a file |\n|---|---|---|---|---|---|"
    )
    totals = [0.0, 0.0]
    for origin, held in files.items():
        pages = 0
        bare, ours = [], []
        for _, data in held:
            found: tuple[list[float], list[float]] = ([], [])
            for turn in range(rounds):
                for which, reader in ((0, bare_pages), (1, read_pdf))[:: 1 if turn % 2 else -1]:
                    found[which].append(attempt(reader, data))
            bare.append(statistics.median(found[0]))
            ours.append(statistics.median(found[1]))
            try:
                pages += len(bare_pages(data))
            except Exception:
                continue
        each = statistics.median(mine / its for mine, its in zip(ours, bare, strict=True))
        print(
            f"| {len(held)} {origin} | {pages} | {sum(bare):.2f} | {sum(ours):.2f} | "
            f"{sum(ours) / sum(bare):.2f} | {each:.2f} |"
        )
        totals = [totals[0] + sum(bare), totals[1] + sum(ours)]
    print(f"| all | | {totals[0]:.2f} | {totals[1]:.2f} | {totals[1] / totals[0]:.2f} | |")


def print_outcomes(files: dict[str, list[tuple[str, bytes]]]) -> None:
    print("\n| files | sections | characters | rejections |\n|---|---|---|---|")
    for origin, held in files.items():
        reasons: Counter[str] = Counter()
        sections = chars = 0
        for _, data in held:
            try:
                for found in read_pdf(data):
                    if isinstance(found, Rejection):
                        reasons[found.reason] += 1
                    else:
                        sections += 1
                        chars += len(found.body)
            except Unreadable as error:
                reasons[error.reason] += 1
        listed = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
        print(f"| {len(held)} {origin} | {sections} | {chars} | {listed} |")


def pages_of(sections: list[Section]) -> dict[int, str]:
    """What of the text lies on each page, its title first where the section begins there."""
    texts: dict[int, str] = {}
    for section in sections:
        ends = [start for start, _ in section.pages[1:]] + [len(section.body)]
        for (start, number), end in zip(section.pages, ends, strict=True):
            title = section.title if start == 0 else ""
            texts[number] = texts.get(number, "") + title + section.body[start:end]
    return texts


def print_pages(name: str, data: bytes, count: int, is_shown: bool) -> None:
    bare = bare_pages(data)
    read = pages_of([found for found in read_pdf(data) if isinstance(found, Section)])
    chosen = sorted(random.Random(0).sample([n for n, text in enumerate(bare, 1) if text.strip()], count))
    print(
        f"\n{Path(name).name}\n\n| page | characters | in order | missing, in this page | added |\n|---|---|---|---|---|"
    )
    kept = total = 0
    for number in chosen:
        before, after = "".join(bare[number - 1].split()), "".join(read.get(number, "").split())
        blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
        same = sum(block.size for block in blocks)
        kept, total = kept + same, total + len(before)
        gaps = [before[a.a + a.size : b.a] for a, b in itertools.pairwise(blocks)]
        missing = [before[: blocks[0].a], *gaps]
        listed = " · ".join(part[:60].replace("|", "\\|") for part in missing if part.strip(". "))
        print(f"| {number} | {len(before)} | {same / len(before):.1%} | {listed} | {len(after) - same} |")
        if is_shown:
            print(f"\n--- page {number}: bare\n{bare[number - 1]}\n--- page {number}: read\n{read.get(number, '')}\n")
    print(f"\nin all: {kept / total:.2%} of {total} characters")


def main() -> None:
    parser = argparse.ArgumentParser(description="PDF to text against the bare library")
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pages", type=int, default=20)
    parser.add_argument("--show", action="store_true", help="print the sampled pages, bare and read")
    given = parser.parse_args()
    files = files_of(given.cache)
    print_speed(files, given.rounds)
    print_outcomes(files)
    print_pages(*files["Chinese manual"][0], given.pages, given.show)


if __name__ == "__main__":
    main()
