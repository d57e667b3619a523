"""What the commands have in common: options, overrides, errors as exit codes, how an answer is printed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from domainlm.stamps import Stamp

# columns of a table that goes to a file or another program
PIPE_WIDTH = 160


def parse_overrides(settings: list[str]) -> dict[str, Any]:
    """Overrides of `--set 'section={knob: value}'`, written as for Snakemake's --config. Raises ConfigurationError."""
    from domainlm.resolve import ConfigurationError, load_yaml

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
    from domainlm.pipeline import BY_NAME

    if artifact not in BY_NAME:
        typer.echo(f"no artifact {artifact!r}; expected one of {', '.join(BY_NAME)}", err=True)
        raise typer.Exit(2)


@contextmanager
def named_errors(is_store_needed: bool = True) -> Iterator[None]:
    """Turns errors that name their fix into a line and an exit code: 2 for configuration, 3 for what failed.

    is_store_needed: whether a store that is closed to this user is one of them from the start.
    """
    from domainlm.resolve import ConfigurationError
    from domainlm.stage import StageError
    from domainlm.store.location import store_folder
    from domainlm.store.remote import RemoteError
    from domainlm.store.sharing import StoreRefused, naming_refusals

    try:
        with naming_refusals(store_folder(Path.cwd()), is_store_needed):
            yield
    except (ConfigurationError, StageError, RemoteError, StoreRefused) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2 if isinstance(error, ConfigurationError) else 3) from None


def present_stamps(domain: str | None, settings: list[str]) -> list[Stamp]:
    """Stamps of the configuration as it is now, in memory. Raises ConfigurationError."""
    from domainlm.resolve import resolve
    from domainlm.stamps import make_stamps

    config = resolve(Path.cwd(), {**({"domain": domain} if domain else {}), **parse_overrides(settings)})
    return make_stamps(Path.cwd(), config, is_remembered=False)


def _checked_domain(name: str | None) -> str | None:
    """A domain's name, before any path is made of it."""
    from domainlm.resolve import checked_domain

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


def show(answer: Any) -> None:
    """Print an answer: a mapping as JSON, anything else as rich draws it. Not cut to a width that nobody looks at."""
    from rich.console import Console

    if isinstance(answer, dict):
        typer.echo(json.dumps(answer, sort_keys=True, ensure_ascii=False, indent=1))
        return
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=PIPE_WIDTH)
    console.print(answer)


def say(message: str) -> None:
    typer.echo(message, err=True)
