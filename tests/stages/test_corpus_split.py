from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domainlm.config.text import CorpusSplit
from domainlm.contract import Inputs, Resources, StageError
from domainlm.pipeline.slices import parse_slice
from domainlm.stages import corpus_split
from domainlm.text.document import Document, read_documents, write_documents
from domainlm.text.order import canonical_key
from domainlm.text.split import SPLITS
from domainlm.tokens.special import SpecialTokens, write_special_tokens

QUIET = Resources(log=lambda line: None)
USES = {"corpus": "pt,sft", "replay": "pt", "evaluation": "evaluation", "instruction": "sft"}


def document(
    number: int, role: str, group: str, words: int = 9, links: tuple[str, ...] = (), use: str = ""
) -> Document:
    text = " ".join(["kidney" if role == "instruction" else "lung"] * words)
    name = f"{role}{number:03d}"
    labels = ("", "", "", "", use or USES[role])
    return Document(name, role, role, "p", name, number, 1, group, json.dumps(links), "", text, "{}", *labels)


def corpus() -> list[Document]:
    terms = [document(n, "corpus", f"g{n // 4}", links=(f"g{n // 4}", f"parent{n % 37}")) for n in range(200)]
    articles = [document(n, "replay", f"article{n // 3}", words=19) for n in range(60)]
    return [*terms, *articles, document(0, "evaluation", "e"), document(0, "instruction", "i")]


@pytest.fixture(scope="module")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "lung": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path_factory.mktemp("base_model")
    tokenizer.save(str(folder / "tokenizer.json"))
    write_special_tokens(folder, SpecialTokens(0, "[UNK]", 0, "[UNK]", 0, 2))
    return folder


def build(
    folder: Path, base_model: Path, documents: list[Document], seed: int = 17, has_corpus: bool = True, **section: Any
) -> Path:
    upstream, out = folder / "unique_shards", folder / "out"
    upstream.mkdir(parents=True)
    out.mkdir()
    write_documents(upstream / "documents.parquet", sorted(documents, key=canonical_key))
    config = {"section": CorpusSplit.model_validate(section).model_dump(mode="json"), "seed": seed}
    config |= {"evaluation_threshold": 0.5, "shingle_words": 5, "has_corpus": has_corpus}
    inputs = Inputs({"unique_shards": upstream, "base_model": base_model})
    corpus_split.run(inputs, parse_slice("corpus_split", config), out, folder, QUIET)
    return out


def read(out: Path) -> dict[str, list[Document]]:
    return {name: list(read_documents(out / f"{name}.parquet")) for name in SPLITS}


def links(documents: list[Document]) -> set[str]:
    return {link for document in documents for link in json.loads(document.links)}


def test_no_group_and_no_link_straddles(tmp_path: Path, base_model: Path) -> None:
    out = build(tmp_path, base_model, corpus())
    found = read(out)
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    train = [d for d in found["train"] if d.role == "corpus"]
    assert len(found["test"]) == 12
    for one, other in ((train, found["test"]), (train, found["validation"]), (found["validation"], found["test"])):
        assert not {d.group for d in one} & {d.group for d in other}
        assert not links(one) & links(other)
    left_out = stats["left_out"]
    assert left_out["sibling_of_held_out"] > 0
    corpus_count = len(train) + len(found["validation"]) + len(found["test"])
    assert corpus_count + left_out["sibling_of_held_out"] + left_out["validation_sibling_of_test"] == 200
    assert not {d.group for d in found["general_held_out"]} & {d.group for d in found["train"]}
    assert len({d.group for d in found["general_held_out"]}) == 6
    assert [d.id for d in found["evaluation"] + found["instruction"]] == ["evaluation000", "instruction000"]


def test_tokens_and_replay_share(tmp_path: Path, base_model: Path) -> None:
    out = build(tmp_path, base_model, corpus(), replay_share=0.2)
    train = read(out)["train"]
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))["train"]
    # every token counts, the end of the text as well
    tokens = {"corpus": 10, "replay": 20}
    assert stats["tokens"] == sum(tokens[d.role] for d in train)
    assert stats["tokens_by_source"] == {role: sum(n for d in train if d.role == role) for role, n in tokens.items()}
    assert stats["replay_tokens"] == stats["tokens_by_source"]["replay"]
    assert 0.18 < stats["replay_share"] <= 0.2
    assert train != sorted(train, key=canonical_key)


