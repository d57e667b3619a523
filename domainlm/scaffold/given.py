"""The optional arguments of `domainlm new`: instruction data and a base model.

In: sources of a checked configuration. Out: notes; `ConfigurationError` where a build would stop at them. The checks
are those of a build. Weights are not read, because names, headers and configurations of a checkpoint show the same
faults in a moment that a copy of it would show after minutes.
"""

from __future__ import annotations

import io
import os
import tempfile
from itertools import islice
from pathlib import Path

from domainlm.config.domain import DomainConfig
from domainlm.config.errors import ConfigurationError
from domainlm.contract import StageError
from domainlm.models.checkpoint_files import GGUF_NAME, check_checkpoint, collect_files
from domainlm.models.gguf_header import read_gguf_header
from domainlm.raw.expansion import facts_of, is_expanded
from domainlm.scaffold.survey import row_to_read
from domainlm.sources.folders import FAULTS, local_files
from domainlm.text.document import Document
from domainlm.text.reading.isolation import ReaderProcess
from domainlm.text.reading.pieces import Rejection
from domainlm.text.reading.readers import read_documents_of
from domainlm.text.reading.tables import RECORD_READERS
from domainlm.tokens.special import naming_source

# of instruction data: faults show in the first records
MAX_RECORDS = 1000
MAX_FILES = 10


def check_instructions(project: Path, name: str, config: DomainConfig) -> list[str]:
    """Check that the first records are conversations.

    Raises ConfigurationError where none is, or where the files hold no records.
    """
    local = config.sources[name].local
    conversations, rejected, packed = 0, list[str](), list[str]()
    with ReaderProcess(config.documents.max_seconds, config.documents.max_memory_mb) as process:
        for file in local_files(project, name, config.sources[name])[:MAX_FILES]:
            if file.fault is not None:
                raise ConfigurationError(f"--sft: cannot read {file.path} of {local}: {FAULTS[file.fault]}")
            with open(file.location, "rb") as opened:
                facts = facts_of(file.path, opened, None)
                if is_expanded(facts["media_type"], None):
                    packed.append(file.path)
                    continue
                if facts["format"] not in RECORD_READERS:
                    raise ConfigurationError(
                        f"--sft: {file.path} of {local} is {facts['format'] or facts['media_type']}; expected records with "
                        f"messages, one conversation each: {', '.join(sorted(RECORD_READERS))}"
                    )
                row = row_to_read(name, "instruction", file.path, file.identity[0], facts["format"], None)
                for found in islice(read_documents_of(row, opened, config.documents, process), MAX_RECORDS):
                    if isinstance(found, Document):
                        conversations += 1
                    elif isinstance(found, Rejection):
                        rejected.append(f"{file.path}, {found.reason}: {found.detail}")
    if not conversations and not packed:
        first = f" ({rejected[0]})" if rejected else ""
        raise ConfigurationError(
            f"--sft: {local} holds no conversation among the first {MAX_RECORDS} records{first}; expected lines such as "
            '{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}, or another form of '
            "docs/how-to/instruction-data.md"
        )
    notes = [f"{path} was not searched for conversations, because it is packed" for path in packed]
    if rejected:
        notes.append(
            f"{len(rejected)} of {conversations + len(rejected)} records of {local} are no conversations: {rejected[0]}"
        )
    return notes


def check_base_model(project: Path, name: str, config: DomainConfig) -> None:
    """Check that a checkpoint's files can be a base model.

    Raises ConfigurationError.
    """
    files = local_files(project, name, config.sources[name])
    faulty = next((file for file in files if file.fault is not None), None)
    if faulty is not None:
        raise ConfigurationError(f"--base: cannot read {faulty.path}: {FAULTS[faulty.fault or 'unreadable']}")
    places = {file.path: os.fsdecode(file.location) for file in files}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            with naming_source(name):
                # the files are chosen as in a build, then each is linked to its place
                collect_files([{"path": path} for path in places], lambda row: io.BytesIO(), folder)
                _link(folder, places)
                if (folder / GGUF_NAME).exists():
                    read_gguf_header(folder / GGUF_NAME)
                else:
                    check_checkpoint(folder)
        except StageError as error:
            raise ConfigurationError(f"--base: {config.sources[name].local}: {error}") from error


def _link(folder: Path, places: dict[str, str]) -> None:
    """Replace the empty files of a folder by links.

    All of a checkpoint's files lie in one folder.
    """
    configuration = next((path for path in places if Path(path).name == "config.json"), None)
    for file in sorted(folder.iterdir()):
        if configuration is None:
            target = next(place for path, place in places.items() if path.endswith(".gguf"))
        else:
            target = places[str(Path(configuration).with_name(file.name))]
        file.unlink()
        file.symlink_to(os.path.abspath(target))
