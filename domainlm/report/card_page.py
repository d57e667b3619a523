"""The data card as one page.

In: the card as `card.py` gives it. Out: HTML that needs no other file and no script: the style sheet draws the bars,
and examples unfold without code. The template escapes every value, because examples are text of strangers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domainlm.report.card import Json, totals
from domainlm.text.split import HELD_OUT, TRAINED_ON

TEMPLATE = Path(__file__).with_name("card.html.jinja")
STYLE = Path(__file__).with_name("style.css")
STAGE_NAMES = {
    "raw_corpus": "folders and archives",
    "documents": "reading",
    "clean_shards": "policy and cleaning",
    "unique_shards": "boilerplate, relevance, duplicates",
    "sft_dataset": "own conversations",
    "sft_tokens": "conversations for instruction tuning",
}
# beginnings of the names of what cleaning counts
FOUND_KINDS = {"personal_data": "personal data", "secret": "secret", "word_list": "word list"}


def shares(counts: Mapping[str, int]) -> list[tuple[str, int, float]]:
    """Name, count, and percentage of the largest, in the order given."""
    most = max(counts.values(), default=0) or 1
    return [(name, count, round(100 * count / most, 1)) for name, count in counts.items()]


def by_count(counts: Mapping[str, int]) -> list[tuple[str, int, float]]:
    return shares(dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))))


def by_bin(counts: Mapping[str, int]) -> list[tuple[str, int, float]]:
    """Bins in numerical order, including empty ones in between."""
    return shares(dict(sorted(counts.items(), key=lambda item: float(item[0]))))


def trained_on(card: Json) -> int:
    """Documents of all sources that training sees."""
    return sum(totals(card)["splits"][name] for name in TRAINED_ON)


def steps(card: Json) -> list[tuple[str, int, float]]:
    """The documents of all sources after each step.

    Files are no documents and have no bar.
    """
    found = totals(card)
    named = {
        "documents read": found["read"],
        "after policy and cleaning": found["clean"],
        "unique": found["unique"],
        "trained on": trained_on(card),
        "held out": sum(found["splits"][name] for name in (*HELD_OUT, "evaluation")),
        "instruction": found["splits"]["instruction"],
        "excluded from all splits": found["left_out"],
    }
    return shares(named)


def rejected_by_stage(card: Json) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {}
    for row in card["rejected"]:
        found.setdefault(STAGE_NAMES[row["stage"]], []).append(row)
    return found


def found_by_kind(card: Json) -> list[tuple[str, str, Mapping[str, int]]]:
    """Kind, name and counts of cleaning's findings.

    Personal data and secrets come first.
    """
    rows = []
    for name, counts in card["found"].items():
        prefix = next((prefix for prefix in FOUND_KINDS if name.startswith(f"{prefix}_")), None)
        kind = "text" if prefix is None else FOUND_KINDS[prefix]
        rows.append((kind, name.removeprefix(f"{prefix}_").replace("_", " "), counts))
    order = [*FOUND_KINDS.values(), "text"]
    return sorted(rows, key=lambda row: (order.index(row[0]), -row[2]["occurrences"], row[1]))


def origin_of(source: Mapping[str, Any]) -> str:
    if source.get("package"):
        return f"{source['package']} {source.get('version')}"
    if source.get("repository"):
        return f"{source['repository']} at {source['revision'][:12]}"
    return str(source.get("url") or "local files")


def verdict_of(row: Mapping[str, Any]) -> str:
    """Value and threshold of a rejected document, or its reader's message."""
    if row.get("detail"):
        return str(row["detail"])
    if "similarity" in row:
        threshold = f", threshold {figure_of(row['threshold'])}" if row.get("threshold") is not None else ""
        return f"similarity {row['similarity']:.2f} to {row['duplicate_of']}{threshold}"
    if row.get("threshold") is None:
        return ""
    return f"{figure_of(row['value'])}, threshold {figure_of(row['threshold'])}"


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else "–"


def figure_of(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def card_page(card: Json) -> str:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["count"] = lambda value: f"{value:,}"
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        card=card,
        style=STYLE.read_text(encoding="utf-8"),
        steps=steps(card),
        totals=totals(card),
        trained_on=trained_on(card),
        # a column of zeros says nothing
        splits=[name for name, count in totals(card)["splits"].items() if count],
        rejected=rejected_by_stage(card),
        found=found_by_kind(card),
        languages=by_count({name: row["documents"] for name, row in card["languages"].items()}),
        lengths=by_bin(card["lengths"]),
        han_share=by_bin(card["han_share"]),
        labels={name: by_count(counts) for name, counts in card["labels"].items()},
        uses=by_count(card["uses"]),
        media_types=by_count(card["media_types"]),
        origin_of=origin_of,
        verdict_of=verdict_of,
        percent=percent,
    )
