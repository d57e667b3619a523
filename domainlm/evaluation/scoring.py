"""Log-likelihoods of texts given contexts, packed into rows of one shape.

In: a model, token sequences, and the first scored token of each. Out: the sum of log-probabilities (nats) of each
sequence's scored tokens. Every forward pass has one row of one length and a multiple of 64 scored positions, whatever
the sequences are, and sums are exact: beyond rounding, the result depends neither on threads nor on the other
sequences. lm-eval's own HFLM pads to the longest of a batch, which costs half the time on short texts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from domainlm.models.parallel import parallel_map
from domainlm.tokens.chat import encode_pieces
from domainlm.tokens.packing import best_fit
from domainlm.tokens.special import SpecialTokens

ROW_TOKENS = 512
SHAPE_TOKENS = 64


@dataclass(frozen=True)
class Scored:
    """Token ids with the first scored index.

    Those from index `first` (at least 1) on are scored given all before them.
    """

    ids: tuple[int, ...]
    first: int


@dataclass(frozen=True)
class Score:
    """Sum of log-probabilities in nats, and whether decoding is greedy.

    It is greedy if each scored token was the most likely one.
    """

    log_likelihood: float
    is_greedy: bool


def rounded_up(count: int) -> int:
    return -(-count // SHAPE_TOKENS) * SHAPE_TOKENS


def encode_pair(texts: Any, context: str, continuation: str, tokens: SpecialTokens) -> Scored:
    """Tokens of a document; those ending in its continuation are scored.

    texts: the tokenizer of documents. The whole is tokenised at once, as in training, and split by character offsets: the
    tokens of a context alone need not begin those of the whole (two line feeds are one token at the end of a text and two
    before a letter). In front are the tokens that a text begins with; of a model that has none, the end of the text before
    where nothing else precedes the continuation.
    """
    encoding = texts.encode(context + continuation, add_special_tokens=False)
    start = tokens.text_start_ids or (() if context else (tokens.end_of_text_id,))
    first = next((i for i, (_, end) in enumerate(encoding.offsets) if end > len(context)), len(encoding.ids))
    return Scored((*start, *encoding.ids), max(len(start) + first, 1))


def encode_answer(tokenizer: Any, prompt: str, answer: str) -> Scored:
    """Tokens of a prompt and its answer, which is scored.

    They are those that are trained on.
    """

    def encode(text: str) -> Any:
        return tokenizer.encode(text, add_special_tokens=False)

    ids, mask = encode_pieces(encode, [(prompt, False), (answer, True)])
    return Scored(tuple(ids), max(mask.index(1) if 1 in mask else len(ids), 1))


def scores(
    model: Any,
    sequences: Sequence[Scored],
    pad_id: int,
    tick: Callable[[int], None],
    threads: int = 1,
    positions: int | None = None,
) -> list[Score]:
    """Score of each sequence, in order.

    positions: those that the model has, within which the padding of a row stays, as the sequences do; None for no limit.
    After each forward pass, `tick` receives the number of finished sequences.
    """
    longest = max((len(item.ids) for item in sequences), default=1)
    row_tokens = max(ROW_TOKENS, rounded_up(longest))
    found: dict[int, Score] = {}
    rows = [
        [(index, sequences[index]) for index in members]
        for members in best_fit([len(item.ids) for item in sequences], row_tokens)
    ]
    for row in parallel_map(lambda members: _score_row(model, members, row_tokens, pad_id, positions), rows, threads):
        found.update(row)
        tick(len(found))
    return [found[index] for index in range(len(sequences))]


def _score_row(
    model: Any, members: list[tuple[int, Scored]], row_tokens: int, pad_id: int, limit: int | None
) -> dict[int, Score]:
    import torch

    ids: list[int] = []
    positions: list[int] = []
    predicting: list[int] = []
    labels: list[int] = []
    for _, item in members:
        predicting += range(len(ids) + item.first - 1, len(ids) + len(item.ids) - 1)
        labels += item.ids[item.first :]
        ids += item.ids
        positions += range(len(item.ids))
    padding = row_tokens - len(ids)
    count = len(labels)
    unused = rounded_up(count) - count
    device = model.device
    with torch.inference_mode():
        # restarting positions and no mask: that is how transformers tells packed segments apart
        logits = model(
            input_ids=torch.tensor([ids + [pad_id] * padding], device=device),
            position_ids=torch.tensor(
                [[*positions, *(at % (limit or row_tokens) for at in range(padding))]], device=device
            ),
            use_cache=False,
            logits_to_keep=torch.tensor(predicting + [0] * unused, device=device),
        ).logits[0]
        label = torch.tensor(labels + [0] * unused, device=device)
        log_probabilities = torch.log_softmax(logits.float(), dim=-1).gather(1, label[:, None])[:count, 0].tolist()
        is_best = (logits.argmax(dim=-1) == label)[:count].tolist()
    found: dict[int, Score] = {}
    at = 0
    for index, item in members:
        end = at + len(item.ids) - item.first
        found[index] = Score(math.fsum(log_probabilities[at:end]), all(is_best[at:end]))
        at = end
    return found
