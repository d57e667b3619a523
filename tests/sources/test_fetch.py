"""Fetches by the real pip, from a folder of hand-made distributions instead of an index."""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from material.packers import zipped
from material.servers import Answer, answering_server, http_server

from domainlm.contract import StageError
from domainlm.sources.fetch import declared_digests, fetch, fetch_hub
from domainlm.store.local import Store

TEXT = b"the text\n"
METADATA = "Metadata-Version: 2.1\nName: tiny-corpus\nVersion: 1.0\n"
# whatever of an sdist is run leaves a file behind
TRAP = "import pathlib\npathlib.Path({trap!r}).touch()\n"
SETUP = "from setuptools import setup\nsetup(name='tiny-corpus', version='1.0')\n"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def silent(_: str) -> None:
    return None


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that pip takes distributions from; it sees no index and no settings."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }.items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def write_wheel(folder: Path) -> Path:
    path = folder / "tiny_corpus-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_corpus/data/text.txt", TEXT)
        archive.writestr("tiny_corpus-1.0.dist-info/METADATA", METADATA)
        archive.writestr(
            "tiny_corpus-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tiny_corpus-1.0.dist-info/RECORD", "")
    return path


def write_sdist(folder: Path, files: Mapping[str, str]) -> Path:
    path = folder / "tiny_corpus-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in {"PKG-INFO": METADATA, "doc/text.rst": TEXT.decode(), **files}.items():
            info = tarfile.TarInfo(f"tiny_corpus-1.0/{name}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


def row(**changes: Any) -> dict[str, Any]:
    return {
        **{"source": "tiny", "package": "tiny-corpus", "version": "1.0", "kind": "wheel"},
        **{"member": "tiny_corpus/data/text.txt", "sha256": sha256(TEXT), **changes},
    }


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


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder and the address at which its files are."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "site"
    folder.mkdir()
    with http_server(folder) as address:
        yield folder, address


def url_row(url: str, data: bytes, **changes: Any) -> dict[str, Any]:
    return {"source": "tiny", "package": None, "version": None, "kind": "wheel", "member": None, "url": url} | {
        "sha256": sha256(data),
        **changes,
    }


def test_a_url_s_file_becomes_an_object(site: tuple[Path, str], store: Store) -> None:
    folder, address = site
    (folder / "text.txt").write_bytes(TEXT)
    said: list[str] = []
    fetch(url_row(f"{address}/text.txt", TEXT), store, said.append)
    assert store.objects.path(sha256(TEXT)).read_bytes() == TEXT
    assert said == [f"fetching {address}/text.txt for source tiny"]


def test_one_member_of_what_a_url_gives(site: tuple[Path, str], store: Store) -> None:
    folder, address = site
    write_sdist(folder, {})
    url = f"{address}/tiny_corpus-1.0.tar.gz"
    fetch(url_row(url, TEXT, member="tiny_corpus-1.0/doc/text.rst"), store, silent)
    assert store.objects.path(sha256(TEXT)).read_bytes() == TEXT
    with pytest.raises(StageError, match=r"tar\.gz has no member 'other'; check sources\.tiny\.fetch\.member"):
        fetch(url_row(url, b"", member="other"), store, silent)
    (folder / "text.txt").write_bytes(TEXT)
    with pytest.raises(StageError, match="is not a readable zip or tar archive"):
        fetch(url_row(f"{address}/text.txt", b"", member="other"), store, silent)


def test_a_url_s_wrong_digest_keeps_nothing(site: tuple[Path, str], store: Store) -> None:
    folder, address = site
    (folder / "text.txt").write_bytes(b"another text\n")
    with pytest.raises(StageError, match=rf"text\.txt has sha256 {sha256(b'another text' + bytes([10]))}, but"):
        fetch(url_row(f"{address}/text.txt", TEXT), store, silent)
    assert not (store.root / "objects").exists()


def test_a_url_that_is_not_there_is_not_asked_for_again(
    site: tuple[Path, str], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("asked again"))
    with pytest.raises(StageError, match=r"cannot download .*/none: the server answered 404; check the address"):
        fetch(url_row(f"{site[1]}/none", TEXT), store, silent)


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """netrc(text): a home folder with such a ~/.netrc."""

    def write(text: str) -> Path:
        home = tmp_path / "home"
        home.mkdir()
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.delenv("NETRC", raising=False)
        (home / ".netrc").write_text(text)
        (home / ".netrc").chmod(0o600)
        return home / ".netrc"

    return write


@pytest.mark.parametrize("fault", ["cut", "refused"])
def test_what_a_server_cuts_short_is_asked_for_again(fault: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Answer] = [(200, {}, TEXT)]
    answers.insert(0, (200, {"Content-Length": "1000"}, TEXT[:3]) if fault == "cut" else (503, {}, b""))
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    with answering_server(lambda path, headings: answers.pop(0)) as address:
        fetch(url_row(f"{address}/text.txt", TEXT), store, silent)
    assert store.objects.path(sha256(TEXT)).read_bytes() == TEXT
    assert waited == [1.0]


def test_a_login_comes_from_netrc(store: Store, netrc: Callable[[str], Path]) -> None:
    def answer(path: str, headings: Mapping[str, str]) -> Answer:
        # a redirect that stays at the host keeps the login
        if path == "/moved":
            return 302, {"Location": "/text.txt"}, b""
        return (200, {}, TEXT) if headings.get("Authorization") == basic("joe", "pässword") else (401, {}, b"")

    with answering_server(answer) as address:
        with pytest.raises(
            StageError, match=r"answered 401 \(~/\.netrc has no login for 127\.0\.0\.1; expected a line"
        ):
            fetch(url_row(f"{address}/text.txt", TEXT), store, silent)
        netrc("machine 127.0.0.1 login joe password pässword\n")
        fetch(url_row(f"{address}/moved", TEXT), store, silent)
    assert store.objects.path(sha256(TEXT)).read_bytes() == TEXT


def test_netrc_s_own_errors_name_the_line_and_not_the_word(store: Store, netrc: Callable[[str], Path]) -> None:
    file = netrc("machine 127.0.0.1 login joe password\nhidden value\n")
    with pytest.raises(StageError, match=r"\.netrc cannot be used: look at line \d") as raised:
        fetch(url_row("http://127.0.0.1:9/x", TEXT), store, silent)
    assert "hidden" not in str(raised.value)
    assert "value" not in str(raised.value)
    file.write_text("machine 127.0.0.1 login joe password hidden\n")
    file.chmod(0o644)
    with pytest.raises(StageError, match=r"look at its rights; expected .* mode 600"):
        fetch(url_row("http://127.0.0.1:9/x", TEXT), store, silent)


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
