"""The package's own code as stages' keys see it: its index, the digest of a stage's code, and whose code runs.

In: a project, an artifact. Out: what is remembered of each module in `.domainlm/code_index.json`, code digests, definitions.
"""

from __future__ import annotations

from pathlib import Path

from domainlm.config.errors import ConfigurationError
from domainlm.pipeline.table import BY_NAME, EXCLUDED_MODULES, PACKAGE_ROOT, package_data_files
from domainlm.store.code import CodeIndex

CODE_INDEX_FILE = ".domainlm/code_index.json"


def check_package(project: Path) -> None:
    """A project that holds the package must be run by it: keys are of its code, and so must the bytes be.

    An experiment's folder is such a project, while an installed package is the checkout that it was installed from. Raises
    ConfigurationError.
    """
    own = project / "domainlm" / "pipeline" / "code.py"
    if own.exists() and not own.samefile(__file__):
        raise ConfigurationError(
            f"{project} holds its own domainlm/, but the code that runs is {PACKAGE_ROOT}'s; run snakemake or "
            "`python -m domainlm` inside the project (not the script `domainlm`), without PYTHONSAFEPATH"
        )


def code_index(project: Path) -> CodeIndex:
    return CodeIndex(PACKAGE_ROOT, project / CODE_INDEX_FILE, EXCLUDED_MODULES)


def code_definitions(project: Path, artifact: str) -> tuple[str, dict[str, dict[str, str]]]:
    """Code digest of an artifact's stage as its code is now, and what it is made of: file -> definition -> digest."""
    stage, code = BY_NAME[artifact], code_index(project)
    data = package_data_files(stage)
    return code.digest(stage.modules, data), code.definitions(stage.modules, data)
