"""A training's memory, verdicts, time and cost in words.

In: a `TrainingPlan`. Out: a table and lines for a terminal; one line for `plan` without `--memory`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from domainlm.explain.training_fit import CARDS, PUBLISHED_SOURCE
from domainlm.explain.training_memory import PARTS
from domainlm.explain.training_plan import Line, TrainingPlan, available_methods
from domainlm.terminal import line
from domainlm.wording import bytes_in_words, seconds_in_words

# what `remedy` may name and this version does not do
NOT_YET = ("ZeRO-3",)


def render_all(plans: Sequence[TrainingPlan], target: str, price: float | None = None) -> RenderableType:
    """The trainings of a target, one after the other."""
    if not plans:
        return line(f"{target} is made without a training; ask for one that is not, such as pt_adapter")
    return Group(*(part for plan in plans for part in (render(plan, price), "")))


def render(plan: TrainingPlan, price: float | None = None) -> RenderableType:
    """The table of a training, and what follows from it.

    price: of one card for an hour.
    """
    if plan.unknown is not None:
        return line(f"memory of {plan.artifact}: unknown, as {plan.unknown}")
    table = Table(box=None, header_style="bold", pad_edge=False, collapse_padding=True)
    table.add_column("method", overflow="fold")
    table.add_column("on", overflow="fold")
    for name in (*PARTS, "total"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("fits", overflow="fold")
    for each in plan.lines:
        sizes = [bytes_in_words(each.memory.parts[name]) if each.memory.parts[name] else "" for name in PARTS]
        table.add_row(_method(each), _machine(each), *sizes, bytes_in_words(each.memory.total), _verdict(plan, each))
    note = "* as configured. On cards: assumptions and published figures; no card was measured with this version."
    lines = [line(note), *_remedies(plan), *_times(plan, price)]
    return Group(line(_title(plan)), "", table, "", *lines)


def summary(plan: TrainingPlan) -> Text:
    """One line: the configured method on this CPU and on a card."""
    if plan.unknown is not None:
        return line(
            f"memory of {plan.artifact}: unknown until the base model is here (domainlm plan {plan.artifact} --memory)"
        )
    cpu, card = plan.lines[0], plan.lines[1]
    return line(
        f"memory of {plan.artifact}: about {bytes_in_words(cpu.memory.total)} {_machine(cpu)}, which"
        f" {_verdict(plan, cpu)}; {bytes_in_words(card.memory.total)} {_machine(card)}, {_verdict(plan, card)}"
        f" (domainlm plan {plan.artifact} --memory)"
    )


def _title(plan: TrainingPlan) -> str:
    job = plan.job
    counted = "counted" if plan.is_exact else f"estimated, as {plan.model_type} is counted as a Llama"
    rows = "row" if job.micro_batch_rows == 1 else "rows"
    again = ", layers computed again" if job.is_checkpointed else ""
    return (
        f"{plan.artifact}: {plan.model_type}, {plan.parameters:,} parameters ({counted}); sequence_length {job.window},"
        f" micro-batch of {job.micro_batch_rows} {rows}, {job.rows_per_step} rows in an update, precision {job.precision}{again}"
    )


def _method(each: Line) -> str:
    return each.method + (" *" if each.is_configured else "") + ("" if each.is_available else " (not in this version)")


def _machine(each: Line) -> str:
    machine = each.machine
    if machine.kind == "cpu":
        return f"on this CPU, {machine.threads} thread{'s' if machine.threads > 1 else ''}"
    return "on a card" if machine.cards == 1 else f"on each of {machine.cards} cards"


def _verdict(plan: TrainingPlan, each: Line) -> str:
    if each.machine.kind == "cpu":
        if plan.memory_bytes is None:
            return "needs that much memory"
        return f"{'fits' if each.remedy == () else 'does not fit'} {bytes_in_words(plan.memory_bytes)}"
    fitting = [str(size) for size, changes in each.cards.items() if changes == ()]
    return f"fits {', '.join(fitting)} GB" if fitting else "fits none of 24, 80, 141 GB"


def _remedies(plan: TrainingPlan) -> Iterator[Text]:
    """One line for each method and machine that it does not fit."""
    for each in plan.lines:
        if each.remedy != ():
            yield line(f"{each.method} {_machine(each)}: {_changes(each.remedy)}")
        for size, changes in each.cards.items():
            if changes == ():
                continue
            yield line(f"{each.method} on {'an' if size == 80 else 'a'} {size} GB card: {_changes(changes)}")


def _changes(changes: tuple[str, ...] | None) -> str:
    if changes is None:
        return "no change that is known makes it fit"
    return f"fits with {' + '.join(map(_named, changes))}"


def _named(change: str) -> str:
    kind, _, method = change.partition(": ")
    is_missing = change.startswith(NOT_YET) or (kind == "method" and method not in available_methods())
    return f"{change} (not in this version)" if is_missing else change


def _times(plan: TrainingPlan, price: float | None) -> Iterator[Text]:
    tokens = plan.tokens
    if plan.measured is not None:
        took = f", {seconds_in_words(tokens / plan.measured)} for {tokens:,} tokens" if tokens is not None else ""
        builds = f"{plan.measured_builds} build{'s' if plan.measured_builds > 1 else ''}"
        yield line(
            f"measured: {plan.measured:,.0f} tokens/s here (median of {builds} with as many trained weights){took}"
        )
    else:
        yield line("measured: nothing; no build here trained as many weights")
    shown = [
        f"{card.example} {speed:,} tokens/s{_for_all(tokens, speed, configured.machine.cards, price)}"
        for configured in plan.lines[1:2]
        for card in CARDS
        if (speed := configured.tokens_per_second[card.gigabytes]) and configured.cards[card.gigabytes] is not None
    ]
    if shown:
        yield line(f"published: {'; '.join(shown)}. Source: {PUBLISHED_SOURCE}")
    if tokens is None:
        yield line("the rows are not packed yet, so time is given for no number of tokens")


def _for_all(tokens: int | None, speed: int, cards: int, price: float | None) -> str:
    if tokens is None:
        return ""
    seconds = tokens / speed
    paid = f", costs {seconds / 3600 * cards * price:,.2f} at {price:g} a card and hour" if price is not None else ""
    return f", {seconds_in_words(seconds)}{paid}"
