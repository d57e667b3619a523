"""The package's code as stages' keys see it: index, digests, origin.

In: a project, an artifact. Out: the index of modules in `.domainlm/code_index.json`, the digest of a stage's code, and
its definitions.
"""

from __future__ import annotations

from pathlib import Path

from domainlm.config.errors import ConfigurationError
from domainlm.pipeline.table import BY_NAME, EXCLUDED_MODULES, PACKAGE_ROOT, package_data_files
from domainlm.store.code import CodeIndex

CODE_INDEX_FILE = ".domainlm/code_index.json"


def check_package(project: Path) -> None:
    """Check that a project which holds the package is run by it.

    Keys are made of the project's code, so its code must also make the bytes. An experiment's folder is such a project,
    while an installed package is the checkout that it was installed from. Raises ConfigurationError.
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
    """Code digest of an artifact's stage, and the definitions behind it.

    The definitions are file -> definition -> digest, of the code as it is now.
    """
    stage, code = BY_NAME[artifact], code_index(project)
    data = package_data_files(stage)
    return code.digest(stage.modules, data), code.definitions(stage.modules, data)
