from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from domainlm.store.canonical import sha256_of
from domainlm.store.manifest import Entry
from domainlm.store.objects import Objects, expected_mtime_ns, is_untouched, link_or_copy

TEXT = b"some bytes"
DIGEST = sha256_of(TEXT)


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    """A store with one object."""
    found = Objects(tmp_path / "store")
    (tmp_path / "made").write_bytes(TEXT)
    found.put(tmp_path / "made", DIGEST)
    return found


def test_put_moves_the_file_in_read_only_with_the_digest_s_time(objects: Objects, tmp_path: Path) -> None:
    path = objects.path(DIGEST)
    assert not (tmp_path / "made").exists()
    assert path.read_bytes() == TEXT
    assert path.stat().st_mode & 0o777 == 0o444
    assert path.stat().st_mtime_ns == expected_mtime_ns(DIGEST)


def test_the_first_copy_stays(objects: Objects, tmp_path: Path) -> None:
    inode = objects.path(DIGEST).stat().st_ino
    (tmp_path / "again").write_bytes(TEXT)
    objects.put(tmp_path / "again", DIGEST)
    assert objects.path(DIGEST).stat().st_ino == inode
    assert not (tmp_path / "again").exists()


def test_times_lie_in_the_past_and_differ() -> None:
    digests = [sha256_of(str(n).encode()) for n in range(200)]
    times = [expected_mtime_ns(digest) for digest in digests]
    assert len(set(times)) == len(times)
    assert all(1_000_000_000 <= moment // 10**9 < 1_300_000_000 for moment in times)
    # file systems and archives that keep microseconds keep them
    assert all(moment % 1000 == 0 for moment in times)


def test_install_links_and_says_that_nothing_was_copied(objects: Objects, tmp_path: Path) -> None:
    target = tmp_path / "workspace" / "file"
    assert objects.install(DIGEST, target) == 0
    assert os.path.samefile(target, objects.path(DIGEST))
    assert objects.install(DIGEST, target) == 0
    assert [path.name for path in target.parent.iterdir()] == ["file"]


def test_install_replaces_what_is_there_by_rename(objects: Objects, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    os.link(target, tmp_path / "other_link")
    objects.install(DIGEST, target)
    assert target.read_bytes() == TEXT
    assert (tmp_path / "other_link").read_bytes() == b"old"


def test_where_links_are_forbidden_the_copy_counts_as_untouched(
    objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "links are forbidden")

    monkeypatch.setattr(os, "link", refuse)
    assert objects.install(DIGEST, tmp_path / "file") == len(TEXT)
    assert is_untouched(tmp_path / "file", DIGEST, len(TEXT))
    assert link_or_copy(tmp_path / "file", tmp_path / "second") == len(TEXT)


def test_touched_is_not_damaged(objects: Objects) -> None:
    path = objects.path(DIGEST)
    os.utime(path)
    assert not is_untouched(path, DIGEST, len(TEXT))
    assert objects.has(DIGEST, len(TEXT))
    assert is_untouched(path, DIGEST, len(TEXT))


def test_a_size_that_a_sound_object_does_not_have_is_no_damage(objects: Objects, tmp_path: Path) -> None:
    assert not objects.has(DIGEST, len(TEXT) + 1)
    assert objects.has(DIGEST, len(TEXT))
    assert objects.sound_size(DIGEST) == len(TEXT)
    assert objects.quarantined == []
    # said where it is asked for
    assert objects.false_size([Entry("a", DIGEST, len(TEXT)), Entry("b", "0" * 64, 3)]) is None
    assert "b has 3 bytes" in str(objects.false_size([Entry("b", DIGEST, 3)]))
    # bytes of another size are damage all the same
    objects.path(DIGEST).chmod(0o644)
    objects.path(DIGEST).write_bytes(b"cut")
    assert objects.false_size([Entry("b", DIGEST, len(TEXT))]) is None
    assert len(objects.quarantined) == 1


def test_a_name_as_long_as_names_can_be_is_installed(objects: Objects, tmp_path: Path) -> None:
    objects.install(DIGEST, tmp_path / ("x" * 255))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["x" * 255]


@pytest.mark.parametrize("damage", [b"some bytez", b"short", b""])
def test_a_damaged_object_is_put_aside(objects: Objects, damage: bytes) -> None:
    path = objects.path(DIGEST)
    path.chmod(0o644)
    path.write_bytes(damage)
    assert not objects.has(DIGEST, len(TEXT))
    assert not path.exists()
    assert [kept.read_bytes() for kept in (objects.root / "quarantine").iterdir()] == [damage]
    # another build saw the damage as well
    objects.quarantine(DIGEST)


def test_a_sound_file_replaces_a_damaged_object(objects: Objects, tmp_path: Path) -> None:
    path = objects.path(DIGEST)
    path.chmod(0o644)
    path.write_bytes(b"some bytez")
    (tmp_path / "sound").write_bytes(TEXT)
    objects.put(tmp_path / "sound", DIGEST)
    assert path.read_bytes() == TEXT


def test_adopt_takes_a_link(objects: Objects, tmp_path: Path) -> None:
    other = Objects(tmp_path / "other")
    other.adopt(objects.path(DIGEST), DIGEST)
    assert os.path.samefile(other.path(DIGEST), objects.path(DIGEST))
    # its own inode, with another time: no second name is left behind
    os.utime(other.path(DIGEST))
    other.adopt(objects.path(DIGEST), DIGEST)
    assert [path.name for path in other.path(DIGEST).parent.iterdir()] == [DIGEST[2:]]


def test_absent_and_links_are_not_untouched(objects: Objects, tmp_path: Path) -> None:
    assert not is_untouched(tmp_path / "absent", DIGEST, len(TEXT))
    assert not is_untouched(objects.path(DIGEST).parent, DIGEST, len(TEXT))
    assert not objects.has("0" * 64, 1)
