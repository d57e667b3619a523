"""A project with a remote folder, and what a stranger who can write there makes of its records."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domainlm.builder.build import Outcome, build
from domainlm.contract import Resources
from domainlm.store.local import Store
from domainlm.store.remote import action_name
from domainlm.upkeep.push_pull import push
from domainlm.workflow.prepare import prepare
from material.projects import RAW

Poison = Callable[[dict[str, Any]], object]


@dataclass
class Project:
    """A project with a folder remote beside it, and what its builds have said."""

    path: Path
    remote: Path
    said: list[str] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return Store(self.path / ".dvc/domainlm-store")

    def build(self, artifact: str = "raw_corpus", is_wanted: bool = True, shard: str | None = "0000") -> Outcome:
        stamp = prepare({}, self.path, targets=["eval_report"]).stamps[artifact, shard]
        return build(self.path, stamp, Resources(log=self.said.append), is_wanted)

    def push(self) -> Any:
        return push(self.path, "tiny", [], self.said.append)

    def key(self, folder: str = RAW) -> str:
        return str(json.loads((self.path / folder / "action.json").read_bytes())["key"])

    def rewrite(self, key: str, change: Poison) -> Path:
        path = self.remote / action_name(key)
        row = json.loads(path.read_bytes())
        data = change(row)
        path.write_text(data if isinstance(data, str) else json.dumps(row))
        return path

    def forget(self, folder: str, key: str) -> None:
        """As in another clone that shares the store: the artifact and its record are gone, the objects are here."""
        shutil.rmtree(self.path / folder)
        self.store.actions.path(key).unlink(missing_ok=True)

    def objects(self) -> set[str]:
        return {path.name for path in (self.store.root / "objects").glob("*/*")}

    def quarantine(self) -> list[str]:
        return sorted(path.name for path in (self.store.root / "quarantine").glob("*"))


def first(row: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = max(row["manifest"]["files"], key=lambda entry: entry["size"])
    return entry


def extra(**changes: Any) -> Poison:
    return lambda row: row["manifest"]["files"].append({**first(row), **changes})


def changed(**changes: Any) -> Poison:
    return lambda row: first(row).update(changes)


def make_again(clone: Project) -> Project:
    """The clone with an empty store and workspace."""
    for path in (clone.store.root, clone.path / "artifacts", clone.path / ".domainlm/fetched"):
        shutil.rmtree(path, ignore_errors=True)
    return clone
