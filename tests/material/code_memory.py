"""What a project remembers of the package's code, made once for all the projects that tests make."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path


@cache
def _known_code() -> bytes:
    from domainlm.pipeline.code import CODE_INDEX_FILE, code_index
    from domainlm.pipeline.table import STAGES

    with tempfile.TemporaryDirectory() as folder:
        index = code_index(Path(folder))
        for stage in STAGES:
            index.digest(stage.modules, [])
        index.save()
        return (Path(folder) / CODE_INDEX_FILE).read_bytes()


def know_code(project: Path) -> None:
    """Let a project remember the digests of the package's modules, which each would take two seconds to find out."""
    (project / ".domainlm").mkdir(exist_ok=True)
    (project / ".domainlm/code_index.json").write_bytes(_known_code())
