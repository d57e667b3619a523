"""The stage table says all that a stage's bytes depend on: the libraries, the configuration, the modules.

The table is written by hand, so what is in it is compared with what the code of the stages does.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from domainlm.config.domain import DomainConfig
from domainlm.config.resolve import resolve
from domainlm.pipeline.slices import knob_paths, listed_names, slice_type, value_at
from domainlm.pipeline.table import BY_NAME, EXCLUDED_MODULES, PACKAGE_ROOT, STAGES, Stage
from domainlm.store.code import CodeIndex

# imported by a module of the closure, in a function that this stage does not call
# how a stage could see the machine, the time or chance
MACHINE = {"platform", "socket", "locale", "datetime", "subprocess", "getpass", "uuid", "secrets", "random"}
MACHINE_NAMES = {"environ", "getenv", "cpu_count", "getcwd", "cwd", "home", "uname", "getlogin"}
# it starts processes, to which it hands this one's environment on, and computes nothing
LAUNCHER = "domainlm.training.launch"
STAGE_IDS = [stage.name for stage in STAGES]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def closure(stage: Stage) -> dict[str, Path]:
    return CodeIndex(PACKAGE_ROOT, None, EXCLUDED_MODULES).closure(stage.modules)


def imported_names(path: Path) -> Iterator[str]:
    """First part of the name of every module that a file imports, anywhere in it."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module).split(".")[0]


@pytest.mark.parametrize("stage", STAGES, ids=STAGE_IDS)
def test_every_imported_distribution_is_named(stage: Stage) -> None:
    distributions = packages_distributions()
    names = {name for path in closure(stage).values() for name in imported_names(path)}
    names -= {"domainlm", *sys.stdlib_module_names}
    imported = {distribution.lower().replace("_", "-") for name in names for distribution in distributions[name]}
    assert imported <= set(stage.distributions)


def test_what_a_distribution_computes_with_is_named_with_it() -> None:
    """No stage imports scipy, but the sparse matrices that scikit-learn hands out, and multiplies, are its own."""
    named = [stage for stage in STAGES if "scikit-learn" in stage.distributions]
    assert [stage.name for stage in named] == ["relevance_model", "unique_shards"]
    assert all("scipy" in stage.distributions for stage in named)


@pytest.mark.parametrize("stage", STAGES, ids=STAGE_IDS)
def test_a_stage_reads_what_is_in_its_slice(stage: Stage) -> None:
    fields = {*slice_type(stage.name).model_fields, *slice_type(stage.name, is_shard=True).model_fields}
    read = {
        node.attr
        for node in ast.walk(tree_of(closure(stage)[stage.module]))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "config"
    }
    assert read == fields


@pytest.mark.parametrize("stage", STAGES, ids=STAGE_IDS)
def test_a_stage_s_run_names_the_type_of_its_slice(stage: Stage) -> None:
    for function in (node for node in tree_of(closure(stage)[stage.module]).body if isinstance(node, ast.FunctionDef)):
        if function.name in ("run", "run_shard"):
            expected = slice_type(stage.name, is_shard=function.name == "run_shard")
            [annotation] = [argument.annotation for argument in function.args.args if argument.arg == "config"]
            assert annotation is not None
            assert ast.unparse(annotation) == expected.__name__


def test_every_value_of_a_slice_has_a_knob_or_is_listed() -> None:
    values = resolve(PACKAGE_ROOT, {}).model_dump(mode="json")
    for stage in STAGES:
        known = knob_paths(stage.name)
        for is_shard in (False, True):
            assert set(slice_type(stage.name, is_shard).model_fields) <= {*known, *listed_names(stage.name)}
        for path in known.values():
            value_at(values, path)


@pytest.mark.parametrize("stage", STAGES, ids=STAGE_IDS)
def test_a_stage_sees_nothing_that_is_outside_its_key(stage: Stage) -> None:
    for module, path in closure(stage).items():
        if module == LAUNCHER:
            continue
        assert not MACHINE & set(imported_names(path)), path
        names = {
            node.attr if isinstance(node, ast.Attribute) else node.id
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Attribute | ast.Name)
        }
        assert not MACHINE_NAMES & names, path
        # docstrings are outside the code digest
        assert "__doc__" not in names, path
        # a file beside a module is package data
        assert "__file__" not in names or stage.package_data, path


def test_what_the_models_do_beside_holding_fields_is_to_refuse() -> None:
    """The sections and the contract are outside every code digest: a method of one would be code that no key sees."""
    code = CodeIndex(PACKAGE_ROOT, None, ())
    outside = code.closure(["domainlm.config.domain", "domainlm.contract"])
    assert {
        name for stage in STAGES for name in code.closure(stage.modules) if name.startswith(EXCLUDED_MODULES)
    } <= set(outside)
    methods = [
        (model.name, part.name)
        for path in outside.values()
        for model in ast.walk(tree_of(path))
        if isinstance(model, ast.ClassDef)
        for part in model.body
        if isinstance(part, ast.FunctionDef)
    ]
    assert sorted(methods) == [
        ("BaseModelConfig", "_are_texts_of_their_own"),
        ("CleanShards", "_thresholds_of_chosen_sets"),
        ("Fetch", "_one_address"),
        ("Labels", "_says_something"),
        ("MessagesFrom", "_says_where"),
        ("Source", "_one_origin"),
        ("Training", "_has_room_for_its_phases"),
        ("Training", "_validates_what_it_decides_by"),
    ]
    sections = {type(getattr(DomainConfig(), stage.name)) for stage in STAGES}
    assert all(not section.model_computed_fields for section in sections)


def test_launched_modules_count_as_imported() -> None:
    code = CodeIndex(PACKAGE_ROOT, None, EXCLUDED_MODULES)
    stage = BY_NAME["clean_shards"]
    launching = replace(stage, launched=("domainlm.tokens.packing",))
    assert stage.modules == (stage.module,)
    assert code.digest(launching.modules, []) != code.digest(stage.modules, [])
    assert set(code.closure(launching.modules)) == {
        "domainlm.tokens",
        "domainlm.tokens.packing",
        *code.closure(stage.modules),
    }
    with pytest.raises(FileNotFoundError, match=r"domainlm\.nowhere"):
        code.digest(replace(stage, launched=("domainlm.nowhere",)).modules, [])
