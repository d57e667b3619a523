"""Artifact `eval_report`: what was trained on, and what it changed, as a page and as metrics.

In: figures of every artifact up to `eval_results`. Out: report.html (self-contained) and metrics.json (for DVC).
Nothing is measured here: the same artifacts give the same bytes, without torch and without the texts themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domainlm.config import EvalReport
from domainlm.report.facts import gather
from domainlm.report.metrics import metrics
from domainlm.report.page import page
from domainlm.stage import Inputs, Resources, Stats
from domainlm.text.json_files import write_json


def run(inputs: Inputs, config: Mapping[str, Any], out: Path, scratch: Path, resources: Resources) -> Stats:
    section = EvalReport.model_validate(config["section"])
    facts = gather(inputs, config["domain"], section.title)
    (out / "report.html").write_text(page(facts), encoding="utf-8", newline="\n")
    found = metrics(facts)
    write_json(out / "metrics.json", found)
    return {"models": len(facts.models), "perplexity": found["perplexity"].get("definitions", {})}
