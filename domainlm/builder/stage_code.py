"""A stage's code, loaded for a run and compared with its key.

In: a stamp. Out: the stage's module, after a check that the bytes which Python ran, of it and of all its imports, are
those of the stamp's code digest. While the stage runs, no other module of the package is loaded, neither in its own
process nor in those that it starts; afterwards the package data are checked once more. The digest is of the bytes that
ran (`domainlm.loading`), not of the files as they are by then, so an edit at any moment is either what the key names or
refused.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from domainlm.contract import StageError
from domainlm.loading import RAN, CodeError, check_own, only
from domainlm.pipeline.code import code_index
from domainlm.pipeline.stamp import Stamp
from domainlm.pipeline.table import BY_NAME, package_data_files
from domainlm.store.canonical import canonical_json, sha256_of
from domainlm.store.code import CodeIndex
from domainlm.store.imports import OWN_FILE
from domainlm.store.local import Store
from domainlm.store.trees import write_code

if TYPE_CHECKING:
    from domainlm.config.section import Slice


@dataclass(frozen=True)
class StageCode:
    """A stage's module, and the modules that may load while it runs.

    The names of these modules map to the digests of their sources. index: of the code that ran.
    """

    module: ModuleType
    sources: dict[str, str]
    index: CodeIndex


def load_code(project: Path, stamp: Stamp, store: Store) -> StageCode:
    """Load a stage's module with all its imports, and check its digest.

    The code is loaded first and compared then, so a later edit does not run. Raises StageError for code edited since
    the stamp was written, because its output would lie in the store under the key of other code, and for code that no
    digest covers.
    """
    stage = BY_NAME[stamp.artifact]
    try:
        check_own()
        files = code_index(project)
        for name in files.closure([stage.module], has_excluded=True, has_started=False):
            # the stage's name comes from the stage table; stages themselves import nothing by name
            importlib.import_module(name)
    except CodeError as error:
        raise StageError(str(error)) from error
    ran = files.of_what_ran(dict(RAN))
    _check_loaded(ran, stage.module)
    _check_outside(project, ran, stage.modules)
    by_name = [place for place in ran.reached_by_name(stage.modules) if not (stage.package_data and OWN_FILE in place)]
    if by_name:
        raise StageError(
            f"{by_name[0]} loads code or reads files other than by an import statement, so no code digest covers them; "
            "import it by its name, declare it as `launched` or `package_data` in domainlm/pipeline/table.py, or do without"
        )
    data = package_data_files(stage)
    if ran.digest(stage.modules, data) != stamp.code_digest:
        raise StageError(
            f"the code of {stamp.artifact} was edited since this run began, so its key names other code than would run; "
            "run the same command again"
        )
    # these definitions stand behind the digest: `why` names the changed function by them
    write_code(store.root, stamp.code_digest, ran.definitions(stage.modules, data))
    return StageCode(importlib.import_module(stage.module), _ran_digests() | ran.sources(stage.modules), ran)


def _ran_digests() -> dict[str, str]:
    return {name: sha256_of(source) for name, (_, source) in RAN.items()}


def _check_loaded(ran: CodeIndex, module: str) -> None:
    """Check that a stage's modules ran from the files of its digest.

    Raises StageError.
    """
    for name, path in ran.closure([module], has_started=False).items():
        found = RAN[name].path if name in RAN else None
        if found is None or os.path.realpath(found) != os.path.realpath(path):
            raise StageError(
                f"{name} was run from {found or 'something that is no source file'}, but the code digest is of {path}; run it "
                "from a folder of source files, with no other folder `domainlm` before it on PYTHONPATH"
            )


def _check_outside(project: Path, ran: CodeIndex, modules: Sequence[str]) -> None:
    """Check that no library of a stage lies in the project.

    A file beside the package is in no code digest, and one of a library's name would run under that library's version.
    Raises StageError.
    """
    root, environment = os.path.realpath(project), os.path.realpath(sys.prefix)
    for name in ran.outside(modules):
        spec = importlib.util.find_spec(name) if name not in sys.stdlib_module_names else None
        places = [spec.origin, *(spec.submodule_search_locations or ())] if spec is not None else []
        for place in (os.path.realpath(each) for each in places if each):
            if f"{place}/".startswith(f"{root}/") and not f"{place}/".startswith(f"{environment}/"):
                raise StageError(
                    f"{name} was found at {place}, beside the package domainlm, so no code digest covers it; move it into the "
                    "package, or remove it if a library of that name is meant"
                )


def typed_slice(stamp: Stamp, values: Mapping[str, Any]) -> Slice:
    """The part of the configuration that a stage is given.

    It holds the values of the stage's key, and the facts about its sources that are known since they were fetched. The
    models are in no code digest, so they must parse the values to exactly those values. If they were edited since the
    stamp was written, a new knob's default or another meaning would be in the result and not in the key. Raises
    StageError.
    """
    # a build that finds its result loads no models
    from pydantic import ValidationError

    from domainlm.pipeline.slices import listed_names, parse_slice

    try:
        found: Slice = parse_slice(stamp.artifact, values, stamp.shard is not None)
    except ValidationError as error:
        raise StageError(_edited(stamp, str(error))) from error
    listed = set(listed_names(stamp.artifact))
    wrong = found.__dict__.keys() ^ values.keys()
    for key in found.__dict__.keys() & values.keys():
        one, other = getattr(found, key), values[key]
        # there may be a hundred thousand rows of sources: compared as they are, not by their text
        if one != other if key in listed else canonical_json(_held(one)) != canonical_json(other):
            wrong.add(key)
    if wrong or found.__pydantic_private__:
        what = min(wrong, default="a private attribute")
        raise StageError(_edited(stamp, f"it makes of {what} something else than the action key has"))
    return found


def _held(value: Any) -> Any:
    """All that a value of a slice holds, as JSON has it.

    Not `model_dump`, which leaves out what a field excludes and writes what a serializer says.
    """
    from pydantic import BaseModel

    if isinstance(value, BaseModel):
        return {name: _held(each) for name, each in {**value.__dict__, **(value.__pydantic_private__ or {})}.items()}
    if type(value) in (list, tuple):
        return [_held(each) for each in value]
    if type(value) is dict:
        return {name: _held(each) for name, each in value.items()}
    # no other class than those of JSON: one could say more than it shows
    return value if value is None or type(value) in (str, int, float, bool) else {"class": type(value).__name__}


def _edited(stamp: Stamp, what: str) -> str:
    return f"domainlm/config was edited since the stamp of {stamp.artifact} was written: {what}; run the same command again"


@contextmanager
def running(stamp: Stamp, code: StageCode) -> Iterator[None]:
    """The context in which a stage runs.

    Raises StageError where code or package data were not, or are not, those that its key names.
    """
    try:
        with only(code.sources):
            yield
    except CodeError as error:
        raise StageError(str(error)) from error
    stage = BY_NAME[stamp.artifact]
    is_as_before = _ran_digests().items() <= code.sources.items()
    if not is_as_before or code.index.digest(stage.modules, package_data_files(stage)) != stamp.code_digest:
        raise StageError(
            f"code or package data of {stamp.artifact} were edited while it ran, so its output may be of neither version; run the "
            "same command again"
        )
