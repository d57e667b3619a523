from __future__ import annotations

import pytest
from selectolax.lexbor import LexborHTMLParser

from domainlm.text.reading.html import read_chapter, read_html
from domainlm.text.reading.html_main import main_blocks
from domainlm.text.reading.html_walk import blocks_of

SENTENCE = "The lung takes up oxygen, and it gives off carbon dioxide with every breath. "
PROSE = "".join(f"<p>{number}. {SENTENCE * 2}</p>" for number in range(5))
HAN = "".join(
    f"<p>{number}。肺吸收氧气，并在每一次呼吸时呼出二氧化碳，这是气体交换的基本过程。</p>" for number in range(12)
)
MENU = "<ul>" + "".join(f'<li><a href="/{number}">Menu entry {number}</a></li>' for number in range(20)) + "</ul>"


def text_of(body: str) -> str:
    return "\n".join(f"{section.title}\n{section.body}" for section in read_html(f"<body>{body}</body>"))


def test_article_without_menu_sidebar_and_comments() -> None:
    text = text_of(
        f"<div>{MENU}</div><div><h1>Breathing</h1><div class='story'>{PROSE}<h2>More</h2>{PROSE}</div>"
        f"<div class='commentList'><p>{SENTENCE} says a reader.</p></div></div><div class='rightSidebar'>Advert</div>"
    )
    assert text.startswith("Breathing\n0. The lung")
    assert "More\n0. The lung" in text
    assert "Menu entry" not in text
    assert "says a reader" not in text
    assert "Advert" not in text


def test_chinese_article() -> None:
    text = text_of(f"<div>{MENU}</div><table><tr><td><h1>呼吸</h1>{HAN}</td><td>{MENU}</td></tr></table>")
    assert text.startswith("呼吸\n0。肺吸收氧气")
    assert text.count("肺吸收氧气") == 12
    assert "Menu entry" not in text


def test_title_outside_of_the_article_is_kept() -> None:
    body = f"<div><h1>Site</h1></div><div><h1>Breathing</h1></div><div>{MENU}</div><div><div>{PROSE}</div></div>"
    assert [section.title for section in read_html(body)] == ["Breathing"]


def test_sections_beside_each_other() -> None:
    long = PROSE * 6
    short = f"<p>{SENTENCE * 3}</p>"
    text = text_of(f"<div>{MENU}<div>{long}</div><div>{short}</div></div><div>Home, imprint</div>")
    assert text.count("The lung") == 6 * 5 * 2 + 3
    assert "imprint" not in text


def test_names_do_not_drop_what_the_page_consists_of() -> None:
    assert text_of(f"<div class='comment'>{PROSE}</div>").count("The lung") == 10
    assert text_of(f"<div>{MENU * 4}</div><div class='comment'>{PROSE}</div>").count("The lung") == 10
    # a form around the whole page, as ASP.NET writes it
    assert text_of(f"<form>{PROSE}</form>").count("The lung") == 10
    # DocBook's sidebars are content
    assert text_of(f"<div>{PROSE * 3}<div class='sidebar'>{SENTENCE * 3}</div></div>").count("The lung") == 33
    assert text_of("<div class='footer'>x</div>") == "\nx"


def test_list_page_keeps_its_rows() -> None:
    rows = "".join(f'<div><h2><a href="/{number}">Question {number}</a></h2></div>' for number in range(3))
    sections = read_html(f"<body><nav>{MENU}</nav><div class='menu'>Home</div><h1>Questions</h1>{rows}</body>")
    assert [(section.title, section.body) for section in sections] == [
        ("Questions", "Question 0\n\nQuestion 1\n\nQuestion 2")
    ]


def test_article_with_a_short_text_on_a_page_full_of_links() -> None:
    text = text_of(f"<div>{MENU * 4}</div><div><div>{PROSE}</div></div>")
    assert text.count("The lung") == 10
    assert "Menu entry" not in text


def test_hidden_parts_and_link_lists_inside() -> None:
    text = text_of(f"<div>{PROSE}<div style='display: none'>secret</div>{MENU}<p>{SENTENCE}</p></div>")
    assert "secret" not in text
    assert "Menu entry" not in text
    assert text.count("The lung") == 11


def test_header_of_the_site_but_not_that_of_the_title() -> None:
    assert text_of("<header>Site, version 7</header><h1>Title</h1><p>Short.</p>") == "Title\nShort."
    assert text_of("<header>Site<h1>Title</h1></header><p>Short.</p>").endswith("Title\nShort.")
    # a heading after the header says nothing of it
    assert "Site" not in text_of("<header>Site</header><div><h1>Title</h1></div><p>Short.</p>")


