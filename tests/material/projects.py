"""Projects whose text stages build in a second, in this process: a few files, a configuration, the real lock files."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from material.checkout import REPOSITORY
from material.code_memory import know_code

SOURCES = """\
domain: tiny
sources:
  x: {role: corpus, local: corpus}
  m: {role: base_model, local: model}
corpus_split: {replay_share: 0.0}
"""
ONE_SHARD = f"{SOURCES}raw_corpus: {{shards: 1}}\n"
# its first shards, of a configuration that has one
RAW, DOCUMENTS = "artifacts/tiny/raw_corpus/0000", "artifacts/tiny/documents/0000"
TEXT_PROJECT = SOURCES.replace("local: corpus", "local: corpus, licence: CC0-1.0")
TEXT_STAGES = ("raw_corpus", "documents", "clean_shards", "unique_shards")


def write_files(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def write_project(root: Path, corpus: Mapping[str, str], configuration: str = SOURCES) -> Path:
    """A project with these files of corpus/, a model of no weights, and the repository's lock files."""
    write_files(root, {f"corpus/{name}": text for name, text in corpus.items()})
    write_files(root, {"model/config.json": "{}", "config/config.yaml": configuration})
    (root / "envs").symlink_to(REPOSITORY / "envs")
    know_code(root)
    return root


@dataclass(frozen=True)
class TextProject:
    """A project whose text stages build in a second, in this process."""

    path: Path

    def stamps(self, **overrides: Any) -> list[Any]:
        from domainlm.config.resolve import resolve
        from domainlm.pipeline.stamps import make_stamps

        return make_stamps(self.path, resolve(self.path, overrides), is_remembered=False)

    def build(self, *artifacts: str, **overrides: Any) -> list[str]:
        """Build these artifacts (default: all text stages) as a run would; outcomes in order."""
        from domainlm.builder.history import recorded_build
        from domainlm.contract import Resources
        from domainlm.workflow.prepare import prepare

        stamps = prepare(overrides, self.path).stamps.values()
        quiet = Resources(log=lambda message: None)
        wanted = artifacts or TEXT_STAGES
        return [recorded_build(self.path, stamp, quiet).outcome for stamp in stamps if stamp.artifact in wanted]


def write_text_project(root: Path) -> TextProject:
    """Four files of one sentence each, and lock files of its own."""
    corpus = {}
    for number in range(4):
        words = " ".join(f"word{number}{letter}" for letter in "abcdefghijklmnop")
        corpus[f"{number}.txt"] = f"{words.translate(str.maketrans('0123', 'wxyz'))}.\n"
    write_project(root, corpus, TEXT_PROJECT)
    (root / "envs").unlink()
    (root / "envs").mkdir()
    for lock in ("cpu.lock", "torch.lock"):
        shutil.copyfile(REPOSITORY / "envs" / lock, root / "envs" / lock)
    return TextProject(root)
