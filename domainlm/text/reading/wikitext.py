"""Wiki markup as prose.

In: the markup of an article. Out: its prose, without tables, references, files, categories, most templates, and
closing sections that only list sources. A few templates are replaced by their words. It walks mwparserfromhell's
nodes, because its own `strip_code` keeps the cells of tables and the options of images.
"""

from __future__ import annotations

import re
from typing import Any

from domainlm.text.characters import without_trailing_blanks

_NOT_PROSE_LINK = re.compile(r"[ \t]*+:?[ \t]*+(?:file|image|category|文件|檔案|图像|分类|分類)[ \t]*:", re.IGNORECASE)
_OTHER_LANGUAGE = re.compile(r"[ \t]*[a-z]{2,3}(?:-[a-z]+)*:", re.ASCII)
# fmt: off
_DROPPED_TAGS = frozenset((
    "ref", "references", "gallery", "table", "math", "chem", "score", "timeline", "imagemap", "style", "script",
    "syntaxhighlight",
))
# fmt: on
# possessive (++) or anchored, because pages hold long runs of whitespace and brackets
_QUOTES = re.compile("'{2,5}")
_MAGIC_WORD = re.compile(r"__[A-Z]+__")
_EMPTY_BRACKETS = re.compile(r"(?<![ \t])[ \t]*[(（][ \t,;，；]*+[)）]")
_LEADING_MARKS = re.compile(r"([(（])[ \t,;，；]++")
_LIST_MARK = re.compile(r"^[*#:;]+[ \t]*", re.MULTILINE)
_EMPTY_LINE = re.compile(r"^[-–—•,.;: \t]+$", re.MULTILINE)
_CLOSING = re.compile(
    r"references|notes|footnotes|citations|bibliography|sources|further reading|external links|see also|"
    r"notes and references|works cited|参考文献|参考资料|參考文獻|參考資料|外部链接|外部連結|参见|參見|延伸阅读|延伸閱讀|注释|註釋",
    re.IGNORECASE,
)


def _template(node: Any) -> str:
    """Words in place of a template, chosen by name; mostly none."""
    name = str(node.name).strip().lower()
    values = [_plain(p.value).strip() for p in node.params if not p.showkey]
    if name in ("nowrap", "nobr", "small", "smaller", "big") and values:
        return values[0]
    if (name == "lang" or name.startswith("lang-")) and values:
        return values[-1] if name == "lang" else values[0]
    if name in ("convert", "cvt") and len(values) >= 2:
        return f"{values[0]} {values[1]}"
    return {"ndash": "–", "snd": " – ", "spaced ndash": " – ", "mdash": "—", "nbsp": " "}.get(name, "")


def _plain(code: Any) -> str:
    from mwparserfromhell.nodes import ExternalLink, Heading, HTMLEntity, Tag, Template, Text, Wikilink

    parts: list[str] = []
    for node in code.nodes:
        if isinstance(node, Text):
            parts.append(str(node.value))
        elif isinstance(node, Wikilink):
            title = str(node.title)
            if not _NOT_PROSE_LINK.match(title) and not _OTHER_LANGUAGE.match(title):
                parts.append(_plain(node.text) if node.text is not None else title.split("#")[0].lstrip(":"))
        elif isinstance(node, ExternalLink):
            parts.append(_plain(node.title) if node.title is not None else "")
        elif isinstance(node, Template):
            parts.append(_template(node))
        elif isinstance(node, Tag):
            tag = str(node.tag).strip().lower()
            if tag in ("br", "hr"):
                parts.append("\n")
            elif node.wiki_markup and tag in ("li", "dd", "dt"):
                parts.append(str(node.wiki_markup))
            elif tag not in _DROPPED_TAGS and node.contents is not None:
                parts.append(_plain(node.contents))
        elif isinstance(node, Heading):
            parts.append(f"\n\n{_plain(node.title).strip()}\n\n")
        elif isinstance(node, HTMLEntity):
            parts.append(node.normalize())
    return "".join(parts)


def _without_closing_sections(code: Any) -> Any:
    """The nodes of an article before and between its lists of sources."""
    from mwparserfromhell.nodes import Heading

    kept = []
    closing_level = 0
    for node in code.nodes:
        if isinstance(node, Heading) and (not closing_level or node.level <= closing_level):
            is_closing = _CLOSING.fullmatch(_plain(node.title).strip()) is not None
            closing_level = node.level if is_closing else 0
        if not closing_level:
            kept.append(node)
    code.nodes = kept
    return code


def prose_of(markup: str) -> str:
    """Prose of an article; headings are separate paragraphs."""
    import mwparserfromhell

    text = _plain(_without_closing_sections(mwparserfromhell.parse(markup, skip_style_tags=True)))
    text = _MAGIC_WORD.sub("", _QUOTES.sub("", text))
    # what dropped templates (pronunciations, coordinates) leave between brackets
    text = _LIST_MARK.sub("- ", _LEADING_MARKS.sub(r"\1", _EMPTY_BRACKETS.sub("", text)))
    text = without_trailing_blanks(_EMPTY_LINE.sub("", text))
    return re.sub(r"\n{3,}", "\n\n", text).strip()
