"""A tiny domain, for the real snakemake and the real dvc: a random model, a small corpus, small knobs."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from material.checkout import tree_environment
from material.tiny_models import write_model

PIPELINE_FILE = "domains/tiny/dvc.yaml"
TINY = """\
sources:
  tiny_corpus: {role: corpus, local: data/tiny/corpus, licence: CC0-1.0}
  tiny_general: {role: replay, local: data/tiny/general, licence: CC0-1.0}
  tiny_evaluation: {role: evaluation, local: data/tiny/evaluation, licence: CC0-1.0}
  tiny_model: {role: base_model, local: data/tiny/model, licence: CC0-1.0}
raw_corpus: {segment_bytes: 4000}
documents: {group_depth: 1}
corpus_split: {max_train_tokens: 4000, validation_share: 0.1, test_share: 0.15}
pt_tokens: {sequence_length: 64}
pt_adapter: {learning_rate: 0.02, rank: 2, alpha: 4, rows_per_step: 8}
merged_model: {dtype: float32}
sft_dataset: {max_documents: 12, max_questions_per_document: 2}
sft_tokens: {sequence_length: 256, system_prompt: null}
sft_adapter: {learning_rate: 0.02, rank: 2, alpha: 4, rows_per_step: 4}
eval_results:
  max_definitions: 4
  max_answers: 4
  max_choices: 2
  max_generations: 2
  max_new_tokens: 4
  max_general_tokens: 200
  bootstrap_samples: 100
"""


def words(seed: str, count: int) -> str:
    """Pronounceable words, the same for the same seed."""
    source = random.Random(seed)
    syllables = ["ba", "co", "di", "fe", "gu", "ha", "jo", "ki", "lo", "mu", "ne", "po", "ra", "si", "te", "vo"]
    return " ".join("".join(source.choices(syllables, k=source.randint(1, 3))) for _ in range(count))


def write_corpus(folder: Path) -> None:
    """Every text format, two bad files, one empty one."""
    folder.mkdir(parents=True)
    terms = ["format-version: 1.2\n", "[Term]\nid: T:0\nname: root\n"]
    for number in range(1, 80):
        parent = 0 if number < 9 else (number - 1) % 8 + 1
        terms.append(
            f"[Term]\nid: T:{number}\nname: {words(f'name{number}', 2)}\n"
            f'def: "A kind of {words(f"definition{number}", 18)}." []\n'
            f'synonym: "{words(f"synonym{number}", 2)}" EXACT []\nis_a: T:{parent}\n'
        )
    (folder / "terms.obo").write_text("\n".join(terms), encoding="utf-8")
    for number in range(3):
        text = words(f"md{number}", 60)
        (folder / f"page{number}.md").write_text(f"# Page {number}\n\n{text}.\n", encoding="utf-8")
        (folder / f"note{number}.txt").write_text(f"{words(f'txt{number}', 50)}.\n", encoding="utf-8")
        html = f"<html><head><title>{number}</title></head><body><p>{words(f'html{number}', 50)}.</p></body></html>"
        (folder / f"web{number}.html").write_text(html, encoding="utf-8")
    rows = [json.dumps({"title": f"row {n}", "text": f"{words(f'row{n}', 30)}."}) for n in range(6)]
    (folder / "rows.jsonl").write_text("\n".join([*rows[:3], '{"text": "cut off', *rows[3:]]) + "\n", encoding="utf-8")
    (folder / "binary.txt").write_bytes(bytes(range(256)) * 8)
    (folder / "empty.md").write_bytes(b"")


def write_domain(project: Path) -> None:
    """The domain `tiny`: its file, its corpora, its model."""
    (project / "config/domains/tiny.yaml").write_text(TINY, encoding="utf-8")
    write_corpus(project / "data/tiny/corpus")
    for role in ("general", "evaluation"):
        (project / "data/tiny" / role).mkdir()
        for number in range(9 if role == "general" else 2):
            text = f"{words(f'{role}{number}', 40)}.\n"
            (project / "data/tiny" / role / f"{number}.txt").write_text(text, encoding="utf-8")
    write_model(project / "data/tiny/model", words("tokenizer", 4000))


@dataclass(frozen=True)
class Tree:
    """A copy of the repository with the tiny domain in it."""

    path: Path

    def run(self, *command: str, expect: int = 0, **changes: str) -> str:
        """Run a command in the tree; returns what it printed."""
        done = subprocess.run(
            command,
            cwd=self.path,
            env=tree_environment(self.path, changes),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == expect, done.stdout
        return done.stdout

    def snakemake(
        self, *arguments: str, cores: int = 1, config: Sequence[str] = (), expect: int = 0, **changes: str
    ) -> str:
        command = ["snakemake", "--cores", str(cores), *arguments, "--config", "domain=tiny", *config]
        return self.run(*command, expect=expect, **changes)

    def builds(self) -> list[dict[str, Any]]:
        path = self.path / ".domainlm/builds.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    @contextmanager
    def outcomes(self) -> Iterator[dict[str, set[str]]]:
        """Within the block: what was done, filled at its end: outcome -> artifacts."""
        before = len(self.builds())
        found: dict[str, set[str]] = {}
        yield found
        for row in self.builds()[before:]:
            found.setdefault(row["outcome"], set()).add(row["artifact"])

    def artifact(self, name: str) -> Path:
        return self.path / "artifacts" / "tiny" / name

    def digests(self) -> dict[str, str]:
        """Bytes of the manifest of every whole artifact."""
        return {p.parent.name: p.read_text() for p in sorted((self.path / "artifacts/tiny").glob("*/manifest.json"))}

    def commit(self, message: str) -> None:
        """Commit everything that git does not ignore."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "-m", message)

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.path / name
        text = path.read_text(encoding="utf-8")
        assert old in text, (name, old)
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
