"""What keeps a store's contents from being collected, as far as the store itself knows it: workspaces and pins.

In: a workspace's folder; a name for an action key. Out: one small file each, in `workspaces/` and `pins/`. A workspace
names itself at its first build, because what it has installed is found there and nowhere else: a count of links would
be cheaper, but it cannot tell a workspace from a DVC cache or a forgotten copy, and there are none between file systems.
"""

from __future__ import annotations

import errno
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from domainlm.store.canonical import pretty_json, sha256_of
from domainlm.store.staging import write_whole

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*$")


class PinError(Exception):
    """A pin that cannot be made or taken away: the message names it and says what to do."""


@dataclass(frozen=True)
class Pin:
    """A name for an artifact as it is now. keys: its action key first, then those of everything it was made from."""

    name: str
    domain: str
    artifact: str
    keys: tuple[str, ...]
    workspace: str
    time: str


def listed(folder: Path) -> list[Path]:
    """What a folder holds, sorted; nothing where there is none. Raises PermissionError, which `Path.glob` swallows."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def workspace_file(root: Path, workspace: Path) -> Path:
    """workspace: an absolute path without links."""
    return root / "workspaces" / f"{sha256_of(os.fsencode(workspace))[:16]}.json"


def register_workspace(root: Path, workspace: Path) -> None:
    """Note that a workspace uses this store, if it is not noted yet.

    A store inside its workspace notes the way up, so that both can be moved or copied together. Where this user may not
    write, nothing is noted: whoever collects that store does not know of this workspace, whose own files stay.
    """
    path = workspace.resolve()
    file = workspace_file(root, path)
    if file.exists():
        return
    inside = root.resolve()
    way = os.path.relpath(path, inside) if inside.is_relative_to(path) else str(path)
    try:
        _write(file, pretty_json({"path": way}))
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise


def registered_workspaces(root: Path) -> tuple[list[Path], list[Path]]:
    """Folders of the workspaces that use this store: those that are there, and those that are gone. Both sorted.

    Raises PermissionError for one that this user may not look into: what it has installed would be taken for garbage.
    """
    there, gone = set(), set()
    for file in listed(root / "workspaces"):
        if file.suffix != ".json":
            continue
        path = Path(os.path.normpath(root.resolve() / json.loads(file.read_bytes())["path"]))
        try:
            os.listdir(path)
            there.add(path)
        except (FileNotFoundError, NotADirectoryError):
            gone.add(path)
        except PermissionError:
            raise PermissionError(
                f"workspace {path} uses the store {root} and cannot be read by this user, so what it needs is unknown; "
                f"collect as a user who can read it, or remove {file} if it is no longer used"
            ) from None
    return sorted(there), sorted(gone)


def forget_workspace(root: Path, workspace: Path) -> None:
    workspace_file(root, workspace).unlink(missing_ok=True)


def read_pins(root: Path) -> list[Pin]:
    """Every pin, by name."""
    rows = [json.loads(file.read_bytes()) for file in listed(root / "pins") if file.suffix == ".json"]
    return [Pin(**{**row, "keys": tuple(row["keys"])}) for row in rows]


def write_pin(root: Path, pin: Pin) -> None:
    """Raises PinError for a name that is taken or no plain file name."""
    if not _NAME.match(pin.name):
        raise PinError(f"pin name {pin.name!r}; expected letters, digits, '.', '_' and '-', as in release-1.2")
    file = root / "pins" / f"{pin.name}.json"
    if file.exists():
        raise PinError(
            f"pin {pin.name!r} exists already; take another name, or take it away: domainlm gc --unpin {pin.name}"
        )
    _write(file, pretty_json(asdict(pin)))


def remove_pin(root: Path, name: str) -> None:
    """Raises PinError where there is none of this name."""
    file = root / "pins" / f"{name}.json"
    if not _NAME.match(name) or not file.exists():
        known = ", ".join(pin.name for pin in read_pins(root)) or "none"
        raise PinError(f"no pin {name!r} in {root}; there are: {known}")
    file.unlink()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data, path.with_name(f"{path.name}.{os.getpid()}"))
