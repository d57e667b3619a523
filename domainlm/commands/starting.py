"""`new`: a domain file, written from a survey of a folder."""

from __future__ import annotations

from typing import Annotated

import typer

from domainlm.commands.shared import JsonOption, named_errors, project_folder
from domainlm.terminal import show


def new(
    name: Annotated[str, typer.Argument(help="Name of the domain, as in config/domains/NAME.yaml.")],
    folder: Annotated[str, typer.Argument(help="Folder of texts, or one file or archive.")],
    instructions: Annotated[
        str | None, typer.Option("--sft", help="File or folder of conversations to train on in SFT.")
    ] = None,
    base_model: Annotated[
        str | None, typer.Option("--base", help="Base model: a checkpoint's folder, or a GGUF file.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the folder's texts.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be written; write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Survey a folder of texts and write a domain file for it.

    An existing file is never replaced, and nothing is built.
    """
    from domainlm.commands.progress import Reporter
    from domainlm.scaffold.new import Request, plan_domain, render, write_domain

    project = project_folder()
    with named_errors(is_store_needed=False), Reporter("new", None) as reporter:
        request = Request(name, folder, instructions, base_model, licence)
        scaffold = plan_domain(project, request, reporter.progress)
        if not dry_run:
            write_domain(project, scaffold)
    show({**scaffold.as_json(), "is_written": not dry_run} if as_json else render(scaffold, not dry_run))