def test_anchors_without_target_are_no_links() -> None:
    blocks = blocks_of(LexborHTMLParser(f"<body><a id='x'/><div>{PROSE}</div></body>").body)
    assert sum(blocks.link_chars) == 0
    kept, _, is_prose = main_blocks(blocks)
    assert is_prose
    assert any(kept)


def test_deep_page_with_boilerplate_at_every_level() -> None:
    page = "<div><p class='menu'>x</p>" * 4_000 + PROSE + "</div>" * 4_000
    assert text_of(page).count("The lung") == 10


def test_marks_in_the_text_break_nothing() -> None:
    assert text_of("<p>a\x01b\x02c\x03d</p>").strip() == "abc\x03d"


@pytest.mark.parametrize("opening", ['section id="{}"', 'div class="section" id="{}"', 'div class="sect1" id="{}"'])
def test_sections_are_not_known_by_the_words_of_their_heading(opening: str) -> None:
    slugs = ("usage", "signals", "cookies", "authorization", "comments-on-the-method", "related-work", "page-footer")
    tag = opening.split()[0]
    sections = [f'<{opening.format(slug)}><h2 id="{slug}">{slug}</h2>{PROSE}</{tag}>' for slug in slugs]
    body = f"<div role='main'><h1>Guide</h1>{''.join(sections)}</div>"
    assert [section.title for section in read_html(body)] == list(slugs)


def test_names_count_by_whole_words() -> None:
    kept = ("commentary", "authority", "signed-act", "relatedness", "significance")
    dropped = ("comment", "relatedPosts related", "post-author", "cookie_notice")
    blocks = "".join(f"<div class='{name}'>{name}: {SENTENCE * 2}</div>" for name in kept + dropped)
    text = text_of(f"<div>{PROSE}{blocks}{PROSE}</div>")
    assert [name for name in kept + dropped if f"{name}: " in text] == list(kept)
    # what is no section is known by its id as well
    assert "says a reader" not in text_of(f"<div>{PROSE}<div id='comments'>{SENTENCE} says a reader.</div></div>")


def test_signatures_of_functions_stay() -> None:
    assert "lung(breath)" in text_of(
        f"<div>{PROSE}<dl><dt class='sig' id='tags'>lung(breath)</dt><dd>{PROSE}</dd></dl></div>"
    )


def words_of(source: str) -> str:
    return "\n".join(f"{' > '.join(section.path)}\n{section.body}" for section in read_html(source))


OPTIONS = "".join(f"<dt><code>--opt{number}</code></dt><dd><p>{number}. {SENTENCE * 2}</p></dd>" for number in range(6))
NAME, SYNOPSIS, EXAMPLE = "show the state of an archive", "STATUS [ OPTION ]", "STATUS;\n  rows  3"
NOTE = '<div class="note"><h3 class="title">Note</h3><p>It may be old.</p></div><p>The check is a command.</p>'
STEPS = (
    '<table><tr><td><a accesskey="p" href="a">Prev</a></td><td><a accesskey="u" href="b">Up</a></td><th>Commands</th>'
    '<td><a accesskey="h" href="c">Home</a></td><td><a accesskey="n" href="d">Next</a></td></tr></table>'
)
# the same page as five programs write it: one list holds most of its prose
REFERENCES = {
    "docbook": (
        f'<div class="navheader">{STEPS}</div><div class="refentry"><div class="refnamediv"><h2><span>STATUS</span></h2>'
        f'<p>STATUS — {NAME}</p></div><div class="refsynopsisdiv"><h2>Synopsis</h2><pre>{SYNOPSIS}</pre></div>'
        f'<div class="refsect1"><h2>Description</h2><p>{SENTENCE}</p>{NOTE}</div><div class="refsect1"><h2>Parameters</h2>'
        f'<div class="variablelist"><dl>{OPTIONS}</dl></div></div><div class="refsect1"><h2>Examples</h2><pre>{EXAMPLE}</pre></div>'
        f'</div><div class="navfooter">{STEPS}</div>'
    ),
    "plain": (
        f"<div>{STEPS}</div><div><div><h2>STATUS</h2><p>STATUS — {NAME}</p></div><div><h2>Synopsis</h2><pre>{SYNOPSIS}</pre></div>"
        f"<div><h2>Description</h2><p>{SENTENCE}</p>{NOTE}</div><div><h2>Parameters</h2><div><dl>{OPTIONS}</dl></div></div>"
        f"<div><h2>Examples</h2><pre>{EXAMPLE}</pre></div></div><div>{STEPS}</div>"
    ),
    "man2html": (
        f"<h1>STATUS</h1>Section: Commands (1)<br><a href='#index'>Index</a> <a href='../'>Return to Main Contents</a><hr>"
        f"<h2>NAME</h2>STATUS — {NAME}<h2>SYNOPSIS</h2>{SYNOPSIS}<h2>DESCRIPTION</h2><p>{SENTENCE}{NOTE}"
        f"<h2>OPTIONS</h2><dl compact>{OPTIONS}</dl><h2>EXAMPLES</h2><pre>{EXAMPLE}</pre>"
    ),
    "asciidoctor": (
        f'<div id="header"><h1>STATUS(1)</h1><h2>NAME</h2><div class="sectionbody"><p>STATUS — {NAME}</p></div></div>'
        f'<div id="content"><div class="sect1"><h2>SYNOPSIS</h2><div class="sectionbody"><pre>{SYNOPSIS}</pre></div></div>'
        f'<div class="sect1"><h2>DESCRIPTION</h2><div class="sectionbody"><p>{SENTENCE}</p>{NOTE}</div></div>'
        f'<div class="sect1"><h2>OPTIONS</h2><div class="sectionbody"><div class="dlist"><dl>{OPTIONS}</dl></div></div></div>'
        f'<div class="sect1"><h2>EXAMPLES</h2><div class="sectionbody"><pre>{EXAMPLE}</pre></div></div></div>'
    ),
    "sphinx": (
        f'<div class="related" role="navigation"><ul><li><a href="n">next</a></li></ul></div><div class="document"><div class="body" '
        f'role="main"><section><h1>STATUS</h1><p>{NAME}</p><section><h2>Synopsis</h2><pre>{SYNOPSIS}</pre></section><section>'
        f'<h2>Description</h2><p>{SENTENCE}</p>{NOTE}</section><section><h2>Options</h2><dl class="py">{OPTIONS}</dl></section>'
        f"<section><h2>Examples</h2><pre>{EXAMPLE}</pre></section></section></div></div>"
    ),
}


