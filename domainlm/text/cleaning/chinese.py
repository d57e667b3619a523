"""Rules for Chinese spam, scan noise and lists, beyond the published ones.

The published rules were made for English. In: a text as `Parts`. Out: each rule's name and measured value. All are
shares, so a short passage is judged like a long one. Characters of function words (的, 了, 是) are in every sentence and
in no list of keywords; a bad scan has spaces between characters and specks of dirt among them; an advert shouts. Lines
that were broken at one width are no spaces: of plain text, or of a page whose line breaks became spaces. The
thresholds were chosen for domainlm on the half of benchmarks/text/chinese_passages.jsonl that is not reported;
benchmarks/text/chinese_quality.py measures them on the other half. A language model would reject more, but takes a
thousand times as long.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from domainlm.text.characters import is_word
from domainlm.text.cleaning.parts import Parts

_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_HAN_CHARACTER = re.compile(f"[{_HAN}]")
_SPACED = re.compile(f"(?<=[{_HAN}])[ \u3000\n](?=[{_HAN}])")
_BLANKS = re.compile("[ \u3000\n]+")
# a line of at most 12 characters is short (`conventions.py`): of a menu, or of a broken scan
MIN_BROKEN_CHARS = 13
# a mark that may not begin a line, or a word of another script, moves the end of a line
BREAK_PLAY_CHARS = 2
MIN_REGULAR_SHARE = 0.7
# both scripts
FUNCTION_CHARACTERS = (
    "的了是在和有不這这以對对為为與与中也就而及其我他她它們们一個个上人來来到時时大地着著過过能要會会可都還还從从被把"
)
# tokens that are marks; an ellipsis is one
MARKS_OF_PROSE = frozenset(("...", "……", *"，。！？；：、“”‘’（）《》〈〉【】「」『』…—·,.!?;:'\"()[]-–/%~℃°×＋+&#@*"))


def _spaces(text: str) -> int:
    """Spaces and line breaks between two Chinese characters.

    Those that broke a text at one width are none: long stretches of text, most of them equally long, are before them.
    """
    places = [match.start() for match in _SPACED.finditer(text)]
    if not places:
        return 0
    before, at = dict[int, int](), 0
    for match in _BLANKS.finditer(text):
        before[match.start()] = match.start() - at
        at = match.end()
    widths = [width for place in places if (width := before[place]) >= MIN_BROKEN_CHARS]
    if not widths:
        return len(places)
    counts = Counter(widths)
    near = range(-BREAK_PLAY_CHARS, BREAK_PLAY_CHARS + 1)
    broken = max(sum(counts[width + play] for play in near) for width in sorted(counts))
    return len(places) - (broken if broken >= MIN_REGULAR_SHARE * len(widths) else 0)


def measures(parts: Parts) -> Iterator[tuple[str, float]]:
    """Nothing for a text without Chinese characters."""
    counts = parts.counts
    han = symbols = 0
    for token, count in counts.items():
        if _HAN_CHARACTER.match(token):
            han += count
        elif token not in MARKS_OF_PROSE and not is_word(token):
            symbols += count
    if not han:
        return
    function = sum(counts[character] for character in FUNCTION_CHARACTERS)
    yield "chinese_min_function_share", function / han
    yield "chinese_max_exclamation_share", (counts["！"] + counts["!"]) / len(parts.tokens)
    yield "chinese_max_symbol_share", symbols / len(parts.tokens)
    yield "chinese_max_spaced_share", _spaces(parts.text) / han
