from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer
from tokenizers.models import Unigram

from domainlm.config.pretraining import PtTokens
from domainlm.contract import Inputs, Resources, StageError
from domainlm.pipeline.slices import parse_slice
from domainlm.stages import pt_tokens
from domainlm.text.document import Document, write_documents
from domainlm.tokens.rows import read_split
from domainlm.tokens.special import SpecialTokens

TEXTS = ["Short.", "A somewhat longer text of a document.", "x" * 31, "y" * 32, "z" * 70, "says <|endoftext|> itself"]


def document(index: int, text: str) -> Document:
    blank = dict.fromkeys(("section", "group", "links", "title", "meta", "licence", "authority", "stance"), "")
    return Document(id=f"d{index}", source="ab"[index % 2], role="corpus", path="p", start=0, end=1, text=text, **blank)


def build(base: Path, folder: Path, texts: list[str] = TEXTS) -> Path:
    split, out = folder / "corpus_split", folder / "out"
    split.mkdir(parents=True)
    out.mkdir()
    for name in ("train", "validation"):
        write_documents(split / f"{name}.parquet", [document(i, text) for i, text in enumerate(texts)])
    config = {"section": PtTokens(sequence_length=32).model_dump(mode="json")}
    pt_tokens.run(
        Inputs({"corpus_split": split, "base_model": base}),
        parse_slice("pt_tokens", config),
        out,
        folder,
        Resources(),
    )
    return out


@pytest.mark.parametrize("pad", ["<|im_end|>", "<|endoftext|>"])
def test_every_documents_end_of_text_is_learned_also_where_it_is_the_padding(
    pad: str, make_base: Callable[..., Path], tmp_path: Path
) -> None:
    out = build(make_base("llama", pad=pad), tmp_path / "w")
    rows = read_split(out, "train")
    sidecar = pq.read_table(out / "train_sidecar.parquet").to_pylist()
    lengths = {f"d{i}": len(text.encode()) + 1 for i, text in enumerate(TEXTS)}
    ends = 0
    for part in sidecar:
        assert rows.loss_mask[part["row"], part["start"]] == 0
        assert rows.loss_mask[part["row"], part["start"] + 1 : part["end"]].all()
        if part["offset"] + part["end"] - part["start"] == lengths[part["document"]]:
            assert rows.ids[part["row"], part["end"] - 1] == 0
            assert rows.loss_mask[part["row"], part["end"] - 1] == 1
            ends += 1
    assert ends == len(TEXTS)
    assert rows.loss_mask.sum() == sum(length - 1 for length in lengths.values())


def test_an_end_of_text_written_in_a_text_stays_text(make_base: Callable[..., Path], tmp_path: Path) -> None:
    rows = read_split(build(make_base("llama"), tmp_path / "w"), "train")
    assert ((rows.ids == 0) & (rows.loss_mask == 1)).sum() == len(TEXTS)


def test_meta_and_bytes(make_base: Callable[..., Path], tmp_path: Path) -> None:
    base = make_base("llama")
    one, two = build(base, tmp_path / "one"), build(base, tmp_path / "two")
    assert {p.name: p.read_bytes() for p in one.iterdir()} == {p.name: p.read_bytes() for p in two.iterdir()}
    meta = json.loads((one / "meta.json").read_text())
    assert meta["sequence_length"] == 32
    assert meta["pad_id"] == 2
    assert sum(meta["tokens_by_source"].values()) == sum(len(text.encode()) + 1 for text in TEXTS)


