"""Artifact `base_model`: the base checkpoint as safetensors and a tokenizer.

In: the files of the source with role base_model (one GGUF file, or a Hugging Face folder). Out: a checkpoint folder
that plain transformers loads, and tokens.json. `domainlm.models.convert` describes the checks.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from domainlm.config.sources import BaseModelSlice
from domainlm.contract import Inputs, Resources, StageError, Stats
from domainlm.models.checkpoint_files import collect_files
from domainlm.models.convert import convert
from domainlm.models.parallel import use_one_thread
from domainlm.text.json_files import write_json
from domainlm.tokens.special import naming_source


def run(inputs: Inputs, config: BaseModelSlice, out: Path, scratch: Path, resources: Resources) -> Stats:
    section = config.section
    if inputs.open_raw is None:
        raise StageError("base_model was given no raw files; expected those of the source with role base_model")
    use_one_thread()
    source = scratch / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    with naming_source(config.source["source"]):
        sizes = collect_files(config.files, inputs.open_raw, source)
        resources.progress(1, 2, {})
        tokens = convert(source, out, section, config.has_system_turn, resources.log)
    write_json(out / "source.json", source_facts(config, sizes))
    return asdict(tokens)


def source_facts(config: BaseModelSlice, sizes: list[int]) -> dict[str, Any]:
    """The report's facts on the base model's source.

    They are name, labels, package and version, files and bytes.
    """
    origin = config.hub or (config.files[0] if config.files else {})
    package, version = origin.get("package", origin.get("repository")), origin.get("version", origin.get("revision"))
    return {**config.source, "package": package, "version": version, "files": len(sizes), "bytes": sum(sizes)}
