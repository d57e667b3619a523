"""What counts as the result of a key: a record of the store, or of the remote, as far as it can be right.

In: a key. Out: its record, or None; what was found wrong with one is said, once. A record that cannot be right counts as
none: an error would let whoever can write to a remote stop every build, now and, had it been recorded, later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from domainlm.builder.origins import record_fault
from domainlm.builder.workspace import say_once
from domainlm.pipeline.stamp import Stamp
from domainlm.store.actions import Recorded
from domainlm.store.local import Store
from domainlm.store.manifest import shard_fault
from domainlm.store.remote import REPLACED, Remote, action_name
from domainlm.store.remote_location import exposure
from domainlm.store.signatures import TRUSTED_VARIABLE


def store_hit(project: Path, store: Store, key: str) -> Recorded | None:
    """The store's record of a key. One that cannot be right, or that nobody trusted signed, is put aside.

    It would be in the way of every later build.
    """
    hit = store.actions.find(key)
    if hit is None:
        store.actions.put_wrong_aside(key)
        return None
    fault = record_fault(project, key, hit)
    if fault is None and not store.has_all(hit.manifest):
        fault = store.objects.false_size(hit.manifest.entries)
    if fault is not None:
        store.actions.withdraw(key, fault)
        return None
    return hit


def remote_hit(
    project: Path,
    remote: Remote,
    stamp: Stamp,
    key: str,
    action: Mapping[str, Any],
    store: Store,
    log: Callable[[str], None],
) -> Recorded | None:
    """The remote's record of a key, as far as it can be right; what is wrong with it is said, and it counts as none."""
    found = remote.find(key, log)
    if found is None:
        return None
    fault = shard_fault(found.manifest, action["inputs"]) if stamp.is_gather else None
    fault = fault or store.objects.false_size(found.manifest.entries)
    if fault is not None:
        log(f"refused {action_name(key)} of {remote}: {fault}; {REPLACED}")
        return None
    others = exposure(remote.location) if remote.trusted_keys is None else None
    if others is not None:
        say_once(
            project,
            "unsigned_said",
            f"{remote} is accepted unsigned: {others} can change what is installed from there; set {TRUSTED_VARIABLE} to "
            "accept only records that are signed with a key that you know (docs/how-to/remote-cache.md)",
            log,
        )
    return found
