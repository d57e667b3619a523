from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from domainlm.config.cleaning import CleanShards
from domainlm.config.sources import PolicyRule
from domainlm.config.text import CorpusSplit, UniqueShards
from domainlm.contract import Inputs, Resources
from domainlm.pipeline.slices import parse_slice
from domainlm.report.card import SHOWN_NEAR_LINE, boilerplate, data_card, relevance, totals
from domainlm.report.card_page import by_bin, card_page, found_by_kind, verdict_of
from domainlm.stages import clean_shards, corpus_split, unique_shards
from domainlm.text.document import Document, write_documents
from domainlm.tokens.special import SpecialTokens, write_special_tokens

QUIET = Resources(log=lambda line: None)
SOURCES = {"web": "corpus", "general": "replay", "judge": "evaluation", "chat": "instruction"}
POLICY = [
    {"where": {"stance": "adversarial"}, "use": ["evaluation"]},
    {"where": {"stance": "secret"}, "use": []},
    {"use": ["pt", "sft", "evaluation"]},
]


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")


def document(source: str, number: int, text: str, stance: str = "neutral") -> Document:
    place = (f"{source}{number:03d}", source, SOURCES[source], f"{number // 5}.txt", f"s{number}", number, number + 1)
    return Document(*place, f"{number // 5}.txt", "[]", "", text, "{}", "MIT", "media", stance)


def prose(source: str, number: int) -> str:
    letters = "abcdefghijklmnopqrst"
    return " ".join(f"{source}{letters[number % 20]}{letters[number // 20]}{letter}" for letter in letters)


