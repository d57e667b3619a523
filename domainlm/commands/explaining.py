"""`plan`, `why`, `lineage` and `trace`: what a run would do, what changed, what an artifact was made from, what became of a file."""

from __future__ import annotations

from typing import Annotated

import typer

from domainlm.commands.shared import (
    DomainOption,
    JsonOption,
    SetOption,
    check_artifact,
    named_errors,
    present_stamps,
    project_folder,
)
from domainlm.pipeline.table import LAST_ARTIFACT
from domainlm.terminal import show


def plan(
    artifact: Annotated[str, typer.Argument(help="Artifact that a run would be asked for.")] = LAST_ARTIFACT,
    domain: DomainOption = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a run would restore, fetch and build; why; and what it costs by measured history. Changes nothing."""
    from domainlm.explain.plan import make_plan, render

    check_artifact(artifact)
    with named_errors():
        stamps = present_stamps(domain, settings or [])
        found = make_plan(project_folder(), stamps[0].domain, stamps, artifact)
    show(found.as_json() if as_json else render(found))


def why(
    artifact: Annotated[str, typer.Argument(help="Artifact to explain.")],
    domain: DomainOption = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """What differs between an artifact now and its last build: knobs, functions, files, versions. Changes nothing."""
    from domainlm.explain.why import make_why, render

    check_artifact(artifact)
    with named_errors():
        stamps = present_stamps(domain, settings or [])
        found = make_why(project_folder(), stamps[0].domain, stamps, artifact)
    show(found.as_json() if as_json else render(found))


def lineage(
    artifact: Annotated[str, typer.Argument(help="Installed artifact.")],
    domain: DomainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Everything an artifact was made from: raw files and licences, base model, code, versions, platform."""
    from domainlm.config.resolve import default_domain
    from domainlm.explain.lineage import make_lineage, render

    check_artifact(artifact)
    project = project_folder()
    with named_errors():
        found = make_lineage(project, domain or default_domain(project), artifact)
    show(found.as_json() if as_json else render(found))


def trace(
    file: Annotated[str, typer.Argument(help="File or folder of the project, or SOURCE:PATH as the inventory has it.")],
    domain: DomainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Why is this file not in? What every stage did with it, by which rule, and where each of its pieces ended."""
    from domainlm.config.resolve import default_domain, resolve
    from domainlm.explain.trace import make_trace
    from domainlm.explain.trace_words import render

    project = project_folder()
    with named_errors():
        name = domain or default_domain(project)
        sources = resolve(project, {"domain": name}).sources
        roots = {key: each.local for key, each in sources.items() if each.local is not None}
        found = make_trace(project, name, file, roots)
    show(found.as_json() if as_json else render(found))
