"""The loader of the package's modules runs exactly their files' bytes.

In: the name of a module, from Python's import system. Out: the module, run from the bytes of its file. These bytes
are remembered (`RAN`), so that a build can digest the very bytes that ran. Bytecode is read from a cache only if it
was compiled from exactly these bytes. Python's own cache compares size and whole seconds of the file's time, and both
survive `rsync -t`, clamped archives and image layers (cpython#75953). `domainlm/__init__.py` installs the loader
first, so it works in every process that imports any part of the package. Python itself loads that file and this one:
their bytecode is made valid by content, and the code that ran is compared with its file before a stage runs
(`check_own`).

`PYTHONDONTWRITEBYTECODE` or a removed `__pycache__` would not do: compiling everything at each start takes half a
second. The module uses only the standard library. It is outside every code digest, because it decides which bytes
run, not their effect.
"""

from __future__ import annotations

import _imp
import hashlib
import importlib.util
import marshal
import os
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder, SourceFileLoader, SourcelessFileLoader
from types import CodeType, ModuleType
from typing import NamedTuple

PACKAGE = __name__.rpartition(".")[0]
# for the processes that a stage starts: module=sha256 of all that may run in them
VARIABLE = "DOMAINLM_CODE"
HEADER_BYTES = 36
# header of bytecode that Python checks by a hash of the source (PEP 552)
CHECKED_HASH = (0b11).to_bytes(4, "little")
_OWN_CODE = sys._getframe().f_code


class CodeError(Exception):
    """Code of the package would run that no action key names.

    The message names the code and the fix. It is no ImportError, because code that handles one by importing another
    module must not continue.
    """


class Source(NamedTuple):
    """Where a module was read, and the bytes that were run."""

    path: str
    source: bytes


# name of every module of the package that was loaded in this process -> what was run
RAN: dict[str, Source] = {}
# the modules that Python loaded by itself, before this one was installed -> the code that ran
_by_python: dict[str, CodeType] = {}
# what may be loaded while a stage runs: name -> sha256; None: anything
_expected: dict[str, str] | None = None


def read_expected(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split())


def _check_expected(name: str, source: bytes) -> None:
    """Raises CodeError if a running stage's digest does not cover these bytes."""
    if _expected is None:
        return
    if name not in _expected:
        raise CodeError(
            f"{name} was loaded while a stage ran, and the stage's code digest does not cover it; import it by a statement, "
            "or name it as `launched` in the stage table (domainlm/pipeline/table.py)",
        )
    if _expected[name] != hashlib.sha256(source).hexdigest():
        raise CodeError(
            f"{name} was edited while a stage ran, whose key names the code before that; run the same command again",
        )


@contextmanager
def only(digests: Mapping[str, str]) -> Iterator[None]:
    """Let only these modules of the package load, from these sources.

    This also holds in processes that are started within the block: they inherit the digests by an environment
    variable, and refuse other modules as they import. A process that is started without its parent's environment
    proves nothing.
    """
    global _expected
    before, said = _expected, os.environ.get(VARIABLE)
    _expected = dict(digests)
    os.environ[VARIABLE] = " ".join(f"{name}={digest}" for name, digest in sorted(digests.items()))
    try:
        yield
    finally:
        _expected = before
        if said is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = said


def _header(source: bytes, bytecode: bytes) -> bytes:
    """The beginning of a bytecode file: the source's digest and a checksum.

    A torn file does not match the checksum.
    """
    digest = hashlib.sha256(importlib.util.MAGIC_NUMBER + source).digest()
    return digest + zlib.crc32(bytecode).to_bytes(4, "little")


