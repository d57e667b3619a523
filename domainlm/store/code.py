"""The code digest: a stage's code without comments, docstrings and formatting.

In: a module of the package. Out: one digest over the canonical syntax trees of its import closure inside the package,
with the `__init__` of every package on the way. Modules named in `excluded` (the configuration models) are excluded if only sections
of values are imported from them: their whole effect is the resolved slice.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.store import canonical_code, imports
from domainlm.store.canonical import canonical_json, sha256_of
from domainlm.store.canonical_code import DEFINITION_DIGITS, WHOLE_FILE, module_definitions, module_digest
from domainlm.store.staging import replace_file

LOADING = "domainlm.loading"
# what is remembered of a module; where a row lacks one of these, it is of other code or torn
_REMEMBERED = {
    "path", "sha256", "digest", "imports", "named", "declared", "raised", "errors", "has_fields_only", "by_name", "definitions",
    "bound", "outside"
}  # fmt: skip


def module_path(root: Path, module: str) -> Path | None:
    """The file that Python runs for a module.

    A package wins over a module of its name. None for a folder without a file.
    """
    path = root.joinpath(*module.split("."))
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


def is_below(module: str, group: str) -> bool:
    """Whether a module is this one or its submodule, by whole parts."""
    return f"{module}.".startswith(f"{group}.")


@dataclass(frozen=True)
class _Taken:
    """Absolute names that a module imports.

    declared: those that occur only in annotations or as errors; raised: as errors.
    """

    imports: set[str]
    declared: set[str]
    raised: set[str]


class CodeIndex:
    """Digests and imports of the package's modules, cached by source digest.

    Each index reads every file once, so its answers describe one moment, and no file's time is trusted. Entries that
    another version of this code wrote are dropped, because its canonical form may differ.
    """

    def __init__(
        self,
        root: Path,
        cache_file: Path | None,
        excluded: Iterable[str],
    ) -> None:
        """root: the package's parent folder.

        excluded: modules outside every digest, with their submodules.
        """
        self.root = root
        self.package = "domainlm"
        self.excluded = tuple(excluded)
        # path and source of modules that were run, which count instead of what their files hold by now
        self.ran: Mapping[str, tuple[str, bytes]] = {}
        self.cache_file = cache_file
        self._known: dict[str, dict[str, Any]] = {}
        self._seen: dict[str, dict[str, Any] | None] = {}
        self._takes: dict[str, _Taken] = {}
        self._is_changed = False
        self._form = sha256_of(
            b"".join(Path(file).read_bytes() for file in (__file__, canonical_code.__file__, imports.__file__))
        )
        if cache_file is not None and cache_file.exists():
            try:
                remembered = json.loads(cache_file.read_bytes())
                self._known = remembered["modules"] if remembered["form"] == self._form else {}
                if not all(known.keys() >= _REMEMBERED for known in self._known.values()):
                    self._known = {}
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                self._known = {}

    def of_what_ran(self, ran: Mapping[str, tuple[str, bytes]]) -> CodeIndex:
        """The same index for modules that ran.

        Known sources are not analysed again.
        """
        other = copy(self)
        other.ran, other._seen, other._takes = ran, {}, {}
        return other

    def _read(self, module: str) -> dict[str, Any] | None:
        """The facts of a module; None if no module has this name."""
        if module not in self._seen:
            path = module_path(self.root, module)
            self._seen[module] = None if path is None else self._parsed(module, path)
        return self._seen[module]

    def _parsed(self, module: str, path: Path) -> dict[str, Any]:
        source = self.ran[module][1] if module in self.ran else path.read_bytes()
        name, sha256 = path.relative_to(self.root).as_posix(), sha256_of(source)
        known = self._known.get(name)
        if known is None or known["sha256"] != sha256:
            tree, is_package = ast.parse(source), path.name == "__init__.py"
            names = imports.imported_names(tree, module, is_package)
            declared = imports.only_declared(tree, module, is_package)
            known = {
                "path": name,
                "sha256": sha256,
                "digest": module_digest(source),
                "imports": sorted(each for each in names if is_below(each, self.package)),
                "named": sorted(imports.names_in_texts(tree, self.package)),
                "declared": sorted(each for each in declared if is_below(each, self.package)),
                "raised": sorted(
                    each for each in imports.used_as_errors(tree, module, is_package) if is_below(each, self.package)
                ),
                "errors": sorted(imports.errors_of_words_only(tree)),
                "has_fields_only": imports.has_fields_only(tree, module, is_package),
                "bound": {
                    local: name
                    for local, name in imports.bound_names(tree, module, is_package).items()
                    if is_below(name, self.package)
                },
                "outside": sorted(imports.outside_names(tree, self.package)),
                "by_name": imports.reached_by_name(tree),
                "definitions": module_definitions(source),
            }
            self._known[name] = known
            self._is_changed = True
        return known

    def _is_excluded(self, module: str) -> bool:
        return any(is_below(module, group) for group in self.excluded)

    def _has_fields_only(self, module: str) -> bool:
        """Whether an excluded module and its imports hold only sections of values.

        Then they have nothing that a stage could call.
        """
        waiting, found = [module], set()
        while waiting:
            each = waiting.pop()
            known = self._read(each)
            if known is None or each in found or not self._is_excluded(each):
                continue
            if not known["has_fields_only"]:
                return False
            found.add(each)
            waiting.extend(known["imports"])
        return True

    def _taken(self, module: str) -> _Taken:
        """The imports of a module, those through other modules included.

        A name that a module imports may be taken from that module by another one; whoever takes it imports it.
        """
        if module not in self._takes:
            known = self._read(module)
            assert known is not None
            found = _Taken(set(known["imports"]), set(known["declared"]), set(known["raised"]))
            waiting = sorted(found.imports)
            while waiting:
                name = waiting.pop()
                owner, _, last = name.rpartition(".")
                facts = self._read(owner) if owner != module else None
                if facts is None:
                    continue
                origins = list(facts["bound"].values()) if last == imports.EVERYTHING else [facts["bound"].get(last)]
                for origin in (each for each in origins if each is not None and each not in found.imports):
                    found.imports.update((origin, origin.rpartition(".")[0]))
                    waiting.append(origin)
                    for names in (found.declared, found.raised):
                        if name in names:
                            names.add(origin)
            self._takes[module] = found
        return self._takes[module]

    def _counts(self, module: str, taken: _Taken) -> bool:
        """Whether an imported module is in the digest.

        taken: by the module that imports it. An excluded module is not in the digest if only sections of values are
        imported from it.
        """
        if is_below(module, LOADING):
            # what reads the source decides which code runs, not what that does; only the package's own file may import it
            return False
        if not self._is_excluded(module):
            return True
        names = {name for name in taken.imports if name != module and is_below(name, module)}
        raised = {name.removeprefix(f"{module}.") for name in names & taken.raised}
        found = self._read(module)
        are_words_only = found is not None and raised <= set(found["errors"])
        return not (names and names <= taken.declared and are_words_only and self._has_fields_only(module))

    def closure(self, modules: Iterable[str], has_excluded: bool = False, has_started: bool = True) -> dict[str, Path]:
        """All package modules that the given ones import: name -> file.

        The given modules and the packages on the way are included. has_excluded: include those that are outside the
        digest, too. has_started: include those that only a text names, because other processes may be started by such
        a name.
        """
        found: dict[str, Path] = {}
        waiting = list(modules)
        while waiting:
            module = waiting.pop()
            if module.endswith(f".{imports.EVERYTHING}"):
                waiting.extend(self._within(module.rpartition(".")[0]))
                continue
            known = self._read(module)
            if known is None or module in found:
                continue
            found[module] = self.root / known["path"]
            parts = module.split(".")
            waiting.extend(".".join(parts[:count]) for count in range(1, len(parts)))
            taken = self._taken(module)
            waiting.extend(name for name in taken.imports if has_excluded or self._counts(name, taken))
            waiting.extend(name for name in known["named"] if has_started and not is_below(name, LOADING))
        return dict(sorted(found.items()))

    def _within(self, package: str) -> Iterator[str]:
        """Modules of a package, which `from package import *` may load."""
        folder = self.root.joinpath(*package.split("."))
        names = {path.stem for path in folder.glob("*.py")} | {
            path.parent.name for path in folder.glob("*/__init__.py")
        }
        yield from (f"{package}.{name}" for name in names - {"__init__"})

    def sources(self, modules: Iterable[str]) -> dict[str, str]:
        """Name -> source digest of all imports, excluded modules included."""
        closure = self.closure(modules, has_excluded=True)
        return {name: known["sha256"] for name in closure if (known := self._read(name)) is not None}

    def reached_by_name(self, modules: Iterable[str]) -> list[str]:
        """`file:line: what` of each access to code or files without import.

        The whole closure is searched.
        """
        return [
            f"{known['path']}:{place}"
            for name in self.closure(modules)
            if (known := self._read(name)) is not None
            for place in known["by_name"]
            if not (name == self.package and is_below(place.split(": ")[1], LOADING))
        ]

    def outside(self, modules: Iterable[str]) -> list[str]:
        """First parts of all imports of the closure from outside the package."""
        found = [self._read(name) for name in self.closure(modules)]
        return sorted({name for known in found if known is not None for name in known["outside"]})

    def digest(self, modules: Iterable[str], package_data: Iterable[Path]) -> str:
        """Code digest of the closure of `modules` and their package data."""
        names = list(modules)
        for module in names:
            if self._read(module) is None:
                raise FileNotFoundError(f"module {module} is not below {self.root}")
        parts = [[name, known["digest"]] for name in self.closure(names) if (known := self._read(name)) is not None]
        data = [[path.relative_to(self.root).as_posix(), sha256_of(path.read_bytes())] for path in sorted(package_data)]
        return sha256_of(canonical_json([parts, data]))

    def definitions(self, modules: Iterable[str], package_data: Iterable[Path]) -> dict[str, dict[str, str]]:
        """The parts of a code digest: file -> definition -> digest."""
        found: dict[str, dict[str, str]] = {}
        for name in self.closure(modules):
            known = self._read(name)
            assert known is not None
            found[known["path"]] = known["definitions"]
        for path in package_data:
            found[path.relative_to(self.root).as_posix()] = {
                WHOLE_FILE: sha256_of(path.read_bytes())[:DEFINITION_DIGITS]
            }
        return found

    def save(self) -> None:
        """Write the cache if it has new entries."""
        if self.cache_file is not None and self._is_changed:
            replace_file(self.cache_file, canonical_json({"form": self._form, "modules": self._known}))