def test_a_budget_holds_and_counts_what_it_leaves_out(tmp_path: Path, base_model: Path) -> None:
    whole = json.loads((build(tmp_path / "a", base_model, corpus()) / "stats.json").read_text(encoding="utf-8"))
    out = build(tmp_path / "b", base_model, corpus(), max_train_tokens=400, replay_share=0.1)
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert stats["train"]["tokens"] == 400
    assert stats["train"]["tokens_by_source"] == {"corpus": 360, "replay": 40}
    assert stats["left_out"]["over_budget"] == whole["train"]["tokens_by_source"]["corpus"] // 10 - 36
    for name in ("validation", "test", "general_held_out"):
        assert stats[name] == whole[name]


def test_bytes_depend_on_the_seed_only(tmp_path: Path, base_model: Path) -> None:
    one = build(tmp_path / "one", base_model, corpus())
    two = build(tmp_path / "two", base_model, corpus()[::-1])
    other = build(tmp_path / "other", base_model, corpus(), seed=18)
    for name in SPLITS:
        assert (one / f"{name}.parquet").read_bytes() == (two / f"{name}.parquet").read_bytes()
    assert (one / "test.parquet").read_bytes() != (other / "test.parquet").read_bytes()


def test_without_general_text(tmp_path: Path, base_model: Path) -> None:
    out = build(tmp_path, base_model, corpus()[:200])
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert (stats["train"]["replay_tokens"], stats["general_held_out"]["documents"]) == (0, 0)
    assert stats["train"]["documents"] > 0


@pytest.mark.parametrize(
    ("documents", "section", "message"),
    [
        (corpus()[:10], {}, r"10 documents in 3 groups.*corpus_split\.min_documents"),
        ([document(n, "corpus", "one") for n in range(50)], {}, "at least 3"),
        ([document(n, "corpus", f"g{n}", links=("root",)) for n in range(50)], {}, r"documents\.group_depth"),
        (corpus(), {"max_train_tokens": 5}, "max_train_tokens"),
    ],
)
def test_too_small_to_split(
    tmp_path: Path, base_model: Path, documents: list[Document], section: dict[str, Any], message: str
) -> None:
    with pytest.raises(StageError, match=message):
        build(tmp_path, base_model, documents, **section)


def rows(path: Path) -> dict[str, str]:
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row["id"]: row["reason"] for row in found}


def test_every_document_is_in_a_split_or_left_out_with_a_reason(tmp_path: Path, base_model: Path) -> None:
    documents = corpus()
    out = build(tmp_path, base_model, documents, max_train_tokens=400)
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    left_out = rows(out / "left_out.jsonl")
    inside = {d.id for found in read(out).values() for d in found}
    assert not inside & set(left_out)
    assert inside | set(left_out) == {d.id for d in documents}
    counts = Counter(left_out.values())
    assert {name: count for name, count in stats["left_out"].items() if count} == counts
    assert set(counts) >= {"over_budget", "sibling_of_held_out", "replay_not_needed"}
    assert stats["left_out_by_source"]["replay"] == {"replay_not_needed": counts["replay_not_needed"]}


def test_the_policy_s_uses_decide(tmp_path: Path, base_model: Path) -> None:
    terms = [document(n, "corpus", f"g{n // 4}") for n in range(100)]
    only_sft = [document(n, "corpus", f"s{n // 4}", use="sft") for n in range(100, 140)]
    only_evaluation = [document(n, "corpus", "judged", links=("hidden",), use="evaluation") for n in range(140, 145)]
    beside = [document(145, "corpus", "other", links=("hidden",)), document(146, "corpus", "judged")]
    other = [document(147, "corpus", "c", use="classifier,evaluation"), document(148, "corpus", "d", use="classifier")]
    out = build(tmp_path, base_model, [*terms, *only_sft, *only_evaluation, *beside, *other], replay_share=0.0)
    found = {name: {d.id for d in documents} for name, documents in read(out).items()}
    assert found["train_sft_only"]
    assert found["train_sft_only"] <= {d.id for d in only_sft}
    assert found["train"] < {d.id for d in terms}
    held_out = found["validation"] | found["validation_sft_only"] | found["test"]
    assert {d.id for d in [*terms, *only_sft]} == found["train"] | found["train_sft_only"] | held_out
    assert found["evaluation"] == {d.id for d in only_evaluation} | {"corpus147"}
    left_out = rows(out / "left_out.jsonl")
    assert left_out == {
        "corpus145": "sibling_of_evaluation", "corpus146": "sibling_of_evaluation", "corpus148": "classifier_only"
    }  # fmt: skip


