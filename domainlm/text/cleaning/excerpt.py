"""The beginning of a text, for a person to look at in a list of what was rejected.

In: a text, cleaned or as read. Out: its first characters in normal form, without personal data and secrets, whatever the
configuration does about those: a list is read and sent around where the corpus is not. In normal form, because an invisible
character within a number hides it. In a module of its own, because stages that do not clean list, too.
"""

from __future__ import annotations

import re

from domainlm.text.characters import normalised
from domainlm.text.cleaning.pii import personal_data
from domainlm.text.cleaning.secrets import secrets_in
from domainlm.text.cleaning.spans import Span, masked, without_overlaps

# how far behind an excerpt's end a number or key may go on
MARGIN_CHARS = 300
# a private key is longer than the margin: what follows where it begins is of it unless it ends
_KEY_BEGINS = re.compile("-----BEGIN [A-Z ]{0,20}PRIVATE KEY(?!.*-----END )", re.DOTALL)


def _without_findings(text: str) -> str:
    found = [Span("private_key", match.start(), len(text)) for match in _KEY_BEGINS.finditer(text)]
    return masked(text, without_overlaps([*found, *secrets_in(text), *personal_data(text)]))


def masked_place(text: str) -> str:
    """A title, section or heading in full."""
    return _without_findings(normalised(text))


def masked_excerpt(text: str, max_chars: int = 160) -> str:
    """At most max_chars characters."""
    return _without_findings(normalised(text[: max_chars + MARGIN_CHARS]))[:max_chars]
