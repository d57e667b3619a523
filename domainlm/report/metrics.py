"""`metrics.json`: the figures that DVC tracks and compares between revisions.

In: `Facts`. Out: nested mappings of numbers only; names are stable, so that a diff of two revisions lines up.
"""

from __future__ import annotations

from typing import Any

from domainlm.report.facts import Facts

# name here, set and measure there
MEASURES = (
    ("answer_loss", "answers", "mean_nll"),
    ("token_f1", "generations", "f1"),
    ("ended_share", "generations", "ended_share"),
    ("empty_share", "generations", "empty_share"),
    ("choice_accuracy", "choices", "accuracy_normalised"),
)


def metrics(facts: Facts) -> dict[str, Any]:
    models, changes = facts.results["models"], facts.results["changes"]
    texts = [name for name in sorted(models["base"]) if "perplexity" in models["base"][name] and name != "answers"]
    found: dict[str, Any] = {
        "perplexity": {n: {m: models[m][n]["perplexity"]["value"] for m in facts.models} for n in texts},
        "perplexity_change": {
            name: {step: round(change[name]["perplexity_ratio"]["value"] - 1, 6) for step, change in changes.items()}
            for name in texts
        },
    }
    for name, set_name, measure in MEASURES:
        if set_name in models["base"]:
            found[name] = {model: models[model][set_name][measure]["value"] for model in facts.models}
    found["answer_loss_change"] = {
        step: change["answers"]["mean_nll"]["value"] for step, change in changes.items() if "answers" in change
    }
    found["training"] = {
        training.name.lower(): {
            key: training.stats[key] for key in ("steps", "tokens", "loss_first", "loss_last", "validation_loss")
        }
        for training in facts.trainings
    }
    if facts.certificate is not None:
        found["merge_kl"] = facts.certificate["kl"]
    if facts.residual is not None:
        found["residual_weight"] = facts.residual["weight"]
    found["documents"] = {
        "extracted": facts.cleaning["input"],
        "clean": facts.cleaning["documents"],
        "unique": facts.duplicates["documents"],
        "train": facts.split["train"]["documents"],
        "test": facts.split["test"]["documents"],
    }
    found["train_tokens"] = facts.split["train"]["tokens"]
    found["replay_share"] = facts.split["train"]["replay_share"]
    return found
