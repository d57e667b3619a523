"""`domainlm plan --memory`: memory, cards, time and cost of a training.

In: the stamps of a domain, the folder of its base model, the store's history. Out: one `TrainingPlan` for each training:
for each method the memory by part on this CPU and on a card, the cards that it fits, what would make it fit the others,
and tokens per second: measured, where the history has a training of as many weights, or published. Nothing is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any, get_args

from domainlm.config.bounded_file import read_bounded
from domainlm.config.training import Training
from domainlm.explain.model_shape import Shape, UnknownShape, read_shape
from domainlm.explain.training_fit import CARDS, cpu_remedy, published_speed, remedy
from domainlm.explain.training_memory import METHODS, Job, Machine, Memory, Method, training_memory
from domainlm.pipeline.stamp import Stamp
from domainlm.pipeline.table import BY_NAME
from domainlm.raw.json_text import InvalidJson, parsed_json

MAX_META_BYTES = 1_000_000
# memory as full fine-tuning, as virtual tokens; other methods are adapters, as LoRA
_AS_FULL = ("full", "osf")
_AS_PROMPT = ("p_tuning", "prefix_tuning")


@dataclass(frozen=True)
class Grant:
    """What a profile would grant: rows in one pass, cores, cards, checkpointing."""

    micro_batch_rows: int = 1
    threads: int = 1
    cards: int = 1
    is_checkpointed: bool = False


@dataclass(frozen=True)
class Line:
    """One method on one machine.

    remedy: the changes with which it fits this machine's memory; cards: gigabytes -> those with which it fits a card;
    empty if it fits, None if nothing that is known makes it fit. tokens_per_second: gigabytes -> published speed.
    """

    method: str
    is_configured: bool
    is_available: bool
    machine: Machine
    memory: Memory
    remedy: tuple[str, ...] | None = ()
    cards: dict[int, tuple[str, ...] | None] = field(default_factory=dict)
    tokens_per_second: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingPlan:
    """A training's memory and speed.

    unknown: why nothing can be said. tokens: of all epochs, None if the rows are not there yet. measured: tokens per
    second of builds here, of as many trained weights; None without history.
    """

    artifact: str
    unknown: str | None = None
    model_type: str = ""
    parameters: int = 0
    is_exact: bool = False
    job: Job = field(default_factory=Job)
    lines: tuple[Line, ...] = ()
    memory_bytes: int | None = None
    tokens: int | None = None
    measured: float | None = None
    measured_builds: int = 0

    def as_json(self) -> dict[str, Any]:
        found = asdict(self)
        for each, line_ in zip(found["lines"], self.lines, strict=True):
            each["memory"]["total"] = line_.memory.total
        return found


def is_training(artifact: str) -> bool:
    """Whether an artifact is trained: its rule has a micro-batch."""
    return any(knob == "micro_batch_rows" for knob, _ in BY_NAME[artifact].profile_knobs)


def plan_training(
    project: Path,
    stamps: Iterable[Stamp],
    artifact: str,
    grant: Grant,
    history: Iterable[Mapping[str, Any]],
    base_model: Path | None = None,
) -> TrainingPlan:
    """The plan of one training; base_model: another model than the domain's."""
    by_artifact = {stamp.artifact: stamp for stamp in stamps if stamp.shard is None}
    stamp = by_artifact[artifact]
    try:
        shape = read_shape(base_model or _base_folder(project, by_artifact.values()))
    except (UnknownShape, OSError) as error:
        said = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else str(error)
        return TrainingPlan(artifact, unknown=said)
    rows = next((by_artifact[name] for name in stamp.inputs if _window(by_artifact.get(name)) is not None), None)
    section = stamp.config["section"]
    job = job_of(section, _window(rows) or Job().window, grant)
    configured = str(section.get("method", "lora"))
    measured, builds = _measured_speed(history, artifact, training_memory(shape, job, Machine()).trainable_parameters)
    count = _rows_of_training(project / rows.folder) if rows is not None else None
    return TrainingPlan(
        artifact=artifact,
        model_type=shape.model_type,
        parameters=shape.parameters,
        is_exact=shape.is_exact,
        job=job,
        lines=tuple(_lines(shape, job, configured, grant)),
        memory_bytes=_memory_of_machine(),
        tokens=count * job.window * int(section.get("epochs", 1)) if count is not None else None,
        measured=measured,
        measured_builds=builds,
    )


