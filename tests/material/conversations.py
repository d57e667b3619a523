"""A question, its answer, and turns as rows of instruction data hold them."""

from __future__ import annotations

from typing import Any

ASKED, SAID = "How long should tea steep?", "About four minutes."
TURNS = [("user", ASKED), ("assistant", SAID)]


def said(*pairs: tuple[str, Any], who: str = "role", what: str = "content") -> list[dict[str, Any]]:
    return [{who: role, what: text} for role, text in pairs]
