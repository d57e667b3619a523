from __future__ import annotations
import time


def test_tree(built_tree):
    print(built_tree.path)
    t = time.time()
    with built_tree.outcomes() as done:
        out = built_tree.snakemake()
    print(time.time() - t, done, out)
