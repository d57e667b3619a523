from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from domainlm.commands.tracking import Tracking
from domainlm.contract import StageError

FIGURES = {"loss": 2.5, "tokens_per_second": 300.0}


def tracker_class(seen: list[Any], is_closed_to: str = "") -> Any:
    class Tracker:
        name = "fake"
        requires_logging_directory = True

        def __init__(self, run: str, logging_dir: str) -> None:
            seen.append(("made", run, logging_dir))

        def start(self) -> None:
            if is_closed_to == "start":
                raise OSError("no network")

        def log(self, values: dict[str, float], step: int) -> None:
            if is_closed_to == "log":
                raise OSError("no network")
            seen.append((step, values))

        def finish(self) -> None:
            seen.append("finished")

    return Tracker


def track(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, calls: list[Mapping[str, float]]
) -> tuple[list[int], list[str]]:
    """What the progress and the log were given."""
    import accelerate.tracking

    monkeypatch.setitem(accelerate.tracking.LOGGER_TYPE_TO_CLASS, "fake", kind)
    monkeypatch.setattr(accelerate.tracking, "_available_trackers", ["fake"])
    shown: list[int] = []
    lines: list[str] = []
    with Tracking("fake", "medical_pt_adapter", folder, lines.append) as tracking:
        progress = tracking.watched(lambda done, total, figures: shown.append(done))
        for done, figures in enumerate(calls, 1):
            progress(done, len(calls), figures)
    return shown, lines


def test_a_tracker_is_given_what_a_person_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    shown, lines = track(tmp_path, monkeypatch, tracker_class(seen), [{}, FIGURES, {**FIGURES, "loss": 2.25}])
    assert (shown, lines) == ([1, 2, 3], [])
    made = ("made", "medical_pt_adapter", str(tmp_path / ".domainlm/tracking"))
    assert seen == [made, (2, FIGURES), (3, {**FIGURES, "loss": 2.25}), "finished"]


def test_no_figures_open_no_tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    assert track(tmp_path, monkeypatch, tracker_class(seen), [{}, {}]) == ([1, 2], [])
    assert (seen, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize("place", ["start", "log"])
def test_a_tracker_that_fails_ends_no_training(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, lines = track(tmp_path, monkeypatch, tracker_class([], place), [FIGURES, FIGURES])
    assert shown == [1, 2]
    assert lines == ["the tracker fake fails (OSError: no network); the training goes on without it"]


def test_an_unknown_tracker_and_one_that_is_absent_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import accelerate.tracking

    monkeypatch.setattr(accelerate.tracking, "_available_trackers", [])
    with pytest.raises(StageError, match=r"'tensorbord' is not known; expected some of .*tensorboard"):
        Tracking("tensorbord", "run", tmp_path, print)
    with pytest.raises(StageError, match="wandb is not installed here; expected its package"):
        Tracking("none, wandb", "run", tmp_path, print)
    Tracking("none", "run", tmp_path, print)
