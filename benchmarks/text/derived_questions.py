"""Questions that are derived from documents, to be judged by reading: `python benchmarks/text/derived_questions.py`.

    python benchmarks/text/derived_questions.py [--of hpo debian-reference-en debian-handbook] [--count 200] [--seed 1]
        [--cache .cache/benchmarks]

In: the default domain's ontology, and manuals of PACKAGES (pinned.py), read by the package's readers; no cleaning, no split.
Out, for each: how many documents give how many questions, how many questions there are of each kind, and `--count` questions
drawn by `--seed` with their answers, numbered, for a reader who judges them by docs/how-to/derived-questions.md. Questions are
those of the default knobs of `sft_dataset`. Nothing is judged here: what reads well is no matter of counts.
"""

from __future__ import annotations

import argparse
import io
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pinned import source_member, unpacked

from domainlm.config.instruction import SftDataset
from domainlm.config.text import Documents
from domainlm.instruction.asked import Asking, Question
from domainlm.instruction.questions import questions_of
from domainlm.raw.raw_file import RawFile
from domainlm.text.document import Document
from domainlm.text.reading.html import read_html
from domainlm.text.reading.obo import read_obo
from domainlm.text.reading.pieces import Piece, Section, pieces_of_sections
from domainlm.text.reading.readers import document_of

DEFAULT_DOMAIN = "hpo"
# the pages of a manual within its package
PAGES = {
    "debian-reference-en": "*.en.html",
    "debian-reference-zh-cn": "*.zh-cn.html",
    "debian-handbook": "en-US/*.html",
}
SEED = 17
MIN_CHARS = 40


def row_of(source: str, path: str) -> RawFile:
    labels = {"licence": "", "authority": "unlabelled", "stance": "unlabelled"}
    return {"source": source, "path": path, "role": "corpus", **labels}  # type: ignore[typeddict-item]


def documents_of(source: str, cache: Path) -> Iterator[Document]:
    if source == DEFAULT_DOMAIN:
        data = source_member(source, cache)
        found = read_obo(io.BytesIO(data), 0, len(data), Documents().group_depth)
        yield from (document_of(row_of(source, "hp.obo"), piece) for piece in found if isinstance(piece, Piece))
        return
    for page in sorted(unpacked(source, cache).rglob(PAGES[source])):
        sections = [found for found in read_html(page.read_text(encoding="utf-8")) if isinstance(found, Section)]
        for piece in pieces_of_sections(sections, Documents().max_section_chars):
            yield document_of(row_of(source, page.name), piece)


def show(source: str, cache: Path, count: int, seed: int) -> None:
    knobs = SftDataset()
    language = "zh" if "zh" in source else "en"
    asking = Asking(
        SEED,
        language,
        knobs.max_questions_per_document,
        knobs.max_answer_chars,
        knobs.min_questions_per_document,
    )
    questions: list[Question] = []
    by_document: Counter[int] = Counter()
    for document in documents_of(source, cache):
        if len(document.text) >= MIN_CHARS:
            found = questions_of(document, asking)
            by_document[len(found)] += 1
            questions += found
    kinds = Counter(question.kind for question in questions)
    print(f"## {source}: {by_document.total()} documents, {len(questions)} questions")
    print("documents by number of questions:", ", ".join(f"{n}: {by_document[n]}" for n in sorted(by_document)))
    print("questions by kind:", ", ".join(f"{kind} {n}" for kind, n in kinds.most_common()), "\n")
    drawn = random.Random(f"{source} {seed}").sample(questions, min(count, len(questions)))
    for number, one in enumerate(drawn, 1):
        print(f"{number}. [{one.kind}] {one.question}\n   => {one.answer}")
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--of", nargs="+", choices=[DEFAULT_DOMAIN, *PAGES], default=[DEFAULT_DOMAIN, *list(PAGES)[::2]]
    )
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    options = parser.parse_args()
    for source in options.of:
        show(source, options.cache, options.count, options.seed)


if __name__ == "__main__":
    main()
