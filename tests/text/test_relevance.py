from __future__ import annotations

import random
from pathlib import Path

import pytest

from domainlm.text.relevance import (
    RelevanceModel,
    Shape,
    measured,
    read_model,
    runs_of_words,
    score_counts,
    telling_words,
    trained_model,
    write_model,
)

SHAPE = Shape(threshold=0.5, ngrams=2, feature_bits=12, max_chars=400)
COMMON = ["the", "of", "was", "with", "for", "years", "many", "often"]
OWN = {"domain": ["fever", "cough", "lesion", "dose"], "general": ["king", "river", "battle", "painter"]}


def texts(kind: str, count: int, seed: int = 1) -> list[str]:
    source = random.Random(f"{kind}{seed}")
    return [" ".join(source.choices(COMMON, k=20) + source.choices(OWN[kind], k=4)) for _ in range(count)]


@pytest.fixture(scope="module")
def model() -> RelevanceModel:
    return trained_model(texts("domain", 60), texts("general", 90), SHAPE, 5)


def test_words_and_pairs_are_features_and_han_characters_count_as_words() -> None:
    assert runs_of_words("Fever, cough 发热", 2) == ["fever", "cough", "发", "热", "fever cough", "cough 发", "发 热"]
    assert runs_of_words("a b c", 3) == ["a", "b", "c", "a b", "b c", "a b c"]
    assert runs_of_words("...", 2) == []


def test_unseen_texts_are_told_apart(model: RelevanceModel) -> None:
    assert min(model.scores(texts("domain", 30, seed=2))) > 0.5 > max(model.scores(texts("general", 30, seed=2)))
    assert model.scores([]) == []
    # nothing to judge by: between the two
    assert 0.2 < model.scores(["!"])[0] < 0.8


def test_only_the_start_of_a_text_counts(model: RelevanceModel) -> None:
    domain, general = texts("domain", 1, seed=3)[0], " ".join(texts("general", 50, seed=3))
    start = domain.ljust(SHAPE.max_chars, ".")
    assert model.scores([start + general]) == model.scores([domain])


def test_equal_texts_give_equal_bytes_and_come_back(model: RelevanceModel, tmp_path: Path) -> None:
    again = trained_model(texts("domain", 60), texts("general", 90), SHAPE, 5)
    files = []
    for name, each in (("one", model), ("two", again)):
        (tmp_path / name).mkdir()
        write_model(tmp_path / name, each)
        files.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert files[0] == files[1]
    assert sorted(files[0]) == ["model.json", "weights.safetensors"]
    held_out = texts("domain", 10, seed=4)
    assert read_model(tmp_path / "one").scores(held_out) == model.scores(held_out)
    assert read_model(tmp_path / "one").shape == SHAPE


def test_telling_words_are_the_kinds_own(model: RelevanceModel) -> None:
    found = telling_words(model, [*texts("domain", 60), *texts("general", 90)])
    assert set(OWN["domain"]) <= set(found["domain"])
    assert set(OWN["general"]) <= set(found["general"])
    assert telling_words(model, ["one text"]) == {"domain": [], "general": []}


def test_telling_words_are_nobody_s_number_or_address(model: RelevanceModel) -> None:
    private = "13812345678 reach mei.zhang@zju.edu.cn case 20261121093000 in 2026"
    everywhere = [f"{text} {private}" for text in texts("domain", 60)]
    own = trained_model(everywhere, texts("general", 90), SHAPE, 5)
    found = telling_words(own, everywhere)
    shown = {word for run in [*found["domain"], *found["general"]] for word in run.split(" ")}
    assert {"reach", "case"} <= shown
    assert not shown & {"13812345678", "mei", "zhang", "20261121093000"}


def test_precision_and_recall() -> None:
    found = measured([0.9, 0.8, 0.2, 0.5], [0.6, *[0.1] * 9], 0.5)
    assert found == {
        "threshold": 0.5, "recall": 0.75, "precision": 0.75, "balanced_precision": round(0.75 / 0.85, 4), "general_kept_share": 0.1
    }  # fmt: skip
    assert measured([0.1], [0.1], 0.5)["precision"] is None


def test_scores_by_tenth() -> None:
    assert score_counts([0.0, 0.05, 0.55, 0.99, 1.0]) == [2, 0, 0, 0, 0, 1, 0, 0, 0, 2]