def documents() -> list[Document]:
    found = [document(source, number, prose(source, number)) for source in SOURCES for number in range(60)]
    found += [
        document("web", 61, "short"),
        document("web", 62, prose("web", 1)),
        document("web", 63, prose("judge", 1)),
        document("web", 64, prose("web", 64), "secret"),
        document("general", 65, "<script>alert(1)</script>"),
    ]
    # a file of its own: what is of an evaluated one's file is not trained on
    found += [document("web", number, prose("web", number), "adversarial") for number in range(100, 105)]
    return sorted(found, key=lambda d: (d.source, d.path, d.start))


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """The text artifacts of a small corpus, by their own stages; the inventory and what was read are written here."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    root = tmp_path_factory.mktemp("card")
    folders = {
        name: root / name for name in ("raw_corpus", "documents", "clean_shards", "unique_shards", "corpus_split")
    }
    labels = {"licence": "MIT", "authority": "media", "stance": "neutral"}
    sources = {name: {"role": role, **labels, "files": 13, "bytes": 999} for name, role in SOURCES.items()}
    files = {"media_types": {"text/plain": 50, "application/zip": 2}, "disagreeing": 3}
    write(folders["raw_corpus"] / "stats.json", {"sources": sources, **files})
    bomb = {"source": "web", "path": "a.zip", "section": "", "reason": "bomb", "value": 900, "threshold": 200}
    write(folders["raw_corpus"] / "0000/rejected.jsonl", json.dumps({**bomb, "detail": "", "excerpt": ""}) + "\n")
    write(
        folders["documents"] / "stats.json",
        {
            "documents": len(documents()),
            "rejected_by_source": {"web": {"empty": 2}},
            "coverage_by_source": {"web": {"files": 2, "shown": 1000, "kept": 900, "removed": 60, "lost": 40}},
        },
    )
    least = {"source": "web", "path": "least.html", "shown": 200, "kept": 100, "removed": 60, "lost": 40}
    write(folders["documents"] / "least_read.jsonl", json.dumps(least) + "\n")
    write(folders["documents"] / "examples.jsonl", "")
    write_documents(folders["documents"] / "documents.parquet", documents())
    shard = folders["clean_shards"] / "0000"
    shard.mkdir(parents=True)
    policy = [PolicyRule.model_validate(rule).model_dump(mode="json") for rule in POLICY]
    config = {"section": CleanShards().model_dump(mode="json"), "policy": policy}
    clean_shards.run_shard(Inputs(folders), parse_slice("clean_shards", config, is_shard=True), shard, root, QUIET)
    clean_shards.run(Inputs({"0000": shard}), parse_slice("clean_shards", config), folders["clean_shards"], root, QUIET)
    folders["unique_shards"].mkdir()
    config = {"section": UniqueShards().model_dump(mode="json")}
    unique_shards.run(Inputs(folders), parse_slice("unique_shards", config), folders["unique_shards"], root, QUIET)
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    (root / "base_model").mkdir()
    tokenizer.save(str(root / "base_model/tokenizer.json"))
    write_special_tokens(root / "base_model", SpecialTokens(0, "[UNK]", 0, "[UNK]", 0, 1))
    folders["corpus_split"].mkdir()
    split = {"section": CorpusSplit(max_train_tokens=900).model_dump(mode="json"), "seed": 17}
    split |= {key: config["section"][key] for key in ("evaluation_threshold", "shingle_words")}
    inputs = Inputs({**folders, "base_model": root / "base_model"})
    corpus_split.run(inputs, parse_slice("corpus_split", split), folders["corpus_split"], root, QUIET)
    return Inputs(folders)


def test_nothing_is_lost_between_two_numbers(artifacts: Inputs) -> None:
    card = data_card(artifacts, "tiny", "")
    lost: dict[str, Counter[str]] = {name: Counter() for name in SOURCES}
    for row in card["rejected"]:
        lost[row["source"]][row["stage"]] += row["count"]
    for name, row in card["funnel"].items():
        assert row["read"] == row["clean"] + lost[name]["clean_shards"]
        assert row["clean"] == row["unique"] + lost[name]["unique_shards"]
        assert row["unique"] == sum(row["splits"].values()) + row["left_out"]
        assert sum(card["left_out"].get(name, {}).values()) == row["left_out"]
    assert sum(row["read"] for row in card["funnel"].values()) == len(documents())
    assert totals(card)["splits"]["train"] > 0


def test_every_reason_has_its_count_and_examples(artifacts: Inputs) -> None:
    card = data_card(artifacts, "tiny", "")
    found = {(row["stage"], row["source"], row["reason"]): row for row in card["rejected"]}
    assert {key: row["count"] for key, row in found.items()} == {
        ("raw_corpus", "web", "bomb"): 1,
        ("documents", "web", "empty"): 2,
        ("clean_shards", "web", "min_chars"): 1,
        ("clean_shards", "web", "policy"): 1,
        ("clean_shards", "general", "min_chars"): 1,
        ("unique_shards", "web", "exact_duplicates"): 1,
        ("unique_shards", "web", "evaluation_overlaps"): 1,
    }
    [short] = found["clean_shards", "web", "min_chars"]["examples"]
    assert (short["value"], short["threshold"], short["excerpt"]) == (5, 40, "short")
    assert verdict_of(short) == "5, threshold 40"
    assert card["uses"] == {"evaluation,pt,sft": 62, "evaluation": 65, "evaluation,pt": 60, "sft": 60}
    assert card["funnel"]["web"]["splits"]["evaluation"] == 5


def test_the_page_escapes_what_strangers_wrote(artifacts: Inputs) -> None:
    page = card_page(data_card(artifacts, "tiny", "A <title>"))
    assert "A &lt;title&gt;: data card" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page
    assert "application/zip" in page
    assert "3 files are of another format than their extension says" in page
    assert "rule 2: where stance is secret: use nothing" in page


def test_how_much_of_the_files_was_read_is_shown(artifacts: Inputs) -> None:
    page = " ".join(card_page(data_card(artifacts, "tiny", "")).split())
    figures = "".join(f'<td class="number">{figure}</td>' for figure in ("2", "1,000", "90.0", "6.0", "4.0"))
    assert f'<tr><th scope="row">web</th>{figures}</tr>' in page
    assert "web: least.html</span> — 71.4 % read; 40 of 200 characters outside" in page


def test_a_model_of_relevance_and_boilerplate_are_shown(artifacts: Inputs, tmp_path: Path) -> None:
    held_out = {"precision": 0.9, "recall": 0.8, "threshold": 0.5, "general_kept_share": 0.1}
    model = {"held_out": held_out, "domain": {"held_out": 10}, "general": {"held_out": 12}, "by_threshold": []}
    write(tmp_path / "stats.json", {**model, "telling_words": {"domain": [], "general": []}})
    unique = tmp_path / "unique_shards"
    shutil.copytree(artifacts.folders["unique_shards"], unique)
    stats = json.loads((unique / "stats.json").read_text(encoding="utf-8"))
    write(unique / "stats.json", {**stats, "relevance": {"threshold": 0.5, "score_counts_by_source": {}}})
    card = data_card(Inputs({**artifacts.folders, "unique_shards": unique, "relevance_model": tmp_path}), "tiny", "")
    card["relevance"]["near_line"] = [
        {"source": "web", "path": "p", "value": 0.49, "is_kept": False, "excerpt": "nearly"}
    ]
    card["boilerplate"] = {
        "by_source": {"web": {"lines": 3, "chars": 90, "documents": 2}},
        "lines": [{"source": "web", "line": "All rights reserved.", "documents": 2}],
    }
    page = card_page(card)
    assert "precision 0.900, recall 0.800" in page
    assert "0.490, rejected" in page
    assert "All rights reserved." in page


def test_what_is_near_the_line_is_the_nearest_on_both_sides(tmp_path: Path) -> None:
    model = dict.fromkeys(("held_out", "domain", "general", "by_threshold", "telling_words"), "")
    write(tmp_path / "relevance_model/stats.json", model)
    values = [round(0.3 + number / 100, 2) for number in range(60)][::-1]
    rows = [{"id": f"d{value}", "value": value, "is_kept": value >= 0.5} for value in values]
    write(tmp_path / "unique_shards/near_line.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    found = relevance(
        Inputs({name: tmp_path / name for name in ("relevance_model", "unique_shards")}),
        {"relevance": {"threshold": 0.5}},
    )
    assert found is not None
    shown = [row["value"] for row in found["near_line"]]
    assert shown == sorted(shown, reverse=True)
    assert sorted(round(abs(value - 0.5), 4) for value in shown) == [
        0,
        *(n / 100 for n in (1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6)),
    ]
    assert len(shown) == SHOWN_NEAR_LINE
    assert {row["is_kept"] for row in found["near_line"]} == {True, False}


def test_the_lines_that_stand_in_most_documents_are_shown(tmp_path: Path) -> None:
    rows = [{"source": "web", "line": f"line {count}", "documents": count} for count in range(1, 30)]
    write(tmp_path / "boilerplate.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    found = boilerplate(Inputs({"unique_shards": tmp_path}), {"boilerplate": {}})
    assert [row["documents"] for row in found["lines"]] == list(range(29, 17, -1))


def test_a_repeat_has_its_similarity_and_threshold() -> None:
    row = {"similarity": 0.876, "duplicate_of": "c1", "threshold": 0.8}
    assert verdict_of(row) == "similarity 0.88 to c1, threshold 0.8"


def test_bins_are_in_numerical_order() -> None:
    assert by_bin({"1024": 1, "64": 4, "512": 2}) == [("64", 4, 100.0), ("512", 2, 50.0), ("1024", 1, 25.0)]


def test_findings_by_kind() -> None:
    counts = {"occurrences": 1, "documents": 1}
    card = {"found": dict.fromkeys(("repeated_lines", "secret_aws_key", "personal_data_email"), counts)}
    assert [row[:2] for row in found_by_kind(card)] == [
        ("personal data", "email"),
        ("secret", "aws key"),
        ("text", "repeated lines"),
    ]


def test_conversations_that_are_not_learned_are_counted(artifacts: Inputs, tmp_path: Path) -> None:
    folder = tmp_path / "sft_tokens"
    counts = {"conversations": 2, "tokens": 40, "learned_tokens": 10, "learned_share": 0.25}
    stats = {"rejected_by_source": {"mine": {"longer_than_row": 1}}, "taken": {"train": {"mine": {"alpaca": counts}}}}
    write(folder / "stats.json", stats)
    row = {"id": "a", "source": "mine", "path": "a.jsonl", "section": "byte 0", "document": "a", "split": "train"}
    write(folder / "rejected.jsonl", json.dumps({**row, "reason": "longer_than_row", "detail": "900 tokens"}) + "\n")
    card = data_card(Inputs({**artifacts.folders, "sft_tokens": folder}), "tiny", "")
    assert card["conversations"] == [{"source": "mine", "form": "alpaca", **counts}]
    [lost] = [each for each in card["rejected"] if each["stage"] == "sft_tokens"]
    assert (lost["source"], lost["reason"], lost["count"], len(lost["examples"])) == ("mine", "longer_than_row", 1, 1)
    page = card_page(card)
    assert "25.0 %" in page
    assert "900 tokens" in page


def test_own_conversations_that_ask_what_a_held_out_one_asks_are_counted(artifacts: Inputs, tmp_path: Path) -> None:
    folder = tmp_path / "sft_dataset"
    rows = [
        {"document": f"d{n}", "source": source, "path": "a.jsonl", "section": f"byte {n}", "reason": "asks_as_held_out"}
        for n, source in enumerate(["chat", "chat", "mine", "chat", "chat"])
    ]
    write(folder / "left_out.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    card = data_card(Inputs({**artifacts.folders, "sft_dataset": folder}), "tiny", "")
    found = [each for each in card["rejected"] if each["stage"] == "sft_dataset"]
    assert [(row["source"], row["reason"], row["count"]) for row in found] == [
        ("chat", "asks_as_held_out", 4),
        ("mine", "asks_as_held_out", 1),
    ]
    assert [len(row["examples"]) for row in found] == [3, 1]
    assert {row["section"] for row in found[1]["examples"]} == {"byte 2"}
    page = card_page(card)
    assert "asks as held out" in page
    assert "byte 2" in page