def test_a_document_begins_with_what_the_tokenizer_puts_before_a_text(
    make_base: Callable[..., Path], tmp_path: Path
) -> None:
    base = make_base("llama")
    tokens = json.loads((base / "tokens.json").read_text()) | {"text_start_ids": [1]}
    (base / "tokens.json").write_text(json.dumps(tokens))
    out = build(base, tmp_path / "w")
    rows = read_split(out, "train")
    starts = [part for part in pq.read_table(out / "train_sidecar.parquet").to_pylist() if part["offset"] == 0]
    assert len(starts) == len(TEXTS)
    for part in starts:
        assert rows.ids[part["row"], part["start"]] == 1
        assert rows.loss_mask[part["row"], part["start"] : part["start"] + 2].tolist() == [0, 1]
    assert (rows.ids[rows.loss_mask == 1] == 1).sum() == 0


def test_a_control_token_that_the_tokenizer_reads_out_of_a_text_is_not_learned(tmp_path: Path) -> None:
    """A Unigram tokenizer has its control tokens among its words, and takes them in spite of encode_special_tokens."""
    words = [("<unk>", 0.0), ("</s>", 0.0), *((letter, -1.0) for letter in "▁abcs</>")]
    tokenizer = Tokenizer(Unigram(words, unk_id=0))
    tokenizer.add_special_tokens(["</s>"])
    tokenizer.encode_special_tokens = True
    write_documents(tmp_path / "train.parquet", [document(1, "a</s>b")])
    tokens = SpecialTokens(1, "</s>", 1, "</s>", 0, 10)
    (found,) = pt_tokens.tokenise(tokenizer, tmp_path / "train.parquet", tokens)
    assert [(int(number), int(flag)) for number, flag in zip(found.ids, found.loss_mask, strict=True)] == [
        (3, 1),
        (1, 0),
        (4, 1),
        (1, 1),
    ]


@pytest.mark.parametrize("is_padding", [False, True])
def test_truncation_and_padding_of_the_tokenizers_file_do_not_count(
    is_padding: bool, make_base: Callable[..., Path], tmp_path: Path
) -> None:
    base = make_base("llama")
    expected = build(base, tmp_path / "plain")
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    if is_padding:
        tokenizer.enable_padding(pad_id=2, pad_token="<|im_end|>")
    else:
        tokenizer.enable_truncation(10)
    tokenizer.save(str(base / "tokenizer.json"))
    found = build(base, tmp_path / "changed")
    assert (found / "train_ids.npy").read_bytes() == (expected / "train_ids.npy").read_bytes()
    assert (found / "meta.json").read_bytes() == (expected / "meta.json").read_bytes()


def test_rows_longer_than_the_models_positions_are_refused(make_base: Callable[..., Path], tmp_path: Path) -> None:
    base = make_base("llama", max_position_embeddings=31)
    with pytest.raises(StageError, match=r"set pt_tokens\.sequence_length to 31 or less"):
        build(base, tmp_path / "w")


def test_an_empty_split_is_refused(make_base: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(StageError, match="'train' holds no token sequence"):
        build(make_base("llama"), tmp_path / "w", [])


def test_a_control_token_that_the_file_calls_ordinary_stays_text(
    make_base: Callable[..., Path], tmp_path: Path
) -> None:
    base = make_base("llama")
    plain = build(base, tmp_path / "plain", ["no name of a token", "of two"])
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.add_tokens(["<tool_call>", "<|fim_prefix|>", "aspirin"])
    tokenizer.save(str(base / "tokenizer.json"))
    call, fim, word = (tokenizer.token_to_id(name) for name in ("<tool_call>", "<|fim_prefix|>", "aspirin"))
    again = build(base, tmp_path / "again", ["no name of a token", "of two"])
    assert (again / "train_ids.npy").read_bytes() == (plain / "train_ids.npy").read_bytes()
    out = build(base, tmp_path / "named", ["a <tool_call>", "<|fim_prefix|> b", "aspirin"])
    ids = read_split(out, "train").ids
    assert [int((ids == number).sum()) for number in (call, fim, word)] == [0, 0, 1]
    meta = json.loads((out / "meta.json").read_text())
    assert sum(meta["tokens_by_source"].values()) == len("a <tool_call>") + len("<|fim_prefix|> b") + 1 + 3
