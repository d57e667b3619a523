from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domainlm.builder.alternatives import compare_outputs, platform_difference, where_built
from domainlm.contract import Resources
from domainlm.pipeline.stamp import Stamp
from domainlm.store.local import Store
from domainlm.store.manifest import Manifest

LIKE = {"python": "3.11.2", "machine": "x86_64", "system": "linux", "torch": "2.13.0+cpu", "cpu_capability": "AVX512"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def output(store: Store, built: dict[str, Any] = LIKE, **files: str) -> tuple[Manifest, dict[str, Any]]:
    with store.temporary("test") as folder:
        for name, text in files.items():
            (folder / f"{name}.txt").write_text(text)
        manifest = store.commit(folder)
    return manifest, {"action": {"artifact": "thing"}, "built": built}


def test_equal_bytes_are_no_alternative(store: Store) -> None:
    other = {**LIKE, "machine": "aarch64"}
    assert compare_outputs(store, output(store, a="1"), output(store, other, a="1")) is None


def test_the_first_differing_file_and_record_are_named(store: Store) -> None:
    found = compare_outputs(store, output(store, a="1", b="2\n3", c="4"), output(store, a="1", b="2\n5", c="6"))
    assert found is not None
    assert (found.file, found.change) == ("b.txt", "line 2: 3 -> 5")
    assert found.is_nondeterminism
    assert found.as_json()["kind"] == "non-determinism"


@pytest.mark.parametrize(("first", "second", "change"), [({"b": "1"}, {}, "only in"), ({}, {"b": "1"}, "not in")])
def test_a_file_that_only_one_has_is_named(
    store: Store, first: dict[str, str], second: dict[str, str], change: str
) -> None:
    found = compare_outputs(store, output(store, a="1", **first), output(store, a="1", **second))
    assert found is not None
    assert (found.file, found.change) == ("b.txt", f"{change} the first output")


def test_bytes_that_are_gone_are_not_compared(store: Store) -> None:
    first = output(store, a="1")
    store.objects.path(first[0].entries[0].sha256).unlink()
    found = compare_outputs(store, first, output(store, a="2"))
    assert found is not None
    assert found.change == "the first output's bytes are no longer in the store (1 bytes)"


@pytest.mark.parametrize(
    ("fact", "value", "is_like"),
    [
        ("python", "3.13.0", True),
        ("threads", 8, True),
        ("machine", "aarch64", False),
        ("torch", "2.13.0+cu130", False),
        ("cpu_capability", "AVX2", False),
    ],
)
def test_what_makes_platforms_alike(store: Store, fact: str, value: Any, is_like: bool) -> None:
    found = compare_outputs(store, output(store, a="1"), output(store, {**LIKE, fact: value}, a="2"))
    assert found is not None
    assert found.is_nondeterminism is is_like
    assert found.platforms == ({} if is_like else {fact: (LIKE[fact], value)})


def test_a_fact_that_an_older_record_has_not_does_not_count() -> None:
    assert platform_difference(LIKE, {**LIKE, "micro_batch_rows": 4}) == {}


@pytest.mark.parametrize(
    ("artifact", "granted", "expected"), [("pt_adapter", 1, 1), ("sft_adapter", 2, 2), ("merged_model", 2, 1)]
)
def test_the_processes_of_a_training_are_recorded(artifact: str, granted: int, expected: int) -> None:
    stamp = Stamp("medical", artifact, None, f"artifacts/medical/{artifact}", {}, "", {}, {}, uses_torch=True)
    assert where_built(stamp, Resources(processes=granted))["world_size"] == expected


def test_another_number_of_processes_is_another_platform(store: Store) -> None:
    one, two = ({**LIKE, "world_size": size} for size in (1, 2))
    found = compare_outputs(store, output(store, one, a="1"), output(store, two, a="2"))
    assert found is not None
    assert (found.is_nondeterminism, found.platforms) == (False, {"world_size": (1, 2)})
