"""C4's rules (Raffel et al. 2020): only lines of prose are kept.

In: a text, the conventions of its language, the thresholds in force. Out: the lines of prose, without citation marks;
then the measures of this text. Blank lines stay, although the reference code joins all lines: they are the borders of
paragraphs. Its list of bad words is not used: a domain has its own word lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from domainlm.text.characters import words
from domainlm.text.cleaning.conventions import Conventions
from domainlm.text.cleaning.gopher import Limits

# enough to see whether a line has a few words
MAX_CHARS_COUNTED = 200
_BLANK_LINES = re.compile(r"\n{3,}")


def lines_kept(text: str, conventions: Conventions, limits: Limits) -> str:
    """The text without the lines that a rule for lines refuses."""
    lowered = text.lower()
    # looked for once in the whole text: nearly no text holds one
    phrases = [phrase for phrase in conventions.policy_phrases if phrase in lowered and "c4_max_line_policy" in limits]
    if "c4_max_line_javascript" in limits and "javascript" in lowered:
        phrases.append("javascript")
    kept = []
    for line in text.split("\n"):
        found = conventions.citation.sub("", line).rstrip(" \t") if "[" in line else line
        is_refused = any(phrase in line.lower() for phrase in phrases)
        if not line or (not is_refused and _is_prose(found, conventions, limits)):
            kept.append(found)
    return _BLANK_LINES.sub("\n\n", "\n".join(kept)).strip("\n")


def _is_prose(line: str, conventions: Conventions, limits: Limits) -> bool:
    end = line.rstrip(conventions.closing_marks)
    is_ended = end.endswith(conventions.line_ends) and not end.endswith(conventions.line_ends_not)
    if not is_ended and limits.get("c4_min_line_end_marks", 0) >= 1:
        return False
    min_words = int(limits.get("c4_min_line_words", 0))
    if conventions.is_unspaced:
        count = len(words(line[:MAX_CHARS_COUNTED]))
    else:
        count = len(line.split(None, min_words))
    if count < min_words:
        return False
    max_chars = limits.get("c4_max_word_chars", len(line))
    return len(line) <= max_chars or max(map(len, conventions.spaced_word.findall(line)), default=0) <= max_chars


def document_measures(text: str, conventions: Conventions, limits: Limits) -> Iterator[tuple[str, float]]:
    yield "c4_max_lorem_ipsum", text.lower().count("lorem ipsum")
    yield "c4_max_curly_brackets", text.count("{")
    # no further than needed
    wanted = int(limits.get("c4_min_sentences", 0))
    yield "c4_min_sentences", sum(1 for _ in islice(conventions.sentence_end.finditer(text), wanted))
