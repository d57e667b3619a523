"""What is done to what the tools wrote: times, files, folders, the place of the whole project. No command is started.

In: a world, parameters as JSON has them. A number chooses among what is there, so that a step means something in every replay.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from walk.edits import in_place
from walk.state import World

DAY_NS = 86_400_000_000_000
STORE = ".dvc/domainlm-store"
WRITTEN = ("artifacts", ".domainlm", "logs", ".snakemake", ".dvc")
REMOVED = (
    ".snakemake",
    ".domainlm",
    ".domainlm/stamps",
    ".domainlm/installed",
    "logs",
    "artifacts",
    "artifacts/tiny/documents",
    "artifacts/tiny/clean_shards",
    "artifacts/tiny/unique_shards",
    STORE,
    f"{STORE}/objects",
    f"{STORE}/actions",
    f"{STORE}/trees",
)


def files_below(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def shift(paths: list[Path], moved: Callable[[int], int]) -> None:
    for path in paths:
        time_ns = moved(path.stat().st_mtime_ns)
        os.utime(path, ns=(time_ns, time_ns))


MOVES: dict[str, Callable[[int], int]] = {
    "ahead": lambda time_ns: time_ns + DAY_NS,
    "behind": lambda time_ns: time_ns - DAY_NS,
    "whole seconds": lambda time_ns: time_ns // 1_000_000_000 * 1_000_000_000,
}


def clock(world: World, move: str, whose: str) -> None:
    """Times as another clock would have left them. whose: what tools wrote, the records of it alone, or what a person wrote."""
    folders = [
        world.path / name for name in (("config", "domainlm", "data", "rules") if whose == "inputs" else WRITTEN)
    ]
    # one inode is moved once
    by_inode = {(path.stat().st_dev, path.stat().st_ino): path for path in files_below(*folders)}
    paths = [path for path in by_inode.values() if whose != "records" or path.suffix == ".json"]
    shift(paths, MOVES[move])


def installed_file(world: World, folder: int, number: int) -> Path | None:
    """A file of an artifact that the target is made from."""
    folders = world.folders()
    path = world.path / folders[folder % len(folders)]
    files = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else []
    return files[number % len(files)] if files else None


def break_file(path: Path, how: str) -> None:
    if how == "remove":
        path.unlink()
    elif how == "touch":
        os.utime(path)
    elif how == "old":
        os.utime(path, (1, 1))
    elif how == "copy":
        # the same bytes and time under another inode, as a restore from a backup leaves them
        shutil.copy2(path, path.with_name(".copy"))
        path.with_name(".copy").replace(path)
    elif how == "replace":
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(bytes(byte ^ 1 for byte in data) or b"1")
    elif how == "empty":
        path.unlink()
        path.write_bytes(b"")
    elif how == "in place":
        in_place(path, lambda data: bytes(byte ^ 1 for byte in data))
        os.utime(path)


HOWS = ("remove", "touch", "old", "copy", "replace", "empty", "in place")


def workspace_file(world: World, folder: int, number: int, how: str) -> None:
    path = installed_file(world, folder, number)
    if path is not None:
        # what is written in place is written in the store, too: one inode
        world.has_damage |= how == "in place"
        break_file(path, how)


def extra_file(world: World, folder: int) -> None:
    """A file that no manifest lists."""
    folders = world.folders()
    path = world.path / folders[folder % len(folders)]
    if path.is_dir():
        (path / "extra.txt").write_text("extra\n", encoding="utf-8")


def manifest(world: World, folder: int, how: str) -> None:
    folders = world.folders()
    path = world.path / folders[folder % len(folders)] / "manifest.json"
    if path.exists():
        break_file(path, how)


def store_file(world: World, kind: str, number: int, how: str) -> None:
    files = files_below(world.path / STORE / kind)
    if files:
        world.has_damage = True
        break_file(files[number % len(files)], how)


def remove(world: World, name: str) -> None:
    shutil.rmtree(world.path / name, ignore_errors=True)


def remove_bytecode(world: World) -> None:
    for path in (world.path / "domainlm").rglob("__pycache__"):
        shutil.rmtree(path)


def move_project(world: World) -> None:
    target = world.path.with_name("moved" if world.path.name == "project" else "project")
    world.path.rename(target)
    world.path = target


def swap(world: World, first: int, second: int) -> None:
    """One artifact's folder in another one's place, as a slip of the hand leaves it."""
    folders = world.folders()
    one, other = (world.path / folders[number % len(folders)] for number in (first, second))
    if one != other and one.is_dir() and other.is_dir() and one not in other.parents and other not in one.parents:
        spare = world.path / "spare"
        one.rename(spare)
        other.rename(one)
        spare.rename(other)
