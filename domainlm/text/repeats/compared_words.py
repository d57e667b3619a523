"""The words of a text for comparison, with the signs that tell.

In: a text. Out: its words (`text.characters`), and among them the signs by which texts say different things: < and >,
+5 and -5, 10⁻³ and 10⁻⁶, C++ and C#, += and *=, ½ and ¼, € and £. Marks of prose and layout stay out: points,
quotation marks, hyphens, bullets, the marks of Markdown, ruled lines. Of the signs that one may take for another, the
most frequent one stays out, too ($, %, the hyphen): one of two that differ is enough. Property kept: a text without a
telling sign has the words that it has everywhere else. A sign weighs as much as a word: two long texts that differ in
one of them are as similar as two that differ in a number.
"""

from __future__ import annotations

import re

from domainlm.text.characters import WORD_PATTERN, words

# raised and lowered digits and signs, and what they are on the line
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ", "0123456789+-=()ni", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎", "0123456789+-=()", strict=True))
_RAISED_RUN, _LOWERED_RUN = (re.compile(f"[{re.escape(''.join(signs))}]+") for signs in (_RAISED, _LOWERED))
_ON_THE_LINE = str.maketrans(_RAISED | _LOWERED)
_TO_ASCII = str.maketrans("−–‐‑＋－＜＝＞＾～＆＃＊／", "----+-<=>^~&#*/")
# signs that tell wherever they stand: currencies, ± × ÷, fractions, per mille, letterlike ones (℃, not ™), Roman and circled
# numbers, arrows, mathematics but its dots, ticks and crosses, sexes
_TELLING = (
    "\xa2-\xa5\xb1\xbc-\xbe\xd7\xf7\u2030\u2031\u2033\u2034\u20a0-\u20cf\u2100-\u2115\u2117-\u211f\u2123-\u218b"
    "\u2190-\u2216\u221a-\u2235\u2237-\u22c3\u22c7-\u22ff\u2460-\u24ff\u2610-\u2612\u2640\u2642"
    "\u266d-\u266f\u2713-\u2718\u27c0-\u27ef\u27f0-\u27ff\u2900-\u2aff"
)
# layout: bullets and quotations at the beginning of a line, ruled lines, comments of markup
_LAYOUT = re.compile(r"^[ \t>]*(?:[-+*>][ \t]+|>)+|[-+=<>~^*#|]{4,}|<!--|-->", re.MULTILINE)
# ASCII ones tell by their place. A run of two or three; +, <, >, =, ^ anywhere; ~ and - before a number, - and / and * between
# numbers or single letters; # behind a letter; * and & with a space on both sides, / beside a number; ! before a name
_OPERAND_BEFORE = r"(?:(?<=[0-9)\]])|(?<=[0-9)\]] )|(?<=[ (\n][a-z] )|(?<=^[a-z] ))"
_SIGN = (
    rf"[{_TELLING}]|(?:\+\+|&&|(?<=[0-9)])\*\*(?=[0-9a-z(])|[-+*/%&|!<>=^:]=|[-=<]>|<-|<<|>>)"
    r"|[+<>=^]|~(?=[0-9])|(?<![a-z0-9)\]])-(?=\.?[0-9])|(?<=\^)-|(?<=[a-z])\#(?![a-z0-9])|(?<= )[*&](?= )|(?<![a-z0-9!?.])!(?=[a-z_(])"
    rf"|{_OPERAND_BEFORE}[-*/](?= ?[0-9(])|{_OPERAND_BEFORE}[*/](?= ?[a-z](?![a-z0-9]))"
)
_COMPARED = re.compile(f"{WORD_PATTERN}|{_SIGN}", re.MULTILINE)
# none of these, no telling sign: nearly all prose ends here
_MAY_TELL = re.compile(rf"[{_TELLING}+<>=^~&#*/!]|-[.0-9]|[0-9)\]] ?-")


def compared_words(text: str) -> list[str]:
    """Lower-case words and telling signs, in order."""
    if not text.isascii():
        text = _LOWERED_RUN.sub(lambda run: run[0].translate(_ON_THE_LINE), text)
        text = _RAISED_RUN.sub(lambda run: "^" + run[0].translate(_ON_THE_LINE), text).translate(_TO_ASCII)
    if not _MAY_TELL.search(text):
        return words(text)
    return _COMPARED.findall(_LAYOUT.sub(" ", text.lower()))
