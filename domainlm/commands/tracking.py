"""A training's figures for TensorBoard, W&B, trackio and their kind.

In: the names of trackers that a profile gives, and `progress(done, total, figures)` calls. Out: the same calls, whose
figures accelerate's trackers are given too. They are opened with the first figures, because a build that finds its
result trains nothing. The stage knows nothing of them, so they are in no key; and a tracker that fails is left out
from then on, because no training should be lost with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from domainlm.contract import StageError

NONE = "none"
FOLDER = ".domainlm/tracking"
Progress = Callable[[int, int, Mapping[str, float]], None]


class Tracking:
    """The trackers of one build.

    It is a context manager, because a tracker sends its last figures at the end.
    """

    def __init__(self, names: str, run: str, project: Path, log: Callable[[str], None]) -> None:
        self._classes = tracker_classes(names)
        self._run = run
        self._folder = project / FOLDER
        self._log = log
        self._open: list[Any] | None = None

    def __enter__(self) -> Tracking:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for tracker in self._open or []:
            self._try(tracker.name, tracker.finish)

    def watched(self, progress: Progress) -> Progress:
        """The progress calls, which the trackers see too."""
        if not self._classes:
            return progress

        def both(done: int, total: int, figures: Mapping[str, float]) -> None:
            progress(done, total, figures)
            if figures:
                self._track(done, figures)

        return both

    def _track(self, done: int, figures: Mapping[str, float]) -> None:
        if self._open is None:
            self._open = [opened for kind in self._classes if (opened := self._opened(kind)) is not None]
        values = dict(figures)
        self._open = [each for each in self._open if self._try(each.name, partial(each.log, values, step=done))]

    def _opened(self, kind: Any) -> Any:
        def begin() -> None:
            tracker = (
                kind(self._run, logging_dir=str(self._folder)) if kind.requires_logging_directory else kind(self._run)
            )
            tracker.start()
            made.append(tracker)

        made: list[Any] = []
        if kind.requires_logging_directory:
            self._folder.mkdir(parents=True, exist_ok=True)
        self._try(kind.name, begin)
        return made[0] if made else None

    def _try(self, name: str, action: Callable[[], Any]) -> bool:
        """Whether it went well.

        A tracker is a stranger's code, over a network.
        """
        try:
            action()
        except Exception as error:
            self._log(f"the tracker {name} fails ({type(error).__name__}: {error}); the training goes on without it")
            return False
        return True


def tracker_classes(names: str) -> list[Any]:
    """accelerate's class of each tracker.

    Raises StageError for one that it does not know, or that is not installed.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip() not in ("", NONE)]
    if not wanted:
        return []
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    known, installed = sorted(map(str, LOGGER_TYPE_TO_CLASS)), set(map(str, get_available_trackers()))
    for name in wanted:
        if name not in known:
            raise StageError(f"trackers: {name!r} is not known; expected some of {', '.join(known)}, or {NONE}")
        if name not in installed:
            raise StageError(f"trackers: {name} is not installed here; expected its package: pip install {name}")
    return [LOGGER_TYPE_TO_CLASS[name] for name in wanted]
