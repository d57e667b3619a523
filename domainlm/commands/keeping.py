"""The commands `gc`, `push` and `pull`, which collect, send and fetch."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from domainlm.commands.shared import (
    DomainOption,
    JsonOption,
    check_artifact,
    named_errors,
    project_above,
    project_folder,
)
from domainlm.terminal import console, say, show


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what would be removed; change nothing.")] = False,
    keep_days: Annotated[
        float, typer.Option(min=0.0, help="Keep all that was built or installed less than this many days ago.")
    ] = 14.0,
    max_size: Annotated[
        str | None,
        typer.Option(
            help="Then remove the least recently used until the store is no larger than this, for example 50G."
        ),
    ] = None,
    pin: Annotated[
        str | None, typer.Option(help="Collect nothing; pin this installed artifact under --name, so that it is kept.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the pin.")] = None,
    unpin: Annotated[str | None, typer.Option(help="Collect nothing; remove the pin of this name.")] = None,
    list_pins: Annotated[bool, typer.Option("--list-pins", help="Collect nothing; list the pins.")] = False,
    domain: Annotated[
        str | None, typer.Option(help="Domain of the artifact to pin (default: the default domain).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Collect garbage, or pin an artifact.

    It removes everything that no workspace, pin, dvc.lock file or running build needs.
    """
    from dataclasses import asdict

    from domainlm.config.errors import ConfigurationError
    from domainlm.config.resolve import default_domain
    from domainlm.store.location import store_folder
    from domainlm.store.roots import PinError, read_pins, remove_pin
    from domainlm.store.sharing import named_refusal
    from domainlm.upkeep.gc import as_json as report_json
    from domainlm.upkeep.gc import collect_garbage, pin_artifact, print_pins, print_report, size_of
    from domainlm.upkeep.workspace_needs import CollectionError

    if (pin is None) != (name is None) or sum([pin is not None, unpin is not None, list_pins]) > 1:
        say("expected one of: --pin ARTIFACT --name NAME, --unpin NAME, --list-pins, or none of them")
        raise typer.Exit(2)
    if pin is not None:
        check_artifact(pin)
    try:
        max_bytes = size_of(max_size) if max_size is not None else None
    except ValueError as error:
        say(f"--max-size: {error}")
        raise typer.Exit(2) from None
    project = folder_with_store()
    root = store_folder(project)
    try:
        if pin is not None and name is not None:
            made = pin_artifact(project, domain or default_domain(project), pin, name)
            pinned = f"pinned {pin} as {name}: {len(made.keys)} records are kept"
            show([json.dumps(asdict(made)) if as_json else pinned])
        elif unpin is not None:
            remove_pin(root, unpin)
            show([json.dumps({"unpinned": unpin}) if as_json else f"unpinned {unpin}"])
        elif list_pins:
            pins, torn = read_pins(root)
            show([json.dumps([asdict(found) for found in pins])]) if as_json else print_pins(pins, console())
            for file in torn:
                say(f"{file} is torn; remove it with: domainlm gc --unpin {file.stem}")
            if torn:
                raise typer.Exit(1)
        else:
            found = collect_garbage(project, keep_days, max_bytes, dry_run, say)
            if as_json:
                show([json.dumps(report_json(found, dry_run))])
            else:
                print_report(found, dry_run, console())
            if not found.is_within_limit:
                raise typer.Exit(1)
    except (PinError, ConfigurationError) as error:
        say(str(error))
        raise typer.Exit(2) from None
    except (CollectionError, OSError) as error:
        said = named_refusal(root, error) if isinstance(error, OSError) else error
        say(f"nothing more was collected: {said}")
        raise typer.Exit(3) from None


def folder_with_store() -> Path:
    """The current folder, if it is a project or finds a store.

    Exits with 2 elsewhere, because there is nothing to collect.
    """
    from domainlm.store.location import store_folder

    # where there is no current folder, project_folder says so
    with suppress(OSError):
        here = Path.cwd()
        if project_above(here) is None and store_folder(here).is_dir():
            return here
    return project_folder()


def push(
    artifacts: Annotated[
        list[str] | None, typer.Argument(help="Artifacts to send (default: all that are installed).")
    ] = None,
    domain: DomainOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what would be sent; send nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send installed artifacts to the remote cache.

    Exits with 1 if it has other bytes from the same kind of platform.
    """
    from domainlm.config.resolve import default_domain
    from domainlm.upkeep.push_pull import push as push_artifacts

    for artifact in artifacts or []:
        check_artifact(artifact)
    with named_errors():
        project = project_folder()
        found = push_artifacts(project, domain or default_domain(project), artifacts or [], say, dry_run)
    show(found.as_json() if as_json else list(found.lines()))
    if not found.is_clean:
        raise typer.Exit(1)


def pull(
    artifacts: Annotated[
        list[str] | None, typer.Argument(help="Artifacts to fetch (default: all hollow ones).")
    ] = None,
    domain: DomainOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what would be fetched; fetch nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch bytes from the remote cache.

    It fetches those of all hollow artifacts, or of the named ones, and builds nothing.
    """
    from domainlm.config.resolve import default_domain
    from domainlm.upkeep.push_pull import pull_hollow, pull_named

    for artifact in artifacts or []:
        check_artifact(artifact)
    with named_errors():
        project = project_folder()
        name = domain or default_domain(project)
        if artifacts:
            found = pull_named(project, name, artifacts, say, dry_run)
        else:
            found = pull_hollow(project, name, say, dry_run)
    show(found.as_json() if as_json else list(found.lines()))
    if found.missing:
        raise typer.Exit(1)
