from __future__ import annotations

import os
from pathlib import Path

import pytest

from domainlm.config.bounded_file import read_bounded


def test_a_file_within_its_bound_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("a")
    assert read_bounded(tmp_path / "link", 5) == b"12345"
    with pytest.raises(OSError, match="more than 4 bytes"):
        read_bounded(tmp_path / "a", 4)


def test_what_would_never_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match="no regular file"):
            read_bounded(path, 5)
    with pytest.raises(IsADirectoryError):
        read_bounded(tmp_path, 5)