def _cached(path: str, source: bytes) -> CodeType | None:
    """Bytecode of this source, whole and of this Python version, or None."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return None
    bytecode = data[HEADER_BYTES:]
    if data[:HEADER_BYTES] != _header(source, bytecode):
        return None
    code = marshal.loads(bytecode)  # noqa: S302 (as Python's own cache, and whole)
    return code if isinstance(code, CodeType) else None


def _keep(path: str, source: bytes, code: CodeType) -> None:
    """Write bytecode for the next start, atomically or not at all.

    In a tree that cannot be written, each start is only slower.
    """
    bytecode = marshal.dumps(code)
    unfinished = f"{path}.{os.getpid()}"
    with suppress(OSError):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            with open(unfinished, "xb") as file:
                file.write(_header(source, bytecode) + bytecode)
            os.replace(unfinished, path)
        except FileExistsError:
            # another process of this number, on another host
            return
        except OSError:
            os.unlink(unfinished)


class Loader(SourceFileLoader):
    """Runs exactly the bytes of a file."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        source = self.get_data(path)
        _check_expected(fullname, source)
        RAN[fullname] = Source(path, source)
        # a separate name: Python's loader does not read it, and whatever cleans up __pycache__ finds it
        cache = importlib.util.cache_from_source(path, optimization="checked")
        code = _cached(cache, source)
        if code is not None:
            # the tree may have been moved, or may be mounted elsewhere on another host
            _imp._fix_co_filename(code, path)  # type: ignore[attr-defined]
            return code
        # statements that -O removes are in the code digest
        compiled: CodeType = compile(source, path, "exec", dont_inherit=True, optimize=0)
        if not sys.dont_write_bytecode:
            _keep(cache, source, compiled)
        return compiled


class Finder:
    """Finds the package's modules in Python's usual places.

    It loads source files by `Loader`, and refuses binary files.
    """

    package = PACKAGE

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is None or not name.startswith(f"{PACKAGE}."):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None:
            return None
        if type(spec.loader) is SourceFileLoader:
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        elif isinstance(spec.loader, ExtensionFileLoader | SourcelessFileLoader):
            raise CodeError(
                f"{name} is {spec.origin}, which is no source file, so that no code digest covers it; remove it "
                f"(it would hide {name.rpartition('.')[2]}.py)",
            )
        return spec


def install() -> None:
    """Load all further modules by `Loader`; the package's `__init__` calls this.

    A package in an archive or frozen into a program is left to Python, and no stage runs in it (`RAN` lacks its
    modules).
    """
    caller = sys._getframe(1)
    spec = caller.f_globals["__spec__"]
    if type(spec.loader) is not SourceFileLoader:
        return
    own = {PACKAGE: (spec.origin, caller.f_code), __name__: (__file__, _OWN_CODE)}
    for name, (path, code) in own.items():
        RAN[name] = Source(path, spec.loader.get_data(path))
        _by_python[name] = code
        _make_valid_by_content(path, name)
    # one that was there belongs to an import of the package that was thrown away
    sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "package", None) != PACKAGE]
    sys.meta_path.insert(0, Finder())
    _begin_as_child()


def _make_valid_by_content(path: str, name: str) -> None:
    """Make Python check the content of bytecode that it loads by itself."""
    try:
        with open(importlib.util.cache_from_source(path), "rb") as file:
            header = file.read(8)
    except OSError:
        # there is none: it was compiled
        return
    if header[4:] == CHECKED_HASH:
        return
    if not sys.dont_write_bytecode:
        import py_compile

        with suppress(OSError, py_compile.PyCompileError):
            py_compile.compile(path, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    _check_ran(name)


def _check_ran(name: str) -> None:
    """Raises CodeError if code that Python loaded differs from its file.

    The file is compiled again for the comparison.
    """
    path, source = RAN[name]
    if compile(source, path, "exec", dont_inherit=True) != _by_python[name]:
        raise CodeError(
            f"{path} was loaded from bytecode of other code (its size and time did not change, its content did); run the "
            f"same command again, and where that does not help remove {os.path.dirname(path)}/__pycache__",
        )


def check_own() -> None:
    """Raises CodeError if this module or the `__init__` differs from its file."""
    for name in _by_python:
        _check_ran(name)


def _begin_as_child() -> None:
    """Hold a process that a stage started to the stage's code digest."""
    global _expected
    text = os.environ.get(VARIABLE)
    if text is None:
        return
    _expected = read_expected(text)
    for name in _by_python:
        _check_ran(name)
        _check_expected(name, RAN[name].source)
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    if main is not None and os.path.realpath(main).startswith(
        os.path.dirname(os.path.realpath(RAN[PACKAGE].path)) + os.sep
    ):
        raise CodeError(f"{main} was started by its path, where nothing checks it; start it as python -m {PACKAGE}....")
