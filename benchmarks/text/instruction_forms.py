"""Instruction data of every form in one run, up to an adapter trained on it alone.

    python benchmarks/text/instruction_forms.py [--folder FOLDER] [--cores 2]

In: nothing; the files are made here (instruction_rows.py). In a temporary folder: a copy of this repository, and a domain of
a folder with a file or more of every form and of rows for every reason of rejection, a corpus of plain text without headings, and a
random model of two layers. `snakemake sft_adapter` builds it, derived questions switched off. Out, from the artifacts' own
files: a Markdown table of forms with the rows imported and rejected by reason, then what became of the conversations. Fails
where a row of a form is rejected, a bad row is taken or has another reason, or something else than these conversations
is learned.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import checkout
from instruction_rows import BAD, DEVICES, TASKS, write_files

DOMAIN = "forms"
DATA = f"data/{DOMAIN}"
CONFIG = f"""\
sources:
  forms_corpus: {{role: corpus, local: {DATA}/corpus, licence: CC0-1.0}}
  forms_model: {{role: base_model, local: {DATA}/model, licence: CC0-1.0}}
  mine: {{role: instruction, local: {DATA}/mine, licence: CC0-1.0}}
  wikipedia: null
  scikit_learn_docs: null
corpus_split: {{replay_share: 0.0, max_train_tokens: 4000, validation_share: 0.1, test_share: 0.15}}
pt_tokens: {{sequence_length: 64}}
pt_adapter: {{rank: 2, alpha: 4, rows_per_step: 8}}
merged_model: {{dtype: float32}}
sft_dataset: {{has_derived_questions: false}}
sft_tokens: {{sequence_length: 512, system_prompt: null}}
sft_adapter: {{rank: 2, alpha: 4, rows_per_step: 4, epochs: 5, learning_rate: 0.05}}
"""
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def write_model(folder: Path, texts: list[str]) -> None:
    """A random Llama of two layers, its tokenizer trained on these texts."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=list(CONTROL), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    wrap: Any = PreTrainedTokenizerFast
    fast = wrap(tokenizer_object=tokenizer, eos_token=CONTROL[0], pad_token=CONTROL[0])
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    shape: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    ids: dict[str, Any] = {"vocab_size": tokenizer.get_vocab_size(), "bos_token_id": None, "eos_token_id": 0}
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(**shape, **ids, max_position_embeddings=512)).save_pretrained(folder)


def plain_texts() -> Iterator[str]:
    """Texts without headings."""
    for number, device in enumerate(DEVICES * 2):
        shelf = f"shelf {number + 1} of the store room"
        yield " ".join(
            f"The {device} on {shelf} is {task} by the team on duty, who sign the list for it." for task in TASKS
        )


