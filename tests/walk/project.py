"""What the project of a random walk holds of its own: a few raw files, and what its domain's files can say.

Every knob here changes bytes of the raw files below, but for one, which changes a key alone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

CORPUS, GENERAL = "data/tiny/corpus", "data/tiny/general"
MODEL = "data/tiny/model"
KNOBS: dict[str, tuple[str, str, tuple[Any, ...]]] = {
    "min_chars": ("clean_shards", "min_chars", (40, 20, 130)),
    "threshold": ("unique_shards", "threshold", (0.8, 0.5)),
    "section": ("documents", "max_section_chars", (12000, 400)),
    "email": ("clean_shards", "personal_data", ({"email": "keep"}, {"email": "mask"})),
    "lines": ("unique_shards", "max_line_documents", (None, 1)),
    # no byte differs by it: early cutoff
    "letters": ("clean_shards", "min_letter_share", (0.5, 0.51)),
}
LICENCES = ("CC0-1.0", "MIT")
ROLES = ("replay", "evaluation", "instruction")


def sentences(name: str, count: int) -> str:
    """The same words for the same name."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    words = ["lorem" + digest[i : i + 3].translate(str.maketrans("0123456789", "ghijklmnop")) for i in range(0, 60, 3)]
    ends = ("." if number % 9 == 8 else "" for number in range(count))
    return " ".join(words[(7 * number + number // 20) % 20] + end for number, end in enumerate(ends)) + "."


def write_raw(project: Path) -> None:
    for folder in (CORPUS, GENERAL, MODEL):
        (project / folder).mkdir(parents=True)
    corpus = project / CORPUS
    (corpus / "keep.txt").write_text(sentences("keep", 60) + "\nThe same line.\n", encoding="utf-8")
    near = sentences("keep", 60) + " More of it.\nThe same line.\n"
    (corpus / "near.txt").write_text(near, encoding="utf-8")
    (corpus / "page.md").write_text(
        f"# Page\n\n{sentences('page', 30)}\n\nWrite to jane.doe@hospital.co.uk today.\n", encoding="utf-8"
    )
    (corpus / "short.txt").write_text("A note of thirty letters.\n", encoding="utf-8")
    rows = [json.dumps({"title": f"row {n}", "text": sentences(f"row{n}", 4 + 8 * n)}) for n in range(3)]
    (corpus / "rows.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (project / GENERAL / "general.txt").write_text(sentences("general", 50) + "\n", encoding="utf-8")
    (project / MODEL / "config.json").write_text("{}", encoding="utf-8")


def sections(knobs: dict[str, int]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, number in knobs.items():
        section, key, values = KNOBS[name]
        found.setdefault(section, {})[key] = values[number]
    return found


@dataclass
class Settings:
    """What the domain's files say: values by their number in the tables above."""

    knobs: dict[str, int] = field(default_factory=dict)
    parent_knobs: dict[str, int] = field(default_factory=dict)
    is_extending: bool = False
    licence: int = 0
    role: int = 0
    shards: int = 1

    def write(self, project: Path) -> None:
        sources: dict[str, Any] = dict.fromkeys(("wikipedia", "scikit_learn_docs", "style"))
        sources["c"] = {"role": "corpus", "local": CORPUS, "licence": LICENCES[self.licence]}
        sources["g"] = {"role": ROLES[self.role], "local": GENERAL, "licence": "CC0-1.0"}
        sources["m"] = {"role": "base_model", "local": MODEL, "licence": "CC0-1.0"}
        values: dict[str, Any] = {"extends": "parent"} if self.is_extending else {}
        values |= {"sources": sources, "corpus_split": {"replay_share": 0.0}, **sections(self.knobs)}
        values["raw_corpus"] = {"shards": self.shards}
        domains = project / "config/domains"
        (domains / "tiny.yaml").write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
        (domains / "parent.yaml").write_text(yaml.safe_dump(sections(self.parent_knobs)), encoding="utf-8")
