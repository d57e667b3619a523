from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from material.servers import BUCKET, free_port, http_server, s3_server, sftp_server

from domainlm.store import remote_files
from domainlm.store.remote_files import Refused, RemoteFiles
from domainlm.store.remote_location import RemoteError, remote_location


def files(address: str, project: Path = Path("/nonexistent")) -> RemoteFiles:
    location = remote_location(project, {"DOMAINLM_REMOTE": address})
    assert location is not None
    return RemoteFiles(location)


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_files, "RETRY_SECONDS", (0.0, 0.0))


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    pytest.importorskip("s3fs", reason="the extra s3 is not installed")
    pytest.importorskip("moto", reason="moto is not installed")
    with s3_server(tmp_path_factory.mktemp("s3") / "log") as environment:
        yield environment


@pytest.fixture
def address(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of an empty remote of each kind that can be written to."""
    if request.param == "folder":
        yield str(tmp_path / "remote")
    elif request.param == "s3":
        for name, value in request.getfixturevalue("s3").items():
            monkeypatch.setenv(name, value)
        yield f"s3://{BUCKET}/{tmp_path.name}"
    else:
        pytest.importorskip("sshfs", reason="the extra ssh is not installed")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        with sftp_server(tmp_path) as port:
            yield f"ssh://127.0.0.1:{port}{tmp_path}/remote"


@pytest.mark.parametrize("address", ["folder", "s3", "ssh"], indirect=True)
def test_what_is_sent_is_read_fetched_and_measured(address: str, tmp_path: Path) -> None:
    remote = files(address)
    remote.expect_nothing()
    assert remote.read("a/b.json") is None
    assert remote.size("a/b.json") is None
    assert not remote.fetch("a/b.json", tmp_path / "target", 1 << 20)
    (tmp_path / "big").write_bytes(b"0123456789" * 1000)
    remote.write("a/b.json", b"{}")
    remote.send(tmp_path / "big", "objects/ab/cd")
    again = files(address)
    assert (again.read("a/b.json"), again.size("objects/ab/cd")) == (b"{}", 10000)
    assert again.fetch("objects/ab/cd", tmp_path / "target", 1 << 20)
    assert (tmp_path / "target").read_bytes() == (tmp_path / "big").read_bytes()
    remote.write("a/b.json", b"[]")
    assert again.read("a/b.json") == b"[]"


@pytest.mark.parametrize("address", ["folder", "ssh"], indirect=True)
def test_a_new_folder_is_its_owner_s_alone_and_nothing_unfinished_stays(address: str, tmp_path: Path) -> None:
    remote = files(address)
    remote.write("a/b.json", b"{}")
    assert (tmp_path / "remote").stat().st_mode & 0o777 == 0o700
    assert [path.name for path in (tmp_path / "remote").rglob("*") if path.is_file()] == ["b.json"]


def test_a_folder_that_is_there_keeps_its_rights(tmp_path: Path) -> None:
    (tmp_path / "remote").mkdir(mode=0o755)
    files(str(tmp_path / "remote")).write("x", b"x")
    assert (tmp_path / "remote").stat().st_mode & 0o777 == 0o755


def test_a_share_that_is_not_mounted_is_no_empty_cache(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match=r"does not exist; mount or create it, or set DOMAINLM_REMOTE=none"):
        files(str(tmp_path / "gone")).read("actions/x")


def test_a_missing_bucket_is_no_empty_cache(s3: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RemoteError, match="another-bucket does not exist"):
        files("s3://another-bucket/x").read("actions/x")


@pytest.mark.parametrize("address", ["ssh"], indirect=True)
def test_a_host_of_another_key_is_refused(address: str, tmp_path: Path) -> None:
    known = tmp_path / ".ssh/known_hosts"
    port = address.split(":")[2].split("/")[0]
    known.write_text(known.read_text().replace(f":{port} ", ":1 "))
    with pytest.raises(RemoteError, match=r"HostKeyNotVerifiable|Host key"):
        files(address).read("x")


def test_http_is_read_and_not_written(tmp_path: Path) -> None:
    (tmp_path / "served/a").mkdir(parents=True)
    (tmp_path / "served/a/b").write_bytes(b"text")
    with http_server(tmp_path / "served") as address:
        remote = files(f"{address}/")
        assert (remote.read("a/b"), remote.read("a/c")) == (b"text", None)
        assert remote.fetch("a/b", tmp_path / "target", 1 << 20)
        assert (tmp_path / "target").read_bytes() == b"text"
        with pytest.raises(RemoteError, match="read-only"):
            remote.write("a/c", b"x")


def test_a_dead_server_is_named_with_the_way_round_it_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden-value")
    with pytest.raises(RemoteError) as raised:
        files(f"http://me:hidden-value@127.0.0.1:{free_port()}/cache").read("x")
    assert "DOMAINLM_REMOTE=none" in str(raised.value)
    assert "hidden-value" not in str(raised.value)


@pytest.mark.parametrize("address", ["folder", "s3", "ssh"], indirect=True)
def test_what_is_longer_than_asked_for_is_refused(address: str, tmp_path: Path) -> None:
    remote = files(address)
    remote.expect_nothing()
    remote.write("a/b", b"0123456789")
    assert remote.fetch("a/b", tmp_path / "target", 10)
    assert (tmp_path / "target").read_bytes() == b"0123456789"
    with pytest.raises(Refused, match="more than the 9 bytes"):
        remote.fetch("a/b", tmp_path / "target", 9)


def test_trouble_that_passes_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = files("s3://bucket/x")
    calls = []

    class Flaky:
        def get_file(self, path: str, target: str, callback: object) -> None:
            calls.append(path)
            if len(calls) < 3:
                raise ConnectionResetError("reset")
            Path(target).write_bytes(b"text")

    monkeypatch.setattr(remote, "_system", Flaky)
    assert (remote.read("a"), len(calls)) == (b"text", 3)


def test_a_missing_plugin_is_named_by_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(*arguments: object, **options: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.filesystem", not_installed)
    with pytest.raises(RemoteError, match=r"extra 's3'.*domainlm\[s3\]"):
        files("s3://bucket/x").read("x")


def test_a_full_disk_here_is_not_the_remote_s_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = files("s3://bucket/x")

    class Full:
        def get_file(self, path: str, target: str, callback: object) -> None:
            raise OSError(28, os.strerror(28), target)

    monkeypatch.setattr(remote, "_system", Full)
    with pytest.raises(OSError, match="No space left"):
        remote.fetch("a", tmp_path / "b", 1 << 20)


@pytest.mark.parametrize(("mode", "folder_mode", "file_mode"), [(0o700, 0o700, 0o600), (0o2770, 0o2770, 0o660)])
def test_a_folder_with_the_setgid_bit_is_shared_whatever_the_umask_is(
    tmp_path: Path, mode: int, folder_mode: int, file_mode: int
) -> None:
    root = tmp_path / "remote"
    root.mkdir()
    root.chmod(mode)
    former = os.umask(0o077)
    try:
        files(str(root)).write("actions/ab/x.json", b"{}")
    finally:
        os.umask(former)
    assert [stat.S_IMODE((root / name).stat().st_mode) for name in ("actions", "actions/ab")] == [folder_mode] * 2
    assert stat.S_IMODE((root / "actions/ab/x.json").stat().st_mode) == file_mode
