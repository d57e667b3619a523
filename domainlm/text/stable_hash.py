"""A hash that is equal in every run and on every machine.

It serves choices that must not depend on order.
"""

from __future__ import annotations

import hashlib


def stable_hash(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{name}".encode("utf-8", "surrogatepass")).digest()
