"""Relevance of a text: a linear model over hashed words.

In: texts of the domain (seeds) and general texts. Out: weights, and for any text a score from 0 (like general text)
to 1 (like the seeds), as if both kinds were equally frequent. Features are the presence of words and runs of words
(CJK: characters), not their counts, so a long text is judged like a short one. Property kept: equal texts and seed
give equal bytes, whatever the threads: liblinear's dual solver is one loop without BLAS, whose sums would change with
the number of threads. An embedding model was not chosen: it takes a hundred times as long, and its weights mean
nothing to a person.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from domainlm.text.characters import words
from domainlm.text.cleaning.excerpt import masked_excerpt
from domainlm.text.json_files import read_json, write_json

WEIGHTS_FILE, SHAPE_FILE = "weights.safetensors", "model.json"
# inverse strength of the L2 penalty: at 1, half of a domain's own texts score below 0.9; from 10 on nothing is gained
PENALTY_INVERSE = 10.0
MAX_ITERATIONS = 1000
TELLING_WORDS = 25
# a rarer word tells of one document and not of the domain
MIN_TELLING_DOCUMENTS = 5
# the number of a telephone, an account or a person, which no pattern need know; a year and a dose are shorter
LONG_NUMBER_DIGITS = 7
_DIGIT = re.compile("[0-9\uff10-\uff19]")


@dataclass(frozen=True)
class Shape:
    """The part of a text that is read, and the threshold.

    max_chars: characters at its start. ngrams: longest run of words. feature_bits: weights are 2 to this power.
    """

    threshold: float
    ngrams: int
    feature_bits: int
    max_chars: int


@dataclass(frozen=True)
class RelevanceModel:
    """weights: float32 vector, one a feature. intercept: added to their sum."""

    shape: Shape
    weights: Any = field(repr=False)
    intercept: float

    def scores(self, texts: Sequence[str]) -> list[float]:
        """Relevance of each text, to four digits."""
        if not texts:
            return []
        margins = features(texts, self.shape) @ self.weights + self.intercept
        return [round(1.0 / (1.0 + math.exp(-max(-700.0, min(700.0, margin)))), 4) for margin in margins.tolist()]


def runs_of_words(text: str, ngrams: int) -> list[str]:
    """Words and runs of up to `ngrams` of them."""
    found = words(text)
    runs = list(found)
    for length in range(2, ngrams + 1):
        runs += map(" ".join, zip(*(found[offset:] for offset in range(length)), strict=False))
    return runs


def _hashed(rows: Iterable[Sequence[str]], shape: Shape) -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    size = 1 << shape.feature_bits
    hashing = HashingVectorizer(analyzer=_as_it_is, n_features=size, alternate_sign=False, norm="l2", binary=True)
    return hashing.transform(rows)


def _as_it_is(row: Sequence[str]) -> Sequence[str]:
    return row


def features(texts: Sequence[str], shape: Shape) -> Any:
    """Sparse matrix with one row of length 1 for each text.

    The length is 0 for a text without words.
    """
    # one text at a time: the words of all would take a hundred times the room of the matrix
    return _hashed((runs_of_words(text[: shape.max_chars], shape.ngrams) for text in texts), shape)


def trained_model(domain: Sequence[str], general: Sequence[str], shape: Shape, seed: int) -> RelevanceModel:
    """The model that separates the two kinds."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    kinds = np.array([1] * len(domain) + [0] * len(general))
    solver = LogisticRegression(
        solver="liblinear",
        dual=True,
        C=PENALTY_INVERSE,
        class_weight="balanced",
        random_state=seed % (1 << 32),
        max_iter=MAX_ITERATIONS,
    )
    solver.fit(features([*domain, *general], shape), kinds)
    return RelevanceModel(shape, solver.coef_[0].astype(np.float32), float(np.float32(solver.intercept_[0])))


def write_model(folder: Path, model: RelevanceModel) -> None:
    from safetensors.numpy import save_file

    save_file({"weights": model.weights}, folder / WEIGHTS_FILE)
    write_json(folder / SHAPE_FILE, {**asdict(model.shape), "intercept": model.intercept})


def read_model(folder: Path) -> RelevanceModel:
    from safetensors.numpy import load_file

    found = read_json(folder / SHAPE_FILE)
    intercept = found.pop("intercept")
    return RelevanceModel(Shape(**found), load_file(folder / WEIGHTS_FILE)["weights"], intercept)


def measured(domain_scores: Sequence[float], general_scores: Sequence[float], threshold: float) -> dict[str, Any]:
    """Precision and recall of "is of the domain" at a threshold.

    Precision is also given as if both kinds were equally frequent.
    """
    found = sum(score >= threshold for score in domain_scores)
    wrong = sum(score >= threshold for score in general_scores)
    recall, false_share = found / len(domain_scores), wrong / len(general_scores)
    return {
        "threshold": threshold,
        "recall": round(recall, 4),
        "precision": round(found / (found + wrong), 4) if found + wrong else None,
        "balanced_precision": round(recall / (recall + false_share), 4) if found + wrong else None,
        "general_kept_share": round(false_share, 4),
    }


def telling_words(model: RelevanceModel, texts: Iterable[str]) -> dict[str, list[str]]:
    """Words and pairs with the largest weights for and against the domain.

    They are those of some of these texts. They show whether the model recognises the domain by its layout or its
    headings. Words of personal data and secrets, and long numbers, are skipped: a report is sent to places where the
    corpus is not.
    """
    shape, counts = model.shape, Counter[str]()
    for text in texts:
        shown = masked_excerpt(text, shape.max_chars)
        counts.update(set(runs_of_words(shown, min(shape.ngrams, 2))))
    known = sorted(run for run, count in counts.items() if count >= MIN_TELLING_DOCUMENTS and not _has_long_number(run))
    if not known:
        return {"domain": [], "general": []}
    weights = (_hashed(([run] for run in known), shape) @ model.weights).tolist()
    order = sorted(range(len(known)), key=lambda position: (-weights[position], known[position]))
    domain = [known[position] for position in order[:TELLING_WORDS] if weights[position] > 0]
    general = [known[position] for position in order[::-1][:TELLING_WORDS] if weights[position] < 0]
    return {"domain": domain, "general": general}


def _has_long_number(run: str) -> bool:
    return any(len(_DIGIT.findall(word)) >= LONG_NUMBER_DIGITS for word in run.split(" "))


def score_counts(scores: Iterable[float]) -> list[int]:
    """How many scores lie in each tenth from 0 to 1."""
    counts = [0] * 10
    for score in scores:
        counts[min(int(score * 10), 9)] += 1
    return counts
