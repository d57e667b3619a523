from __future__ import annotations

import pytest
from selectolax.lexbor import LexborHTMLParser

from domainlm.text.reading.html import read_html
from domainlm.text.reading.html_blocks import blocks_of
from domainlm.text.reading.html_main import main_blocks

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
    kept, is_prose = main_blocks(blocks)
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
