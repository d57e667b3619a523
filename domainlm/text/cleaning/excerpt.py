"""The beginning of a rejected text, for a person to read.

In: a text, cleaned or as read. Out: its first characters in normal form, without personal data and secrets, whatever
the configuration does about those: a list is read and sent to places where the corpus is not. The form is normal,
because an invisible character within a number hides it. It is a separate module, because stages that do not clean
write lists, too.
"""

from __future__ import annotations

import re

from domainlm.text.characters import normalised
from domainlm.text.cleaning.pii import personal_data
from domainlm.text.cleaning.secrets import secrets_in
from domainlm.text.cleaning.spans import Span, masked, without_overlaps

# how far behind an excerpt's end a number or key may go on
MARGIN_CHARS = 300
# a private key is longer than the margin: an excerpt ends where one begins
_KEY = re.compile("-----BEGIN [A-Z ]{0,20}PRIVATE KEY.*", re.DOTALL)
# so may a web token be: its beginning is enough, or all that is there
_TOKEN = re.compile(r"eyJ[0-9A-Za-z_\-]{10,1000}+(?:\.eyJ[0-9A-Za-z_\-]*+(?:\.[0-9A-Za-z_\-]++)?|\.?\Z)")


def _findings(text: str) -> list[Span]:
    found = [Span("private_key", *match.span()) for match in _KEY.finditer(text)]
    found += [Span("json_web_token", *match.span()) for match in _TOKEN.finditer(text)]
    return without_overlaps([*found, *secrets_in(text), *personal_data(text)])


def masked_place(text: str) -> str:
    """A title, section or heading in full."""
    text = normalised(text)
    return masked(text, _findings(text))


def masked_excerpt(text: str, max_chars: int = 160) -> str:
    """At most max_chars characters."""
    # of twice as many, because a mask may be shorter than what it stands for; what is cut off at the margin is never shown
    shown = 2 * max_chars
    text = normalised(text)[: shown + MARGIN_CHARS]
    found = [span for span in _findings(text) if span.start < shown]
    end = max([shown, *(span.end for span in found)])
    return masked(text[:end], found)[:max_chars]
