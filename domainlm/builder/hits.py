"""The recorded result of a key, in the store or the remote.

In: a key. Out: its record, or None; a fault of a record is reported once. A record that cannot be right counts as none.
Raising an error would let whoever can write to a remote stop every build, now and, had the record been kept, later.
"""

from __future__ import annotations

from domainlm.builder.one_build import Build
from domainlm.builder.origins import record_fault
from domainlm.builder.workspace import say_once
from domainlm.store.actions import Recorded
from domainlm.store.manifest import shard_fault
from domainlm.store.remote import REPLACED, Remote, action_name
from domainlm.store.remote_location import exposure
from domainlm.store.signatures import TRUSTED_VARIABLE


def store_hit(build: Build) -> Recorded | None:
    """The store's record of a build's key.

    A record that cannot be right, or that nobody trusted signed, is moved into quarantine: it would be in the way of
    every later build.
    """
    store, key = build.store, build.key
    hit = store.actions.find(key)
    if hit is None:
        store.actions.put_wrong_aside(key)
        return None
    fault = record_fault(build.project, key, hit)
    if fault is None and not store.has_all(hit.manifest):
        fault = store.objects.false_size(hit.manifest.entries)
    if fault is not None:
        store.actions.withdraw(key, fault)
        return None
    return hit


def remote_hit(build: Build, remote: Remote) -> Recorded | None:
    """The remote's record of a build's key, if it can be right.

    A faulty record is reported and counts as none.
    """
    log = build.log
    found = remote.find(build.key, log)
    if found is None:
        return None
    fault = shard_fault(found.manifest, build.input_digests) if build.stamp.is_gather else None
    fault = fault or build.store.objects.false_size(found.manifest.entries)
    if fault is not None:
        log(f"refused {action_name(build.key)} of {remote}: {fault}; {REPLACED}")
        return None
    others = exposure(remote.location) if remote.trusted_keys is None else None
    if others is not None:
        say_once(
            build.project,
            "unsigned_said",
            f"{remote} is accepted unsigned: {others} can change what is installed from there; set {TRUSTED_VARIABLE} to "
            "accept only records that are signed with a key that you know (docs/how-to/remote-cache.md)",
            log,
        )
    return found
