from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.builder import build as build_module
from domainlm.builder import looks as looks_module
from domainlm.builder.build import build
from domainlm.builder.outlook import predict
from domainlm.builder.ways import WITH_LEASE, WITHOUT_LEASE, Way, first_found
from domainlm.contract import Resources
from domainlm.store.local import Store
from domainlm.store.manifest import Manifest
from domainlm.store.remote import open_remote
from domainlm.upkeep.push_pull import push
from domainlm.workflow.prepare import prepare

TARGET = "unique_shards"
FOLDER = f"artifacts/tiny/{TARGET}"


def test_what_the_first_way_finds_is_taken_and_no_later_one_is_tried() -> None:
    tried: list[Way] = []

    def step(way: Way, found: str | None) -> Callable[[str], str | None]:
        def tries(asked: str) -> str | None:
            tried.append(way)
            return found

        return tries

    steps = {way: step(way, "here" if way in (Way.CHECKOUT, Way.REMOTE) else None) for way in reversed(Way)}
    assert first_found(Way, steps, "key") == "here"
    assert tried == [Way.INSTALLED, Way.READ_ONLY_STORE, Way.STORE, Way.CHECKOUT]
    assert first_found((Way.INSTALLED,), steps, "key") is None


def test_a_build_and_an_outlook_know_every_way() -> None:
    assert set(build_module.TAKEN) == set(looks_module.LOOKS) == set(Way)
    # the lease is taken once, between the two parts
    assert (*WITHOUT_LEASE, *WITH_LEASE) == tuple(Way)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Way]]:
    """By `build` and `outlook`, the ways that they tried, in order."""
    seen: dict[str, list[Way]] = {"build": [], "outlook": []}

    def noting(name: str, way: Way, step: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def tries(asked: Any) -> Any:
            if asked.build.stamp.artifact == TARGET:
                seen[name].append(way)
            return step(asked)

        return tries

    for name, module, table in (("build", build_module, "TAKEN"), ("outlook", looks_module, "LOOKS")):
        steps = {way: noting(name, way, step) for way, step in getattr(module, table).items()}
        monkeypatch.setattr(module, table, steps)
    return seen


def store_of(project: Path) -> Store:
    return Store(project / ".dvc/domainlm-store")


def lose_objects(project: Path) -> None:
    """The store's objects and the installed files of the target."""
    shutil.rmtree(store_of(project).root / "objects")
    shutil.rmtree(project / FOLDER)


def leave_another_output(project: Path) -> None:
    """Another output of the key beside the first one, whose bytes are gone."""
    store = store_of(project)
    key = next(path.stem for path in store.root.glob("actions/*/*.json") if f'"{TARGET}"' in path.read_text())
    record = store.actions.get(key)
    assert record is not None
    (lost,) = (entry for entry in record[0].entries if entry.path == "documents.parquet")
    store.actions.put(key, Manifest(tuple(entry for entry in record[0].entries if entry != lost)), record[1])
    store.objects.path(lost.sha256).unlink()
    shutil.rmtree(project / FOLDER)


SITUATIONS: dict[str, tuple[Callable[[Path], object], Way | None]] = {
    "installed": (lambda project: None, Way.INSTALLED),
    "in the store": (lambda project: shutil.rmtree(project / FOLDER), Way.STORE),
    "damaged in the folder": (lambda project: (project / FOLDER / "stats.json").unlink(), Way.STORE),
    "a copied checkout": (
        lambda project: (
            shutil.copytree(project / FOLDER, project / "copy"),
            shutil.rmtree(project / FOLDER),
            # the copies' times are new, and the store knows nothing of them
            (project / "copy").rename(project / FOLDER),
            shutil.rmtree(store_of(project).root),
            [path.touch() for path in (project / FOLDER).iterdir()],
        ),
        Way.INSTALLED,
    ),
    "a checkout with a file too many": (
        lambda project: (
            shutil.rmtree(store_of(project).root),
            (project / FOLDER / "more").write_text("of no manifest"),
        ),
        Way.CHECKOUT,
    ),
    "at the remote": (
        lambda project: (shutil.rmtree(store_of(project).root), shutil.rmtree(project / FOLDER)),
        Way.REMOTE,
    ),
    "the store has the record, the remote the bytes": (lose_objects, Way.REMOTE),
    "another output": (leave_another_output, Way.ALTERNATIVE),
    "nowhere": (lambda project: (shutil.rmtree(store_of(project).root), shutil.rmtree(project / FOLDER)), None),
}
WITHOUT_REMOTE = ("another output", "nowhere")


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_plan_names_the_way_that_the_build_takes(
    built_text_project: Any,
    tried: dict[str, list[Way]],
    situation: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = built_text_project.path
    if situation not in WITHOUT_REMOTE:
        (tmp_path / "remote").mkdir()
        monkeypatch.setenv("DOMAINLM_REMOTE", str(tmp_path / "remote"))
        push(project, "tiny", [], lambda line: None)
    change, way = SITUATIONS[situation]
    change(project)
    stamps = list(prepare({}, project, targets=[TARGET]).stamps.values())
    outlook = predict(project, stamps, TARGET, store_of(project), open_remote(project))[-1]
    stamp = next(stamp for stamp in stamps if stamp.artifact == TARGET)
    outcome = build(project, stamp, Resources(log=lambda line: None))
    assert tried["build"] == tried["outlook"]
    assert tried["build"] == list(Way)[: list(Way).index(way) + 1 if way is not None else None]
    expected = {"up_to_date": "up_to_date", "restore": "restored", "fetch": "fetched", "build": "built"}
    assert outcome.outcome == expected[outlook.state]
