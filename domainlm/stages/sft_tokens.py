"""Artifact `sft_tokens`: conversations as packed token files with loss masks.

In: `sft_dataset` (train, validation) and `base_model` (tokenizer, chat template). Out: packed rows with a loss mask
on assistant turns and the token that ends them, sidecar, meta.json, and rejected.jsonl. A conversation is never cut:
one that is longer than a row is rejected and counted, since its end of turn would be lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domainlm.config.instruction import SftTokens, SftTokensSlice
from domainlm.contract import Inputs, Resources, StageError, Stats
from domainlm.models.positions import check_row_length
from domainlm.tokens.chat import ConversationError, encode_conversation
from domainlm.tokens.files import SPLITS, PackedFigures, write_meta, write_split
from domainlm.tokens.packing import TokenSequence
from domainlm.tokens.special import SpecialTokens, naming_source, read_special_tokens, source_name
from domainlm.tokens.template import Render, template_renderer
from domainlm.tokens.tokenizer import read_tokenizer


def run(inputs: Inputs, config: SftTokensSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    from transformers import AutoTokenizer

    section = config.section
    base = inputs.folders["base_model"]
    tokens = read_special_tokens(base)
    with naming_source(source_name(base)):
        check_row_length(base, section.sequence_length, "sft_tokens.sequence_length")
        if tokens.turn_end is None:
            raise StageError(
                "the base model's tokenizer has no chat template, so a turn has no end; expected one: set"
                " base_model.chat_template, or give sources.<base_model> a tokenizer with a chat_template"
            )
        named = AutoTokenizer.from_pretrained(base, local_files_only=True, trust_remote_code=False)
        with template_renderer(named, section.template_date) as render:
            figures, rejected = _write_splits(inputs, section, render, tokens, tokens.turn_end, out, resources)
    with (out / "rejected.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n" for row in rejected)
    meta = write_meta(out, figures, section.sequence_length, tokens.pad_id, tokens.end_of_text_id)
    return {**meta, "rejected": len(rejected)}


def _write_splits(
    inputs: Inputs,
    section: SftTokens,
    render: Render,
    tokens: SpecialTokens,
    turn_end: str,
    out: Path,
    resources: Resources,
) -> tuple[dict[str, PackedFigures], list[dict[str, str]]]:
    """Figures of each split, and the rejected conversations."""
    import numpy as np

    tokenizer = read_tokenizer(inputs.folders["base_model"])
    # a tokenizer need not call the token special that its template ends turns with
    special = {token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special}
    special |= {turn_end, tokens.end_of_text}

    def encode(text: str) -> Any:
        return tokenizer.encode(text, add_special_tokens=False)

    figures: dict[str, PackedFigures] = {}
    rejected: list[dict[str, str]] = []
    for done, split in enumerate(SPLITS):
        resources.progress(done, len(SPLITS), {})
        sequences = []
        for row in _read_rows(inputs.folders["sft_dataset"] / f"{split}.jsonl"):
            try:
                ids, mask = encode_conversation(
                    render, encode, with_system_turn(row["messages"], section.system_prompt), turn_end, special
                )
                if len(ids) > section.sequence_length:
                    raise ConversationError("longer_than_row", f"{len(ids)} tokens")
            except ConversationError as error:
                rejected.append({"id": row["id"], "split": split, "reason": error.reason, "detail": error.detail})
                continue
            arrays = np.array(ids, dtype=np.int32), np.array(mask, dtype=np.uint8)
            sequences.append(TokenSequence(row["id"], row["source"], *arrays))
        if not sequences:
            raise StageError(
                f"no conversation of sft_dataset's {split} split is left ({len(rejected)} rejected, the first ones:"
                f" {rejected[:3]}); expected at least one: raise sft_tokens.sequence_length where they are longer_than_row, set"
                " base_model.chat_template where the template refuses or changes them, or look at sft_dataset"
            )
        figures[split] = write_split(out, split, sequences, section.sequence_length, tokens.pad_id)
    return figures, rejected


def with_system_turn(messages: list[dict[str, str]], system_prompt: str | None) -> list[dict[str, str]]:
    """The conversation with the configured system turn, unless it brings its own."""
    if system_prompt is None or messages[0]["role"] == "system":
        return messages
    return [{"role": "system", "content": system_prompt}, *messages]


def _read_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
