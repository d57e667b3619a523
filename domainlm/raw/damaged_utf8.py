"""UTF-8 that is damaged in a few places.

In: bytes that are not valid UTF-8. Out: their text as UTF-8, with U+FFFD for what is damaged, and whether they are UTF-8 at
all. A stray byte, a cut character, one line pasted in another set leave all other characters whole, and a whole character of
two bytes or more hardly ever arises by accident: of bytes in another set nearly every group is a fault. So characters are
counted against faults; where both are few, the text competes with its readings in other sets (`bits_as_utf8`). Characters
beyond 16 bits that were written as two surrogates (CESU-8: Java, MySQL, Oracle) are read as what they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# whole characters beyond ASCII for each fault, and at least, for bytes that are UTF-8 without a doubt
MIN_WHOLE_PER_FAULT, MIN_WHOLE = 8, 8
# more faults than this for each whole character: the bytes are in another set
MAX_FAULTS_PER_WHOLE = 4
_SURROGATES = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")
_REPLACEMENT = "\ufffd".encode()
_BEYOND_ASCII = bytes(range(0x80, 0x100))
# of a large file, the bytes around the first fault tell whether it is worth decoding all
PROBED_BYTES = 50_000
# the first bytes of a character that the end of the bytes cuts
_CUT = re.compile(rb"(?:[\xc2-\xf4]|[\xe0-\xf4][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{2})\Z")


@dataclass(frozen=True)
class Damaged:
    """Text of damaged UTF-8.

    whole: characters beyond ASCII; faults: places where it is damaged, without a character cut at the end (is_cut).
    """

    text: str
    whole: int
    faults: int
    is_cut: bool

    @property
    def is_certain(self) -> bool:
        """Whether the bytes are UTF-8 without a doubt."""
        enough = self.whole >= max(MIN_WHOLE, MIN_WHOLE_PER_FAULT * self.faults)
        # nothing but the end is damaged, or only surrogates are written otherwise
        return enough or (self.whole > 0 and not self.faults and not self.is_cut)


def _paired(match: re.Match[bytes]) -> bytes:
    return match[0].decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16").encode()


def damaged_utf8(data: bytes, first_fault: int = 0) -> Damaged | None:
    """The text of damaged UTF-8; None if it has too many faults."""
    if len(data) > 4 * PROBED_BYTES:
        at = max(first_fault - PROBED_BYTES, 0)
        if damaged_utf8(data[at : at + 2 * PROBED_BYTES]) is None:
            return None
    if b"\xed" in data:
        data = _SURROGATES.sub(_paired, data)
    text = data.decode("utf-8", "replace")
    replaced = text.count("\ufffd")
    whole = len(text) - replaced - len(data.translate(None, _BEYOND_ASCII))
    is_cut = _CUT.search(data[-3:]) is not None and text.endswith("\ufffd") and not data.endswith(_REPLACEMENT)
    faults = replaced - data.count(_REPLACEMENT) - is_cut
    return Damaged(text, whole, faults, is_cut) if whole and whole >= faults / MAX_FAULTS_PER_WHOLE else None
