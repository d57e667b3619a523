"""The code of a stage, loaded for a run and held to its key: what runs is what the key names.

In: a stamp. Out: the stage's module, after a proof that what Python ran of it and of all that it imports are the bytes that the
stamp's code digest was made from. While the stage runs, nothing else of the package is loaded, in its own process and in those
that it starts; after it, the package data are looked at once more. The digest is of the bytes that ran (`domainlm.loading`), not of
what the files hold by then, so an edit at any moment is either what the key names or refused.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

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


@dataclass(frozen=True)
class StageCode:
    """A stage's module, and what may be loaded of the package while it runs: name -> digest of the source. index: of what ran."""

    module: ModuleType
    sources: dict[str, str]
    index: CodeIndex


def load_code(project: Path, stamp: Stamp, store: Store) -> StageCode:
    """Load a stage's module with all that it imports, which must be the code that the key names.

    Loaded first and compared then: what is edited later is not what runs. Raises StageError for code edited since the stamp was
    written, whose output would lie in the store under the key of other code, and for code that no digest covers.
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
    check_slice(stamp)
    # what the digest stands for: `why` names the function that changed by it
    write_code(store.root, stamp.code_digest, ran.definitions(stage.modules, data))
    return StageCode(importlib.import_module(stage.module), _ran_digests() | ran.sources(stage.modules), ran)


def _ran_digests() -> dict[str, str]:
    return {name: sha256_of(source) for name, (_, source) in RAN.items()}


def _check_loaded(ran: CodeIndex, module: str) -> None:
    """Every module of a stage must have been run from the file that its digest is of. Raises StageError."""
    for name, path in ran.closure([module], has_started=False).items():
        found = RAN[name].path if name in RAN else None
        if found is None or os.path.realpath(found) != os.path.realpath(path):
            raise StageError(
                f"{name} was run from {found or 'something that is no source file'}, but the code digest is of {path}; run it "
                "from a folder of source files, with no other folder `domainlm` before it on PYTHONPATH"
            )


def check_slice(stamp: Stamp) -> None:
    """The configuration models, which are in no code digest, must make of a stage's values what they are. Raises StageError.

    A stage checks its section by them once more. Where they were edited since the stamp was written, a new knob's default or
    another meaning would be in the result and not in the key.
    """
    # a build that finds its result loads no models
    from pydantic import TypeAdapter, ValidationError

    from domainlm.config.domain import DomainConfig

    for key in {"section", *BY_NAME[stamp.artifact].shared} & set(stamp.config):
        value = stamp.config[key]
        annotation: Any = DomainConfig.model_fields[stamp.artifact if key == "section" else key].annotation
        kind = TypeAdapter(annotation)
        try:
            made = kind.dump_python(kind.validate_python(value), mode="json")
        except ValidationError as error:
            made = str(error)
        if canonical_json(made) != canonical_json(value):
            raise StageError(
                f"domainlm/config was edited since the stamp of {stamp.artifact} was written: it makes of {key} something else "
                "than the action key has; run the same command again"
            )


@contextmanager
def running(stamp: Stamp, code: StageCode) -> Iterator[None]:
    """Within the block the stage runs. Raises StageError where code or package data were not, or are not, what its key names."""
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
