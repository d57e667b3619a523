"""Tree digests of every installed artifact: `python benchmarks/store/tree_digests.py [PROJECT]`; compare two clones with diff."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path


def main() -> None:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".") / "artifacts"
    for path in sorted(root.rglob("manifest.json")):
        print(hashlib.sha256(path.read_bytes()).hexdigest()[:32], path.parent.relative_to(root))


if __name__ == "__main__":
    main()
