"""The beginning of a text, for a person to look at in a list of what was rejected.

In: a text. Out: its first characters, without personal data and secrets, whatever the configuration does about those: a
list is read and sent around where the corpus is not. In a module of its own, because stages that do not clean list, too.
"""

from __future__ import annotations

from domainlm.text.cleaning.pii import personal_data
from domainlm.text.cleaning.secrets import secrets_in
from domainlm.text.cleaning.spans import masked, without_overlaps

# how far behind an excerpt's end a number or key may go on
MARGIN_CHARS = 300


def masked_excerpt(text: str, max_chars: int = 160) -> str:
    """At most max_chars characters."""
    start = text[: max_chars + MARGIN_CHARS]
    return masked(start, without_overlaps([*secrets_in(start), *personal_data(start)]))[:max_chars]