def make_project(root: Path) -> dict[str, str]:
    """The domain in a copy of this repository; returns the form or reason of each file."""
    checkout.copy_repository(root)
    (root / f"config/domains/{DOMAIN}.yaml").write_text(CONFIG, encoding="utf-8")
    corpus = root / DATA / "corpus"
    corpus.mkdir(parents=True)
    texts = list(plain_texts())
    for number, text in enumerate(texts):
        (corpus / f"{number:03d}.txt").write_text(f"{text}\n", encoding="utf-8")
    write_model(root / DATA / "model", texts)
    return write_files(root / DATA / "mine")


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def figures_of(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def imported_by_path(artifacts: Path) -> dict[str, Counter[str]]:
    """Forms of the conversations of each file, by the tables of `documents`."""
    import pyarrow.parquet as pq

    found: dict[str, Counter[str]] = {}
    for path in sorted(artifacts.glob("documents/[0-9]*/documents.parquet")):
        for row in pq.read_table(path, columns=["source", "path", "meta"]).to_pylist():
            if row["source"] == "mine":
                found.setdefault(row["path"], Counter())[json.loads(row["meta"])["messages_form"]] += 1
    return found


def rejected_by_path(artifacts: Path) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for path in sorted(artifacts.glob("documents/[0-9]*/rejected.jsonl")):
        for row in rows_of(path):
            found.setdefault(row["path"], Counter())[row["reason"]] += row["source"] == "mine"
    return found


def counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "-"


def show_forms(artifacts: Path, files: Mapping[str, str]) -> list[str]:
    """Print the table of forms; returns what is wrong."""
    reasons = {*BAD, "no_records"}
    imported, rejected = imported_by_path(artifacts), rejected_by_path(artifacts)
    print("| form | file | imported as | rows imported | rows rejected, by reason |\n|---|---|---|---|---|")
    wrong = []
    for path, form in files.items():
        taken, refused = imported.get(path, Counter()), rejected.get(path, Counter())
        is_bad = form in reasons
        named = "-" if is_bad else form
        print(f"| {named} | `{path}` | {', '.join(sorted(taken)) or '-'} | {taken.total()} | {counted(refused)} |")
        if is_bad and (taken or set(refused) != {form}):
            wrong.append(f"{path}: {taken.total()} rows taken, rejected {counted(refused)}; expected {form} alone")
        elif not is_bad and (refused or not taken):
            wrong.append(f"{path}: {taken.total()} rows taken, rejected {counted(refused)}; expected no rejection")
    if others := {*imported, *rejected} - {*files} - {path for path in rejected if not rejected[path].total()}:
        wrong.append(f"files of no form: {sorted(others)}")
    total, lost = (sum(each.total() for each in found.values()) for found in (imported, rejected))
    print(f"| all | {len(files)} files | | {total} | {lost} |\n")
    return wrong


def show_adapter(artifacts: Path) -> list[str]:
    """Print what was learned of the conversations; returns what is wrong."""
    dataset, tokens = (figures_of(artifacts / name / "stats.json") for name in ("sft_dataset", "sft_tokens"))
    trained = figures_of(artifacts / "sft_adapter/stats.json")
    print("| split | conversations | learned tokens |\n|---|---|---|")
    for split in ("train", "validation", "test"):
        taken = [counts for forms in tokens["taken"].get(split, {}).values() for counts in forms.values()]
        learned = sum(counts["learned_tokens"] for counts in taken) if taken else "-"
        print(f"| {split} | {dataset['own_conversations'][split]} | {learned} |")
    print(f"\nsources and forms learned: {counted(dataset['rows_by_form']['train'])}")
    print(f"left out by sft_dataset: {dataset['own_conversations']['left_out']}")
    print(f"rejected by sft_tokens: {counted(tokens['rejected_by_source'].get('mine', {}))}")
    print(f"sft_adapter: {trained['steps']} updates, {trained['trainable_parameters']} parameters, loss of the first "
          f"update {trained['loss_first']:.3f}, of the last {trained['loss_last']:.3f}, of validation "
          f"{trained['validation_loss']:.3f}")  # fmt: skip
    wrong = []
    if set(dataset["rows_by_source"]["train"]) != {"mine"} or "derived" in dataset["rows_by_form"]["train"]:
        wrong.append(f"learned besides: {dataset['rows_by_source']['train']}")
    if not trained["loss_last"] < trained["loss_first"]:
        wrong.append("the loss did not fall")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description="Instruction data of every form, in one run")
    parser.add_argument("--folder", type=Path, help="make the project here and keep it")
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="domainlm-forms-") as temporary:
        root = options.folder or Path(temporary)
        root.mkdir(parents=True, exist_ok=True)
        files = make_project(root)
        command = ("snakemake", "--cores", str(options.cores), "sft_adapter", "--config", f"domain={DOMAIN}")
        cost, _ = checkout.run(root, *command)
        print(f"{' '.join(command)}: {cost.seconds:.0f} s ({checkout.processor()})\n")
        artifacts = root / "artifacts" / DOMAIN
        if wrong := [*show_forms(artifacts, files), *show_adapter(artifacts)]:
            raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
