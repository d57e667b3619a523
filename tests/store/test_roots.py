from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from domainlm.store.roots import (
    Pin,
    PinError,
    Workspaces,
    find_workspaces,
    forget_workspace,
    read_pins,
    register_workspace,
    remove_pin,
    write_pin,
)

PIN = Pin("release-1.2", "medical", "sft_adapter", ("a" * 64, "b" * 64), "/data/x", "2026-01-02T03:04:05Z")


def test_a_workspace_is_noted_once_whatever_way_leads_to_it(tmp_path: Path) -> None:
    store, workspace = tmp_path / "store", tmp_path / "workspace"
    workspace.mkdir()
    (tmp_path / "link").symlink_to(workspace)
    register_workspace(store, workspace)
    [file] = (store / "workspaces").iterdir()
    before = file.stat().st_mtime_ns
    register_workspace(store, tmp_path / "link")
    assert [path.stat().st_mtime_ns for path in (store / "workspaces").iterdir()] == [before]
    assert find_workspaces(store) == Workspaces((workspace,), ())


def test_a_workspace_that_is_gone_is_told_from_one_that_is_there(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for name in ("stays", "goes"):
        (tmp_path / name).mkdir()
        register_workspace(store, tmp_path / name)
    (tmp_path / "goes").rmdir()
    assert find_workspaces(store) == Workspaces((tmp_path / "stays",), (tmp_path / "goes",))
    forget_workspace(store, tmp_path / "goes")
    assert find_workspaces(store) == Workspaces((tmp_path / "stays",), ())


def test_a_workspace_with_its_store_inside_is_found_after_a_move_and_a_copy(tmp_path: Path) -> None:
    register_workspace(tmp_path / "one/.dvc/store", tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "copied")
    (tmp_path / "one").rename(tmp_path / "moved")
    for name in ("copied", "moved"):
        register_workspace(tmp_path / name / ".dvc/store", tmp_path / name)
        assert find_workspaces(tmp_path / name / ".dvc/store") == Workspaces((tmp_path / name,), ())


def test_an_unreadable_folder_of_another_user_is_neither_there_nor_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    register_workspace(tmp_path / "store", tmp_path / "closed")

    listdir = os.listdir

    def refused(path: Path) -> list[str]:
        if path == tmp_path / "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refused)
    found = find_workspaces(tmp_path / "store")
    assert (found.there, found.gone, found.torn) == ((), (), ())
    assert [path for path, _ in found.closed] == [tmp_path / "closed"]


def test_pins_are_read_back_by_name(tmp_path: Path) -> None:
    other = Pin("a", "law", "pt_adapter", ("c" * 64,), "/data/y", "2026-01-02T03:04:05Z")
    write_pin(tmp_path, PIN)
    write_pin(tmp_path, other)
    assert read_pins(tmp_path) == ([other, PIN], [])
    remove_pin(tmp_path, "a")
    assert read_pins(tmp_path) == ([PIN], [])


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".hidden", "a b", "é"])
def test_a_pin_s_name_is_a_plain_file_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(PinError, match="expected letters"):
        write_pin(tmp_path, Pin(**{**vars(PIN), "name": name}))
    with pytest.raises(PinError, match="no pin"):
        remove_pin(tmp_path, name)


def test_a_pin_is_not_replaced(tmp_path: Path) -> None:
    write_pin(tmp_path, PIN)
    with pytest.raises(PinError, match="exists already"):
        write_pin(tmp_path, Pin(**{**vars(PIN), "keys": ("d" * 64,)}))
    assert read_pins(tmp_path) == ([PIN], [])
