"""Changes to what decides about a result: configuration, raw files, code, lock files. Each is done at once and starts no command.

An edit is a name with parameters, as JSON has them: it means the same in every replay, whatever edits before it were left out.
`EDITS` says how each is made and how often and with which parameters one is drawn.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from walk.project import CORPUS, GENERAL, KNOBS, LICENCES, ROLES, sentences
from walk.state import World

Draw = Callable[[random.Random], list[Any]]
# module, two spellings of one length: its stage's bytes differ by them, and nothing below reads what is spelt
SPELLINGS = (
    ("domainlm/stages/documents.py", b'"rejected_by_source": ', b'"rejected_by_sourcE": '),
    ("domainlm/stages/clean_shards.py", b'"decided_by_rule": ', b'"decided_by_rulE": '),
    ("domainlm/stages/unique_shards.py", b'stats["boilerplate"] = ', b'stats["boilerplatE"] = '),
)
MODULES = ("domainlm/text/document.py", "domainlm/stages/raw_corpus.py", "domainlm/text/repeats/duplicates.py")


def none(_: random.Random) -> list[Any]:
    return []


def one_of(*choices: tuple[Any, ...]) -> Draw:
    """Each parameter from its choices."""
    return lambda chooser: [chooser.choice(values) for values in choices]


def knob(world: World, name: str, value: int) -> None:
    world.settings.knobs[name] = value
    world.write_settings()


def parent_knob(world: World, name: str, value: int) -> None:
    """The value of the domain that is extended: the own one, where there is one, still counts."""
    world.settings.parent_knobs[name] = value
    world.settings.knobs.pop(name, None)
    world.write_settings()


def knob_of_all(world: World, value: str) -> None:
    """The default of every domain, in config/config.yaml."""
    path = world.path / "config/config.yaml"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    found = [number for number, line in enumerate(lines) if line.startswith("  permutations: ")]
    lines[found[0]] = f"  permutations: {value}\n"
    path.write_text("".join(lines), encoding="utf-8")


def extends(world: World, is_so: bool) -> None:
    world.settings.is_extending = is_so
    world.write_settings()


def licence(world: World, number: int) -> None:
    world.settings.licence = number
    world.write_settings()


def role(world: World, number: int) -> None:
    world.settings.role = number
    world.write_settings()


def shards(world: World, count: int) -> None:
    world.settings.shards = count
    world.write_settings()


def raw_path(world: World, number: int) -> Path:
    """One of the raw files that are there now."""
    paths = sorted((world.path / CORPUS).iterdir())
    return paths[number % len(paths)]


def add_raw(world: World, number: int, folder: str) -> None:
    (world.path / folder / f"new{number}.txt").write_text(
        sentences(f"new{number}", 30 + number) + "\n", encoding="utf-8"
    )


def change_raw(world: World, number: int, words: int) -> None:
    path = raw_path(world, number)
    text = sentences(f"changed{words}", 20 + words)
    path.write_text(
        text + "\n" if path.suffix != ".jsonl" else f'{{"title": "t", "text": "{text}"}}\n', encoding="utf-8"
    )


def other_letters(data: bytes) -> bytes:
    return data.replace(b"lorem", b"ipsum") if b"lorem" in data else data.replace(b"ipsum", b"lorem")


def change_raw_unseen(world: World, number: int) -> None:
    """Other bytes of the same length, written in place, the time put back."""
    in_place(raw_path(world, number).resolve(), other_letters)


def in_place(path: Path, changed: Callable[[bytes], bytes]) -> None:
    state, data = path.stat(), path.read_bytes()
    mode = state.st_mode
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(changed(data))
    path.chmod(mode)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def replace_raw_unseen(world: World, number: int) -> None:
    """Other bytes of the same length in a new file of the old one's time, as rsync -t leaves them."""
    path = raw_path(world, number)
    state, new = path.stat(), path.with_name(".new")
    new.write_bytes(other_letters(path.read_bytes()))
    os.utime(new, ns=(state.st_atime_ns, state.st_mtime_ns))
    new.replace(path)


def remove_raw(world: World, number: int) -> None:
    path = raw_path(world, number)
    if path.name != "keep.txt":
        path.unlink()


