"""Changes to a copy of the project, as values: each is a function of the project's folder that makes one change there."""

from __future__ import annotations

import ast
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import yaml

Change = Callable[[Path], object]
CONFIG = "config/config.yaml"
TINY = "config/domains/tiny.yaml"


def nothing(_: Path) -> None:
    return None


def known(_: Path) -> None:
    """No change, but as one that is given: the project is asked once more, so that its indexes know every file."""
    return None


def both(*changes: Change) -> Change:
    return lambda project: [change(project) for change in changes]


def edit(name: str, pattern: str, new: str, count: int = 1) -> Change:
    """Replace the first match of a pattern (count=0: every match), which must be there."""

    def change(project: Path) -> None:
        path = project / name
        text = path.read_text(encoding="utf-8")
        text, found = re.subn(pattern, new, text, count=count, flags=re.MULTILINE | re.DOTALL)
        assert found, f"{name} has nothing like {pattern}: choose another place for this row"
        path.write_text(text, encoding="utf-8")

    return change


def append(name: str, text: str) -> Change:
    """Text after a file's end; a new file where there is none."""

    def change(project: Path) -> None:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        with (project / name).open("a", encoding="utf-8") as file:
            file.write(text)

    return change


def knob(section: str, key: str, value: str) -> Change:
    """Another value in the default configuration."""
    return edit(CONFIG, rf"^({section}:\n(?:  [^\n]*\n)*?  {key}: )[^\n]*?(?=  #)", rf"\g<1>{value}")


def every_module(rewritten: Callable[[bytes], bytes]) -> Change:
    def change(project: Path) -> None:
        for path in (project / "domainlm").rglob("*.py"):
            path.write_bytes(rewritten(path.read_bytes()))

    return change


def formatted_anew(source: bytes) -> bytes:
    """The same syntax tree, written by Python: no comments, other line breaks, quotes and brackets."""
    return ast.unparse(ast.parse(source)).encode()


def touched(folder: str, pattern: str) -> Change:
    """Another time for every such file below a folder."""

    def change(project: Path) -> None:
        paths = list((project / folder).rglob(pattern))
        assert paths
        for path in paths:
            os.utime(path, (1, 1))

    return change


def moved(name: str, target: str) -> Change:
    def change(project: Path) -> None:
        shutil.move(project / name, project / target)

    return change


def removed(name: str) -> Change:
    return lambda project: (project / name).unlink()


def replaced_by_link(name: str) -> Change:
    """The same bytes, reached through a symbolic link."""

    def change(project: Path) -> None:
        target = project / "linked_file"
        shutil.move(project / name, target)
        (project / name).symlink_to(target)

    return change


def overwritten(name: str, old: bytes, new: bytes, is_in_place: bool) -> Change:
    """Other bytes of the same length; the file's time is put back."""
    assert len(old) == len(new)

    def change(project: Path) -> None:
        path = project / name
        found, data = path.stat(), path.read_bytes()
        assert old in data, f"{name} has no {old!r}: choose another place for this row"
        target = path if is_in_place else path.with_name("new")
        target.write_bytes(data.replace(old, new, 1))
        os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
        target.replace(path)

    return change


def written_again(folder: str) -> Change:
    """Every file of a folder removed and written again, the last one first."""

    def change(project: Path) -> None:
        for path in sorted((project / folder).iterdir(), reverse=True):
            data = path.read_bytes()
            path.unlink()
            path.write_bytes(data)

    return change


def keys_in_another_order(project: Path) -> None:
    """The same configuration: keys in another order, no comment, other quotes, other numbers' forms."""
    path = project / CONFIG
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text(encoding="utf-8")), sort_keys=True), encoding="utf-8")


def pins_in_another_order(project: Path) -> None:
    path = project / "envs/cpu.lock"
    pins = re.split(r"^(?=\S)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    path.write_text("".join(reversed(pins)), encoding="utf-8")
