"""Two outputs of one key: another platform, or a stage without determinism?

In: the records of the first output and of another one, with the bytes that the store has of them. Out: an
`Alternative`, which names the first differing file and record, and the facts of the platforms that differ. Where none
differ, the stage gave two results for one question, and the message is a loud one. Where some do (another CPU, another
torch build), rounding differs as it must. In both cases the first output stays, because artifacts that were trained
from it name it.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from domainlm.builder.file_difference import first_difference
from domainlm.builder.processor import bfloat16_instructions, device_name
from domainlm.contract import Resources
from domainlm.models.device import granted_processes
from domainlm.pipeline.stamp import Stamp
from domainlm.pipeline.table import BY_NAME
from domainlm.store.local import Store
from domainlm.store.manifest import Entry, Manifest

# these decide the last bits of floating point; Python's version and the number of threads do not
DECISIVE = (
    "machine",
    "system",
    "torch",
    "cpu_capability",
    "bfloat16_instructions",
    "cuda",
    "device",
    "world_size",
    "micro_batch_rows",
    "precision",
)
# of a row's products that cores shared: their number is in the fact's name
SHARED = "_threads_in_row"


@dataclass(frozen=True)
class Alternative:
    """A further output of a key, different from the first.

    first, second: tree digests. file: the first path that differs; change: how it differs, in words. platforms: fact ->
    (of the first, of the second), only those that differ.
    """

    artifact: str
    first: str
    second: str
    file: str
    change: str
    platforms: Mapping[str, tuple[Any, Any]]

    @property
    def is_nondeterminism(self) -> bool:
        return not self.platforms

    def as_json(self) -> dict[str, Any]:
        return {"kind": "non-determinism" if self.is_nondeterminism else "another platform", **asdict(self)}

    def in_words(self) -> str:
        where = f"first difference: {self.file}: {self.change}"
        if self.is_nondeterminism:
            return (
                f"NON-DETERMINISM: {self.artifact} gave other bytes for the same key on a like platform "
                f"({self.first[:12]}, now {self.second[:12]}); {where}. The first output stays; please report it"
            )
        facts = ", ".join(f"{name} {first} -> {second}" for name, (first, second) in sorted(self.platforms.items()))
        return (
            f"another platform, another rounding ({facts}): recorded as an alternative, the first output stays; {where}"
        )


def where_built(stamp: Stamp, resources: Resources) -> dict[str, Any]:
    """The platform facts beside an artifact, outside of its identity."""
    facts: dict[str, Any] = {"python": platform.python_version(), "machine": platform.machine(), "system": sys.platform}
    if stamp.uses_torch:
        import torch

        facts |= {
            "torch": torch.__version__,
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "bfloat16_instructions": bfloat16_instructions(),
            "cuda": torch.version.cuda,
            "device": device_name(resources.gpus),
            "world_size": granted_processes(resources) if BY_NAME[stamp.artifact].launched else 1,
            "micro_batch_rows": resources.micro_batch_rows,
        }
    return facts


def platform_difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Decisive facts that differ between both records: name -> (first, second)."""
    found = {
        name: (first[name], second[name])
        for name in DECISIVE
        if name in first and name in second and first[name] != second[name]
    }
    for name in sorted({*first, *second}):
        pair = first.get(name), second.get(name)
        if name.endswith(SHARED) and pair[0] != pair[1] and "shared" in pair:
            found[name] = pair
    return found


def compare_outputs(
    store: Store, first: tuple[Manifest, Mapping[str, Any]], second: tuple[Manifest, Mapping[str, Any]]
) -> Alternative | None:
    """Difference between two outputs of one key; None where they are equal.

    Each output comes with its action record.
    """
    if first[0] == second[0]:
        return None
    before = {entry.path: entry for entry in first[0].entries}
    after = {entry.path: entry for entry in second[0].entries}
    path = min(path for path in {*before, *after} if before.get(path) != after.get(path))
    change = _change(store, before.get(path), after.get(path))
    digests = first[0].tree_digest, second[0].tree_digest
    platforms = platform_difference(first[1].get("built", {}), second[1].get("built", {}))
    return Alternative(second[1]["action"]["artifact"], *digests, path, change, platforms)


def _change(store: Store, before: Entry | None, after: Entry | None) -> str:
    if before is None or after is None:
        return "only in the first output" if after is None else "not in the first output"
    for entry, whose in ((before, "first"), (after, "other")):
        if not store.objects.has(entry.sha256, entry.size):
            return f"the {whose} output's bytes are no longer in the store ({entry.size} bytes)"
    return first_difference(before.path, store.objects.path(before.sha256), store.objects.path(after.sha256))
