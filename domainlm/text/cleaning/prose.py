"""The lines of a text that are prose, without code and data.

In: a normalised text. Out: its lines that are told to a reader. A brace or `return -1;` that stands there again is not
said again, so rules about repetition look at these lines. Content decides, in one pass over the lines: what stands in
a fence; what ends, begins or is joined as statements, JSON and markup are; an indented block of which a third looks so;
a line without a letter or digit. The name of the file does not, because manuals and forums hold code, too. Doubt is
prose: an indented line that ends as a sentence ends is one.
"""

from __future__ import annotations

import re

from domainlm.text.characters import is_word

_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})")
_ENDS = "{}[(;\\"
_BRACKETS = frozenset("{}[]();")
_SENTENCE_ENDS = (".", "?", "!", '."', ".'", ".)", "。", "！", "？", "…", "”", "」")
# a key with its value, a tag, a comment, a prompt, a directive, an annotation, what closes
_BEGINS = re.compile(
    r"[\"'][^\"']{0,80}[\"'] ?:|</?[A-Za-z][^<>]{0,200}>|<[!?]|//|/\*|\*/|#(?:include|define|if|ifdef|ifndef|else|endif)(?![a-z])|"
    r"[$%] [a-z./]|>>>|@[A-Za-z_.]{1,40}(?:\(|$)|[{}\])]|\[(?:[-0-9.]+,|[\"'{\[])"
)
# values, a key with a word, words that fill a line in code, a call
_ALONE = re.compile(
    r"(?:[-+]?[0-9][0-9.eE+-]*|true|false|null|True|False|None|NULL|[\"'][^\"' ]{0,200}[\"']),?|"
    r"(?:- )?[a-z][A-Za-z0-9_.-]{0,40}:(?: [^ ]+)?|"
    r"else|then|do|done|fi|esac|end|END|BEGIN|pass|break|continue|return|ret|nop|"
    r"(?:(?:await|return|raise|yield|echo) )?[A-Za-z_][A-Za-z0-9_.]{0,60}\([^()]{0,200}\)"
)
_JOINED = re.compile(
    r"\(\)|&&|\|\||[-=]>|[A-Za-z0-9_]::[A-Za-z_~]|</|[A-Za-z0-9_\])] ?(?:[-+*/|&^:!<>]?=|==) ?[A-Za-z0-9_\"'(\[{-]"
)
# only in an indented block: prose has such lines, too
_INDENTED = re.compile(r"(?:- )?[A-Za-z_][A-Za-z0-9_.-]{0,40}:(?: .*)?|.*[,:]")
_IS_INDENTED = re.compile(r"\t| {2}")


def _is_code(line: str) -> bool:
    """Whether a stripped line that has a word looks like code."""
    if line[-1] in _ENDS or _BEGINS.match(line):
        return True
    return not line.endswith(_SENTENCE_ENDS) and bool(_ALONE.fullmatch(line) or _JOINED.search(line))


def prose_lines(text: str) -> list[str]:
    """The lines of prose, without the blanks around them."""
    kept: list[str] = []
    # of the indented block so far: lines in doubt, and how many lines of it are code
    doubtful: list[str] = []
    looks = 0
    fence = ""

    def end_block() -> None:
        nonlocal looks
        if 2 * looks < len(doubtful):
            kept.extend(doubtful)
        doubtful.clear()
        looks = 0

    for line in text.split("\n"):
        mark = _FENCE.match(line)
        stripped = line.strip()
        if fence or (mark and mark[1][0] not in stripped.lstrip(">` \t~")):
            if not fence and mark:
                fence = mark[1]
            elif mark and mark[1].startswith(fence) and not stripped.strip("> \t").strip(fence[0]):
                fence = ""
        elif not is_word(stripped):
            looks += not _BRACKETS.isdisjoint(stripped)
        elif _is_code(stripped):
            looks += 1
        elif not _IS_INDENTED.match(line) or stripped.endswith(_SENTENCE_ENDS):
            end_block()
            kept.append(stripped)
        elif _INDENTED.fullmatch(stripped):
            looks += 1
        else:
            doubtful.append(stripped)
    end_block()
    return kept
