from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from domainlm.config.text import RelevanceModel
from domainlm.contract import Inputs, Resources, StageError
from domainlm.pipeline.slices import parse_slice
from domainlm.stages import relevance_model
from domainlm.text.document import Document, write_documents
from domainlm.text.relevance import read_model

QUIET = Resources(log=lambda line: None)
OWN = {"seed": "fever cough lesion dose ward", "replay": "king river battle painter opera"}
SMALL = {"feature_bits": 12, "min_documents": 20}


def text_of(role: str, number: int) -> str:
    source = random.Random(f"{role}{number}")
    return " ".join(
        source.choices(["the", "of", "was", "many", "years"], k=20) + source.choices(OWN[role].split(), k=5)
    )


def document(role: str, number: int, groups: int = 12, use: str | None = None) -> Document:
    used = use if use is not None else {"seed": "classifier", "replay": "pt"}[role]
    labels = {"licence": "", "authority": "", "stance": "", "language": "en", "use": used}
    place = {
        "path": f"{number % groups}.txt",
        "section": f"{number:03}",
        "start": 0,
        "end": 1,
        "links": "[]",
        "meta": "{}",
    }
    return Document(
        id=f"{role}{number:03}", source=f"the_{role}", role=role, group=f"{number % groups}.txt", title="",
        text=text_of(role, number), **place, **labels,
    )  # fmt: skip


DOCUMENTS = [document("replay", number) for number in range(90)] + [document("seed", number) for number in range(60)]


def build(folder: Path, shards: int = 1, documents: list[Document] | None = None, seed: int = 17, **knobs: Any) -> Path:
    upstream, out = folder / "clean_shards", folder / "out"
    out.mkdir(parents=True)
    for shard in range(shards):
        (upstream / f"{shard:04d}").mkdir(parents=True)
        found = DOCUMENTS if documents is None else documents
        write_documents(upstream / f"{shard:04d}" / "documents.parquet", found[shard::shards])
    section = RelevanceModel.model_validate({**SMALL, **knobs}).model_dump(mode="json")
    relevance_model.run(
        Inputs({"clean_shards": upstream}),
        parse_slice("relevance_model", {"section": section, "seed": seed}),
        out,
        folder,
        QUIET,
    )
    return out


def stats_of(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "stats.json").read_text(encoding="utf-8")))


def test_held_out_precision_and_recall_are_of_whole_groups(tmp_path: Path) -> None:
    stats = stats_of(build(tmp_path))
    assert (stats["domain"]["learned"], stats["domain"]["held_out"]) == (50, 10)
    assert stats["general"]["held_out_by"] == "group"
    assert stats["domain"]["by_source"] == {"the_seed": 60}
    assert stats["held_out"]["recall"] == stats["held_out"]["precision"] == 1.0
    assert [row["threshold"] for row in stats["by_threshold"]] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert sum(stats["score_counts"]["domain"]) == 10
    assert set(OWN["seed"].split()) <= set(stats["telling_words"]["domain"])


def test_no_group_is_on_both_sides() -> None:
    examples = [relevance_model.Example(bytes([n]), f"d{n}", "s", f"g{n % 7}", "text") for n in range(70)]
    held_out, unit = relevance_model.held_out_ids(examples, 0.2, 17)
    sides = {example.group: set[bool]() for example in examples}
    for example in examples:
        sides[example.group].add(example.id in held_out)
    assert unit == "group"
    assert all(len(side) == 1 for side in sides.values())
    assert 0 < len(held_out) <= 14


def test_one_file_of_seeds_is_held_out_by_document_and_says_so(tmp_path: Path) -> None:
    seeds = [document("seed", number, groups=1) for number in range(40)]
    stats = stats_of(build(tmp_path, documents=[*DOCUMENTS[:90], *seeds]))
    assert (stats["domain"]["held_out_by"], stats["general"]["held_out_by"]) == ("document", "group")
    assert (stats["domain"]["learned"], stats["domain"]["held_out"]) == (32, 8)


@pytest.mark.parametrize("shards", [2, 5])
def test_bytes_do_not_depend_on_the_number_of_shards(tmp_path: Path, shards: int) -> None:
    one = build(tmp_path / "one", max_documents=50)
    many = build(tmp_path / "many", shards, max_documents=50)
    assert sorted(path.name for path in one.iterdir()) == ["model.json", "stats.json", "weights.safetensors"]
    for file in one.iterdir():
        assert (many / file.name).read_bytes() == file.read_bytes()
    assert stats_of(one)["general"]["learned"] + stats_of(one)["general"]["held_out"] == 50


def test_what_the_policy_keeps_from_training_and_classifiers_teaches_nothing(tmp_path: Path) -> None:
    barred = [document("replay", number, use="evaluation") for number in range(100, 130)]
    with_barred, without = build(tmp_path / "a", documents=[*DOCUMENTS, *barred]), build(tmp_path / "b")
    for file in without.iterdir():
        assert (with_barred / file.name).read_bytes() == file.read_bytes()


def test_corpus_documents_are_not_learned_from(tmp_path: Path) -> None:
    from dataclasses import replace

    corpus = [replace(document("seed", n), id=f"c{n}", role="corpus", use="classifier,pt") for n in range(100, 130)]
    assert stats_of(build(tmp_path, documents=[*DOCUMENTS, *corpus]))["domain"]["by_source"] == {"the_seed": 60}


def test_too_few_examples_stop_the_build(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"role seed have 19 .*at least 20 \(relevance_model.min_documents\)"):
        build(tmp_path, documents=DOCUMENTS[:109])


def test_the_threshold_is_in_the_model(tmp_path: Path) -> None:
    assert read_model(build(tmp_path, threshold=0.7)).shape.threshold == 0.7