@pytest.mark.parametrize("program", REFERENCES)
def test_a_reference_page_is_more_than_its_longest_list(program: str) -> None:
    source = f"<html><head><title>STATUS</title></head><body>{REFERENCES[program]}</body></html>"
    sections = read_html(source)
    assert {section.path[0].partition("(")[0] for section in sections} == {"STATUS"}
    text = words_of(source)
    for part in (NAME, SYNOPSIS, EXAMPLE, "0. The lung", "5. The lung"):
        assert part in text
    for step in ("Prev", "Next", "Home", "Commands\n", "Return to", "next"):
        assert step not in text
    # a note holds nothing but itself
    (described,) = [section.body for section in sections if section.title.lower() == "description"]
    assert described.endswith("Note\n\nIt may be old.\n\nThe check is a command.")


def test_a_reference_page_of_javadoc() -> None:
    methods = "".join(
        f'<li class="blockList"><h4>count{number}</h4><pre>int count{number}()</pre><div class="block">{SENTENCE * 2}</div></li>'
        for number in range(4)
    )
    old = (
        f'<div class="header"><div class="subTitle">org.tools</div><h2 class="title">Class Archive</h2></div>'
        f'<div class="contentContainer"><div class="description"><pre>class Archive</pre>{SENTENCE}</div>'
        f'<div class="summary"><h3>Method Summary</h3><table><tr><td>int</td><td>Counts.</td></tr></table></div>'
        f'<div class="details"><ul><li><h3>Method Detail</h3><ul>{methods}</ul></li></ul></div></div>'
    )
    found = [section.path for section in read_html(f"<body>{old}</body>")]
    assert found[:2] == [("Class Archive",), ("Class Archive", "Method Summary")]
    assert found[-1] == ("Class Archive", "Method Detail", "count3")
    new = f'<main><h1>Class Archive</h1><p>{SENTENCE * 3}</p><div class="member-signature">int count()</div></main>'
    assert "int count()" in words_of(f"<body>{new}</body>")


def test_an_article_is_still_only_its_text() -> None:
    teasers = "".join(f"<div class='box'><h2>Other {number}</h2><p>Short.</p></div>" for number in range(3))
    page = f"<div><h2>Latest</h2>{MENU}</div><div class='post'><h2>Breathing</h2><div class='entry'>{PROSE}</div></div>{teasers}"
    text = text_of(page)
    assert text.count("The lung") == 10
    assert "Menu entry" not in text
    assert "Short." not in text


