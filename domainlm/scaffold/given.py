"""What `domainlm new` is given beside a folder: instruction data and a base model, checked as a build would check them.

In: sources of a checked configuration. Out: notes; `ConfigurationError` where a build would stop at them. Weights are not read:
names, headers and configurations of a checkpoint tell in a moment what a copy of it would tell after minutes.
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

# of instruction data: what is wrong with it is wrong from the start
MAX_RECORDS = 1000
MAX_FILES = 10


def check_instructions(project: Path, name: str, config: DomainConfig) -> list[str]:
    """Whether the first records are conversations. Raises ConfigurationError where none is, or the files hold no records."""
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
            '{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}'
        )
    notes = [f"whether {path} holds conversations was not looked at, as it is packed" for path in packed]
    if rejected:
        notes.append(f"{len(rejected)} of {conversations + len(rejected)} records of {local} are none: {rejected[0]}")
    return notes


def check_base_model(project: Path, name: str, config: DomainConfig) -> None:
    """Whether a checkpoint's files can be one. Raises ConfigurationError."""
    files = local_files(project, name, config.sources[name])
    faulty = next((file for file in files if file.fault is not None), None)
    if faulty is not None:
        raise ConfigurationError(f"--base: cannot read {faulty.path}: {FAULTS[faulty.fault or 'unreadable']}")
    places = {file.path: os.fsdecode(file.location) for file in files}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            with naming_source(name):
                # chosen as a build chooses them, then each led to where it lies
                collect_files([{"path": path} for path in places], lambda row: io.BytesIO(), folder)
                _link(folder, places)
                if (folder / GGUF_NAME).exists():
                    read_gguf_header(folder / GGUF_NAME)
                else:
                    check_checkpoint(folder)
        except StageError as error:
            raise ConfigurationError(f"--base: {config.sources[name].local}: {error}") from error


def _link(folder: Path, places: dict[str, str]) -> None:
    """Put links in the place of the empty files of a folder; all of a checkpoint's files lie in one folder."""
    configuration = next((path for path in places if Path(path).name == "config.json"), None)
    for file in sorted(folder.iterdir()):
        if configuration is None:
            target = next(place for path, place in places.items() if path.endswith(".gguf"))
        else:
            target = places[str(Path(configuration).with_name(file.name))]
        file.unlink()
        file.symlink_to(os.path.abspath(target))