def rename_raw(world: World, number: int, name: str) -> None:
    path = raw_path(world, number)
    if path.name != "keep.txt":
        path.rename(path.with_name(name + path.suffix))


def touch_raw(world: World, number: int, seconds: int) -> None:
    os.utime(raw_path(world, number), (seconds, seconds))


def link_raw(world: World, number: int) -> None:
    """The same bytes, reached through a symbolic link."""
    path = raw_path(world, number)
    if path.name != "keep.txt" and not path.is_symlink():
        target = world.path / f"linked.{path.name}"
        shutil.move(path, target)
        path.symlink_to(target.name if not target.is_absolute() else os.path.relpath(target, path.parent))


def spelling(world: World, number: int, has_own_time: bool) -> None:
    """Code of the same length with other bytes as its result, or back. has_own_time: else the file keeps the time that it had."""
    name, old, new = SPELLINGS[number]
    path = world.path / name
    data = path.read_bytes()
    assert (old in data) != (new in data), f"{name}: choose another place for this row"
    changed = data.replace(old, new) if old in data else data.replace(new, old)
    if has_own_time:
        path.write_bytes(changed)
    else:
        in_place(path, lambda _: changed)


def comment(world: World, number: int) -> None:
    with (world.path / MODULES[number]).open("a", encoding="utf-8") as file:
        file.write("# a comment\n")


def definition(world: World, number: int) -> None:
    """Code that is never used: another key, the same bytes."""
    with (world.path / MODULES[number]).open("a", encoding="utf-8") as file:
        file.write("UNUSED = 1\n")


def package_data(world: World) -> None:
    """A file that the report alone reads."""
    with (world.path / "domainlm/report/style.css").open("a", encoding="utf-8") as file:
        file.write("/* more */\n")


def lock_text(world: World) -> None:
    """The version of a library that no text stage uses, and a comment."""
    path = world.path / "envs/cpu.lock"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("plotly==7.1.0", "plotly==7.1.1") + "# more\n", encoding="utf-8")


NUMBERS = tuple(range(6))
EDITS: dict[str, tuple[Callable[..., None], float, Draw]] = {
    "knob": (knob, 5, lambda c: (lambda name: [name, c.randrange(len(KNOBS[name][2]))])(c.choice(sorted(KNOBS)))),
    "parent_knob": (parent_knob, 1, lambda c: ["min_chars", c.randrange(3)]),
    "knob_of_all": (knob_of_all, 1, one_of(("112", "64"))),
    "extends": (extends, 1, one_of((True, False))),
    "licence": (licence, 1, one_of(range(len(LICENCES)))),
    "role": (role, 1, one_of(range(len(ROLES)))),
    "shards": (shards, 0.5, one_of((1, 1, 2))),
    "add_raw": (add_raw, 2, one_of(range(4), (CORPUS, CORPUS, GENERAL))),
    "change_raw": (change_raw, 3, one_of(NUMBERS, (20, 60))),
    "change_raw_unseen": (change_raw_unseen, 2, one_of(NUMBERS)),
    "replace_raw_unseen": (replace_raw_unseen, 1, one_of(NUMBERS)),
    "remove_raw": (remove_raw, 1.5, one_of(NUMBERS)),
    "rename_raw": (rename_raw, 1, one_of(NUMBERS, ("a", "z"))),
    "touch_raw": (touch_raw, 1, one_of(NUMBERS, (1, 2_000_000_000))),
    "link_raw": (link_raw, 1, one_of(NUMBERS)),
    "spelling": (spelling, 4, one_of(range(len(SPELLINGS)), (True, False, False))),
    "comment": (comment, 1, one_of(range(len(MODULES)))),
    "definition": (definition, 0.7, one_of(range(len(MODULES)))),
    "package_data": (package_data, 0.5, none),
    "lock_text": (lock_text, 0.5, none),
}


def draw_edit(chooser: random.Random) -> list[Any]:
    names = list(EDITS)
    name = chooser.choices(names, [EDITS[each][1] for each in names])[0]
    return [name, *EDITS[name][2](chooser)]


def do_edit(world: World, edit: list[Any]) -> None:
    name, *parameters = edit
    EDITS[name][0](world, *parameters)
