"""One distribution file from a Python package index, by pip.

In: package, version, kind (wheel or sdist), and the archive's digest where it is declared. Out: the file, in a folder.
No code of the distribution runs, and nothing opens it. The ordinary client does the download, so a proxy, a mirror or
an air-gapped index works as it does for every other installation. It runs in a separate process
(domainlm/sources/pip_download.py), so that pip's modules are not loaded into this one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from domainlm.contract import StageError
from domainlm.raw.raw_file import Declared
from domainlm.store.secrets import without_secrets

PROGRAM = Path(__file__).with_name("pip_download.py")


def download(row: Declared, folder: Path) -> Path:
    """Download the distribution file. Raises StageError with pip's own last error."""
    target = folder / "dist"
    target.mkdir()
    wanted = {
        "package": row["package"],
        "version": row["version"],
        "kind": row["kind"],
        # the declared digest is the member's, so its archive has none
        "sha256": row.get("sha256") if row["member"] is None else None,
        "folder": str(target),
    }
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    # -P: without it, modules beside the program would be found before those that pip imports
    command = [sys.executable, "-P", str(PROGRAM), json.dumps(wanted)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    result = target / "result.json"
    if done.returncode != 0 or not result.exists():
        lines = (done.stderr + done.stdout).strip().splitlines() or ["pip printed nothing"]
        reason = next((line for line in reversed(lines) if line.lower().startswith("error:")), lines[-1])
        raise StageError(
            f"source {row['source']}: cannot download {row['package']}=={row['version']} ({row['kind']}): "
            f"{without_secrets(reason)}; check the network, or pip's index settings"
        )
    return target / str(json.loads(result.read_bytes())["file"])
