"""Choices of a machine that measures itself, such as the precision.

In: a store, a scratch folder, what an earlier output of the key was built with. Out: one value a name, which stands in
`action.json` beside the artifact. A choice is measured once: a run that continues after a kill, on another machine
too, keeps the choice that it began with (scratch folder), and a later run on the same kind of machine keeps the
store's. Measured anew each time, a machine between two values would give other bytes from one day to the next.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from pathlib import Path

from domainlm.builder.processor import bfloat16_instructions, device_name, processor_name
from domainlm.store.canonical import canonical_json, sha256_of
from domainlm.store.notes import read_note
from domainlm.store.sharing import make_folder
from domainlm.store.staging import replace_file

FILE = "choices.json"
MAX_CHARS = 100


class MachineChoices:
    """The choices of one run; `made` holds those that it asked for.

    gpus: as granted by the profile. recorded: the choices of the output that is built again, which are taken as they were.
    """

    def __init__(self, store: Path, scratch: Path, gpus: int, recorded: Mapping[str, object] | None = None) -> None:
        self.made: dict[str, str] = {}
        self._gpus = gpus
        self._store = store
        self._scratch = scratch
        self._recorded = dict(recorded or {})

    def choose(self, name: str, measure: Callable[[], str]) -> str:
        """The value of a choice; `measure` is called where none is remembered."""
        if name in self.made:
            return self.made[name]
        machine = kind_of_machine(self._gpus)
        remembered = make_folder(self._store, "machines") / f"{sha256_of(canonical_json(machine))[:16]}.json"
        known = (self._recorded, _choices(self._scratch / FILE), _choices(remembered))
        value = next((found for row in known if (found := _text(row.get(name))) is not None), None)
        if value is None:
            value = measure()
            replace_file(remembered, canonical_json({**_choices(remembered), "machine": machine, name: value}))
        self.made[name] = value
        replace_file(self._scratch / FILE, canonical_json({**_choices(self._scratch / FILE), **self.made}))
        return value


def kind_of_machine(gpus: int) -> dict[str, str]:
    """The facts by which measurements are remembered.

    The host's name is not among them: the nodes of a cluster that are of one kind make one choice.
    """
    import torch

    return {
        "processor": processor_name(),
        "bfloat16_instructions": bfloat16_instructions(),
        "machine": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "device": device_name(gpus),
        "torch": torch.__version__,
    }


def _choices(path: Path) -> Mapping[str, object]:
    return read_note(path) or {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= MAX_CHARS else None
