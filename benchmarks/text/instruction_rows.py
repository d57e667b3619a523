"""Rows of instruction data, a few of every form, and rows that cannot be used, one kind for each reason.

In: nothing. Out: files by name. The words are sentences about devices, made here; no two questions are the same. Forms that
depend on a file's format (CSV, Parquet, a set saved by `datasets`, tables by pandas) are whole files.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

DEVICES = (
    *("thermometer", "syringe pump", "filter", "pipette", "centrifuge", "balance", "microscope", "catheter", "sensor"),
    *("valve", "incubator", "freezer", "spirometer", "monitor", "stethoscope", "scanner", "autoclave", "ventilator"),
    *("burette", "dialyser", "endoscope", "defibrillator", "nebuliser", "otoscope", "refractometer", "manometer"),
    *("dosimeter", "tonometer", "audiometer", "oximeter", "glucometer", "hygrometer"),
)
TASKS = ("cleaned", "stored", "calibrated", "labelled", "inspected", "transported")
MEANS = ("warm water", "isopropanol", "a dry cloth", "a soft brush", "distilled water", "a sealed bag", "a cool room")
CHECKS = (
    "read the scale",
    "close the cover",
    "note the date",
    "check the cable",
    "wait for the signal",
    "turn the knob",
)
ROWS_PER_FORM = 4
# repetitions in an answer that no row of tokens holds
LONG_ANSWER = 60

Pair = tuple[str, str]


def pairs() -> Iterator[Pair]:
    """Questions with their answers, the same on every machine."""
    drawn = random.Random(17)
    order = list(itertools.product(DEVICES, TASKS))
    drawn.shuffle(order)
    for device, task in order:
        first, second = drawn.sample(CHECKS, 2)
        minutes = drawn.randint(2, 90)
        said = f"Use {drawn.choice(MEANS)}, {first}, {second}, and leave the {device} alone for {minutes} minutes."
        yield f"How is a {device} {task} after use?", said


def turns(
    asked: str, said: str, roles: Pair = ("user", "assistant"), who: str = "role", what: str = "content"
) -> list[dict[str, Any]]:
    return [{who: role, what: text} for role, text in zip(roles, (asked, said), strict=True)]


CALL = {"name": "look_up", "arguments": {"section": 4}}
BRIEF = "Be brief."


def _with_calls(asked: str, said: str) -> list[dict[str, Any]]:
    call = {"id": "1", "type": "function", "function": {**CALL, "arguments": json.dumps(CALL["arguments"])}}
    return [
        {"role": "user", "content": asked},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "see page 4", "tool_call_id": "1"},
        {"role": "assistant", "content": said},
    ]


# a row of each form that is known by its fields
ROWS: Mapping[str, Callable[[str, str], Any]] = {
    "alpaca": lambda q, a: {"instruction": q, "input": "", "output": a},
    "alpaca, with system and history": lambda q, a: {
        "instruction": q, "input": None, "output": a, "system": BRIEF, "history": [["Hello.", "Hello."]]},
    "instruction, context, response (Dolly)": lambda q, a: {"instruction": q, "context": "By the manual.", "response": a},
    "instruction above a question": lambda q, a: {"instruction": BRIEF, "question": q, "answer": a},
    "sharegpt conversations": lambda q, a: {"conversations": turns(q, a, ("human", "gpt"), "from", "value")},
    "sharegpt conversation, of tools": lambda q, a: {
        "system": BRIEF, "tools": json.dumps([{"name": "look_up"}]),
        "conversation": [
            {"from": "human", "value": q}, {"from": "function_call", "value": json.dumps(CALL)},
            {"from": "observation", "value": "see page 4"}, {"from": "gpt", "value": a}]},
    "conversation of pairs": lambda q, a: {"conversation": [{"human": q, "assistant": a}]},
    "messages": lambda q, a: {"messages": turns(q, a)},
    "messages, of developer, human, gpt": lambda q, a: {
        "messages": [{"role": "developer", "content": BRIEF}, *turns(q, a, ("human", "gpt"))]},
    "messages, content in parts": lambda q, a: {
        "messages": [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in (("user", q), ("assistant", a))]},
    "messages, with calls of tools": lambda q, a: {"messages": _with_calls(q, a)},
    "messages, of null and empty fields": lambda q, a: {
        "system": "", "tools": None, "messages": [{"role": "system", "content": ""}, *turns(q, a)]},
    "messages beside a response": lambda q, a: {"messages": turns(q, a)[:1], "response": a},
    "a bare list of turns": lambda q, a: turns(q, a),
    "data, a list of texts (UltraChat)": lambda q, a: {"id": "1", "data": [q, a]},
    "contents in parts (Gemini)": lambda q, a: {
        "contents": [{"role": "user", "parts": [{"text": q}]}, {"role": "model", "parts": [{"text": a}]}]},
    "prompt and completion as turns (TRL)": lambda q, a: {"prompt": turns(q, a)[:1], "completion": turns(q, a)[1:]},
    "input, output": lambda q, a: {"input": q, "output": a},
    "question, answer": lambda q, a: {"Question": q, "Answer": a},
    "prompt, completion": lambda q, a: {"prompt": q, "completion": a},
    "prompt, response": lambda q, a: {"prompt": q, "response": a},
    "query, response": lambda q, a: {"query": q, "response": a},
    "system_prompt, question, response": lambda q, a: {"system_prompt": BRIEF, "question": q, "response": a},
    "scenario, response": lambda q, a: {"scenario": q, "response": a},
    "claim, counter_argument": lambda q, a: {"claim": q, "counter_argument": a},
    "problem, solution": lambda q, a: {"problem": q, "solution": a},
    "inputs, targets": lambda q, a: {"inputs": q, "targets": a},
}  # fmt: skip

# rows that cannot be used, by the reason that they have to be given
BAD: Mapping[str, Sequence[Any]] = {
    "no_answer": [{"question": "How long?", "answer": None}, {"messages": turns("How long?", "x")[:1]}],
    "no_question": [{"question": " ", "answer": "An hour."}],
    "roles_out_of_order": [{"messages": list(reversed(turns("How long?", "An hour.")))}],
    "empty_turn": [{"messages": [*turns("How long?", "An hour."), *turns("Why?", " ")]}],
    "unlearned_answer": [{"messages": [{**turn, "weight": 0} for turn in turns("How long?", "An hour.")]}],
    "unknown_role": [{"messages": turns("How long?", "An hour.", ("user", "critic"))}],
    "not_text": [{"question": "What is this?", "answer": "A valve.", "images": ["valve.png"]}],
    "unknown_form": [
        {"frage": "Wie lange?", "antwort": "Eine Stunde."},
        {"text": "Human: How long?\n\nAssistant: An hour."},
        {"question": "How long?", "choices": ["an hour", "a day"], "answer": 0},
    ],
    "preference_row": [
        {"prompt": "How long?", "chosen": "An hour.", "rejected": "A year."},
        {"query": "How long?", "response": "An hour.", "rejected_response": "A year."},
        {"messages": turns("How long?", "A year."), "label": False},
    ],
    "dataset_metadata": [{"_data_files": [{"filename": "data.arrow"}], "_fingerprint": "0"}],
    "invalid_json": ['{"question": "How long?", "ans'],
}


def _lines(rows: Sequence[Any]) -> bytes:
    return "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows).encode()


def _table(rows: Sequence[Mapping[str, str]], delimiter: str) -> bytes:
    written = io.StringIO()
    writer = csv.DictWriter(written, list(rows[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue().encode()


def _saved(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    Dataset.from_list([dict(row) for row in rows]).save_to_disk(path)


def _parquet(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)


def write_files(folder: Path) -> dict[str, str]:
    """Write all files; returns the form that each path below the folder is of, or the reason that its rows have."""
    found: dict[str, str] = {}
    left = pairs()

    def some() -> list[Pair]:
        return list(itertools.islice(left, ROWS_PER_FORM))

    def path_of(name: str, form: str) -> Path:
        found[name] = form
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    for number, (form, row_of) in enumerate(ROWS.items(), 1):
        path_of(f"forms/{number:02d}.jsonl", form).write_bytes(_lines([row_of(*pair) for pair in some()]))
    answered = [[{"question": q, "answer": a} for q, a in some()] for _ in range(9)]
    spoken = [[{"conversations": turns(q, a, ("human", "gpt"), "from", "value")} for q, a in some()] for _ in range(2)]
    packed = [{"messages": json.dumps(turns(q, a))} for q, a in some()]
    columns = {name: [row[name] for row in answered[6]] for name in answered[6][0]}
    texts = {
        "array.json": ("an array", json.dumps(answered[0], indent=1)),
        "wrapped.json": ('{"data": [...]}', json.dumps({"version": "1", "data": answered[1]})),
        "splits.json": ('{"train": [...], "test": [...]}', json.dumps({"train": answered[2][:2], "test": answered[2][2:]})),
        "one_line.jsonl": ("an array in one line", json.dumps(answered[3]) + "\n"),
        "columns.json": ("columns", json.dumps(columns)),
        "split.json": ("columns and data apart (pandas)", json.dumps({
            "columns": ["question", "answer"], "index": list(range(ROWS_PER_FORM)),
            "data": [list(row.values()) for row in answered[7]]})),
        "rows.csv": ("CSV", _table(answered[4], ",").decode()),
        "rows.tsv": ("TSV", _table(answered[5], "\t").decode()),
        "messages.csv": ("CSV, turns as JSON in a cell", _table(packed, ",").decode()),
    }  # fmt: skip
    for name, (form, text) in texts.items():
        path_of(f"files/{name}", form).write_text(text, encoding="utf-8", newline="")
    _parquet(answered[8], path_of("files/rows.parquet", "Parquet"))
    _parquet(spoken[0], path_of("files/turns.parquet", "Parquet, lists of turns"))
    _saved(spoken[1], folder / "saved")
    found.update(
        {str(path.relative_to(folder)): "saved by datasets" for path in sorted((folder / "saved").glob("*.arrow"))}
    )
    [(asked, said), *_] = some()
    long = turns(asked, " ".join([said] * LONG_ANSWER))
    path_of("files/long.jsonl", "messages, longer than a row").write_bytes(_lines([{"messages": long}]))
    for reason, rows in BAD.items():
        path_of(f"bad/{reason}.jsonl", reason).write_bytes(_lines(rows))
    path_of("README.md", "no_records").write_text("# Rows\n\nAbout devices.\n", encoding="utf-8")
    return found
