"""The command line, for the rules and for people.

The rules call `build`; the other commands complement `snakemake` and `dvc`. Exit codes: 0 done, 1 a check found a
problem, 2 wrong usage or configuration, 3 the build failed.
"""

from __future__ import annotations

from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from domainlm.commands.building import build
from domainlm.commands.checking import check, doctor, verify
from domainlm.commands.explaining import lineage, plan, trace, why
from domainlm.commands.keeping import gc, pull, push
from domainlm.commands.starting import new
from domainlm.terminal import take_any_letter
from domainlm.wording import printable


class Commands(TyperGroup):
    """The commands; errors of usage quote the arguments with escapes as text.

    The arguments may be file names that a shell's pattern found.
    """

    def invoke(self, context: Any) -> Any:
        try:
            return super().invoke(context)
        except Exception as error:
            # typer's own class of such errors is in no public module
            if hasattr(error, "format_message") and hasattr(error, "message"):
                error.message = printable(error.message)
            raise


application = typer.Typer(
    name="domainlm",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help=__doc__,
)
for command in (new, build, plan, why, lineage, trace, verify, check, gc, push, pull, doctor):
    application.command()(command)


def print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"domainlm {metadata.version('domainlm')}")
        raise typer.Exit


@application.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Build domain language models, reproducibly."""


def run() -> None:
    take_any_letter()
    application()


if __name__ == "__main__":
    run()