def _base_folder(project: Path, stamps: Iterable[Stamp]) -> Path:
    """The folder with the base model's config.json.

    That is the artifact, or a local source.
    """
    stamp = next(stamp for stamp in stamps if BY_NAME[stamp.artifact].declares == "model")
    built = project / stamp.folder
    source = str(stamp.config.get("source", {}).get("source"))
    local = project / stamp.roots[source] if source in stamp.roots else None
    for folder in (built, local):
        if folder is not None and (folder / "config.json").is_file():
            return folder
    raise UnknownShape(
        f"the base model {source} is not here yet; build it (snakemake --cores all"
        f" {stamp.artifact}), or give a folder with its config.json: --base-model FOLDER"
    )


def _window(stamp: Stamp | None) -> int | None:
    section = stamp.config.get("section") if stamp is not None else None
    found = section.get("sequence_length") if isinstance(section, Mapping) else None
    return found if isinstance(found, int) else None


def job_of(section: Mapping[str, Any], window: int, grant: Grant) -> Job:
    """The job that a training's section describes."""
    per_step, tokens = int(section["rows_per_step"]), section.get("tokens_per_step")
    return Job(
        method=_kind_of(str(section.get("method", "lora"))),
        precision=str(section["precision"]),
        rank=int(section["rank"]),
        targets=section["target_modules"],
        window=window,
        micro_batch_rows=grant.micro_batch_rows,
        is_checkpointed=grant.is_checkpointed,
        rows_per_step=-(-int(tokens) // window) if tokens else per_step,
        virtual_tokens=int(section.get("virtual_tokens", 20)),
        # rows of added tokens are few
        has_trained_embeddings=section.get("trained_embeddings") == "all",
        adapted_layers=len(section["layers"]) if section.get("layers") else None,
    )


def _kind_of(method: str) -> Method:
    """The method by which a method's memory is counted."""
    if method in _AS_FULL:
        return "full"
    if method in _AS_PROMPT:
        return "p_tuning"
    return "qlora" if method == "qlora" else "lora"


def available_methods() -> set[str]:
    """Names of the methods that this version has."""
    field = Training.model_fields.get("method")
    return set(get_args(field.annotation)) if field is not None else {"lora"}


def _lines(shape: Shape, job: Job, configured: str, grant: Grant) -> Iterable[Line]:
    """The configured method on CPU and card, the others on a card."""
    cpu = Machine("cpu", threads=grant.threads)
    # what `auto` becomes is measured by the training; the wider one is the safe one
    on_cpu = replace(job, precision="float32" if job.precision == "auto" else job.precision)
    on_card = replace(job, precision="bfloat16" if job.precision == "auto" else job.precision)
    available = available_methods()
    memory = _memory_of_machine()
    changes = cpu_remedy(shape, on_cpu, cpu, memory) if memory is not None else ()
    yield Line(configured, True, configured in available, cpu, training_memory(shape, on_cpu, cpu), changes)
    gpu = Machine("gpu", cards=grant.cards)
    for method in (job.method, *(each for each in METHODS if each != job.method)):
        is_own = method == job.method
        each = replace(on_card, method=method)
        name = configured if is_own else method
        yield Line(
            name,
            is_own,
            name in available,
            gpu,
            training_memory(shape, each, gpu),
            (),
            {card.gigabytes: remedy(shape, each, gpu, card) for card in CARDS},
            {card.gigabytes: round(published_speed(shape, each, gpu, card)) for card in CARDS},
        )


def _measured_speed(history: Iterable[Mapping[str, Any]], artifact: str, trained: int) -> tuple[float | None, int]:
    """Median tokens per second of builds of this artifact, and their number.

    Those count that trained as many weights, on the newest one's device and threads. Loading and validation are in their seconds.
    """
    speeds: list[float] = []
    where: tuple[Any, Any] | None = None
    for row in history:
        stats = row.get("stats")
        if row["artifact"] != artifact or not isinstance(stats, Mapping) or not row["seconds"]:
            continue
        tokens = stats.get("tokens")
        if stats.get("trainable_parameters") != trained or not isinstance(tokens, int):
            continue
        where = where or (row["device"], row["threads"])
        if (row["device"], row["threads"]) == where:
            speeds.append(tokens / row["seconds"])
    return (median(speeds), len(speeds)) if speeds else (None, 0)


def _rows_of_training(folder: Path) -> int | None:
    """Rows of a token file's training split; None if there is none."""
    try:
        found = parsed_json(read_bounded(folder / "meta.json", MAX_META_BYTES).decode("utf-8"))
        return int(found["rows"]["train"])
    except (OSError, InvalidJson, UnicodeDecodeError, KeyError, TypeError, ValueError):
        return None


def _memory_of_machine() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
