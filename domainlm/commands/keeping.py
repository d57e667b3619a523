"""`gc`, `push` and `pull`: what the store keeps, sends and fetches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from domainlm.commands.shared import DomainOption, JsonOption, check_artifact, named_errors, say, show


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; change nothing.")] = False,
    keep_days: Annotated[
        float, typer.Option(min=0.0, help="Keep what was built or installed less than this many days ago.")
    ] = 14.0,
    max_size: Annotated[
        str | None, typer.Option(help="Then take the least recently used until the store holds this, as in 50G.")
    ] = None,
    pin: Annotated[
        str | None, typer.Option(help="Collect nothing; keep this installed artifact, under --name.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the pin.")] = None,
    unpin: Annotated[str | None, typer.Option(help="Collect nothing; take the pin of this name away.")] = None,
    list_pins: Annotated[bool, typer.Option("--list-pins", help="Collect nothing; list the pins.")] = False,
    domain: Annotated[
        str | None, typer.Option(help="Domain of the artifact to pin (default: the default domain).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Collect what no workspace, pin, dvc.lock or running build needs any more; or keep an artifact by a pin."""
    from dataclasses import asdict

    from rich.console import Console

    from domainlm.pipeline import BY_NAME
    from domainlm.resolve import ConfigurationError, default_domain
    from domainlm.store.location import store_folder
    from domainlm.store.roots import PinError, read_pins, remove_pin
    from domainlm.store.sharing import named_refusal
    from domainlm.upkeep.collect import as_json as report_json
    from domainlm.upkeep.collect import collect_garbage, pin_artifact, print_pins, print_report, size_of
    from domainlm.upkeep.roots import CollectionError

    project = Path.cwd()
    if (pin is None) != (name is None) or sum([pin is not None, unpin is not None, list_pins]) > 1:
        typer.echo("expected one of: --pin ARTIFACT --name NAME, --unpin NAME, --list-pins, or none of them", err=True)
        raise typer.Exit(2)
    if pin is not None and pin not in BY_NAME:
        typer.echo(f"no artifact {pin!r}; expected one of {', '.join(BY_NAME)}", err=True)
        raise typer.Exit(2)
    try:
        max_bytes = size_of(max_size) if max_size is not None else None
    except ValueError as error:
        typer.echo(f"--max-size: {error}", err=True)
        raise typer.Exit(2) from None
    root = store_folder(project)
    console = Console(highlight=False)
    try:
        if pin is not None and name is not None:
            made = pin_artifact(project, domain or default_domain(project), pin, name)
            typer.echo(
                json.dumps(asdict(made)) if as_json else f"pinned {pin} as {name}: {len(made.keys)} records stay"
            )
        elif unpin is not None:
            remove_pin(root, unpin)
            typer.echo(json.dumps({"unpinned": unpin}) if as_json else f"unpinned {unpin}")
        elif list_pins:
            pins, torn = read_pins(root)
            typer.echo(json.dumps([asdict(found) for found in pins])) if as_json else print_pins(pins, console)
            for file in torn:
                typer.echo(f"{file} is torn; take it away with: domainlm gc --unpin {file.stem}", err=True)
            if torn:
                raise typer.Exit(1)
        else:
            found = collect_garbage(project, keep_days, max_bytes, dry_run, lambda line: typer.echo(line, err=True))
            if as_json:
                typer.echo(json.dumps(report_json(found, dry_run)))
            else:
                print_report(found, dry_run, console)
            if not found.is_within_limit:
                raise typer.Exit(1)
    except (PinError, ConfigurationError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    except (CollectionError, OSError) as error:
        said = named_refusal(root, error) if isinstance(error, OSError) else error
        typer.echo(f"nothing more was collected: {said}", err=True)
        raise typer.Exit(3) from None


def push(
    artifacts: Annotated[list[str] | None, typer.Argument(help="Artifacts to send (default: all installed).")] = None,
    domain: DomainOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; send nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send installed artifacts to the remote cache. Exits with 1 where it holds other bytes from a like platform."""
    from domainlm.resolve import default_domain
    from domainlm.upkeep.transfer import push as push_artifacts

    for artifact in artifacts or []:
        check_artifact(artifact)
    with named_errors():
        project = Path.cwd()
        found = push_artifacts(project, domain or default_domain(project), artifacts or [], say, dry_run)
    show(found.as_json() if as_json else "\n".join(found.lines()))
    if not found.is_clean:
        raise typer.Exit(1)


def pull(
    artifacts: Annotated[
        list[str] | None, typer.Argument(help="Artifacts to bring (default: all hollow ones).")
    ] = None,
    domain: DomainOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be fetched; fetch nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch the bytes of hollow artifacts, or of those named, from the remote cache. Builds nothing."""
    from domainlm.resolve import default_domain
    from domainlm.upkeep.transfer import pull_hollow, pull_named

    for artifact in artifacts or []:
        check_artifact(artifact)
    with named_errors():
        project = Path.cwd()
        name = domain or default_domain(project)
        if artifacts:
            found = pull_named(project, name, artifacts, say, dry_run)
        else:
            found = pull_hollow(project, name, say, dry_run)
    show(found.as_json() if as_json else "\n".join(found.lines()))
    if found.missing:
        raise typer.Exit(1)
