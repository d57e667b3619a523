"""What a test says that needs more than this machine has."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def unavailable(reason: str) -> NoReturn:
    """Skip by name; where the environment says CI, fail: there, everything that tests need is installed."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
