from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.config.domain import DomainConfig
from domainlm.config.resolve import resolve
from domainlm.upkeep.training_advice import BANDS, advice, model_parameters, training_checks


@pytest.fixture
def project(tmp_path: Path, repository: Path) -> Path:
    root = tmp_path / "project"
    shutil.copytree(repository / "config", root / "config")
    return root


def advised(project: Path, parameters: float | None, **knobs: Any) -> list[str]:
    """knobs: those of pt_adapter, and those of other sections with their name before two underscores."""
    overrides: dict[str, Any] = {}
    for key, value in knobs.items():
        section, _, name = key.rpartition("__")
        overrides.setdefault(section or "pt_adapter", {})[name] = value
    config = resolve(project, {"domain": "medical", **overrides})
    return list(advice(project, config, None if parameters is None else int(parameters)))


def test_the_default_domain_is_within_every_band(project: Path) -> None:
    assert advised(project, 135e6) == []
    assert advised(project, None) == []


@pytest.mark.parametrize(
    ("parameters", "knobs", "words"),
    [
        (
            135e6,
            {"learning_rate": 1e-5},
            "pt_adapter.learning_rate is 1e-05; 0.0002 to 0.004 are usual for lora training of 0.14",
        ),
        (14e9, {"learning_rate": 1e-3, "rank": 64}, "pt_adapter.learning_rate is 0.001; 5e-05 to 0.0005 are usual"),
        (14e9, {"learning_rate": 1e-4}, "pt_adapter.rank is 16 for 14.0 billion parameters"),
        (135e6, {"rank": 2}, "pt_adapter.rank is 2; 8 to 256 are usual"),
        (135e6, {"epochs": 4}, "pt_adapter.epochs is 4; more than 3 passes are learned by heart"),
        (
            135e6,
            {"rows_per_step": 128},
            "pt_adapter.rows_per_step is 128; LoRA learns less from batches of more than 32 rows",
        ),
        (135e6, {"corpus_split__replay_share": 0.01}, "corpus_split.replay_share is 0.01; at least 0.05"),
        (
            135e6,
            {"base_model__added_tokens": ["<a>", "<b>"]},
            "base_model.added_tokens names 2, and no training changes",
        ),
        (135e6, {"sft_adapter__learning_rate": 0.1}, "sft_adapter.learning_rate is 0.1; 0.0002 to 0.004"),
    ],
)
def test_each_knob_outside_its_band_is_named(
    parameters: float, knobs: dict[str, Any], words: str, project: Path
) -> None:
    found = [
        each for each in advised(project, parameters, **knobs) if not each.startswith("sft_adapter") or "sft" in words
    ]
    assert len([each for each in found if words in each]) == 1, found


def test_added_tokens_that_are_trained_need_no_word(project: Path) -> None:
    assert advised(project, 135e6, base_model__added_tokens=["<a>"], trained_embeddings="all") == []


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def test_more_text_than_an_adapter_holds(project: Path) -> None:
    built = project / "artifacts/medical"
    write_json(built / "pt_tokens/meta.json", {"loss_tokens": {"train": 9_000_000}})
    write_json(built / "sft_tokens/meta.json", {"loss_tokens": {"train": 900}})
    assert [each.split(";")[0] for each in advised(project, 135e6)] == [
        "sft_adapter learns 900 tokens",
    ]
    write_json(built / "pt_adapter/stats.json", {"trainable_parameters": 4_000_000})
    assert advised(project, 135e6)[0] == (
        "pt_adapter learns 9,000,000 tokens with 4,000,000 parameters; more than 2 tokens each are more than they hold: raise rank"
    )


def test_bands_rise_in_size_and_fall_in_rate() -> None:
    for one, two in itertools.pairwise(BANDS):
        assert one.lowest < one.highest
        if (one.stage, one.kind) == (two.stage, two.kind):
            assert one.parameters < two.parameters
            assert one.highest >= two.highest


def test_checks_are_warnings_and_wait_for_the_model(
    project: Path, make_base: Callable[..., Path], tmp_path: Path
) -> None:
    [check] = training_checks(project)
    assert check.is_ok
    assert not check.is_warning
    assert "rates not compared" in check.found
    base = make_base("llama")
    assert model_parameters(tmp_path) is None
    # 264 embeddings of 32; two layers of q and o, k and v, the feed-forward part, two norms; a norm
    assert model_parameters(base) == 264 * 32 + 2 * (2 * 32 * 32 + 2 * 16 * 32 + 3 * 64 * 32 + 2 * 32) + 32
    path = project / "config/config.yaml"
    path.write_text(path.read_text().replace("learning_rate: 0.001", "learning_rate: 0.5"))
    shutil.copytree(base, project / "artifacts/medical/base_model")
    [warning] = training_checks(project, "medical")
    assert warning.is_ok
    assert warning.line().startswith("warning  training: domain medical: pt_adapter.learning_rate is 0.5;")


def test_a_configuration_that_is_wrong_is_a_problem(project: Path) -> None:
    (project / "config/config.yaml").write_text("pt_adapter: {rank: none}\n")
    assert training_checks(project) == []
    [check] = training_checks(project, "medical")
    assert not check.is_ok
    assert "pt_adapter.rank" in check.found


def test_a_project_without_a_configuration_has_no_trainings(tmp_path: Path) -> None:
    assert training_checks(tmp_path) == []


def test_sft_alone_has_no_general_share() -> None:
    from domainlm.upkeep import training_advice

    config = DomainConfig.model_validate({"sft_adapter": {"relay": "none"}, "corpus_split": {"replay_share": 0.0}})
    assert list(training_advice.advice(Path("nowhere"), config, 135_000_000)) == []