def test_a_corpus_of_which_pt_may_see_nothing_is_an_error(tmp_path: Path, base_model: Path) -> None:
    documents = [document(n, "corpus", f"g{n // 4}", use="sft") for n in range(100)]
    with pytest.raises(StageError, match=r"no training document of 100 corpus documents may be used for pt"):
        build(tmp_path, base_model, documents)


def test_pt_does_not_choose_by_what_it_may_not_see(tmp_path: Path, base_model: Path) -> None:
    documents = [document(n, "corpus", f"g{n // 4}", use="sft" if n % 2 else "pt,sft") for n in range(200)]
    found = read(build(tmp_path / "a", base_model, documents, replay_share=0.0))
    uses = {
        name: {d.use for d in found[name]} for name in ("train", "validation", "train_sft_only", "validation_sft_only")
    }
    assert uses == {
        "train": {"pt,sft"},
        "validation": {"pt,sft"},
        "train_sft_only": {"sft"},
        "validation_sft_only": {"sft"},
    }
    assert {d.group for d in found["validation_sft_only"]} == {d.group for d in found["validation"]}
    held_out = {d.group for d in found["validation"]}
    only_sft = [replace(d, use="sft") if d.group in held_out else d for d in documents]
    with pytest.raises(StageError, match=r"held out for validation may be used for pt.*validation_share \(0\.04\)"):
        build(tmp_path / "b", base_model, only_sft, replay_share=0.0)


def test_instruction_text_that_repeats_held_out_text_is_left_out(tmp_path: Path, base_model: Path) -> None:
    terms = [document(n, "corpus", f"g{n // 4}") for n in range(100)]
    terms = [replace(each, text=" ".join(f"w{each.id}x{n}" for n in range(40))) for each in terms]
    found = read(build(tmp_path / "a", base_model, terms, replay_share=0.0))
    answers = {name: found[name][0].text for name in ("train", "validation", "test")}
    question = "Dear doctor, what would you say to a patient who asks for the meaning of this long word"
    turns = [{"role": "user", "content": question * 9}, {"role": "assistant", "content": answers["test"][:200]}]
    said = json.dumps({"messages": turns})
    asked = [
        replace(document(0, "instruction", "i"), text=f"{question}\n\n{answers['train']}"),
        replace(document(1, "instruction", "i"), text=f"{question}\n\n{answers['validation']}"),
        # a turn out of a held-out text, among many words that are not
        replace(document(2, "instruction", "i"), text=f"{question * 9}\n\n{answers['test'][:200]}", meta=said),
        replace(document(3, "instruction", "i"), text=question),
    ]
    out = build(tmp_path / "b", base_model, [*terms, *asked], replay_share=0.0)
    assert [d.id for d in read(out)["instruction"]] == ["instruction000", "instruction003"]
    reasons = {
        identifier: reason for identifier, reason in rows(out / "left_out.jsonl").items() if "instr" in identifier
    }
    assert reasons == {"instruction001": "repeat_of_held_out", "instruction002": "repeat_of_held_out"}
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert stats["left_out_by_source"]["instruction"] == {"repeat_of_held_out": 2}


def test_conversations_need_no_corpus_where_the_domain_has_none(tmp_path: Path, base_model: Path) -> None:
    own = [each for each in corpus() if each.role != "corpus"]
    out = build(tmp_path / "none", base_model, own, has_corpus=False)
    found = read(out)
    assert [d.id for d in found["instruction"]] == ["instruction000"]
    assert not any(found[name] for name in ("train", "validation", "test"))
    assert len({d.group for d in found["general_held_out"]}) == 6
    stats = json.loads((out / "stats.json").read_text(encoding="utf-8"))
    assert (stats["train"]["replay_share"], stats["groups"]["largest"]) == (0, 0)
    with pytest.raises(StageError, match="the corpus has 0 documents"):
        build(tmp_path / "lost", base_model, own)
