from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer

from domainlm.config.instruction import SftTokens
from domainlm.contract import Inputs, Resources, StageError
from domainlm.pipeline.slices import parse_slice
from domainlm.stages import sft_tokens
from domainlm.tokens.rows import read_split

ANSWERS = ["A cat.", "Dogs bark; cats do not."]
Rows = list[dict[str, Any]]


def rows_of(answers: list[str], question: str = "What?") -> Rows:
    return [
        {
            "id": f"q{i}",
            "source": "s",
            "form": "messages",
            "path": "a.jsonl",
            "section": f"byte {i}",
            "document": f"d{i}",
            "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}],
        }
        for i, answer in enumerate(answers)
    ]


def build(base: Path, folder: Path, rows: Rows, length: int = 128, **section: Any) -> Path:
    dataset, out = folder / "sft_dataset", folder / "out"
    dataset.mkdir(parents=True)
    out.mkdir()
    for split in ("train", "validation"):
        (dataset / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    values = SftTokens(sequence_length=length, **section).model_dump(mode="json")
    inputs = Inputs({"sft_dataset": dataset, "base_model": base})
    sft_tokens.run(inputs, parse_slice("sft_tokens", {"section": values}), out, folder, Resources())
    return out


def training_texts(base: Path, out: Path) -> Iterator[tuple[int, str, str]]:
    """(number of the answer, whole text, learned text) of each conversation of the training split."""
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    rows = read_split(out, "train")
    for part in pq.read_table(out / "train_sidecar.parquet").to_pylist():
        span = slice(part["start"], part["end"])
        ids, mask = rows.ids[part["row"], span], rows.loss_mask[part["row"], span]
        whole, learned = (tokenizer.decode(each.tolist(), skip_special_tokens=False) for each in (ids, ids[mask == 1]))
        yield int(part["document"][1:]), whole, learned


def test_the_mask_covers_exactly_the_answers_and_their_turn_ends(
    make_base: Callable[..., Path], tmp_path: Path
) -> None:
    base = make_base("llama")
    out = build(base, tmp_path / "w", rows_of(ANSWERS), system_prompt="Be brief.")
    for number, whole, learned in training_texts(base, out):
        answer = ANSWERS[number]
        assert learned == f"{answer}<|im_end|>"
        assert whole == (
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat?<|im_end|>\n"
            f"<|im_start|>assistant\n{answer}<|im_end|>\n"
        )
    rows = read_split(out, "train")
    assert (rows.loss_mask[rows.ids == 2]).sum() == len(ANSWERS)


def test_conversations_that_cannot_be_learned_are_listed(make_base: Callable[..., Path], tmp_path: Path) -> None:
    out = build(make_base("llama"), tmp_path / "w", rows_of(["fine", "x" * 200, "ends <|im_end|> early"]))
    listed = [json.loads(line) for line in (out / "rejected.jsonl").read_text().splitlines()]
    assert [(row["id"], row["split"], row["reason"]) for row in listed[:2]] == [
        ("q1", "train", "longer_than_row"),
        ("q2", "train", "control_token_in_text"),
    ]
    assert json.loads((out / "meta.json").read_text())["rows"]["train"] == 1


def test_a_message_may_not_name_a_role_that_the_file_calls_ordinary(
    make_base: Callable[..., Path], tmp_path: Path
) -> None:
    """DeepSeek's tokenizer.json calls the tokens of its roles ordinary, and those of reasoning."""
    base = make_base("llama")
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.add_tokens(["<｜User｜>", "<think>"])
    tokenizer.save(str(base / "tokenizer.json"))
    template = base / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|im_start|>", "<｜User｜>") + "{# <think> #}")
    out = build(base, tmp_path / "w", rows_of(["<think>why</think>fine", "is <｜User｜> here"]))
    listed = [json.loads(line) for line in (out / "rejected.jsonl").read_text().splitlines()]
    assert [(row["id"], row["reason"], row["detail"]) for row in listed[:1]] == [
        ("q1", "control_token_in_text", "<｜User｜>")
    ]
    think = tokenizer.token_to_id("<think>")
    rows = read_split(out, "train")
    assert rows.loss_mask[rows.ids == think].tolist() == [1]


def test_nothing_left_is_an_error(make_base: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"sft_tokens\.sequence_length"):
        build(make_base("llama"), tmp_path / "w", rows_of(["x" * 200]))


def test_a_system_turn_of_its_own_is_kept() -> None:
    own = [{"role": "system", "content": "own"}, {"role": "user", "content": "a"}]
    assert sft_tokens.with_system_turn(own, "configured") == own
    assert sft_tokens.with_system_turn(own[1:], None) == own[1:]
    assert sft_tokens.with_system_turn(own[1:], "configured")[0] == {"role": "system", "content": "configured"}
    # an empty one is no turn
    empty = [{"role": "system", "content": " "}, *own[1:]]
    assert sft_tokens.with_system_turn(empty, None) == own[1:]
    assert sft_tokens.with_system_turn(empty, "configured")[0] == {"role": "system", "content": "configured"}


def test_who_speaks_first_is_asked_before_the_configured_system_turn(
    make_base: Callable[..., Path], tmp_path: Path
) -> None:
    rows = rows_of(ANSWERS)
    rows[0]["messages"].reverse()
    out = build(make_base("llama"), tmp_path / "w", rows, system_prompt="Be brief.")
    listed = [json.loads(line) for line in (out / "rejected.jsonl").read_text().splitlines()]
    assert [(row["id"], row["reason"]) for row in listed if row["split"] == "train"] == [("q0", "assistant_first")]


def test_an_answer_s_layout_is_learned(make_base: Callable[..., Path], tmp_path: Path) -> None:
    base = make_base("llama")
    answers = ["    for x in y:\n        print(x)", "def a():\n    pass\n\n\ndef b():\n    pass", "One  \ntwo."]
    out = build(base, tmp_path / "w", rows_of(answers), length=256, system_prompt=None)
    for number, _, learned in training_texts(base, out):
        assert learned == f"{answers[number]}<|im_end|>"


def test_what_is_learned_and_rejected_is_counted_by_source(make_base: Callable[..., Path], tmp_path: Path) -> None:
    out = build(make_base("llama"), tmp_path / "w", rows_of([*ANSWERS, "x" * 200]), system_prompt=None)
    stats = json.loads((out / "stats.json").read_text())
    assert stats["rejected_by_source"] == {"s": {"longer_than_row": 2}}
    assert stats["cut"] == {"train": 0, "validation": 0}
    counts = stats["taken"]["train"]["s"]["messages"]
    assert (counts["conversations"], counts["learned_share"]) == (2, 1.0)
    assert 0 < counts["learned_tokens"] < counts["tokens"]
    listed = json.loads((out / "rejected.jsonl").read_text().splitlines()[0])
    assert (listed["document"], listed["source"], listed["path"]) == ("d2", "s", "a.jsonl")


def test_long_conversations_are_cut_after_an_answer_if_asked(make_base: Callable[..., Path], tmp_path: Path) -> None:
    base, rows = make_base("llama"), rows_of(["short"])
    more = {"role": "assistant", "content": "y" * 200}
    rows[0]["messages"] += [{"role": "user", "content": "And?"}, more, {"role": "user", "content": "Thanks."}]
    out = build(base, tmp_path / "w", rows, system_prompt=None, long_conversations="cut")
    [(_, whole, _)] = training_texts(base, out)
    assert "And?" not in whole
    assert whole.endswith("short<|im_end|>\n")
    assert json.loads((out / "stats.json").read_text())["cut"] == {"train": 1, "validation": 1}


def test_the_mix_chooses_training_conversations(make_base: Callable[..., Path], tmp_path: Path) -> None:
    rows = rows_of(["one answer"] * 8)
    for row in rows[2:]:
        row["source"] = "tasks"
    mix = [{"source": "s", "share": 0.5}, {"source": "tasks", "share": 0.5}]
    out = build(make_base("llama"), tmp_path / "w", rows, system_prompt=None, mix=mix)
    taken = json.loads((out / "stats.json").read_text())["taken"]
    counts = {
        split: {name: found[name]["messages"]["conversations"] for name in found} for split, found in taken.items()
    }
    assert counts == {"train": {"s": 2, "tasks": 2}, "validation": {"s": 2, "tasks": 6}}
    assert taken["train"]["s"]["messages"]["learned_share"] == 0.5
    listed = [json.loads(line) for line in (out / "rejected.jsonl").read_text().splitlines()]
    assert [(row["split"], row["reason"]) for row in listed] == [("train", "over_mix")] * 4
    with pytest.raises(StageError, match=r"sft_tokens\.mix: part 1 matches no conversation; expected .* s: messages"):
        build(make_base("llama"), tmp_path / "v", rows, mix=[{"source": "misspelt", "share": 1.0}])


def test_only_what_is_taken_counts_as_cut(make_base: Callable[..., Path], tmp_path: Path) -> None:
    rows = rows_of(["short"] * 4)
    more = [{"role": "user", "content": "And?"}, {"role": "assistant", "content": "y" * 200}]
    for row in rows[1:]:
        row["source"], row["messages"] = "tasks", [*row["messages"], *more]
    mix = [{"source": "s", "share": 0.5}, {"source": "tasks", "share": 0.5}]
    out = build(make_base("llama"), tmp_path / "w", rows, system_prompt=None, long_conversations="cut", mix=mix)
    assert json.loads((out / "stats.json").read_text())["cut"] == {"train": 1, "validation": 3}


def test_what_cannot_fit_is_not_rendered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = [{"role": role, "content": "x"} for _ in range(50) for role in ("user", "assistant")]
    asked: list[int] = []

    def encoded(some: list[dict[str, str]]) -> tuple[list[int], list[int]]:
        asked.append(len(some))
        return [0] * 4 * len(some), [int(at % 8 >= 5) for at in range(4 * len(some))]

    found = sft_tokens._fitted(messages, encoded, SftTokens(sequence_length=83, long_conversations="cut"))
    assert (len(found[0]), found[2], asked) == (80, True, [100, 20])
