from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from material.model_shapes import QWEN_14B
from rich.console import Console

from domainlm.explain import training_plan, training_words
from domainlm.explain.plan import make_plan, memory_plans
from domainlm.explain.plan import render as render_plan
from domainlm.explain.training_plan import Grant, TrainingPlan, is_training
from domainlm.explain.training_words import render, render_all, summary
from domainlm.store.local import Store

# rank 16 on every linear layer
TRAINED = 68_812_800
LONG = {"pt_tokens": {"sequence_length": 4096}}
BFLOAT = {"pt_adapter": {"precision": "bfloat16"}}


@pytest.fixture
def project(text_project: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A project whose local base model has the shape of a 14B, on a machine of 25 GB."""
    path = text_project.path / "model/config.json"
    path.write_text(json.dumps(QWEN_14B), encoding="utf-8")
    monkeypatch.setattr(training_plan, "_memory_of_machine", lambda: 25 * 10**9)
    return text_project


def plans(project: Any, target: str = "pt_adapter", grant: Grant | None = None, **overrides: Any) -> list[TrainingPlan]:
    stamps = project.stamps(**{**LONG, **BFLOAT, **overrides})
    return memory_plans(project.path, "tiny", stamps, target, grant or Grant())


def printed(renderable: Any) -> str:
    file = io.StringIO()
    Console(width=200, file=file).print(renderable)
    return file.getvalue()


def history(project: Any, seconds: float, tokens: int, trained: int = TRAINED, **more: Any) -> None:
    stats = {"tokens": tokens, "trainable_parameters": trained}
    row: dict[str, Any] = {
        "artifact": "pt_adapter",
        "shard": None,
        "domain": "tiny",
        "seconds": seconds,
        "peak_memory_mb": 1,
    }
    row |= {"device": "cpu", "threads": 2, "outcome": "built", "stats": stats, **more}
    Store(project.path / ".dvc/domainlm-store").append_history(row)


def write_meta(folder: Path, text: str) -> None:
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(text, encoding="utf-8")


def test_the_configured_method_on_the_cpu_and_every_method_on_a_card(project: Any) -> None:
    (found,) = plans(project)
    assert (found.model_type, found.parameters, found.is_exact) == ("qwen2", 14_770_033_664, True)
    assert (found.job.window, found.job.precision, found.job.rows_per_step) == (4096, "bfloat16", 4)
    shown = [(each.method, each.machine.kind, each.is_configured) for each in found.lines]
    assert shown == [
        ("lora", "cpu", True),
        ("lora", "gpu", True),
        ("qlora", "gpu", False),
        ("full", "gpu", False),
        ("p_tuning", "gpu", False),
    ]
    assert [[size for size, names in each.cards.items() if names == ()] for each in found.lines] == [
        *([], [80, 141], [80, 141], [], [80, 141])
    ]
    # 14B weights in bf16 alone are more
    assert found.lines[0].remedy is None


def test_what_the_profile_grants_is_counted(project: Any) -> None:
    (one,), (two,) = plans(project), plans(project, grant=Grant(micro_batch_rows=2, threads=2, cards=2))
    assert two.job.micro_batch_rows == 2
    assert two.lines[1].memory.parts["activations"] > 1.9 * one.lines[1].memory.parts["activations"]
    assert two.lines[0].memory.parts["activations"] > 3.9 * one.lines[0].memory.parts["activations"]
    assert two.lines[1].tokens_per_second[80] == pytest.approx(2 * one.lines[1].tokens_per_second[80], rel=0.001)
    assert "on each of 2 cards" in printed(render(two))


def test_the_trainings_of_a_target(project: Any) -> None:
    assert [each.artifact for each in plans(project, "eval_report")] == ["pt_adapter", "sft_adapter"]
    assert [each.artifact for each in plans(project, "sft_adapter", sft_adapter={"relay": "none"})] == ["sft_adapter"]
    assert plans(project, "sft_dataset") == []
    assert "made without a training" in printed(render_all([], "sft_dataset"))
    assert [is_training(name) for name in ("pt_adapter", "merged_model")] == [True, False]


def test_sft_has_the_window_of_its_own_rows(project: Any) -> None:
    (found,) = plans(project, "sft_adapter", sft_adapter={"relay": "none"}, sft_tokens={"sequence_length": 1024})
    assert found.job.window == 1024


def test_a_built_base_model_comes_before_its_source(project: Any) -> None:
    folder = project.path / "artifacts/tiny/base_model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**QWEN_14B, "num_hidden_layers": 24}), encoding="utf-8")
    (found,) = plans(project)
    assert found.parameters == 14_770_033_664 - 24 * (14_770_033_664 - 2 * 152064 * 5120 - 5120) // 48


def test_another_base_model_is_asked_about(project: Any, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({**QWEN_14B, "model_type": "novel"}), encoding="utf-8")
    stamps = project.stamps()
    (found,) = memory_plans(project.path, "tiny", stamps, "pt_adapter", Grant(), folder)
    assert not found.is_exact
    assert "estimated, as novel is counted as a Llama" in printed(render(found))


def test_a_base_model_that_is_not_here_is_unknown(project: Any) -> None:
    (project.path / "model/config.json").write_text("{}", encoding="utf-8")
    (found,) = plans(project)
    assert found.lines == ()
    assert "memory of pt_adapter: unknown, as config.json has no hidden_size" in printed(render(found))
    stamps = project.stamps()
    (project.path / "model/config.json").unlink()
    (found,) = memory_plans(project.path, "tiny", stamps, "pt_adapter", Grant())
    assert found.unknown is not None
    assert "the base model m is not here yet" in found.unknown
    assert "--base-model FOLDER" in found.unknown
    assert "unknown until the base model is here" in summary(found).plain


def test_a_folder_without_a_configuration_is_named(project: Any, tmp_path: Path) -> None:
    (found,) = memory_plans(project.path, "tiny", project.stamps(), "pt_adapter", Grant(), tmp_path / "none")
    assert found.unknown == f"No such file or directory: {tmp_path / 'none' / 'config.json'}"


def test_speed_is_measured_where_as_many_weights_were_trained(project: Any) -> None:
    write_meta(project.path / "artifacts/tiny/pt_tokens", '{"rows": {"train": 100}}')
    history(project, 1.0, 10**9, threads=1)
    for seconds in (40.0, 20.0, 10.0):
        history(project, seconds, 4000)
    # another model, another artifact, a row without figures
    history(project, 1.0, 10**9, trained=5)
    history(project, 1.0, 10**9, artifact="sft_adapter")
    history(project, 1.0, 10**9, stats={})
    (found,) = plans(project, pt_adapter={"precision": "bfloat16", "epochs": 2})
    assert (found.measured, found.measured_builds, found.tokens) == (200.0, 3, 100 * 4096 * 2)
    text = printed(render(found, price=2.0))
    assert "measured: 200 tokens/s here (median of 3 builds with as many trained weights), 68 min for 819,200" in text
    # 819,200 tokens at 6,866 a second, two dollars an hour
    assert "H100 6,866 tokens/s, 2 min, costs 0.07 at 2 a card and hour" in " ".join(text.split())


@pytest.mark.parametrize("text", ["", "{", "[]", '{"rows": {}}', '{"rows": {"train": null}}'])
def test_without_rows_there_is_speed_and_no_time(project: Any, text: str) -> None:
    if text:
        write_meta(project.path / "artifacts/tiny/pt_tokens", text)
    (found,) = plans(project)
    assert (found.tokens, found.measured) == (None, None)
    shown = printed(render(found))
    assert "measured: nothing" in shown
    assert "the rows are not packed yet" in shown


def test_what_makes_it_fit_is_said(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_words, "available_methods", lambda: {"lora"})
    text = printed(render(plans(project)[0]))
    assert "lora on a 24 GB card: fits with activation_checkpointing: 1 + method: qlora (not in this version)" in text
    assert "lora on this CPU, 1 thread: no change that is known makes it fit" in text
    assert "fits 80, 141 GB" in text
    later = "activation_checkpointing: 1 + ZeRO-3 over 2 cards (not in this version)"
    assert f"full on a 141 GB card: fits with {later}" in text
    assert "no card was measured with this version" in text
    monkeypatch.setattr(training_words, "available_methods", lambda: {"lora", "qlora"})
    assert "method: qlora (not" not in printed(render(plans(project)[0]))


@pytest.mark.parametrize(
    ("section", "method", "trained"),
    [
        ({"method": "rslora"}, "lora", TRAINED),
        ({"method": "osf"}, "full", 14_770_033_664),
        ({"method": "prefix_tuning"}, "p_tuning", 48 * 2 * 1024 * 20),
        ({"layers": [0, 1], "tokens_per_step": 10000}, "lora", TRAINED // 24),
        ({"trained_embeddings": "all"}, "lora", TRAINED + 2 * 152064 * 5120),
    ],
)
def test_sections_of_later_versions_are_counted(project: Any, section: Any, method: str, trained: int) -> None:
    stamps = [
        replace(stamp, config={**stamp.config, "section": {**stamp.config["section"], **section}})
        if stamp.artifact == "pt_adapter"
        else stamp
        for stamp in project.stamps(**LONG)
    ]
    (found,) = memory_plans(project.path, "tiny", stamps, "pt_adapter", Grant())
    assert found.job.method == method
    assert found.lines[0].method == section.get("method", "lora")
    assert found.lines[1].memory.trainable_parameters == trained
    # 10,000 tokens are three rows of 4,096
    assert found.job.rows_per_step == (3 if "tokens_per_step" in section else 4)


def test_auto_is_counted_wide_on_a_cpu_and_narrow_on_a_card(project: Any) -> None:
    stamps = [
        replace(stamp, config={**stamp.config, "section": {**stamp.config["section"], "precision": "auto"}})
        if stamp.artifact == "pt_adapter"
        else stamp
        for stamp in project.stamps()
    ]
    (found,) = memory_plans(project.path, "tiny", stamps, "pt_adapter", Grant())
    assert [each.memory.parts["weights"] for each in found.lines[:2]] == [4 * 14_770_033_664, 2 * 14_770_033_664]


def test_json_has_parts_and_totals(project: Any) -> None:
    found = json.loads(json.dumps(plans(project)[0].as_json()))
    memory = found["lines"][1]["memory"]
    assert memory["total"] == sum(memory["parts"].values())
    assert list(memory["parts"]) == [
        *("weights", "adapter", "gradients", "optimiser", "activations", "loss", "overhead")
    ]
    assert found["lines"][1]["cards"]["80"] == []
    assert found["lines"][3]["cards"]["141"] == ["activation_checkpointing: 1", "ZeRO-3 over 2 cards"]


def test_plan_says_it_of_trainings_that_are_built(project: Any) -> None:
    plan = make_plan(project.path, "tiny", project.stamps(), "pt_adapter")
    assert [each.artifact for each in plan.trainings] == ["pt_adapter"]
    assert "memory of pt_adapter: about" in printed(render_plan(plan))
    assert "(domainlm plan pt_adapter --memory)" in printed(render_plan(plan))
    assert plan.as_json()["trainings"][0]["parameters"] == 14_770_033_664


def test_a_plan_without_a_training_looks_at_no_model(built_text_project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_plan, "read_shape", None)
    plan = make_plan(built_text_project.path, "tiny", built_text_project.stamps(), "unique_shards")
    assert plan.trainings == ()