@pytest.mark.parametrize(
    "row",
    [
        "<p>Next: <a href='n' accesskey='n' rel='next'>Types</a>, Previous: <a href='p' rel='prev'>Start</a> [<a href='i'>Index</a>]</p>",
        "<div><div><a href='p'>« Previous</a></div><div><a href='n'>Next »</a></div></div>",
        "<ul><li><a href='p'>上一页</a></li><li><a href='c'>目录</a></li><li><a href='n'>下一页</a></li></ul>",
        "<a href='p'>zurück</a> | <a href='n'>weiter</a><hr>",
        "<p><a href='p' rel='prev'>Installing it</a></p>",
    ],
)
def test_rows_of_links_through_a_book(row: str) -> None:
    assert text_of(f"{row}<h1>Lung</h1>{PROSE}<p>It ends.</p>{row}").strip().endswith("It ends.")
    assert text_of(f"{row}<h1>Lung</h1>{PROSE}").startswith("Lung\n0. The lung")
    # a sentence that has such links is a sentence
    kept = f"<p>{SENTENCE} See the <a href='i'>Index</a> and the <a href='n'>next</a> page.</p>"
    assert "See the Index and the next page." in text_of(f"<h1>Lung</h1>{PROSE}{kept}")


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("<p>See also: <a href='#first'>first()</a>, <a href='#last'>last()</a></p>", "See also: first(), last()"),
        ("<p><a href='m#first'>first()</a>, <a href='m#last'>last()</a></p>", "first(), last()"),
        ("<p>See also <a href='a'>first</a> and <a href='b'>last</a></p>", "See also first and last"),
        (
            "<table><tr><td><a href='m#a'>first()</a></td><td>the first element</td></tr>"
            "<tr><td><a href='m#b'>last</a></td><td>the last</td></tr></table>",
            "first() | the first element\nlast | the last",
        ),
        (
            "<table><tr><td>Links</td><td><a href='a'>first</a>, <a href='b'>last</a></td></tr></table>",
            "Links | first, last",
        ),
        ("<ul><li><a href='a'>Home</a></li><li>Key of a line</li></ul>", "- Home\n- Key of a line"),
        (
            "<ul><li><a href='a'>Home</a>, <a href='b'>Up</a></li><li>Keys of a line</li></ul>",
            "- Home, Up\n- Keys of a line",
        ),
        (
            "<dl><dt><a href='a'>Home</a></dt><dd>goes to the beginning of the line</dd><dt><a href='b'>Up</a></dt><dd>goes up</dd></dl>",
            "Home\ngoes to the beginning of the line\nUp\ngoes up",
        ),
        ("<dl><dt>See also</dt><dd><a href='a'>first</a>, <a href='b'>last</a></dd></dl>", "See also\nfirst, last"),
        ("<p>Press <a href='k#h'>Home</a> or <a href='k#u'>Up</a>.</p>", "Press Home or Up."),
        ("<p>点击<a href='a'>首页</a>、<a href='b'>目录</a>。</p>", "点击首页、目录。"),
        ("<p><a href='a' accesskey='n'>New documents of the ward</a></p>", "New documents of the ward"),
        ("<p><a href='a'>Index</a></p>", "Index"),
        ("<p><a href='#a'>Top</a> <a href='#b'>Contents</a></p>", "Top Contents"),
        ("<p>1 <a href='a'>next</a> 2 <a href='b'>last</a></p>", "1 next 2 last"),
    ],
)
def test_what_only_looks_like_a_row_of_steps(part: str, text: str) -> None:
    assert text in text_of(f"<h1>Lung</h1>{PROSE}{part}{PROSE}")


def test_a_list_of_three_words_in_a_chapter() -> None:
    words = "<ul><li><a href='a'>next</a></li><li><a href='b'>prev</a></li><li><a href='c'>top</a></li></ul>"
    sections, _, _ = read_chapter(f"<body><h1>Lung</h1>{PROSE}{words}{PROSE}</body>")
    assert "- next\n- prev\n- top" in sections[0].body
    sections, _, _ = read_chapter(f"<body>{words}<h1>Lung</h1>{PROSE}</body>")
    assert [section.title for section in sections] == ["Lung"]


@pytest.mark.parametrize(
    "row",
    [
        "<p><a href='p'>Prev</a> <a href='n'>Next</a></p>",
        "<p>Next: <a href='#n' accesskey='n' rel='next'>Types</a>, Up: <a href='#u' accesskey='u' rel='up'>Top</a></p>",
        "<hr><p><a href='i'>Index</a></p>",
        f"<div>{STEPS}<hr></div>",
        # in a language whose words are not known
        "<p><a accesskey='p' href='a'>Poprzedni</a> <a accesskey='u' href='b'>Dalej</a> <a accesskey='n' href='c'>Nast</a></p>",
    ],
)
def test_rows_of_steps_within_a_page(row: str) -> None:
    assert text_of(f"<h1>Lung</h1>{PROSE}{row}{PROSE}") == text_of(f"<h1>Lung</h1>{PROSE}{PROSE}")
