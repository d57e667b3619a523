"""Other Pythons on this machine, for what must be the same under each."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def interpreter(version: str) -> str | None:
    """A Python of this version: on the path, or among pyenv's."""
    folders = sorted((Path.home() / ".pyenv/versions").glob(f"{version}.*/bin/python"))
    # pyenv's own shims on the path fail for versions that are not chosen
    for candidate in [*map(str, folders), shutil.which(f"python{version}")]:
        if candidate is None:
            continue
        done = subprocess.run([candidate, "-c", "import ast"], capture_output=True, check=False)
        if done.returncode == 0:
            return candidate
    return None
