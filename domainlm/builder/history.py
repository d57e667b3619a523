"""A build with a line of history: result, duration and reason.

In: the arguments of `build`. Out: its outcome, and one line in the project's `builds.jsonl`, whether the build
succeeded or not; a stage that ran is in the store's history, too. `plan` estimates costs from these lines, and they
show whether a run built anything.
"""

from __future__ import annotations

import resource
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from domainlm.builder.build import Outcome, build
from domainlm.builder.full_disk import naming_full_disk
from domainlm.contract import Resources
from domainlm.pipeline.places import BUILDS_FILE
from domainlm.pipeline.stamp import Stamp
from domainlm.store.local import Store, append_line
from domainlm.store.location import store_folder
from domainlm.store.secrets import without_secrets


def recorded_build(
    project: Path, stamp: Stamp, resources: Resources, is_requested: bool = True, may_run: bool = True
) -> Outcome:
    """`build`, with one line in builds.jsonl and in the store's history.

    The line is written for a failed build, too.
    """
    began = time.monotonic()
    row: dict[str, Any] = {
        "artifact": stamp.artifact,
        "shard": stamp.shard,
        "domain": stamp.domain,
        "host": socket.gethostname(),
        "device": "cpu",
        "threads": resources.threads,
    }
    store = Store(store_folder(project))

    def note() -> None:
        row["seconds"] = round(time.monotonic() - began, 3)
        # the sum with the child process of a stage is an upper bound, as the peaks may lie at different times
        peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        row["peak_memory_mb"] = sum(peaks) // 1024
        row["time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        append_line(project / BUILDS_FILE, row)
        if row["outcome"] == "built":
            store.append_history(row)

    try:
        with naming_full_disk(project, store.root):
            outcome = build(project, stamp, resources, is_requested, may_run)
        row |= {"outcome": outcome.outcome, "why": outcome.why, "key": outcome.key, "bytes": outcome.size_bytes}
        row["bytes_moved"] = outcome.moved_bytes
        row |= {"tree_digest": outcome.tree_digest, "stats": dict(outcome.stats)}
        if outcome.alternative is not None:
            row["alternative"] = outcome.alternative.as_json()
        if outcome.quarantined:
            row["quarantined"] = list(outcome.quarantined)
        with naming_full_disk(project, store.root):
            note()
        return outcome
    except BaseException as error:
        row |= {"outcome": "failed", "why": without_secrets(f"{type(error).__name__}: {error}")[:500]}
        # a full disk takes no line either; the error itself counts more
        with suppress(OSError):
            note()
        raise
