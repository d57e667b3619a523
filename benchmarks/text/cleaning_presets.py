"""What each preset of quality rules loses of each kind of text: `python benchmarks/text/cleaning_presets.py`.

In: texts that every machine with this project has, and texts written for this file (kinds_of_text.jsonl). Manuals: the topics of
Python's own reference (`pydoc_data`), and with --documents the scikit-learn guide of the default domain; statutes: the licences
of Debian (--licences), cut at their numbered sections; dialogues, statutes, manuals in Chinese, and what no preset should keep
(menus, adverts, word salad): written. Encyclopaedia: with --documents, the Wikipedia excerpt of the default domain. Out: a
Markdown table of the share of documents that are kept, and of their words, by preset.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics

from domainlm.config.cleaning import CleanShards
from domainlm.text.characters import normalised, words
from domainlm.text.cleaning.clean import Cleaned, cleaned, rules_of
from domainlm.text.cleaning.presets import PRESETS
from domainlm.text.document import Document, read_documents

WRITTEN = Path(__file__).with_name("kinds_of_text.jsonl")
# of the default domain: what its sources are
SOURCES = {"scikit_learn_docs": "manual: scikit-learn guide", "wikipedia": "encyclopaedia: Wikipedia"}
_NUMBERED = re.compile(r"\n(?=[ \t]*(?:Section )?[0-9]{1,2}\. )")


def sections(folder: Path) -> Iterator[str]:
    for path in sorted(path for path in folder.glob("*") if path.is_file() and not path.is_symlink()):
        yield from _NUMBERED.split(path.read_text(encoding="utf-8", errors="replace"))


def corpora(licences: Path, documents: Path | None) -> dict[str, list[str]]:
    found = {"manual: Python's reference": list(topics.values()), "statute: licences": list(sections(licences))}
    for path in sorted(documents.glob("[0-9]*/documents.parquet")) if documents else ():
        for document in read_documents(path):
            if document.source in SOURCES:
                found.setdefault(SOURCES[document.source], []).append(document.text)
    for line in WRITTEN.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found.setdefault(f"{row['kind']}: written", []).append(row["text"])
    return found


def kept(text: str, config: CleanShards) -> str:
    document = Document(
        id="", source="", role="corpus", path="", section="", start=0, end=0, group="", links="[]", title="",
        text=normalised(text), meta="{}", licence="", authority="", stance="",
    )  # fmt: skip
    result = cleaned(document, rules_of(config))
    return result.document.text if isinstance(result, Cleaned) else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--licences", type=Path, default=Path("/usr/share/common-licenses"))
    parser.add_argument("--documents", type=Path, help="artifacts/medical/documents")
    arguments = parser.parse_args()
    configurations = {"no preset": CleanShards()}
    configurations |= {str(name): CleanShards(preset=name) for name in PRESETS}
    print("| text (documents) | " + " | ".join(configurations) + " |\n|---" + "|---" * len(configurations) + "|")
    for kind, texts in corpora(arguments.licences, arguments.documents).items():
        cells, size = [], sum(len(words(text)) for text in texts)
        for config in configurations.values():
            results = [kept(text, config) for text in texts]
            said = sum(len(words(text)) for text in results)
            cells.append(f"{sum(map(bool, results)) / len(texts):.0%}, {said / size:.0%}")
        print(f"| {kind} ({len(texts)}) | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
