"""One copy of the bytes: `python benchmarks/store/disk_usage.py [PROJECT]`.

Compares what `du` counts over artifacts/, the store and DVC's cache in one call (hardlinks once) with the distinct
file sizes in all manifests plus the fetched objects. Scratch folders are left out.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from domainlm.store.location import dvc_cache_folder, store_folder
from domainlm.store.manifest import MANIFEST_NAME, read_manifest


def main() -> None:
    project = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    store, cache = store_folder(project), dvc_cache_folder(project)
    folders = [str(path) for path in (project / "artifacts", store, cache) if path.exists()]
    output = subprocess.run(
        ["du", "-sB1", "--total", "--exclude=scratch", *folders], check=True, capture_output=True, text=True
    ).stdout
    counted = int(output.splitlines()[-1].split()[0])
    sizes: dict[str, int] = {}
    for path in (project / "artifacts").rglob(MANIFEST_NAME):
        manifest = read_manifest(path.parent)
        sizes.update({entry.sha256: entry.size for entry in manifest.entries} if manifest else {})
    for path in (store / "objects").rglob("*"):
        # a fetched file is in no manifest of an output
        if path.is_file():
            sizes.setdefault(path.parent.name + path.name, path.stat().st_size)
    distinct = sum(sizes.values())
    print(f"du {counted} bytes, distinct {distinct} bytes, ratio {counted / distinct:.4f}")


if __name__ == "__main__":
    main()
