"""peft's name of the one adapter that a model here has."""

from __future__ import annotations

ADAPTER = "default"
