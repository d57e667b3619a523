"""Artifact `eval_report`: the training data and the effects of training.

In: figures of every artifact up to `eval_results`. Out: report.html (self-contained) and metrics.json (for DVC);
data_card.html and data_card.json, which account for every document. Nothing is measured here: the same artifacts give
the same bytes, without torch and without the texts themselves.
"""

from __future__ import annotations

from pathlib import Path

from domainlm.config.evaluation import EvalReportSlice
from domainlm.contract import Inputs, Resources, Stats
from domainlm.report.card import data_card
from domainlm.report.card_page import card_page
from domainlm.report.facts import gather
from domainlm.report.metrics import metrics
from domainlm.report.page import page
from domainlm.text.json_files import write_json


def run(inputs: Inputs, config: EvalReportSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    section = config.section
    facts = gather(inputs, config.domain, section.title, [model.name for model in config.models])
    (out / "report.html").write_text(page(facts), encoding="utf-8", newline="\n")
    found = metrics(facts)
    write_json(out / "metrics.json", found)
    card = data_card(inputs, config.domain, section.title)
    write_json(out / "data_card.json", card)
    (out / "data_card.html").write_text(card_page(card), encoding="utf-8", newline="\n")
    return {"models": len(facts.models), "perplexity": found["perplexity"].get("definitions", {})}
