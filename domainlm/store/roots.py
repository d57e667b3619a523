"""Collection roots that the store itself knows: workspaces and pins.

In: a workspace's folder; a name for an action key. Out: one small file each, in `workspaces/` and `pins/`. A
workspace registers itself at its first build, because its installed artifacts are recorded nowhere else. A count of
links would be cheaper, but it cannot distinguish a workspace from a DVC cache or a forgotten copy, and links do not
cross file systems.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from domainlm.store.canonical import pretty_json, sha256_of
from domainlm.store.notes import read_note
from domainlm.store.sharing import make_folder
from domainlm.store.staging import staged_path, write_whole

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
_KEY = re.compile(r"[0-9a-f]{64}")


class PinError(Exception):
    """A pin that cannot be made or removed.

    The message names it and the fix.
    """


@dataclass(frozen=True)
class Pin:
    """A name for an artifact in its present version.

    keys: its action key first, then those of everything that it was made from.
    """

    name: str
    domain: str
    artifact: str
    keys: tuple[str, ...]
    workspace: str
    time: str


def listed(folder: Path) -> list[Path]:
    """The sorted entries of a folder, empty if it does not exist.

    Raises PermissionError, which `Path.glob` swallows.
    """
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def workspace_file(root: Path, workspace: Path) -> Path:
    """workspace: an absolute path without links."""
    return root / "workspaces" / f"{sha256_of(os.fsencode(workspace))[:16]}.json"


def register_workspace(root: Path, workspace: Path) -> None:
    """Record that a workspace uses this store, if it is not recorded.

    A store inside its workspace records a relative path, so that both can be moved or copied together. If this user
    may not write, nothing is recorded: whoever collects that store does not know of this workspace, whose own files
    stay.
    """
    path = workspace.resolve()
    file = workspace_file(root, path)
    inside = root.resolve()
    way = os.path.relpath(path, inside) if inside.is_relative_to(path) else str(path)
    note = pretty_json({"path": way})
    try:
        # a torn one is written again
        if not file.is_file() or file.read_bytes() != note:
            _write(root, file, note)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise


@dataclass(frozen=True)
class Workspaces:
    """Workspaces that use a store, sorted: existing ones, and vanished ones.

    closed: those that this user may not read, with their notes. torn: notes that name no folder.
    """

    there: tuple[Path, ...]
    gone: tuple[Path, ...]
    closed: tuple[tuple[Path, Path], ...] = ()
    torn: tuple[Path, ...] = ()


def find_workspaces(root: Path) -> Workspaces:
    """The workspaces that the notes in a store name."""
    there, gone, closed, torn = set(), set(), set(), set()
    for file in listed(root / "workspaces"):
        if file.suffix != ".json":
            continue
        way = (read_note(file) or {}).get("path")
        if not isinstance(way, str) or not way or "\0" in way:
            torn.add(file)
            continue
        path = Path(os.path.normpath(root.resolve() / way))
        # a way up from inside a workspace stays as it is where both are moved; the others' notes are named after them
        if os.path.isabs(way) and workspace_file(root, path) != file:
            torn.add(file)
            continue
        try:
            os.listdir(path)
            there.add(path)
        except (FileNotFoundError, NotADirectoryError):
            gone.add(path)
        except PermissionError:
            closed.add((path, file))
        except OSError:
            # a name that no system takes (too long, a circle of links)
            torn.add(file)
    return Workspaces(tuple(sorted(there)), tuple(sorted(gone)), tuple(sorted(closed)), tuple(sorted(torn)))


def forget_workspace(root: Path, workspace: Path) -> None:
    workspace_file(root, workspace).unlink(missing_ok=True)


def read_pins(root: Path) -> tuple[list[Pin], list[Path]]:
    """Every pin, by name; and the files of torn pins.

    The content of a torn pin is unknown.
    """
    pins, torn = [], []
    for file in listed(root / "pins"):
        if file.suffix == ".json":
            pin = _pin(read_note(file) or {})
            if pin is None:
                torn.append(file)
            else:
                pins.append(pin)
    return pins, torn


def _pin(row: Mapping[str, Any]) -> Pin | None:
    """The pin of a note; None if the note is invalid."""
    keys = row.get("keys")
    texts = [field.name for field in fields(Pin) if field.name != "keys"]
    is_sound = (
        row.keys() == {"keys", *texts}
        and all(isinstance(row[name], str) for name in texts)
        and isinstance(keys, list)
        and all(isinstance(key, str) and _KEY.fullmatch(key) for key in keys)
    )
    return Pin(**{**row, "keys": tuple(row["keys"])}) if is_sound else None


def write_pin(root: Path, pin: Pin) -> None:
    """Raises PinError for an existing name or no plain file name."""
    if not _NAME.match(pin.name):
        raise PinError(f"pin name {pin.name!r}; expected letters, digits, '.', '_' and '-', as in release-1.2")
    file = root / "pins" / f"{pin.name}.json"
    if os.path.lexists(file):
        raise PinError(
            f"pin {pin.name!r} exists already; choose another name, or remove it: domainlm gc --unpin {pin.name}"
        )
    _write(root, file, pretty_json(asdict(pin)))


def remove_pin(root: Path, name: str) -> None:
    """Raises PinError if no pin has this name."""
    file = root / "pins" / f"{name}.json"
    if not _NAME.match(name) or not os.path.lexists(file):
        pins, torn = read_pins(root)
        known = ", ".join(sorted({*(pin.name for pin in pins), *(path.stem for path in torn)})) or "none"
        raise PinError(f"no pin {name!r} in {root}; there are: {known}")
    file.unlink()


def _write(root: Path, path: Path, data: bytes) -> None:
    make_folder(root, path.parent.name)
    with staged_path(root, "note") as staged:
        write_whole(path, data, staged)
