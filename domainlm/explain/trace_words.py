"""A `Trace` in words, for the terminal.

In: a `Trace`. Out: a tree: each file with its facts, its rejected parts, and its pieces, grouped by fate, the first
few of each named. `--json` has all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from rich.console import Group, RenderableType
from rich.tree import Tree

from domainlm.explain.fates import Fate
from domainlm.explain.trace import Piece, Trace, TracedFile
from domainlm.raw.label_names import LABELS
from domainlm.terminal import line
from domainlm.wording import bytes_in_words

SHOWN_FILES = 20
SHOWN_PIECES = 5
COLOURS = {"rejected": "red", "left_out": "yellow", "unknown": "magenta"}


def fate_in_words(fate: Fate) -> str:
    """rejected by clean_shards: min_chars: 5, threshold 40"""
    if fate.reason is None:
        detail = f": {fate.detail}" if fate.detail else ""
        return {"kept": f"kept by {fate.stage}, the last stage that is built", "unknown": f"not known{detail}"}.get(
            fate.outcome, f"in {fate.outcome}"
        )
    verb = {"rejected": "rejected by", "left_out": "excluded by"}[fate.outcome]
    figures = [
        f"{name} {_figure(found)}"
        for name, found in (("value", fate.value), ("threshold", fate.threshold))
        if found is not None
    ]
    figures += [fate.detail] if fate.detail else []
    return f"{verb} {fate.stage}: {fate.reason}" + (f" ({'; '.join(figures)})" if figures else "")


def _end_in_words(fate: Fate) -> str:
    """kept, rejected, excluded, not known, or in a split."""
    other = {"kept": "kept", "rejected": "rejected", "left_out": "excluded", "unknown": "not known"}
    return other.get(fate.outcome, f"in {fate.outcome}")


def _figure(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _facts_in_words(file: TracedFile) -> str:
    facts = file.facts
    parts = [str(facts[name]) for name in ("role", "format") if name in facts]
    parts += [bytes_in_words(facts["size"])] if "size" in facts else []
    parts += [f"{name} {facts[name]}" for name in LABELS if name in facts]
    return ", ".join(parts)


def _grouped(pieces: Iterable[Piece]) -> list[tuple[str, str, list[Piece]]]:
    """Outcome, rule and pieces, the largest groups first.

    The rule is given without the value, which differs.
    """
    found: dict[tuple[str, str], list[Piece]] = {}
    for piece in pieces:
        fate = piece.fate
        head = fate_in_words(Fate(fate.stage, fate.outcome, fate.reason, None, fate.threshold))
        found.setdefault((fate.outcome, head), []).append(piece)
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    return [(outcome, head, pieces) for (outcome, head), pieces in ordered]


def _piece_in_words(piece: Piece) -> str:
    # a record's place is its bytes
    parts = [] if piece.section == f"byte {piece.start}" else [piece.section or "(whole file)"]
    if piece.start >= 0:
        parts.append(f"bytes {piece.start}-{piece.end}")
    fate = piece.fate
    # the policy's is the number of the rule, which the detail has
    if fate.value is not None and fate.reason != "policy":
        parts.append(f"value {_figure(fate.value)}")
    if fate.detail:
        parts.append(fate.detail)
    if piece.language:
        parts.append(f"language {piece.language}")
    if piece.use:
        parts.append(f"use {piece.use}")
    if piece.questions:
        parts.append(
            "questions: " + ", ".join(f"{count} in {split}" for split, count in sorted(piece.questions.items()))
        )
    if piece.not_learned:
        lost = ", ".join(f"{count} {reason}" for reason, count in sorted(piece.not_learned.items()))
        parts.append(f"rejected by sft_tokens: {lost}")
    return "; ".join(parts)


def _coverage_in_words(coverage: Mapping[str, int]) -> str:
    shown = coverage["shown"]
    kept, removed, lost = (f"{100 * coverage[name] / shown:.1f} %" for name in ("kept", "removed", "lost"))
    return (
        f"of {shown} visible characters {kept} read, {removed} left out as navigation, {lost} outside the main content"
    )


def _add_file(branch: Tree, file: TracedFile) -> None:
    node = branch.add(line((f"{file.source}: {file.path}", "bold"), f"  {_facts_in_words(file)}"))
    if file.is_changed:
        node.add(line(("the file has changed since the build; build again", "yellow")))
    # a file that was read whole needs no line
    if file.coverage.get("shown", 0) > file.coverage.get("kept", 0):
        node.add(line(_coverage_in_words(file.coverage)))
    for fate in file.refused[:SHOWN_PIECES]:
        node.add(line((fate_in_words(fate), "red")))
    if len(file.refused) > SHOWN_PIECES:
        node.add(line((f"and {len(file.refused) - SHOWN_PIECES} more records (--json lists them)", "dim")))
    for outcome, head, pieces in _grouped(file.pieces):
        text = f"{len(pieces)} {'piece' if len(pieces) == 1 else 'pieces'} {head}"
        leaf = node.add(line((text, COLOURS.get(outcome, "green"))))
        for piece in pieces[:SHOWN_PIECES]:
            leaf.add(line(_piece_in_words(piece)))
        if len(pieces) > SHOWN_PIECES:
            leaf.add(line((f"and {len(pieces) - SHOWN_PIECES} more (--json lists them)", "dim")))
    if not file.pieces and not file.refused:
        node.add(line(("it yielded no piece", "yellow")))


def render(trace: Trace) -> RenderableType:
    notes = [line((note, "yellow")) for note in trace.notes]
    if trace.reason is not None:
        return Group(line((trace.name, "bold"), f" is not in {trace.domain}: {trace.reason}"), *notes)
    ends = Counter(_end_in_words(piece.fate) for file in trace.files for piece in file.pieces)
    ends.update(_end_in_words(fate) for file in trace.files for fate in file.refused)
    counts = ", ".join(f"{count} {end}" for end, count in sorted(ends.items(), key=lambda i: (-i[1], i[0])))
    files = "1 file" if len(trace.files) == 1 else f"{len(trace.files)} files"
    tree = Tree(line(f"{trace.name} in {trace.domain}: {files}; {counts or 'no piece'}"))
    for file in trace.files[:SHOWN_FILES]:
        _add_file(tree, file)
    if len(trace.files) > SHOWN_FILES:
        tree.add(line((f"and {len(trace.files) - SHOWN_FILES} more files (--json lists them)", "dim")))
    return Group(tree, *notes)
