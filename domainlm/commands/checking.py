"""The commands `verify`, `check` and `doctor`: bytes, rebuilds, the machine."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from domainlm.commands.shared import (
    DomainOption,
    JsonOption,
    SetOption,
    ThreadsOption,
    check_artifact,
    named_errors,
    present_stamps,
    project_folder,
)
from domainlm.terminal import say, show


def verify(
    artifact: Annotated[
        str | None, typer.Argument(help="Installed artifact whose files are read (default: all objects and records).")
    ] = None,
    domain: DomainOption = None,
    threads: ThreadsOption = None,
    again: Annotated[
        bool, typer.Option("--again", help="Do not continue an interrupted run; start from the beginning.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare all bytes with their digests.

    Damaged files are quarantined, and the next build replaces them.
    """
    from domainlm.commands.progress import Reporter
    from domainlm.config.resolve import default_domain
    from domainlm.store.integrity import VerifyRunning
    from domainlm.upkeep.verify import damage_table, summary
    from domainlm.upkeep.verify import verify as verify_bytes

    if artifact is not None:
        check_artifact(artifact)
    project = project_folder()
    try:
        with named_errors(), Reporter("verify", None) as reporter:
            chosen = domain or default_domain(project)
            report = verify_bytes(project, chosen, artifact, threads or os.cpu_count() or 1, again, reporter.progress)
    except VerifyRunning as error:
        say(str(error))
        raise typer.Exit(3) from None
    if as_json:
        show(report.as_json())
    else:
        show(summary(report))
        if not report.is_sound:
            show(damage_table(report, project))
    if not report.is_sound:
        raise typer.Exit(1)


def check(
    artifact: Annotated[str, typer.Argument(help="Built artifact.")],
    shard: Annotated[str | None, typer.Option(help="Only this shard (four digits) of a sharded artifact.")] = None,
    domain: DomainOption = None,
    settings: SetOption = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build again, and compare the bytes.

    The artifact is built without the cache. The report names the first difference and its reason.
    """
    from domainlm.commands.progress import Reporter
    from domainlm.contract import Resources
    from domainlm.upkeep.check import as_json as check_json
    from domainlm.upkeep.check import check as check_again
    from domainlm.upkeep.check import render, stamps_to_check

    check_artifact(artifact)
    warnings.simplefilter("ignore", FutureWarning)
    with named_errors(), Reporter(f"check {artifact}", None) as reporter:
        stamps = stamps_to_check(present_stamps(domain, settings or []), artifact, shard)
        cores = threads or os.cpu_count() or 1
        resources = Resources(threads=cores, progress=reporter.progress, log=reporter.log)
        checked = check_again(project_folder(), stamps, resources, reporter.log)
    show(check_json(checked) if as_json else render(checked))
    if any(found.alternative is not None for found in checked):
        raise typer.Exit(1)


def doctor(
    domain: DomainOption = None,
    hollow: Annotated[
        bool,
        typer.Option(
            "--hollow", help="Only look for hollow artifacts that a dvc.lock records (used by the git hooks)."
        ),
    ] = False,
    hook: Annotated[
        str | None, typer.Option(help="With --hollow: the git hook that asks, pre-commit or pre-push.", hidden=True)
    ] = None,
    install_hooks: Annotated[
        bool, typer.Option("--install-hooks", help="Install git hooks that refuse to commit or push a hollow artifact.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check whether this machine is fit.

    It lists everything that a build needs and that is missing, and exits with 1 if anything is. Warnings name the
    settings of a training that are outside what is usual.
    """
    from domainlm.upkeep.doctor import examine
    from domainlm.upkeep.hooks import install_hooks as install
    from domainlm.upkeep.hooks import recorded_hollow, versions_of_hook

    # git runs a hook at the top of a repository, which may hold its project further down
    project = Path.cwd() if hook is not None else project_folder(is_record_enough=hollow)
    # a store that is closed is a finding here
    with named_errors(is_store_needed=False):
        if install_hooks:
            for path in install(project):
                say(f"installed {path}")
            return
        if hook is not None:
            checks = recorded_hollow(project, versions_of_hook(hook, sys.stdin.read()))
        else:
            checks = recorded_hollow(project) if hollow else examine(project, domain)
    if as_json:
        show({"checks": [check.as_json() for check in checks]})
    else:
        show([check.line() for check in checks])
    if not all(check.is_ok for check in checks):
        raise typer.Exit(1)
