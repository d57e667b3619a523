"""The commands `plan`, `why`, `lineage` and `trace`; they change nothing."""

from __future__ import annotations

from pathlib import Path
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
    artifact: Annotated[str, typer.Argument(help="Target of the run.")] = LAST_ARTIFACT,
    domain: DomainOption = None,
    settings: SetOption = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Show the memory of the target's trainings, and the cards that they fit.")
    ] = False,
    micro_batch_rows: Annotated[int, typer.Option(min=1, help="With --memory: rows in one forward pass.")] = 1,
    threads: Annotated[
        int | None, typer.Option(min=1, help="With --memory: CPU threads, rows side by side (default: all cores).")
    ] = None,
    cards: Annotated[int, typer.Option(min=1, help="With --memory: GPUs of the run.")] = 1,
    activation_checkpointing: Annotated[
        bool, typer.Option("--activation-checkpointing", help="With --memory: compute layers again to save memory.")
    ] = False,
    base_model: Annotated[
        Path | None, typer.Option(help="With --memory: folder with the config.json of another base model.")
    ] = None,
    price: Annotated[float | None, typer.Option(min=0, help="With --memory: price of one card for an hour.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Predict the work and the cost of a run.

    It lists the artifacts that the run would restore, fetch or build, with reasons and measured costs. With --memory it
    says what the target's trainings need, by part and method, before a GPU is asked for. It changes nothing.
    """
    from domainlm.explain.plan import make_plan, memory_plans, render
    from domainlm.explain.training_plan import Grant, cores
    from domainlm.explain.training_words import render_all

    check_artifact(artifact)
    with named_errors():
        stamps = present_stamps(domain, settings or [])
        if memory:
            grant = Grant(micro_batch_rows, threads or cores(), cards, activation_checkpointing)
            plans = memory_plans(project_folder(), stamps[0].domain, stamps, artifact, grant, base_model)
            show({"trainings": [each.as_json() for each in plans]} if as_json else render_all(plans, artifact, price))
            return
        found = make_plan(project_folder(), stamps[0].domain, stamps, artifact)
    show(found.as_json() if as_json else render(found))


def why(
    artifact: Annotated[str, typer.Argument(help="Artifact to explain.")],
    domain: DomainOption = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain why an artifact would be rebuilt.

    It lists the differences from the last build: knobs, functions, files, versions. It changes nothing.
    """
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
    """List everything behind an artifact.

    That is raw files and licences, base model, code, versions and platform.
    """
    from domainlm.config.resolve import default_domain
    from domainlm.explain.lineage import make_lineage, render

    check_artifact(artifact)
    project = project_folder()
    with named_errors():
        found = make_lineage(project, domain or default_domain(project), artifact)
    show(found.as_json() if as_json else render(found))


def trace(
    file: Annotated[str, typer.Argument(help="File or folder of the project, or SOURCE:PATH as in the inventory.")],
    domain: DomainOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the fate of a file in every stage.

    It explains why the file is, or is not, in the dataset: each stage, each rule, and where each piece of the file
    ended.
    """
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
