"""Which character set? Ours and its peers side by side: share of passages whose decoded text equals the original, and speed.

In: nothing; the texts are Debian's translated manuals (fetched by `apt-get download`) and articles of English Wikipedia (the
excerpt in the wheel of gensim 4.4.0), all pinned by sha256. Out: Markdown tables. The packages of CHOSEN_BY were looked at
while `domainlm/raw/charset_scores.py` was written, those of REPORTED never. A passage is cut anywhere in a page, is
not ASCII, and is left out of a set that cannot hold it. Peers get the benefit of the larger set (GBK for GB 2312, as browsers
do). "declared" tells ours the set, and "wrongly declared" tells it another one, as for the odd file in a folder of exports.

    python benchmarks/text/charset_accuracy.py [--cache .cache/benchmarks] [--half reported|chosen_by] [--passages 300]
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import time
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from pinned import source_member, unpacked

from domainlm.raw.charset import decode, known_charset
from domainlm.raw.unreadable import Unreadable
from domainlm.text.reading.mediawiki import read_mediawiki
from domainlm.text.reading.pieces import Piece

REPORTED = {
    "simplified": ("maint-guide-zh-cn", "debian-faq-zh-cn"),
    "traditional": ("maint-guide-zh-tw",),
    "japanese": ("maint-guide-ja", "developers-reference-ja"),
    "french": ("debian-faq-fr",),
    "german": ("debian-faq-de",),
}
CHOSEN_BY = {
    "simplified": ("debian-reference-zh-cn", "libreoffice-help-zh-cn"),
    "traditional": ("debian-reference-zh-tw", "libreoffice-help-zh-tw"),
    "japanese": ("debian-reference-ja", "libreoffice-help-ja"),
    "french": ("debian-reference-fr",),
    "german": ("libreoffice-help-de",),
}
SETS = {
    "simplified": ("utf-8", "utf-16", "utf-16-le", "gb18030"),
    "traditional": ("utf-8", "utf-16", "utf-16-be", "big5"),
    "japanese": ("utf-16-le", "shift_jis", "euc_jp"),
    "english": ("utf-8", "utf-16", "utf-16-le", "latin-1", "cp1252", "gb18030", "big5", "shift_jis"),
    "french": ("latin-1",),
    "german": ("latin-1",),
}
SCRIPT = {name: re.compile("[\u3040-\u30ff\u4e00-\u9fff]") for name in ("simplified", "traditional", "japanese")}
MIN_SCRIPT_SHARE = 0.3
LENGTHS = ((10, 19), (20, 49), (50, 199), (200, 600))


def pages_of_package(cache_folder: Path, name: str) -> list[str]:
    """Texts of the pages of a Debian package."""
    from selectolax.lexbor import LexborHTMLParser

    texts = []
    for path in sorted(unpacked(name, cache_folder).rglob("*.html")):
        page = LexborHTMLParser(path.read_text("utf-8", "replace"))
        for node in page.css("script, style"):
            node.decompose()
        text = re.sub(r"[ \t\r\n\xa0]+", " ", page.body.text(separator=" ") if page.body else "").strip()
        texts += [text] if len(text) > 300 else []
    return texts


def pages_of_wikipedia(cache_folder: Path) -> list[str]:
    file = BytesIO(source_member("wikipedia", cache_folder))
    return [found.text.replace("\n", " ") for found in read_mediawiki(file, 50_000) if isinstance(found, Piece)]


def passages(name: str, pages: list[str], low: int, high: int, count: int) -> list[str]:
    source = random.Random(f"{name} {low}")
    found: list[str] = []
    for _ in range(count * 200):
        page = source.choice(pages)
        length = source.randint(low, high)
        at = source.randrange(max(1, len(page) - length))
        text = page[at : at + length]
        is_wanted = name not in SCRIPT or len(SCRIPT[name].findall(text)) >= MIN_SCRIPT_SHARE * len(text)
        if is_wanted and not text.isascii():
            found.append(text)
        if len(found) == count:
            break
    return found


def ours(expected: str | None = None) -> Callable[[bytes], str | None]:
    def read(data: bytes) -> str | None:
        try:
            return decode(data, 0.0, expected=expected).text
        except Unreadable:
            return None

    return read


def by_name(name: str | None, data: bytes) -> str | None:
    larger = known_charset(name) if name else None
    try:
        # what the peer calls UTF-16 has a mark, which is no text
        return data.decode("utf-16" if name and name.lower() == "utf-16" else larger or "ascii").removeprefix("\ufeff")
    except (UnicodeError, LookupError):
        return None


def charset_normalizer(data: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(data).best()
    return None if best is None else str(best)


def faust_cchardet(data: bytes) -> str | None:
    import cchardet

    return by_name(cchardet.detect(data)["encoding"], data)


def chardet(data: bytes) -> str | None:
    import chardet as library

    return by_name(library.detect(data)["encoding"], data)


@cache
def other_of(charset: str) -> str:
    return "big5" if charset != "big5" else "gb18030"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    parser.add_argument("--half", choices=("reported", "chosen_by"), default="reported")
    parser.add_argument("--passages", type=int, default=300)
    arguments = parser.parse_args()
    packages = REPORTED if arguments.half == "reported" else CHOSEN_BY
    folder = arguments.cache.resolve()
    pages: dict[str, list[str]] = {}
    for language, named in packages.items():
        pages[language] = [text for name in named for text in pages_of_package(folder, name)]
    # articles by stable hash: the even ones to choose by
    odd = arguments.half == "reported"
    articles = pages_of_wikipedia(folder)
    pages["english"] = [text for text in articles if hashlib.sha256(text.encode()).digest()[0] % 2 == odd]
    systems: dict[str, Callable[[str], Callable[[bytes], str | None]]] = {
        "ours": lambda charset: ours(),
        "ours, declared": lambda charset: ours(charset),
        "ours, wrongly declared": lambda charset: ours(other_of(charset)),
        "faust-cchardet": lambda charset: faust_cchardet,
        "charset-normalizer": lambda charset: charset_normalizer,
        "chardet": lambda charset: chardet,
    }
    seconds = dict.fromkeys(systems, 0.0)
    size = 0
    print(f"| language, set, passages | {' | '.join(systems)} |\n|---|{'---|' * len(systems)}")
    totals: dict[Any, list[int]] = {}
    for low, high in LENGTHS:
        for language, sets in SETS.items():
            texts = passages(language, pages[language], low, high, arguments.passages)
            for charset in sets:
                encoded = []
                for text in texts:
                    try:
                        data = text.encode(charset)
                    except UnicodeEncodeError:
                        continue
                    # an English passage whose few signs are full-width ones is as good as its letters
                    encoded += [] if data.isascii() else [(data, text)]
                if not encoded:
                    continue
                right = dict.fromkeys(systems, 0)
                for data, text in encoded:
                    size += len(data)
                    for name, system in systems.items():
                        read = system(charset)
                        begin = time.perf_counter()
                        right[name] += read(data) == text
                        seconds[name] += time.perf_counter() - begin
                for name in systems:
                    total = totals.setdefault((low, name), [0, 0])
                    total[0] += right[name]
                    total[1] += len(encoded)
                row = " | ".join(f"{right[name] / len(encoded):.1%}" for name in systems)
                print(f"| {low}-{high} characters, {language}, {charset}, {len(encoded)} | {row} |", flush=True)
    for low, high in LENGTHS:
        row = " | ".join(f"{totals[low, name][0] / totals[low, name][1]:.2%}" for name in systems)
        print(f"| **{low}-{high} characters, all, {totals[low, 'ours'][1]}** | {row} |")
    row = " | ".join(
        f"{size / 1e6 / seconds[name]:.2f} MB/s ({seconds['ours'] / seconds[name]:.2f})" for name in systems
    )
    print(f"| speed, short texts (ratio to ours) | {row} |")


if __name__ == "__main__":
    main()
