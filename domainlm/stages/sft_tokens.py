"""Artifact `sft_tokens`: conversations as packed token files with loss masks.

In: `sft_dataset` (train, validation) and the checkpoint whose chat form they take (tokenizer, chat template). Out:
packed rows with a loss mask on assistant turns and the token that ends them, sidecar, meta.json, stats.json (tokens by
source and form, the rejected by source and reason) and rejected.jsonl. A turn is never cut, since its end would be lost: a conversation
that is longer than a row is rejected, or cut between turns.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from domainlm.config.instruction import SftTokens, SftTokensSlice
from domainlm.contract import Inputs, Resources, StageError, Stats
from domainlm.models.positions import check_row_length
from domainlm.text.json_files import write_json
from domainlm.tokens.chat import ConversationError, encode_conversation
from domainlm.tokens.files import SPLITS, PackedFigures, write_meta, write_split
from domainlm.tokens.mix import Mixed, left_out_of_mix, shares_of
from domainlm.tokens.packing import TokenSequence
from domainlm.tokens.special import SpecialTokens, naming_source, read_special_tokens, source_name
from domainlm.tokens.spelled_out import not_in_messages
from domainlm.tokens.template import Render, template_renderer
from domainlm.tokens.tokenizer import read_tokenizer

# a part of the mix that is further from its share is named
MAX_SHARE_ERROR = 0.02


def run(inputs: Inputs, config: SftTokensSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    from transformers import AutoTokenizer

    section = config.section
    base = inputs.folders[config.chat]
    tokens = read_special_tokens(base)
    with naming_source(source_name(base), config.chat):
        check_row_length(base, section.sequence_length, "sft_tokens.sequence_length")
        named = AutoTokenizer.from_pretrained(base, local_files_only=True, trust_remote_code=False)
        with template_renderer(named, section.template_date) as render:
            figures, rejected, stats = _write_splits(
                inputs.folders["sft_dataset"], base, section, render, tokens, out, resources
            )
    with (out / "rejected.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n" for row in rejected)
    by_source: dict[str, Counter[str]] = {}
    for row in rejected:
        by_source.setdefault(row["source"], Counter())[row["reason"]] += 1
    write_json(out / "stats.json", {**stats, "rejected_by_source": by_source})
    meta = write_meta(out, figures, section.sequence_length, tokens.pad_id, tokens.end_of_text_id)
    return {**meta, "rejected": len(rejected)}


def _write_splits(
    dataset: Path,
    base: Path,
    section: SftTokens,
    render: Render,
    tokens: SpecialTokens,
    out: Path,
    resources: Resources,
) -> tuple[dict[str, PackedFigures], list[dict[str, str]], dict[str, Any]]:
    """Figures of each split, the rejected conversations, and what was taken."""
    import numpy as np

    tokenizer = read_tokenizer(base)
    special = not_in_messages(base, tokenizer, tokens)

    def encode(text: str) -> Any:
        return tokenizer.encode(text, add_special_tokens=False)

    figures: dict[str, PackedFigures] = {}
    rejected: list[dict[str, str]] = []
    stats: dict[str, Any] = {"cut": {}, "taken": {}}

    def encoded(messages: list[dict[str, str]]) -> tuple[list[int], list[int]]:
        return encode_conversation(render, encode, messages, tokens.turn_end, special)

    for done, split in enumerate(SPLITS):
        resources.progress(done, len(SPLITS), {})
        sequences: list[TokenSequence] = []
        rows: list[dict[str, Any]] = []
        cuts: list[bool] = []
        for row in _read_rows(dataset / f"{split}.jsonl"):
            try:
                messages = with_system_turn(row["messages"], section.system_prompt)
                ids, mask, is_cut = _fitted(messages, encoded, section)
            except ConversationError as error:
                rejected.append(_rejected(row, split, error.reason, error.detail))
                continue
            cuts.append(is_cut)
            rows.append(row)
            arrays = np.array(ids, dtype=np.int32), np.array(mask, dtype=np.uint8)
            sequences.append(TokenSequence(row["id"], row["source"], *arrays))
        if not sequences:
            raise StageError(
                f"no conversation of sft_dataset's {split} split is left ({len(rejected)} rejected, the first ones:"
                f" {rejected[:3]}); expected at least one: raise sft_tokens.sequence_length where they are longer_than_row, set"
                " base_model.chat_template where the template refuses or changes them, or look at sft_dataset"
            )
        kept: Sequence[int] = range(len(rows))
        if split == "train":
            left_out = _left_out(rows, sequences, section, resources)
            rejected += [_rejected(rows[at], split, reason, "sft_tokens.mix") for at, reason in left_out.items()]
            kept = [at for at in kept if at not in left_out]
        stats["cut"][split], stats["taken"][split] = sum(cuts[at] for at in kept), _taken(rows, sequences, kept)
        sequences = [sequences[at] for at in kept]
        figures[split] = write_split(out, split, sequences, section.sequence_length, tokens.pad_id)
    return figures, rejected, stats


def _rejected(row: dict[str, Any], split: str, reason: str, detail: str) -> dict[str, str]:
    place = {name: str(row.get(name, "")) for name in ("id", "source", "path", "section", "document")}
    return {**place, "split": split, "reason": reason, "detail": detail}


def _fitted(
    messages: list[dict[str, str]],
    encoded: Callable[[list[dict[str, str]]], tuple[list[int], list[int]]],
    section: SftTokens,
) -> tuple[list[int], list[int], bool]:
    """Ids and loss mask within a row, and whether it was cut.

    Raises ConversationError.
    """
    ids, mask = encoded(messages)
    if len(ids) <= section.sequence_length:
        return ids, mask, False
    if section.long_conversations == "cut":
        # from the longest that is shorter; halving would trust every template to grow with each turn
        for end in reversed(_ends_that_may_fit(messages, mask, section.sequence_length)):
            shorter, its_mask = encoded(messages[:end])
            if len(shorter) <= section.sequence_length:
                return shorter, its_mask, True
    raise ConversationError("longer_than_row", f"{len(ids)} tokens")


def _ends_that_may_fit(messages: list[dict[str, str]], mask: Sequence[int], limit: int) -> list[int]:
    """The numbers of turns after which a conversation may be cut.

    Those are left out whose answer ends beyond the limit in the whole already: each trial costs a rendering of all turns.
    """
    ends = [at for at, message in enumerate(messages, 1) if message["role"] == "assistant"]
    stops = [at for at, (this, after) in enumerate(itertools.pairwise([*mask, 0]), 1) if this and not after]
    if len(stops) == len(ends):
        ends = [end for end, stop in zip(ends, stops, strict=True) if stop <= limit]
    return [end for end in ends if end < len(messages)]


def _left_out(
    rows: list[dict[str, Any]], sequences: list[TokenSequence], section: SftTokens, resources: Resources
) -> dict[int, str]:
    """Reason by place of the conversations that the mix leaves out."""
    found = [
        Mixed(row["source"], _form(row), int(each.loss_mask.sum())) for row, each in zip(rows, sequences, strict=True)
    ]
    try:
        left_out = left_out_of_mix(found, section.mix)
    except ValueError as error:
        raise StageError(f"sft_tokens.mix: {error}") from error
    for number, (part, share) in enumerate(zip(section.mix, shares_of(found, section.mix, left_out), strict=True), 1):
        if abs(share - part.share) > MAX_SHARE_ERROR:
            resources.log(
                f"sft_tokens.mix: part {number} has {share:.3f} of the learned tokens, and its share is {part.share}: its "
                "conversations are too long, or too few, to come nearer"
            )
    return left_out


def _form(row: dict[str, Any]) -> str:
    return str(row.get("form", ""))


def _taken(rows: list[dict[str, Any]], sequences: list[TokenSequence], kept: Iterable[int]) -> dict[str, Any]:
    """Conversations, tokens and realised shares by source and form."""
    found: dict[str, dict[str, Counter[str]]] = {}
    for at in kept:
        counts = found.setdefault(rows[at]["source"], {}).setdefault(_form(rows[at]), Counter())
        learned = int(sequences[at].loss_mask.sum())
        counts.update(conversations=1, tokens=len(sequences[at].ids), learned_tokens=learned)
    total = max(sum(counts["learned_tokens"] for forms in found.values() for counts in forms.values()), 1)
    return {
        source: {
            form: {**counts, "learned_share": round(counts["learned_tokens"] / total, 6)}
            for form, counts in forms.items()
        }
        for source, forms in found.items()
    }


def with_system_turn(messages: list[dict[str, str]], system_prompt: str | None) -> list[dict[str, str]]:
    """The conversation with the configured system turn, unless it brings its own.

    A system turn that says nothing is no turn.
    """
    messages = [message for message in messages if message["role"] != "system" or message["content"].strip()]
    if system_prompt is None or any(message["role"] == "system" for message in messages[:1]):
        return messages
    return [{"role": "system", "content": system_prompt}, *messages]


def _read_rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
