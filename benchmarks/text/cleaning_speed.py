"""Published quality rules beside datatrove's: speed of each rule set, and agreement rule by rule.

In: the English texts of the default domain (config/config.yaml: HPO terms, Wikipedia, scikit-learn's guide; fetched by package,
version and sha256 into --cache), and Wikipedia's markup unread, as text that rules refuse. Out: Markdown tables. Speed: CPU
seconds of one core, the peer and we in turn on the same documents, medians of --repeats; "all" is the chain of FineWeb (Gopher
repetition, Gopher quality, C4, FineWeb), once ending at the first refusal and once with every rule on every document.
Agreement: datatrove with one rule switched on at a time; for C4 also the share of lines on which both decide alike; then the
same on disturbed texts, since some rules refuse no real prose. Needs datatrove and spacy (extra `benchmarks`).

    python benchmarks/text/cleaning_speed.py [--cache FOLDER] [--megabytes 0.4] [--repeats 3]
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from pinned import members, source_file, source_member

from domainlm.config.cleaning import CleanShards
from domainlm.text.characters import normalised
from domainlm.text.cleaning.quality import kept_lines, quality_failure, quality_failures
from domainlm.text.reading.mediawiki import pages_of, read_mediawiki
from domainlm.text.reading.obo import read_obo
from domainlm.text.reading.pieces import Piece, pieces_of_sections
from domainlm.text.reading.restructured import read_restructured

ROOT = Path(__file__).resolve().parents[1]
MAX_CHARS = 12_000
PEERS = {
    "gopher_repetition": GopherRepetitionFilter,
    "gopher_quality": GopherQualityFilter,
    "c4": C4QualityFilter,
    "fineweb": FineWebQualityFilter,
}
OFF: dict[str, dict[str, Any]] = {
    "gopher_repetition": {
        **dict.fromkeys(("dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac")),
        "top_n_grams": (),
        "dup_n_grams": (),
    },
    "gopher_quality": dict.fromkeys(
        (
            "min_doc_words",
            "max_doc_words",
            "min_avg_word_length",
            "max_avg_word_length",
            "max_symbol_word_ratio",
            "max_bullet_lines_ratio",
            "max_ellipsis_lines_ratio",
            "max_non_alpha_words_ratio",
            "min_stop_words",
        )
    ),
    "fineweb": {"line_punct_thr": 0, "short_line_thr": 1, "char_duplicates_ratio": 1, "new_line_ratio": 9e9},
}
# our rule -> the peer's rule set and the one parameter that is left on
ALONE: dict[str, tuple[str, dict[str, Any]]] = {
    "gopher_max_duplicate_paragraph_share": ("gopher_repetition", {"dup_para_frac": 0.3}),
    "gopher_max_duplicate_paragraph_char_share": ("gopher_repetition", {"dup_para_char_frac": 0.2}),
    "gopher_max_duplicate_line_share": ("gopher_repetition", {"dup_line_frac": 0.3}),
    "gopher_max_duplicate_line_char_share": ("gopher_repetition", {"dup_line_char_frac": 0.2}),
    **{
        f"gopher_max_top_{n}gram_share": ("gopher_repetition", {"top_n_grams": ((n, share),)})
        for n, share in ((2, 0.2), (3, 0.18), (4, 0.16))
    },
    **{
        f"gopher_max_duplicate_{n}gram_share": ("gopher_repetition", {"dup_n_grams": ((n, round(0.2 - n / 100, 2)),)})
        for n in range(5, 11)
    },
    "gopher_min_words": ("gopher_quality", {"min_doc_words": 50}),
    "gopher_max_words": ("gopher_quality", {"max_doc_words": 100_000}),
    "gopher_min_mean_word_chars": ("gopher_quality", {"min_avg_word_length": 3}),
    "gopher_max_mean_word_chars": ("gopher_quality", {"max_avg_word_length": 10}),
    "gopher_max_hash_share, gopher_max_ellipsis_share": ("gopher_quality", {"max_symbol_word_ratio": 0.1}),
    "gopher_max_bullet_line_share": ("gopher_quality", {"max_bullet_lines_ratio": 0.9}),
    "gopher_max_ellipsis_line_share": ("gopher_quality", {"max_ellipsis_lines_ratio": 0.3}),
    "gopher_min_alphabetic_word_share": ("gopher_quality", {"max_non_alpha_words_ratio": 0.8}),
    "gopher_min_stop_words": ("gopher_quality", {"min_stop_words": 2}),
    "fineweb_min_line_end_share": ("fineweb", {"line_punct_thr": 0.12}),
    "fineweb_max_short_line_share": ("fineweb", {"short_line_thr": 0.67}),
    "fineweb_max_duplicate_line_char_share": ("fineweb", {"char_duplicates_ratio": 0.01}),
    "fineweb_max_lines_per_word": ("fineweb", {"new_line_ratio": 0.3}),
}


def pieces(found: Iterator[Any]) -> list[str]:
    return [normalised(piece.text) for piece in found if isinstance(piece, Piece)]


def corpora(cache: Path) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = {}
    data = source_member("hpo", cache)
    texts["hpo"] = pieces(read_obo(BytesIO(data), 0, len(data), 4))
    wikipedia = source_member("wikipedia", cache)
    texts["wikipedia"] = pieces(read_mediawiki(BytesIO(wikipedia), MAX_CHARS))
    markup = [
        page.markup for page in pages_of(BytesIO(wikipedia)) if hasattr(page, "markup") and len(page.markup) > 200
    ]
    texts["markup"] = [normalised(text[:MAX_CHARS]) for text in markup]
    guide = members(source_file("scikit_learn_docs", cache), re.compile(r".*/doc/modules/[^/]*\.rst").fullmatch)
    sections = [read_restructured(data.decode()) for _, data in guide]
    texts["scikit_learn_docs"] = pieces(piece for found in sections for piece in pieces_of_sections(found, MAX_CHARS))
    return texts


def sample(texts: list[str], megabytes: float) -> list[str]:
    chosen, size = [], 0
    for text in random.Random(17).sample(texts, len(texts)):
        if size > megabytes * 1e6:
            break
        chosen.append(text)
        size += len(text.encode())
    return chosen


def disturbed(text: str, seed: int) -> str:
    """Text with what real prose seldom has: repeats, bullets, ellipses, number signs, words run together."""
    source = random.Random(seed)
    lines = text.split("\n")
    kind = seed % 5
    if kind == 0:
        return text + "\n\n" + "\n\n".join(source.choices(lines, k=source.randint(1, len(lines))))
    if kind == 1:
        return "\n".join(f"- {line}" if source.random() < 0.9 else line for line in lines)
    if kind == 2:
        return "\n".join(f"{line}..." if source.random() < 0.4 else line for line in lines)
    if kind == 3:
        return "".join("# " if mark == " " and source.random() < 0.12 else mark for mark in text)
    return "".join("" if mark == " " and source.random() < 0.6 else mark for mark in text)


def peer_verdict(rules: Any, text: str) -> bool:
    return rules.filter(Document(text=text, id="")) is True


def our_verdict(config: CleanShards, text: str) -> bool:
    return quality_failure(kept_lines(text, "en", config), "en", config) is None


def peer_chain(text: str, is_ended_early: bool) -> bool:
    document = Document(text=text, id="")
    verdicts = (rules.filter(document) is True for rules in CHAIN)
    return all(verdicts) if is_ended_early else all(list(verdicts))


CHAIN = [peer() for peer in PEERS.values()]
ALL = CleanShards(quality=list(PEERS))


def our_chain(text: str, is_ended_early: bool) -> bool:
    text = kept_lines(text, "en", ALL)
    return next(islice(quality_failures(text, "en", ALL), 0 if is_ended_early else 99, None), None) is None


def seconds(work: Callable[[str], object], texts: list[str]) -> float:
    started = time.process_time()
    for text in texts:
        work(text)
    return time.process_time() - started


def print_speed(texts: list[str], repeats: int) -> None:
    size = sum(len(text.encode()) for text in texts) / 1e6
    print("\n| rules | datatrove MB/s | domainlm MB/s | times as fast | kept by both of documents |")
    print("|---|---|---|---|---|")
    works: dict[str, tuple[Callable[[str], bool], Callable[[str], bool]]] = {
        name: (
            lambda text, rules=peer(): peer_verdict(rules, text),
            lambda text, config=CleanShards(quality=[name]): our_verdict(config, text),
        )
        for name, peer in PEERS.items()
    }
    works["all, to the first refusal"] = (lambda text: peer_chain(text, True), lambda text: our_chain(text, True))
    works["all, every rule"] = (lambda text: peer_chain(text, False), lambda text: our_chain(text, False))
    for name, (theirs, ours) in works.items():
        times = [(seconds(theirs, texts), seconds(ours, texts)) for _ in range(repeats)]
        ratio = statistics.median(a / b for a, b in times)
        both = sum(theirs(text) and ours(text) for text in texts)
        their_seconds, our_seconds = (statistics.median(column) for column in zip(*times, strict=True))
        print(
            f"| {name} | {size / their_seconds:.2f} | {size / our_seconds:.2f} | {ratio:.1f} | {both} of {len(texts)} |"
        )


def print_agreement(texts: list[str]) -> None:
    filters = {rule: (name, PEERS[name](**{**OFF[name], **parameters})) for rule, (name, parameters) in ALONE.items()}
    filters["c4_min_sentences"] = ("c4", C4QualityFilter(filter_lorem_ipsum=False, filter_curly_bracket=False))
    filters["c4_max_curly_brackets"] = ("c4", C4QualityFilter(min_num_sentences=-1))
    table: dict[str, Counter[tuple[bool, bool]]] = {rule: Counter() for rule in filters}
    lines: Counter[bool] = Counter()
    for text in texts:
        failed = {"": set[str]()}
        for name in PEERS:
            config = CleanShards(quality=[name])
            failed[name] = {
                failure.reason for failure in quality_failures(kept_lines(text, "en", config), "en", config)
            }
        if "empty" in failed["c4"]:
            failed["c4"] = {"c4_min_sentences"}
        # the peer's tokens of the last documents are cached: one document, all rules
        for rule, (name, peer) in filters.items():
            table[rule][not peer_verdict(peer, text), not failed[name].isdisjoint(rule.split(", "))] += 1
        document = Document(text=text, id="")
        C4QualityFilter(min_num_sentences=-1, filter_lorem_ipsum=False, filter_curly_bracket=False).filter(document)
        theirs = Counter(filter(None, document.text.split("\n")))
        ours = Counter(line.strip() for line in kept_lines(text, "en", CleanShards(quality=["c4"])).split("\n") if line)
        different = (theirs - ours).total() + (ours - theirs).total()
        lines[False] += different
        lines[True] += sum(1 for line in text.split("\n") if line.strip()) - different
    print("\n| rule | refused by both | datatrove only | domainlm only | agreement |")
    print("|---|---|---|---|---|")
    for rule, found in table.items():
        agreed = (found[True, True] + found[False, False]) / len(texts)
        print(f"| {rule} | {found[True, True]} | {found[True, False]} | {found[False, True]} | {agreed:.2%} |")
    print(f"| lines that C4 takes out | – | – | – | {lines[True] / lines.total():.2%} of {lines.total()} lines |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache/benchmarks")
    parser.add_argument("--megabytes", type=float, default=0.4, help="text taken of each corpus")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    texts = {name: sample(found, arguments.megabytes) for name, found in corpora(arguments.cache.resolve()).items()}
    # the peer loads its tokenizer
    peer_chain("A sentence of seven words and more. " * 30, False)
    for name, chosen in texts.items():
        print(
            f"\n{name}: {len(chosen)} documents, {sum(len(text.encode()) for text in chosen) / 1e6:.2f} MB", flush=True
        )
        print_speed(chosen, arguments.repeats)
    print(f"\nall corpora: {sum(map(len, texts.values()))} documents")
    together = [text for chosen in texts.values() for text in chosen]
    print_speed(together, 1)
    print_agreement(together)
    print("\nthe same texts, disturbed")
    print_agreement([normalised(disturbed(text, seed)) for seed, text in enumerate(together)])


if __name__ == "__main__":
    main()
