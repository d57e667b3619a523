"""Characters of symbol fonts in Word documents, as Unicode.

In: a character's code and its font. Out: the character that a reader of the page sees. Word keeps a symbol as a code of its
font (`w:sym`), or as a private character (U+F020 to U+F0FF) in a run of that font; without the font's table a dose of
5 micrograms becomes one of 5 g. The table of Symbol is whole; of the Wingdings only signs that carry meaning are here, and
the others are dropped as ornaments.
"""

from __future__ import annotations

# Symbol from 0x20 and from 0xA0 on, in the order of its codes
_SYMBOL_LOW = " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλ\xb5νοπθρστυϖωξψζ{|}∼"
_SYMBOL_HIGH = "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪\0〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭"
_SYMBOL = {
    code: character
    for start, characters in ((0x20, _SYMBOL_LOW), (0xA0, _SYMBOL_HIGH))
    for code, character in enumerate(characters, start)
    if character != "\0"
}
_WINGDINGS = {
    **dict(zip(range(0x80, 0x8B), "⓪①②③④⑤⑥⑦⑧⑨⑩", strict=True)),
    **dict(zip(range(0x8B, 0x96), "⓿❶❷❸❹❺❻❼❽❾❿", strict=True)),
    **{0x20: " ", 0x28: "☎", 0x2A: "✉", 0x4A: "☺", 0x4C: "☹", 0x6C: "●", 0x6E: "■", 0x6F: "□", 0x71: "❑", 0x72: "❒"},
    **{0x76: "❖", 0x9F: "•", 0xA7: "▪", 0xA8: "☐", 0xAB: "★", 0xD8: "➢", 0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓"},
    **{0xE7: "←", 0xE8: "→", 0xEF: "⇦", 0xF0: "⇨", 0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑"},
}
_WINGDINGS_2 = {0x20: " ", 0x4F: "✗", 0x50: "✓", 0x51: "☒", 0x52: "☑", 0x53: "☒", 0x54: "☒", 0x97: "•", 0xA3: "☐"}
_WEBDINGS = {0x20: " ", 0x61: "✓", 0x63: "□", 0x72: "✗"}
_FONTS = {"symbol": _SYMBOL, "wingdings": _WINGDINGS, "wingdings 2": _WINGDINGS_2, "webdings": _WEBDINGS}
# ornaments and arrows only
_ORNAMENTAL = frozenset(("wingdings", "wingdings 2", "wingdings 3", "webdings"))
_PRIVATE = range(0xF020, 0xF100)


def symbol(code: int, font: str) -> str:
    """The character of a code in a font; empty for an ornament."""
    name = font.strip().lower()
    if code not in _PRIVATE and name not in _FONTS and name not in _ORNAMENTAL:
        return chr(code) if 0x20 <= code < 0x110000 and not 0xD800 <= code < 0xE000 else ""
    # without a font's name, private characters are nearly always Symbol's
    table = _FONTS.get(name, {} if name in _ORNAMENTAL else _SYMBOL)
    return table.get(code - 0xF000 if code in _PRIVATE else code, "")


def in_font(text: str, font: str) -> str:
    """A run's text as it is seen in its font."""
    if font.strip().lower() in _FONTS:
        return "".join(symbol(ord(character), font) or character for character in text)
    if text.isascii() or not any(ord(character) in _PRIVATE for character in text):
        return text
    return "".join(
        symbol(ord(character), font) or character if ord(character) in _PRIVATE else character for character in text
    )
