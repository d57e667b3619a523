"""Parts of all commands: options, overrides, the project's folder, exit codes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domainlm.terminal import say

if TYPE_CHECKING:
    from domainlm.pipeline.stamp import Stamp

# the file that makes a folder a project
PROJECT_FILE = "config/config.yaml"


def parse_overrides(settings: list[str]) -> dict[str, Any]:
    """Values of `--set 'section={knob: value}'`.

    The syntax is that of Snakemake's --config. Raises ConfigurationError.
    """
    from domainlm.config.errors import ConfigurationError
    from domainlm.config.resolve import load_yaml

    found: dict[str, Any] = {}
    for setting in settings:
        section, separator, text = setting.partition("=")
        if not separator or not section:
            raise ConfigurationError(f"--set {setting!r}: expected SECTION={{KNOB: VALUE}} or KEY=VALUE")
        value = load_yaml(text, f"--set {section}")
        earlier = found.get(section)
        found[section] = {**earlier, **value} if isinstance(earlier, dict) and isinstance(value, dict) else value
    return found


def check_artifact(artifact: str) -> None:
    """Exits with 2 if no stage has this name."""
    from domainlm.pipeline.table import BY_NAME

    if artifact not in BY_NAME:
        say(f"no artifact {artifact!r}; expected one of {', '.join(BY_NAME)}")
        raise typer.Exit(2)


@contextmanager
def _naming_current_folder() -> Iterator[None]:
    """Exits with 2 if the current folder was removed or is unreadable."""
    try:
        yield
    except FileNotFoundError:
        say("the current folder was removed; change to a project's folder")
        raise typer.Exit(2) from None
    except OSError as error:
        say(f"the current folder cannot be read ({error.strerror}); change to a project's folder")
        raise typer.Exit(2) from None


def project_folder(is_record_enough: bool = False) -> Path:
    """The current folder, if it is a project.

    Else exits with 2, and names the project above it. is_record_enough: whether the records of DVC and git suffice;
    then the folder is refused only if a project lies above it.
    """
    with _naming_current_folder():
        here = Path.cwd()
        if (here / PROJECT_FILE).exists():
            return here
        above = project_above(here)
        if is_record_enough and above is None:
            return here
    way = f"{above} is one: cd {shlex.quote(str(above))}" if above is not None else "change to a project's folder"
    say(f"{here} is no project, as it has no {PROJECT_FILE}; {way}")
    raise typer.Exit(2)


def project_above(folder: Path) -> Path | None:
    """The nearest project among the folders above."""
    return next((parent for parent in folder.parents if (parent / PROJECT_FILE).is_file()), None)


@contextmanager
def named_errors(is_store_needed: bool = True) -> Iterator[None]:
    """Turn errors that name their fix into an exit code.

    The message is printed. The code is 2 for the configuration and 3 for a failure. is_store_needed: whether a store
    that is closed to this user is an error from the start.
    """
    from domainlm.config.errors import ConfigurationError
    from domainlm.contract import StageError
    from domainlm.store.location import store_folder
    from domainlm.store.remote import RemoteError
    from domainlm.store.secrets import without_secrets
    from domainlm.store.sharing import StoreRefused, naming_refusals

    try:
        with _naming_current_folder():
            here = Path.cwd()
            # checked first, because an unreadable project is no fault of the store
            (here / PROJECT_FILE).exists()
        with naming_refusals(store_folder(here), is_store_needed):
            yield
    except (ConfigurationError, StageError, RemoteError, StoreRefused) as error:
        say(without_secrets(str(error)))
        raise typer.Exit(2 if isinstance(error, ConfigurationError) else 3) from None
    except BrokenPipeError:
        # the reader of the output has closed its end
        raise
    except OSError as error:
        # with the file's name and the system's reason: a full disk, a folder that is closed to this user
        say(str(error))
        raise typer.Exit(3) from None


def present_stamps(domain: str | None, settings: list[str]) -> list[Stamp]:
    """Stamps of the present configuration, in memory only. Raises ConfigurationError."""
    from domainlm.config.resolve import resolve
    from domainlm.pipeline.stamps import make_stamps

    project = project_folder()
    config = resolve(project, {**({"domain": domain} if domain else {}), **parse_overrides(settings)})
    return make_stamps(project, config, is_remembered=False)


def _checked_domain(name: str | None) -> str | None:
    """A domain's name, checked before it becomes part of a path."""
    from domainlm.config.resolve import checked_domain

    with named_errors(is_store_needed=False):
        return name if name is None else checked_domain(name, "--domain")


DomainOption = Annotated[
    str | None,
    typer.Option("--domain", help="Domain (default: the one of config/config.yaml).", callback=_checked_domain),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Value that differs from the files: 'section={knob: value}'. May be repeated."),
]
ThreadsOption = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads (default: all cores).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
