from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from material.trainings import LENGTHS, SECTION, Interrupted, interrupt_after, run
from safetensors.torch import load_file

from domainlm.config.pretraining import PtAdapter
from domainlm.contract import StageError
from domainlm.training import checkpoint, validation
from domainlm.training.validation import best_update, ends_early, is_validated, keep_weights, restore_weights

# random documents: what is learned of those for training makes the others less likely
WATCHED = SECTION.model_copy(update={"epochs": 5, "learning_rate": 2e-2, "validation_every": 3, "keeps_best": True})


def points(found: dict[str, bytes]) -> list[tuple[int, float]]:
    lines = found["validation.csv"].decode().splitlines()
    assert lines[0] == "step,loss"
    return [(int(line.split(",")[0]), float(line.split(",")[1])) for line in lines[1:]]


def test_when_a_training_validates() -> None:
    section = PtAdapter(validation_every=4)
    assert [update for update in range(1, 11) if is_validated(update, 10, section)] == [4, 8, 10]
    assert not any(is_validated(update, 10, PtAdapter()) for update in range(1, 11))


def test_the_best_update_and_the_end_of_patience() -> None:
    losses = [(2, 3.0), (4, 2.5), (6, 2.5), (8, 2.7)]
    assert best_update(losses) == 4
    patient = [PtAdapter(validation_every=2, early_stopping_validations=count) for count in (1, 2, 3)]
    assert [ends_early(losses, section) for section in patient] == [True, True, False]
    assert [ends_early(losses[:2], section) for section in patient] == [False] * 3
    assert not ends_early(losses, PtAdapter(validation_every=2))
    assert not ends_early([], patient[0])


@pytest.mark.parametrize("knob", [{"keeps_best": True}, {"early_stopping_validations": 2}])
def test_a_decision_without_validations_is_refused(knob: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(knob))} decides by validations"):
        PtAdapter(**knob)


def test_weights_that_are_gone_are_named(tmp_path: Path) -> None:
    weights = [("a", torch.nn.Parameter(torch.ones(2)))]
    keep_weights(tmp_path, 6, weights)
    with torch.no_grad():
        weights[0][1].zero_()
    restore_weights(tmp_path, 6, weights)
    assert weights[0][1].tolist() == [1.0, 1.0]
    with pytest.raises(StageError, match=r"best-9\.safetensors, are gone"):
        restore_weights(tmp_path, 9, weights)


class Killed(BaseException):
    pass


def killed_at(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, call: int, is_after: bool) -> None:
    """Let a call of a function be the last thing that the process does."""
    original, calls = getattr(module, name), []

    def function(*arguments: Any) -> Any:
        calls.append(name)
        if len(calls) == call and not is_after:
            raise Killed
        result = original(*arguments)
        if len(calls) == call:
            raise Killed
        return result

    monkeypatch.setattr(module, name, function)


def test_the_best_weights_are_kept_whatever_is_killed(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, tokens = make_base("llama"), make_tokens(LENGTHS)
    expected = run(base, tokens, tmp_path / "whole", WATCHED, checkpoint_seconds=1e9)
    losses, stats = points(expected), json.loads(expected["stats.json"])
    updates = len(expected["loss.csv"].splitlines()) - 1
    assert [step for step, _ in losses] == [*range(3, updates, 3), updates]
    best = best_update(losses)
    assert best < updates
    assert (stats["best_step"], stats["steps"]) == (best, updates)
    assert stats["validation_loss"] == dict(losses)[best]

    # the same weights as those of a run without decisions, after its update
    plain = WATCHED.model_copy(update={"validation_every": None, "keeps_best": False})
    with pytest.raises(Interrupted):
        run(base, tokens, tmp_path / "plain", plain, progress=interrupt_after(best))
    at_best = load_file(tmp_path / "plain/scratch/checkpoint.safetensors")
    saved = load_file(tmp_path / "whole/out/adapter_model.safetensors")
    assert all(torch.equal(saved[name], at_best[f"weight:{name[:-7]}.default.weight"]) for name in saved)

    for number, (module, name, call, is_after) in enumerate(
        [
            (validation, "row_losses", 1, False),
            (validation, "row_losses", 2, True),
            (validation, "keep_weights", 1, False),
            (validation, "keep_weights", 1, True),
            (checkpoint, "save_checkpoint", 3, False),
            (checkpoint, "save_checkpoint", best, True),
            (validation, "forget_other_weights", 1, True),
            (validation, "restore_weights", 1, False),
        ]
    ):
        folder = tmp_path / f"killed{number}"
        with monkeypatch.context() as patch:
            killed_at(patch, module, name, call, is_after)
            with pytest.raises(Killed):
                run(base, tokens, folder, WATCHED)
        assert run(base, tokens, folder, WATCHED) == expected, (name, call, is_after)
        assert len(list((folder / "scratch").glob("best-*"))) == 1


def test_a_training_ends_early_after_a_kill_too(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    base, tokens = make_base("llama"), make_tokens(LENGTHS)
    section = WATCHED.model_copy(update={"early_stopping_validations": 1})
    expected = run(base, tokens, tmp_path / "whole", section, checkpoint_seconds=1e9)
    losses = points(expected)
    steps = json.loads(expected["stats.json"])["steps"]
    assert best_update(losses) == losses[-2][0]
    assert steps == losses[-1][0] == len(expected["loss.csv"].splitlines()) - 1
    for update in (steps - 1, steps):
        folder = tmp_path / f"killed{update}"
        with pytest.raises(Interrupted):
            run(base, tokens, folder, section, progress=interrupt_after(update))
        assert run(base, tokens, folder, section) == expected


def test_the_last_weights_are_kept_by_default(
    make_base: Callable[..., Path], make_tokens: Callable[..., Path], tmp_path: Path
) -> None:
    base, tokens = make_base("llama"), make_tokens(LENGTHS)
    watched = run(base, tokens, tmp_path / "watched", SECTION.model_copy(update={"validation_every": 2}))
    plain = run(base, tokens, tmp_path / "plain", SECTION)
    assert watched["adapter_model.safetensors"] == plain["adapter_model.safetensors"]
    assert watched["stats.json"] == plain["stats.json"]
    assert points(watched)[-1:] == points(plain)
