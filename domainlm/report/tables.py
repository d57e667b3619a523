"""The report's tables in words: figures with intervals, changes, comparisons.

In: `Facts`. Out: rows of ready strings. A change is worded by its interval: if that contains 0, the change is
reported as unclear, whatever the figure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domainlm.report.facts import Facts

Figure = Mapping[str, Any]

# set, measure, label, what it tells, whether less is better, whether it is a share
MEASURES: tuple[tuple[str, str, str, str, bool, bool], ...] = (
    (
        "definitions",
        "perplexity",
        "Domain text",
        "perplexity of the body of test documents, given their title",
        True,
        False,
    ),
    ("answers", "mean_nll", "Answers", "loss of the reference answer to test questions, nats per token", True, False),
    ("generations", "f1", "Token F1", "words shared by generated and reference answer", False, True),
    ("generations", "ended_share", "Ended by itself", "answers that end before the limit", False, True),
    ("generations", "empty_share", "Empty", "answers without a word", True, True),
    (
        "choices",
        "accuracy_normalised",
        "Choice of four",
        "the right statement among its nearest neighbours",
        False,
        True,
    ),
    (
        "general_held_out",
        "perplexity",
        "General text",
        "perplexity of general articles that are excluded from the replay",
        True,
        False,
    ),
)


@dataclass(frozen=True)
class Row:
    """One measure of all models.

    cells: one text a model. change: of the last model against the first. trend: better, worse or unclear.
    """

    label: str
    meaning: str
    cells: tuple[str, ...]
    change: str
    trend: str


def measures_of(facts: Facts) -> list[tuple[str, str, str, str, bool, bool]]:
    """The measures that this domain has, evaluation sources last."""
    present = facts.results["models"]["base"]
    found = [measure for measure in MEASURES if measure[0] in present]
    for name in sorted(present):
        if name.startswith("evaluation_"):
            label = name.removeprefix("evaluation_").replace("_", " ")
            found.append((name, "perplexity", label, "perplexity of text of another field", True, False))
    return found


def summary_rows(facts: Facts) -> list[Row]:
    rows = []
    for name, measure, label, meaning, is_less_better, is_share in measures_of(facts):
        figures = [facts.results["models"][model][name] for model in facts.models]
        count = f"{figures[0]['n']:,} items"
        if measure == "perplexity":
            count += f", {figures[0]['tokens']:,} tokens"
        change, trend = worded_change(facts.results["changes"]["base_to_sft"][name], measure, is_less_better, is_share)
        cells = tuple(worded_figure(figure[measure], is_share) for figure in figures)
        rows.append(Row(label, f"{meaning} ({count})", cells, change, trend))
    return rows


def worded_figure(figure: Figure, is_share: bool) -> str:
    low, high = figure["interval"]
    if is_share:
        return f"{100 * figure['value']:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"
    return f"{figure['value']:.2f} [{low:.2f}, {high:.2f}]"


def worded_change(differences: Figure, measure: str, is_less_better: bool, is_share: bool) -> tuple[str, str]:
    """The change with its interval, and its trend.

    The trend is better, worse or unclear.
    """
    if measure == "perplexity":
        figure, neutral = differences["perplexity_ratio"], 1.0
        shown = [100 * (value - 1) for value in (figure["value"], *figure["interval"])]
        text = f"{shown[0]:+.1f} % [{shown[1]:+.1f}, {shown[2]:+.1f}]"
    else:
        figure, neutral = differences[measure], 0.0
        factor, unit, digits = (100.0, " points", 0) if is_share else (1.0, "", 3)
        shown = [factor * value for value in (figure["value"], *figure["interval"])]
        text = f"{shown[0]:+.{digits}f}{unit} [{shown[1]:+.{digits}f}, {shown[2]:+.{digits}f}]"
    low, high = figure["interval"]
    if low <= neutral <= high:
        return text, "unclear"
    return text, "better" if (high < neutral) == is_less_better else "worse"


@dataclass(frozen=True)
class Against:
    """One measure of what was trained against the instruct model.

    Each change is a text and its trend.
    """

    label: str
    residual: tuple[str, str]
    tuned: tuple[str, str]


def against_rows(facts: Facts) -> list[Against]:
    """The measures against the instruct model; none where a domain has none."""
    changes = facts.results["changes"]
    if "instruct_to_sft" not in changes:
        return []
    rows = []
    for name, measure, label, _, is_less_better, is_share in measures_of(facts):
        found = [
            worded_change(changes[pair][name], measure, is_less_better, is_share)
            for pair in ("instruct_to_residual", "instruct_to_sft")
        ]
        rows.append(Against(label, *found))
    return rows


def headline(facts: Facts) -> str:
    """One sentence on the effect of training."""
    last = "pt" if "pt" in facts.models else "sft"
    measured = facts.results["models"]["base"]
    # a domain of conversations alone has no documents to measure on
    name = next((each for each in ("definitions", "answers") if each in measured), None)
    if name is None:
        return "No test document and no test question of this domain was measured."
    before, after = (facts.results["models"][model][name] for model in ("base", last))
    ratio = facts.results["changes"][f"base_to_{last}"][name]["perplexity_ratio"]["value"]
    what = "documents" if name == "definitions" else "answers"
    verb = "falls" if ratio < 1 else "rises"
    return (
        f"On {before['documents']:,} test {what} that were not trained on, perplexity {verb} from"
        f" {before['perplexity']['value']:.1f} to {after['perplexity']['value']:.1f} ({100 * (ratio - 1):+.0f}\u00a0%)"
        f" with {'continued pretraining' if last == 'pt' else 'instruction tuning'}."
    )


@dataclass(frozen=True)
class Compared:
    """One measure against another domain's SFT model.

    difference: this domain minus the other.
    """

    domain: str
    label: str
    mine: str
    other: str
    difference: str
    verdict: str
    items: int


def compared_rows(facts: Facts) -> list[Compared]:
    rows = []
    for domain, sets in sorted(facts.results.get("compare", {}).items()):
        for name, measure, label, _, is_less_better, is_share in measures_of(facts):
            if name not in sets:
                continue
            found = sets[name]
            difference, trend = worded_change(found["differences"], measure, is_less_better, is_share)
            mine, other = (_side(found[side], measure, is_share) for side in ("mine", "other"))
            verdict = {"better": f"better than {domain}", "worse": f"worse than {domain}"}.get(
                trend, "no clear difference"
            )
            rows.append(Compared(domain, label, mine, other, difference, verdict, found["n"]))
    return rows


def _side(figures: Mapping[str, float], measure: str, is_share: bool) -> str:
    """One side of a comparison.

    Of a perplexity, results.json keeps the logarithm.
    """
    if measure == "perplexity":
        return f"{math.exp(figures['mean_nll']):.2f}"
    return f"{100 * figures[measure]:.0f} %" if is_share else f"{figures[measure]:.3f}"
