"""Where the store lies: beside DVC's cache folder, found through DVC's own configuration.

In: the project folder and the environment. Out: the store's folder. It must be on the file system of DVC's cache, so
that both hold one copy of the bytes; and `dvc exp run --temp` works in another folder whose `.dvc/config.local` names
the cache absolutely, so a store that is found through the cache is found there too. `DOMAINLM_STORE` overrides. DVC
itself is not imported (0.5 s).
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from pathlib import Path

STORE_VARIABLE = "DOMAINLM_STORE"
STORE_FOLDER = "domainlm-store"


def dvc_cache_folder(project: Path) -> Path:
    """Folder of DVC's cache: `cache.dir` of config.local or config, else `.dvc/cache`."""
    for name in ("config.local", "config"):
        parser = configparser.ConfigParser(interpolation=None)
        file = project / ".dvc" / name
        if file.is_file():
            parser.read(file, encoding="utf-8")
            if parser.has_option("cache", "dir"):
                return (project / ".dvc" / parser.get("cache", "dir")).resolve()
    return (project / ".dvc" / "cache").resolve()


def store_folder(project: Path, environment: Mapping[str, str] = os.environ) -> Path:
    override = environment.get(STORE_VARIABLE)
    if override:
        return (project / override).resolve()
    return dvc_cache_folder(project).parent / STORE_FOLDER
