"""The command `domainlm build`, which the rules call."""

from __future__ import annotations

import json
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from domainlm.commands.process import die_with_parent, end_tidily_on_sigterm
from domainlm.commands.shared import check_artifact, named_errors, project_folder
from domainlm.config.default_domain import DEFAULT_DOMAIN


def build(
    artifact: Annotated[str, typer.Argument(help="Artifact to build, as in artifacts/<domain>/<artifact>.")],
    domain: Annotated[str, typer.Option(help="Domain whose stamps were written.")] = DEFAULT_DOMAIN,
    shard: Annotated[str | None, typer.Option(help="Shard number (four digits) of a sharded artifact.")] = None,
    stamp: Annotated[Path | None, typer.Option(help="Stamp file (default: the one that Snakemake wrote).")] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads to use.")] = 1,
    micro_batch_rows: Annotated[int, typer.Option(min=1, help="Rows in one forward pass.")] = 1,
    checkpoint_seconds: Annotated[float, typer.Option(help="Seconds between checkpoints in training.")] = 60.0,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs to train on, one process each (0: the CPU).")] = 0,
    processes: Annotated[
        int,
        typer.Option(min=0, help="Processes that train together on the CPU (0 and 1: one); they share the threads."),
    ] = 1,
    activation_checkpointing: Annotated[
        int,
        typer.Option(min=0, max=1, help="Compute layers again in the backward pass, to save memory (1) or not (0)."),
    ] = 0,
    trackers: Annotated[
        str, typer.Option(help="Where a training's figures also go: tensorboard, wandb, trackio, ... (by commas).")
    ] = "none",
    log_file: Annotated[Path | None, typer.Option("--log", help="File that the log lines are also written to.")] = None,
    as_needed: Annotated[
        bool,
        typer.Option(help="Leave the bytes in the remote unless the run requests this artifact (used by the rules)."),
    ] = False,
    parent: Annotated[
        int | None,
        typer.Option(help="Number of the process whose end also ends this one (default: the one that started it)."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Build one artifact whose inputs are built.

    It is restored if its action is known. The command is safe to call by hand.
    """
    from domainlm.builder.history import recorded_build
    from domainlm.builder.requested import is_requested
    from domainlm.commands.progress import Reporter
    from domainlm.commands.tracking import Tracking
    from domainlm.contract import Resources
    from domainlm.pipeline.code import check_package
    from domainlm.pipeline.places import stamp_path
    from domainlm.pipeline.stamp import read_stamp

    check_artifact(artifact)
    end_tidily_on_sigterm()
    die_with_parent(parent)
    # libraries announce changes that no user of domainlm can act on
    warnings.simplefilter("ignore", FutureWarning)
    # a stamp says all that a build needs
    project = Path.cwd() if stamp is not None else project_folder()
    with named_errors():
        check_package(project)
    name = artifact if shard is None else f"{artifact}/{shard}"
    with Reporter(name, log_file) as reporter:
        with failures_logged(reporter.log, log_file):
            wanted = read_stamp(stamp or project / stamp_path(domain, artifact, shard))
            is_wanted = not as_needed or (shard is None and is_requested(project, domain, artifact))
            with Tracking(trackers, f"{wanted.domain}_{artifact}", project, reporter.log) as tracking:
                resources = Resources(
                    threads=threads,
                    micro_batch_rows=micro_batch_rows,
                    checkpoint_seconds=checkpoint_seconds,
                    gpus=gpus,
                    processes=processes,
                    has_activation_checkpointing=bool(activation_checkpointing),
                    progress=tracking.watched(reporter.progress),
                    log=reporter.log,
                )
                outcome = recorded_build(project, wanted, resources, is_wanted)
        figures = ", ".join(
            f"{key} {value}" for key, value in outcome.stats.items() if isinstance(value, int | float | str)
        )
        reporter.log(f"{outcome.outcome}: {outcome.why}{'; ' if figures else ''}{figures}")
    if as_json:
        row = {"outcome": outcome.outcome, "why": outcome.why, "key": outcome.key, "tree_digest": outcome.tree_digest}
        sizes = {"bytes": outcome.size_bytes, "bytes_moved": outcome.moved_bytes}
        typer.echo(json.dumps({**row, **sizes}, sort_keys=True))


@contextmanager
def failures_logged(log: Callable[[str], None], log_file: Path | None) -> Iterator[None]:
    """Log what a build raises, and end with exit code 3."""
    from domainlm.contract import StageError
    from domainlm.store.lease import LeaseRefused, LeaseTimeout
    from domainlm.store.remote import RemoteError
    from domainlm.tokens.bounded import is_panic

    try:
        yield
    except (StageError, LeaseTimeout, LeaseRefused, RemoteError, OSError) as error:
        log(f"failed: {error}")
        raise typer.Exit(3) from error
    except BaseException as error:
        # a library in Rust that gives up raises what is no Exception
        if not (isinstance(error, Exception) or is_panic(error)):
            raise
        # a defect, not bad input: the whole trace belongs in the log file too
        log(f"failed by a defect in domainlm:\n{traceback.format_exc()}{how_to_report(log_file)}")
        raise typer.Exit(3) from None


def how_to_report(log_file: Path | None) -> str:
    """The request to report a defect, for the person who met it."""
    log = "these lines" if log_file is None else f"the file {log_file}"
    return (
        "No configuration and no input should end like this. Please report it in the project's issue tracker, with"
        f" {log} and the output of `python -m domainlm doctor --json`; first check both for private data."
    )
