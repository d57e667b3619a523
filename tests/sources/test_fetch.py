"""Fetches of hub revisions and datasets, and what an action has fetched already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from material.distributions import TEXT, row, sha256, silent

from domainlm.contract import StageError
from domainlm.sources.fetch import declared_digests, fetch_hub
from domainlm.store.local import Store

HUB = {"repository": "owner/model", "revision": "a" * 40, "source": "tiny", "patterns": ["*.json", "*.safetensors"]}
HUB_FILES = {
    "config.json": b"{}",
    "model.safetensors": b"weights",
    ".cache/huggingface/x.metadata": b"not of the model",
}


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Revisions that were downloaded, instead of a hub."""
    import huggingface_hub

    seen: list[str] = []

    def download(repository: str, revision: str, local_dir: Path, allow_patterns: list[str]) -> None:
        seen.append(revision)
        for name, data in HUB_FILES.items():
            (local_dir / name).parent.mkdir(parents=True, exist_ok=True)
            (local_dir / name).write_bytes(data)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return seen


def test_a_hub_revision_is_downloaded_once(store: Store, downloads: list[str]) -> None:
    rows = fetch_hub(HUB, store, silent)
    assert [(row["path"], row["sha256"], row["size"]) for row in rows] == [
        ("config.json", sha256(b"{}"), 2),
        ("model.safetensors", sha256(b"weights"), 7),
    ]
    assert {(row["source"], row["origin"]) for row in rows} == {("tiny", "fetch")}
    assert fetch_hub(HUB, store, silent) == rows
    assert downloads == ["a" * 40]
    store.objects.path(sha256(b"weights")).unlink()
    assert fetch_hub(HUB, store, silent) == rows
    assert fetch_hub({**HUB, "revision": "b" * 40}, store, silent) == rows
    assert downloads == ["a" * 40, "a" * 40, "b" * 40]


def test_what_an_action_has_fetched_is_known_by_its_digests(store: Store, downloads: list[str]) -> None:
    hub = {"artifact": "base_model", "config": {"files": [], "hub": HUB}}
    assert declared_digests(store, hub) == []
    fetch_hub(HUB, store, silent)
    assert declared_digests(store, hub) == [sha256(b"{}"), sha256(b"weights")]
    files = [{"origin": "local", "sha256": "1"}, {"origin": "fetch", "sha256": "2"}]
    assert declared_digests(store, {"artifact": "base_model", "config": {"files": files, "hub": None}}) == ["2"]
    raw = {"artifact": "raw_corpus_shard", "config": {"files": files, "fetched": [row()]}}
    assert declared_digests(store, raw) == [sha256(TEXT)]
    assert declared_digests(store, {"artifact": "documents_shard", "config": {}}) == []


DATASET = {
    **{"repository": "owner/data", "revision": "a" * 40, "source": "tiny", "kind": "dataset"},
    **{"patterns": ["**/*.jsonl", "**/*.jsonl.gz"], "exclude": ["old/**"]},
}
DATASET_FILES = {
    "train.jsonl": b'{"text": "x"}\n',
    "data/two [a].jsonl.gz": b"packed",
    "old/train.jsonl": b"old",
    "README.md": b"about",
}


@pytest.fixture
def dataset_downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files of a dataset that were downloaded, instead of a hub."""
    import huggingface_hub

    seen: list[str] = []

    def listed(repository: str, revision: str, repo_type: str) -> list[str]:
        assert (repository, revision, repo_type) == ("owner/data", "a" * 40, "dataset")
        return list(DATASET_FILES)

    def download(repository: str, name: str, revision: str, repo_type: str, local_dir: Path) -> None:
        seen.append(name)
        (local_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (local_dir / name).write_bytes(DATASET_FILES[name])

    monkeypatch.setattr(huggingface_hub, "list_repo_files", listed)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return seen


def test_of_a_dataset_only_what_is_wanted_is_downloaded_once(store: Store, dataset_downloads: list[str]) -> None:
    rows = fetch_hub(DATASET, store, silent)
    assert [(row["path"], row["sha256"]) for row in rows] == [
        ("data/two [a].jsonl.gz", sha256(b"packed")),
        ("train.jsonl", sha256(DATASET_FILES["train.jsonl"])),
    ]
    assert fetch_hub(DATASET, store, silent) == rows
    assert dataset_downloads == ["data/two [a].jsonl.gz", "train.jsonl"]
    # what is kept of it belongs to the shards that ask for it, and to no others
    raw = {"artifact": "raw_corpus_shard", "config": {"files": [], "fetched": [], "hubs": [DATASET]}}
    assert declared_digests(store, raw) == [row["sha256"] for row in rows]
    assert fetch_hub({**DATASET, "exclude": []}, store, silent) != rows


def test_a_dataset_without_such_files_names_what_it_holds(store: Store, dataset_downloads: list[str]) -> None:
    with pytest.raises(
        StageError, match=r"no file of owner/data .* matches include \['\*\.csv'\]; it holds README\.md"
    ):
        fetch_hub({**DATASET, "patterns": ["*.csv"]}, store, silent)
    assert dataset_downloads == []


def test_a_hub_that_refuses_is_named_with_the_token(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx2
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    def listed(*_: Any, **__: Any) -> list[str]:
        request = httpx2.Request("GET", "https://hub.example/api")
        raise HfHubHTTPError("401 Unauthorized", response=httpx2.Response(401, request=request))

    monkeypatch.setattr(huggingface_hub, "list_repo_files", listed)
    with pytest.raises(StageError, match=r"source tiny: cannot download owner/data .*401 Unauthorized.*HF_TOKEN"):
        fetch_hub(DATASET, store, silent)
