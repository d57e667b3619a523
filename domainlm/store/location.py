"""The place of the store: beside DVC's cache folder, from DVC's configuration.

In: the project folder and the environment. Out: the store's folder. It must be on the file system of DVC's cache, so
that both hold one copy of the bytes. `dvc exp run --temp` works in another folder whose `.dvc/config.local` names the
cache absolutely, so a store that is found through the cache is found there too. `DOMAINLM_STORE` overrides. All of
DVC's files count, the user's and the machine's too, because the temporary folder's configuration was merged from all
of them. DVC itself is not imported (0.5 s).
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from pathlib import Path

import platformdirs

STORE_VARIABLE = "DOMAINLM_STORE"
STORE_FOLDER = "domainlm-store"
EXPERIMENTS = (".dvc", "tmp", "exps")


def experiment_origin(project: Path) -> Path | None:
    """The project that started the DVC experiment of this workspace, or None.

    The experiment is one of `--temp` or `--queue`.
    """
    for parent in project.resolve().parents:
        if parent.parts[-3:] == EXPERIMENTS:
            return parent.parents[2]
    return None


def dvc_configuration_files(project: Path, environment: Mapping[str, str] = os.environ) -> list[Path]:
    """DVC's configuration files, strongest first: clone, project, user, machine."""
    user = environment.get("DVC_GLOBAL_CONFIG_DIR") or platformdirs.user_config_dir("dvc", "iterative")
    machine = environment.get("DVC_SYSTEM_CONFIG_DIR") or platformdirs.site_config_dir("dvc", "iterative")
    return [project / ".dvc/config.local", project / ".dvc/config", Path(user, "config"), Path(machine, "config")]


class LocationError(OSError):
    """A file that says where things are cannot be read.

    The message names the file and the line. It is worded as for other unreadable files.
    """


def read_dvc_file(file: Path) -> configparser.ConfigParser:
    """One of DVC's files, empty if it does not exist.

    Raises LocationError, which does not quote the file, because it may hold passwords.
    """
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(file, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        line = getattr(error, "lineno", None) or next((number for number, _ in getattr(error, "errors", ())), None)
        where = "" if line is None else f", line {line}"
        raise LocationError(
            f"{file}{where}: not in DVC's format; repair it, or write it again with `dvc config`"
        ) from None
    return parser


def dvc_cache_folder(project: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Folder of DVC's cache: `cache.dir`, else `.dvc/cache`.

    `cache.dir` is relative to the file that sets it.
    """
    for file in dvc_configuration_files(project, environment):
        if file.is_file():
            parser = read_dvc_file(file)
            if parser.has_option("cache", "dir"):
                named = parser.get("cache", "dir").strip("\"'")
                return (file.parent / os.path.expanduser(named)).resolve()
    return (project / ".dvc" / "cache").resolve()


def store_folder(project: Path, environment: Mapping[str, str] = os.environ) -> Path:
    override = environment.get(STORE_VARIABLE)
    if override:
        return ((experiment_origin(project) or project) / override).resolve()
    return dvc_cache_folder(project, environment).parent / STORE_FOLDER
