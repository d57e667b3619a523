"""Fetches by the real pip, from a folder of hand-made distributions instead of an index."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from material.distributions import METADATA, TEXT, basic, row, sha256, silent, write_sdist, write_wheel
from material.packers import zipped
from material.servers import Answer, answering_server

from domainlm.contract import StageError
from domainlm.sources.fetch import fetch
from domainlm.store.local import Store

# whatever of an sdist is run leaves a file behind
TRAP = "import pathlib\npathlib.Path({trap!r}).touch()\n"
SETUP = "from setuptools import setup\nsetup(name='tiny-corpus', version='1.0')\n"


def test_a_member_of_a_wheel_becomes_an_object(index: Path, store: Store) -> None:
    write_wheel(index)
    said: list[str] = []
    fetch(row(), store, said.append)
    assert store.objects.path(sha256(TEXT)).read_bytes() == TEXT
    assert said == ["fetching tiny-corpus==1.0 for source tiny"]
    assert list((store.root / "tmp").iterdir()) == []


def test_what_the_store_has_is_not_fetched_again(index: Path, store: Store) -> None:
    wheel = write_wheel(index)
    fetch(row(), store, silent)
    wheel.unlink()
    said: list[str] = []
    fetch(row(), store, said.append)
    assert said == []


def test_a_fetched_file_that_was_written_to_is_fetched_again(index: Path, store: Store) -> None:
    write_wheel(index)
    wanted = row(member="tiny_corpus/data/text.txt", sha256=sha256(TEXT))
    fetch(wanted, store, silent)
    path = store.objects.path(sha256(TEXT))
    path.chmod(0o644)
    path.write_bytes(b"THE TEXT\n")
    fetch(wanted, store, silent)
    assert path.read_bytes() == TEXT
    assert [kept.read_bytes() for kept in (store.root / "quarantine").iterdir()] == [b"THE TEXT\n"]


def test_without_a_member_the_archive_is_kept(index: Path, store: Store) -> None:
    data = write_wheel(index).read_bytes()
    fetch(row(member=None, sha256=sha256(data)), store, silent)
    assert store.objects.path(sha256(data)).read_bytes() == data


@pytest.mark.parametrize("member", ["tiny_corpus/data/text.txt", None])
def test_a_wrong_digest_names_both_and_keeps_nothing(index: Path, store: Store, member: str | None) -> None:
    data = write_wheel(index).read_bytes()
    declared = "0" * 64
    with pytest.raises(StageError) as raised:
        fetch(row(member=member, sha256=declared), store, silent)
    message = str(raised.value)
    assert declared in message
    assert sha256(data if member is None else TEXT) in message
    assert "sources.tiny.fetch.sha256" in message
    assert not (store.root / "objects").exists()


def test_an_absent_member_is_named(index: Path, store: Store) -> None:
    write_wheel(index)
    with pytest.raises(StageError, match=r"no member 'tiny_corpus/other\.txt'"):
        fetch(row(member="tiny_corpus/other.txt"), store, silent)


@pytest.mark.parametrize("changes", [{"version": "2.0"}, {"package": "tiny-corpsu"}, {"kind": "sdist"}])
def test_what_pip_does_not_find_is_an_error_with_pip_s_reason(
    index: Path, store: Store, changes: dict[str, str]
) -> None:
    write_wheel(index)
    with pytest.raises(StageError, match=r"cannot download tiny-\w+==[\d.]+ \(\w+\): ERROR: .*; check the network"):
        fetch(row(**changes), store, silent)


def pyproject(backend: str, extra: str = "") -> str:
    return f'[build-system]\nrequires = ["nothing-that-is-here"]\nbuild-backend = "{backend}"\n{extra}'


SDISTS: dict[str, Callable[[str], dict[str, str]]] = {
    "setuptools": lambda trap: {"pyproject.toml": pyproject("setuptools.build_meta"), "setup.py": trap + SETUP},
    "meson": lambda trap: {"pyproject.toml": pyproject("mesonpy"), "meson.build": "", "setup.py": trap},
    "hatchling": lambda trap: {"pyproject.toml": pyproject("hatchling.build"), "hatch_build.py": trap},
    "flit": lambda trap: {"pyproject.toml": pyproject("flit_core.buildapi"), "tiny_corpus.py": trap},
    "poetry": lambda trap: {"pyproject.toml": pyproject("poetry.core.masonry.api"), "build.py": trap},
    "setup.py alone": lambda trap: {"setup.py": trap + SETUP},
    "its own backend": lambda trap: {"pyproject.toml": pyproject("own", 'backend-path = ["."]\n'), "own.py": trap},
}


@pytest.mark.parametrize("kind", SDISTS)
def test_an_sdist_is_fetched_without_running_any_of_it(kind: str, index: Path, store: Store, tmp_path: Path) -> None:
    trap = tmp_path / "was_run"
    data = write_sdist(index, SDISTS[kind](TRAP.format(trap=str(trap)))).read_bytes()
    try:
        fetch(row(kind="sdist", member=None, sha256=sha256(data)), store, silent)
    finally:
        assert not trap.exists()
    assert store.objects.path(sha256(data)).read_bytes() == data


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_of_several_files_of_a_version_the_declared_one_is_taken(kind: str, index: Path, store: Store) -> None:
    write_wheel(index)
    packed = write_sdist(index, {}).read_bytes()
    data = zipped({"tiny_corpus-1.0/PKG-INFO": METADATA, "tiny_corpus-1.0/doc/text.rst": TEXT})
    (index / "tiny_corpus-1.0.zip").write_bytes(data)
    wheel = next(index.glob("*.whl")).read_bytes()
    for wanted in (wheel,) if kind == "wheel" else (data, packed):
        # names are compared as the index does: Tiny.Corpus is tiny_corpus
        fetch(row(package="Tiny.Corpus", kind=kind, member=None, sha256=sha256(wanted)), store, silent)
        assert store.objects.path(sha256(wanted)).read_bytes() == wanted


def test_versions_are_compared_as_pip_does_and_a_local_one_is_another(index: Path, store: Store) -> None:
    write_wheel(index).rename(index / "tiny_corpus-1.0+local-py3-none-any.whl")
    with pytest.raises(
        StageError, match=r"No matching distribution found for tiny-corpus==1\.0 \(wheel\); .*: 1\.0\+local"
    ):
        fetch(row(), store, silent)
    write_wheel(index)
    fetch(row(version="1.0.0"), store, silent)


SIMPLE = "<html><body><a href='{href}'>{name}</a></body></html>"


def test_an_index_gives_what_it_gives_pip(store: Store, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a login, with a digest that the index names, yanked, and for another Python: as data it is the same."""
    data = write_sdist(index, {}).read_bytes()
    next(index.iterdir()).unlink()
    href = f"../../files/tiny_corpus-1.0.tar.gz#sha256={sha256(data)}"
    page = SIMPLE.format(href=f"{href}' data-yanked='old' data-requires-python='&lt;3", name="tiny_corpus-1.0.tar.gz")

    def answer(path: str, headings: Mapping[str, str]) -> Answer:
        if headings.get("Authorization") != basic("joe", "hidden-value"):
            return 401, {"WWW-Authenticate": "Basic realm=x"}, b""
        if path == "/simple/tiny-corpus/":
            return 200, {"Content-Type": "text/html"}, page.encode()
        return (200, {}, data) if path.startswith("/files/") else (404, {}, b"")

    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    with answering_server(answer) as address:
        monkeypatch.setenv("PIP_INDEX_URL", f"{address.replace('//', '//joe:hidden-value@')}/simple")
        fetch(row(kind="sdist", member=None, sha256=sha256(data)), store, silent)
        with pytest.raises(StageError, match=r"cannot download absent==1\.0") as raised:
            fetch(row(package="absent", sha256="0" * 64), store, silent)
    assert store.objects.path(sha256(data)).read_bytes() == data
    assert "hidden-value" not in str(raised.value)


def test_settings_that_choose_between_kinds_hide_none(
    index: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wheel(index)
    monkeypatch.setenv("PIP_NO_BINARY", ":all:")
    fetch(row(), store, silent)
    assert store.objects.path(sha256(TEXT)).read_bytes() == TEXT


def test_a_pip_without_its_finder_is_named(tmp_path: Path) -> None:
    import domainlm.sources.pip_download

    (tmp_path / "pip").mkdir()
    (tmp_path / "pip/__init__.py").touch()
    program = domainlm.sources.pip_download.__file__
    command = [sys.executable, "-P", program, "{}"]
    done = subprocess.run(command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("ERROR: this pip has no finder that is known here")
