"""From samples to figures: every model on every set, paired differences.

In: the rows of samples.jsonl, of this domain and of compared ones. Out: the content of results.json. It is computed
from the rounded figures that are written, so that anyone can compute it again from the file. Perplexity is weighted
by tokens: exp of the summed loss over the summed tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from domainlm.evaluation.intervals import Drawing, Estimate, by_document, paired_difference, ratio, rounded

Rows = Sequence[Mapping[str, Any]]
Figures = dict[str, tuple[float, float]]

# models whose difference is of interest, where a domain has both
PAIRS = (
    ("base", "pt"),
    ("pt", "sft"),
    ("base", "sft"),
    ("pt", "residual"),
    ("residual", "sft"),
    ("instruct", "residual"),
    ("instruct", "sft"),
)
# what is averaged over a set's rows, besides the loss: the figure and the field (or test) it comes from
SHARES: Mapping[str, Mapping[str, str]] = {
    "choices": {"accuracy": "accuracy", "accuracy_normalised": "accuracy_normalised"},
    "generations": {"f1": "f1", "ended_share": "is_ended", "empty_share": "is_empty", "tokens": "tokens"},
}


def grouped(samples: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, list[Mapping[str, Any]]]]:
    """Rows by model and set."""
    found: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for row in samples:
        found.setdefault(row["model"], {}).setdefault(row["set"], []).append(row)
    return found


def measures(set_name: str, rows: Rows) -> dict[str, Figures]:
    """Per measure of a set: numerator and weight of each document.

    `mean_nll` is weighted by tokens.
    """
    documents = [row["document"] for row in rows]
    if set_name not in SHARES:
        return {"mean_nll": by_document(documents, [row["nll"] for row in rows], [row["tokens"] for row in rows])}
    found = {}
    for name, field in SHARES[set_name].items():
        values = [float(not row["answer"]) if field == "is_empty" else float(row[field]) for row in rows]
        found[name] = by_document(documents, values, [1.0] * len(rows))
    return found


def summary(samples: Iterable[Mapping[str, Any]], seed: int, draws: int) -> dict[str, Any]:
    """Figures by model and set, and changes between two models (PAIRS).

    `models`: figures with intervals. `changes`: paired differences.
    """
    rows = grouped(samples)
    models: dict[str, Any] = {model: {} for model in rows}
    changes: dict[str, Any] = {}
    for model, sets in rows.items():
        for name, found in sets.items():
            models[model][name] = _set_figures(name, found, Drawing(seed, name, draws))
    for before, after in PAIRS:
        if before in rows and after in rows:
            changes[f"{before}_to_{after}"] = {
                name: differences(name, rows[before][name], rows[after][name], Drawing(seed, name, draws))
                for name in rows[before]
            }
    return {"models": models, "changes": changes}


def differences(set_name: str, before: Rows, after: Rows, drawing: Drawing) -> dict[str, Any]:
    """Paired differences of every measure of a set.

    The loss is also given as a ratio of perplexities.
    """
    old, new = measures(set_name, before), measures(set_name, after)
    found: dict[str, Any] = {}
    for name in old:
        estimate = paired_difference(old[name], new[name], drawing)
        found[name] = _written(estimate)
        if name == "mean_nll":
            found["perplexity_ratio"] = _written(_exponential(estimate))
    return found


def comparison(
    mine: Iterable[Mapping[str, Any]], other: Iterable[Mapping[str, Any]], seed: int, draws: int
) -> dict[str, Any]:
    """This domain's SFT model against another domain's, on shared items.

    Negative loss: this domain's is better. Empty if no item is shared. `n` counts items; the interval is over
    documents.
    """
    my_sets, other_sets = grouped(mine).get("sft", {}), grouped(other).get("sft", {})
    found: dict[str, Any] = {}
    for name in my_sets:
        theirs = {row["id"]: row for row in other_sets.get(name, ())}
        # an item may bear one id and ask something else, where documents or phrasings differ
        shared = [row for row in my_sets[name] if row["id"] in theirs and _is_same(row, theirs[row["id"]])]
        if shared:
            paired = [theirs[row["id"]] for row in shared]
            drawing = Drawing(seed, name, draws)
            found[name] = {
                "n": len(shared),
                "documents": len({row["document"] for row in shared}),
                "mine": {key: _plain(figures) for key, figures in measures(name, shared).items()},
                "other": {key: _plain(figures) for key, figures in measures(name, paired).items()},
                "differences": differences(name, paired, shared, drawing),
            }
    return found


def _is_same(one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
    if "answer" in one:
        return bool(one["question"] == two["question"] and one["reference"] == two["reference"])
    if "gold" in one:
        return bool(one["gold"] == two["gold"])
    return bool(one["tokens"] == two["tokens"])


def _set_figures(name: str, rows: Rows, drawing: Drawing) -> dict[str, Any]:
    found: dict[str, Any] = {"n": len(rows), "documents": len({row["document"] for row in rows})}
    for measure, figures in measures(name, rows).items():
        estimate = ratio(figures, drawing)
        found[measure] = _written(estimate)
        if measure == "mean_nll":
            found["perplexity"] = _written(_exponential(estimate))
            found["tokens"] = sum(row["tokens"] for row in rows)
    return found


def _exponential(estimate: Estimate) -> Estimate:
    return Estimate(math.exp(estimate.value), math.exp(estimate.low), math.exp(estimate.high))


def _written(estimate: Estimate) -> dict[str, Any]:
    return {"value": rounded(estimate.value), "interval": [rounded(estimate.low), rounded(estimate.high)]}


def _plain(figures: Figures) -> float:
    return rounded(sum(a for a, _ in figures.values()) / sum(b for _, b in figures.values()))
