"""What the names of a page's elements say of them.

In: the class and the id of an element, or the text of a link. Out: whether the element is boilerplate, speech of other
people, a note within the text, or the line numbers of code; whether the link leads through a book. Names are compared
word by word, because "tag" within "stage" says nothing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import NamedTuple

# fmt: off
# words of a class or an id that mark boilerplate
_BOILERPLATE = frozenset((
    "ad", "ads", "advert", "advertisement", "author", "banner", "breadcrumb", "breadcrumbs", "byline", "catlinks",
    "comment", "commentlist", "comments", "contentinfo", "cookie", "cookies", "copyright", "crumb", "crumbs", "dateline",
    "disqus", "editsection", "foot", "footer", "footerbar", "hatnote", "hidden", "jumpto", "login", "menu", "menus",
    "meta", "modal", "nav", "navbar", "navbox", "navheader", "navfooter", "navigation", "newsletter", "noprint", "page-nav",
    "pager", "pagination", "popup", "postauthor", "postdetails", "postprofile", "printfooter", "profile", "promo",
    "rank", "ranking", "recommend", "recommended", "related", "share", "sharing", "side", "sidebar", "sig", "signature",
    "siblings", "skip", "social", "subscribe", "tag", "tags", "toc", "toolbar", "userinfo", "widget",
))
# the words among them whose block may be prose that is not the page's: by its readers, or about other pages
_SPEECH = frozenset((
    "author", "comment", "commentlist", "comments", "cookie", "cookies", "disqus", "newsletter", "recommend", "recommended",
    "related", "sig", "signature", "subscribe",
))
_PART = re.compile("sidebar|breadcrumb|comment|recommend|copyright|navig|pagination|signature|footer")
# classes of docutils, DocBook and pandoc. A section's id repeats its heading: a section about cookies is no cookie notice
_SECTIONS = frozenset(("sect", "section", "subsection"))
# a function's signature in a reference, as Javadoc names it, and not that of a forum's member
_OF_CODE = frozenset(("member", "type", "method", "function", "field", "property", "constructor"))
# notes that interrupt a text, by docutils, DocBook, Asciidoctor, MkDocs, Docusaurus, Bootstrap and EPUB
_NOTES = frozenset((
    "admonition", "admonitionblock", "alert", "attention", "callout", "caution", "danger", "hint", "important", "note", "tip",
    "warning",
))
# further notes, whose text stays wherever they are an `aside`
_ASIDES = _NOTES | frozenset((
    "endnote", "endnotes", "error", "example", "footnote", "footnotes", "glossary", "info", "notice", "rearnote", "rearnotes",
    "seealso", "system", "todo", "topic",
))
# one part of a reference page, beside others of its kind
_PAGE_PARTS = frozenset((
    "abstract", "appendix", "details", "dlist", "level", "preface", "refsect", "refsection", "refsynopsisdiv", "sect",
    "sectionbody", "simplesect", "subsection", "variablelist",
))
# columns and marks that number the lines of code, by Pygments, Rouge, Chroma, highlight.js, Hexo, Doxygen, GitHub
_GUTTERS = frozenset((
    "linenos", "lineno", "linenodiv", "linenumber", "linenumbers", "line-number", "line-numbers", "rouge-gutter",
    "lntd", "lnt", "lnum", "linenr", "blob-num", "hljs-ln-numbers", "hljs-ln-n", "crayon-nums", "codemirror-linenumber",
    "code-line-number", "line-num", "line_number", "line_numbers", "ace_gutter-cell", "react-line-number",
))
# also the space between columns of a page
_OF_LAYOUT = frozenset(("gutter",))
# shorter ones, which mean line numbers only at the beginning of a line of code
_SHORT_GUTTERS = frozenset(("ln", "gl", "no", "n", "num"))
# links that lead through a book, in the languages of DocBook's and Sphinx's users
_STEPS = frozenset((
    "prev", "previous", "next", "up", "home", "top", "contents", "index", "first", "last", "back", "table of contents", "toc",
    "previous page", "next page", "previous topic", "next topic", "prev topic", "modules", "return to main contents",
    "zurück", "weiter", "nach oben", "zum anfang", "inhalt", "vorherige", "nächste", "précédent", "suivant", "niveau supérieur",
    "sommaire", "anterior", "siguiente", "subir", "inicio", "próximo", "acima", "início", "indietro", "avanti", "risali",
    "пред.", "след.", "начало", "вверх", "назад", "далее", "上一页", "下一页", "上一頁", "下一頁", "上一级", "上一層", "上一章", "下一章",
    "首页", "首頁", "起始页", "起始頁", "目录", "目錄", "前へ", "次へ", "戻る", "ホーム", "上に戻る", "이전", "다음", "위로", "처음으로",
))
# fmt: on
# what says that a link is a step: its text, its key, its relation; and what says that it is none: its place on the page
STEP_WORD, STEP_KEY, STEP_RELATION, STEP_PLACE = 1, 2, 4, 8
# attributes that `declared_step` looks at
DECLARING = frozenset(("rel", "accesskey"))
_STEP_KEYS = frozenset("pnuh")
_STEP_RELATIONS = frozenset(("prev", "previous", "next", "up", "home", "start", "contents", "index"))
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NOT_LETTERS = re.compile(r"[^a-z]+")
# not (): first() is a function
_AROUND_STEPS = "\t\n\r\f\xa0 <>«»‹›←→↑↓⇐⇒◀▶|[]·:-–—"
MAX_STEP_CHARS = 30
# https:, mailto:, and an address without its protocol
_SERVER = re.compile(r"\s*(?:[A-Za-z][A-Za-z0-9+.\-]*:|//)")


class Names(NamedTuple):
    """What a class and an id say of their element."""

    is_boilerplate: bool
    is_speech: bool
    is_note: bool
    is_aside: bool
    is_page_part: bool


def _words(name: str) -> list[str]:
    return _NOT_LETTERS.split(_CAMEL.sub("-", name).lower())


def _boilerplate_of(words: list[str]) -> tuple[bool, bool]:
    """Whether words mark boilerplate, and whether they mark speech."""
    is_speech = not _SPEECH.isdisjoint(words)
    return is_speech or not _BOILERPLATE.isdisjoint(words) or _PART.search("-".join(words)) is not None, is_speech


@functools.lru_cache(maxsize=4096)
def _names_of_class(classes: str) -> tuple[Names, bool]:
    """What a class says, and whether an id counts."""
    words = _words(classes)
    is_of_code = "signature" in words and not _OF_CODE.isdisjoint(words)
    is_boilerplate, is_speech = (False, False) if is_of_code else _boilerplate_of(words)
    is_note, is_aside = not _NOTES.isdisjoint(words), not _ASIDES.isdisjoint(words)
    names = Names(is_boilerplate, is_speech, is_note, is_aside, not _PAGE_PARTS.isdisjoint(words))
    return names, not is_of_code and _SECTIONS.isdisjoint(words)


def names_of(classes: str, identifier: str) -> Names:
    """What the words of a class and an id say."""
    # classes come again and again, ids do not
    names, has_counting_id = _names_of_class(classes)
    if not identifier or not has_counting_id:
        return names
    is_boilerplate, is_speech = _boilerplate_of(_words(identifier))
    if not is_boilerplate:
        return names
    return names._replace(is_boilerplate=True, is_speech=names.is_speech or is_speech)


@functools.lru_cache(maxsize=4096)
def names_gutter(classes: str) -> str:
    """Where a class marks line numbers: "always", "in code" and so on.

    It may also be the code's: whoever asks has to look for digits. "in code": at the beginning of a line of code only;
    "in table": in code or in a table; empty: nowhere.
    """
    words = classes.lower().split()
    if not _GUTTERS.isdisjoint(words):
        return "always"
    if not _OF_LAYOUT.isdisjoint(words):
        return "in table"
    return "" if _SHORT_GUTTERS.isdisjoint(words) else "in code"


def declared_step(attributes: Mapping[str, str | None]) -> int:
    """What a link's attributes say of its leading to a next page.

    DocBook gives it a key, Texinfo and others a relation.
    """
    relation = attributes.get("rel")
    kind = STEP_RELATION if relation is not None and relation.lower() in _STEP_RELATIONS else 0
    return kind | (STEP_KEY if (attributes.get("accesskey") or "-").lower() in _STEP_KEYS else 0)


def leaves_book(target: str) -> bool:
    """Whether a link leads to another server or program."""
    return _SERVER.match(target) is not None


@functools.lru_cache(maxsize=4096)
def leads_through_a_book(text: str) -> bool:
    """Whether a link's text is Prev, Up, Next, Home or the like."""
    return text.strip(_AROUND_STEPS).lower() in _STEPS
