"""What the commands have in common: options, overrides, the project's folder, errors as exit codes."""

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

# what a folder has that is a project
PROJECT_FILE = "config/config.yaml"


def parse_overrides(settings: list[str]) -> dict[str, Any]:
    """Overrides of `--set 'section={knob: value}'`, written as for Snakemake's --config. Raises ConfigurationError."""
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
    """Exits with 2 for a name that no stage has."""
    from domainlm.pipeline.table import BY_NAME

    if artifact not in BY_NAME:
        say(f"no artifact {artifact!r}; expected one of {', '.join(BY_NAME)}")
        raise typer.Exit(2)


@contextmanager
def _naming_current_folder() -> Iterator[None]:
    """Exits with 2 where the current folder was removed, or this user may not read it."""
    try:
        yield
    except FileNotFoundError:
        say("the current folder was removed; change to a project's folder")
        raise typer.Exit(2) from None
    except OSError as error:
        say(f"the current folder cannot be read ({error.strerror}); change to a project's folder")
        raise typer.Exit(2) from None


def project_folder(is_record_enough: bool = False) -> Path:
    """The current folder. Exits with 2 where it is no project, and says which folder above it is one.

    is_record_enough: whether what DVC and git recorded is all that is asked for, so that only a project above it is in the way.
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
    """The nearest folder above that is a project."""
    return next((parent for parent in folder.parents if (parent / PROJECT_FILE).is_file()), None)


@contextmanager
def named_errors(is_store_needed: bool = True) -> Iterator[None]:
    """Turns errors that name their fix into a line and an exit code: 2 for configuration, 3 for what failed.

    is_store_needed: whether a store that is closed to this user is one of them from the start.
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
            # looked at first: what cannot be read of it is not a matter of the store
            (here / PROJECT_FILE).exists()
        with naming_refusals(store_folder(here), is_store_needed):
            yield
    except (ConfigurationError, StageError, RemoteError, StoreRefused) as error:
        say(without_secrets(str(error)))
        raise typer.Exit(2 if isinstance(error, ConfigurationError) else 3) from None
    except BrokenPipeError:
        # who reads the answer has read enough
        raise
    except OSError as error:
        # with the file's name and the system's reason: a full disk, a folder that is closed to this user
        say(str(error))
        raise typer.Exit(3) from None


def present_stamps(domain: str | None, settings: list[str]) -> list[Stamp]:
    """Stamps of the configuration as it is now, in memory. Raises ConfigurationError."""
    from domainlm.config.resolve import resolve
    from domainlm.pipeline.stamps import make_stamps

    project = project_folder()
    config = resolve(project, {**({"domain": domain} if domain else {}), **parse_overrides(settings)})
    return make_stamps(project, config, is_remembered=False)


def _checked_domain(name: str | None) -> str | None:
    """A domain's name, before any path is made of it."""
    from domainlm.config.resolve import checked_domain

    with named_errors():
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
