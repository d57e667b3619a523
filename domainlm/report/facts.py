"""The facts of the report, gathered from the upstream artifacts.

In: the folders of the upstream artifacts. Out: one value of plain figures that the plots, the page and the metrics
share, so that no number on the page is computed twice. Artifacts that a domain's relay does not use are None or
empty.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.contract import Inputs
from domainlm.text.repeats.kinds import REPEAT_REASONS
from domainlm.text.split import SPLITS, TRAINED_ON

SHOWN_ANSWERS = 8
# artifacts that are a checkpoint of a source
CHECKPOINTS = ("base_model", "instruct_model")

Json = dict[str, Any]


@dataclass(frozen=True)
class Training:
    """One training run.

    points: step, tokens, loss of every update; validation: step, loss.
    """

    name: str
    points: tuple[tuple[int, int, float], ...]
    validation: tuple[tuple[int, float], ...]
    stats: Json


@dataclass(frozen=True)
class Answered:
    """One held-out question, its reference, and the models' answers.

    Each answer has its token F1.
    """

    question: str
    reference: str
    kind: str
    answers: Mapping[str, tuple[str, float]]


@dataclass(frozen=True)
class Facts:
    domain: str
    title: str
    sources: tuple[Json, ...]
    cleaning: Json
    duplicates: Json
    split: Json
    tokens: Mapping[str, Json]
    questions: Json
    trainings: tuple[Training, ...]
    certificate: Json | None
    residual: Json | None
    # name, kind and evidence of the checkpoints from sources, by artifact
    kinds: Mapping[str, Json]
    results: Json
    answered: tuple[Answered, ...]
    # by name, in the order of training
    models: tuple[str, ...]


def gather(inputs: Inputs, domain: str, title: str, models: Sequence[str]) -> Facts:
    """Read every upstream artifact's figures.

    KeyError or OSError if one breaks the contract.
    """
    trainings = [
        read_training(label, inputs.folders[artifact])
        for label, artifact in (("PT", "pt_adapter"), ("SFT", "sft_adapter"))
        if artifact in inputs.folders
    ]
    return Facts(
        domain=domain,
        title=title or domain,
        sources=source_rows(
            read_json(inputs.folders["raw_corpus"] / "stats.json")["sources"],
            [read_json(inputs.folders[name] / "source.json") for name in CHECKPOINTS if name in inputs.folders],
        ),
        cleaning=read_json(inputs.folders["clean_shards"] / "stats.json"),
        duplicates=read_json(inputs.folders["unique_shards"] / "stats.json"),
        split=read_json(inputs.folders["corpus_split"] / "stats.json"),
        tokens={
            name: read_json(inputs.folders[name] / "meta.json")
            for name in ("pt_tokens", "sft_tokens")
            if name in inputs.folders
        },
        questions=read_json(inputs.folders["sft_dataset"] / "stats.json"),
        trainings=tuple(trainings),
        certificate=_certificate(inputs, "merged_model"),
        residual=_certificate(inputs, "instruct_residual"),
        kinds={name: read_json(inputs.folders[name] / "source.json") for name in CHECKPOINTS if name in inputs.folders},
        results=read_json(inputs.folders["eval_results"] / "results.json"),
        answered=answered_questions(inputs.folders["eval_results"] / "samples.jsonl"),
        models=tuple(models),
    )


def read_json(path: Path) -> Json:
    found: Json = json.loads(path.read_text(encoding="utf-8"))
    return found


def _certificate(inputs: Inputs, artifact: str) -> Json | None:
    return read_json(inputs.folders[artifact] / "certificate.json") if artifact in inputs.folders else None


def read_training(name: str, folder: Path) -> Training:
    with (folder / "loss.csv").open(encoding="utf-8", newline="") as file:
        points = tuple((int(row["step"]), int(row["tokens"]), float(row["loss"])) for row in csv.DictReader(file))
    with (folder / "validation.csv").open(encoding="utf-8", newline="") as file:
        validation = tuple((int(row["step"]), float(row["loss"])) for row in csv.DictReader(file))
    return Training(name, points, validation, read_json(folder / "stats.json"))


def source_rows(texts: Mapping[str, Any], checkpoints: Sequence[Mapping[str, Any]]) -> tuple[Json, ...]:
    """Sources by name, the checkpoints last, each with its origin.

    The origin is in words: package and version, address, or a local folder.
    """
    rows = []
    for name, source in [*sorted(texts.items()), *((each["source"], each) for each in checkpoints)]:
        package = source.get("package") or source.get("repository")
        version = source.get("version") or source.get("revision")
        origin = f"{package} {version}" if package else source.get("url") or "local files"
        rows.append({**source, "name": name, "origin": origin})
    return tuple(rows)


def removed_by_reason(facts: Facts) -> dict[str, int]:
    """Documents that are removed before the split, by reason, most first."""
    found = {f"cleaning: {reason}": count for reason, count in facts.cleaning["rejected"].items()}
    found |= facts.duplicates["rejected"] | {name: facts.duplicates[name] for name in REPEAT_REASONS.values()}
    named = {reason.replace("_", " "): count for reason, count in found.items()}
    return dict(sorted(named.items(), key=lambda item: (-item[1], item[0])))


def stages_of_documents(facts: Facts) -> dict[str, int]:
    """How many documents there are after each step."""
    return {
        "extracted": facts.cleaning["input"],
        "after cleaning": facts.cleaning["documents"],
        "unique": facts.duplicates["documents"],
        "trained on": sum(facts.split[name]["documents"] for name in TRAINED_ON),
    }


def tokens_by_source(facts: Facts) -> dict[str, dict[str, int]]:
    """Tokens of each source in each split."""
    return {split: dict(sorted(facts.split[split]["tokens_by_source"].items())) for split in SPLITS}


def answered_questions(path: Path) -> tuple[Answered, ...]:
    """The first questions of the generations set, with every model's answer."""
    rows: dict[str, list[Json]] = {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if row["set"] == "generations":
                rows.setdefault(row["id"], []).append(row)
    return tuple(
        Answered(
            question=found[0]["question"],
            reference=found[0]["reference"],
            kind=found[0].get("kind", ""),
            answers={row["model"]: (row["answer"], row["f1"]) for row in found},
        )
        for found in list(rows.values())[:SHOWN_ANSWERS]
    )
