from __future__ import annotations

import time

import pytest
from selectolax.lexbor import LexborHTMLParser

from domainlm.text.reading.html import read_html, read_page
from domainlm.text.reading.pieces import Coverage

PAGE = """<!doctype html><html><head><title>Page &amp; title</title><script>var x</script></head><body>
<nav>menu</nav><p>Before.</p>
<h1>Lung <em>diseases</em><a class="headerlink">¶</a></h1>
<p>First  line<br>second &lt;line&gt;.</p><ul><li>one</li><li><p>two</p></li></ul>
<h2>Pneumonia</h2><pre>a
  b</pre><table><tr><td>x</td><td>y</td></tr><tr><td>z</td></tr></table>
<h2>Empty</h2>
<h1>Heart</h1><div>Body</div><div hidden>secret</div><style>p{}</style><footer>foot</footer></body></html>"""


def test_sections_at_headings() -> None:
    sections = read_html(PAGE)
    assert [(section.path, section.title) for section in sections] == [
        (("Page & title",), "Page & title"),
        (("Page & title", "Lung diseases"), "Lung diseases"),
        (("Page & title", "Lung diseases", "Pneumonia"), "Pneumonia"),
        (("Page & title", "Heart"), "Heart"),
    ]
    bodies = [section.body for section in sections]
    assert bodies[0] == "Before."
    assert bodies[1] == "First line\nsecond <line>.\n\n- one\n- two"
    assert bodies[2] == "a\n  b\n\nx | y\nz"
    assert bodies[3] == "Body"


def test_main_part_chinese_and_broken_markup() -> None:
    sections = read_html("<body><p>menu</p><main><h1>肺炎</h1><p>肺炎是<b>疾病</b>。<p>第二段</main>")
    assert [(section.title, section.body) for section in sections] == [("肺炎", "肺炎是疾病。\n\n第二段")]
    assert read_html("") == []
    assert read_html("<script>x</script>") == []


def test_deep_nesting() -> None:
    assert read_html("<div>" * 5000 + "deep" + "</div>" * 5000)[0].body == "deep"


@pytest.mark.parametrize(
    ("inline", "expected"),
    [
        ("Press <button>Save</button>, then wait.", "Press Save, then wait."),
        ("Energy is <math><mi>E</mi><mo>=</mo><mi>m</mi></math> in joules.", "Energy is E=m in joules."),
        # a page's own buttons
        ("Text of the page. <button>Share</button>", "Text of the page."),
        ("<button>1</button> <button>2</button>", ""),
        # MediaWiki hides its formulas behind images, KaTeX shows them twice
        (
            'Let <span class="mwe-math-mathml-inline" style="display: none;"><math alttext="N">n</math></span> be.',
            "Let N be.",
        ),
        (
            'Let <span class="katex"><span class="katex-mathml"><math alttext="N">N</math></span>'
            '<span class="katex-html" aria-hidden="true">N</span></span> be.',
            "Let N be.",
        ),
        ('Let <span class="katex"><span class="katex-html" aria-hidden="true">N</span></span> be.', "Let N be."),
    ],
)
def test_words_within_a_sentence(inline: str, expected: str) -> None:
    assert "".join(section.body for section in read_html(f"<body><p>{inline}</p></body>")) == expected


def test_buttons_of_code_are_not_code() -> None:
    assert read_html("<pre>run it<button>Copy</button> now</pre>")[0].body == "run it now"


def body_of(body: str) -> str:
    return "\n\n".join(section.body for section in read_html(f"<body>{body}</body>"))


def paths_of(source: str) -> list[tuple[str, ...]]:
    return [section.path for section in read_html(source)]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            "--- a.py\n def f(x):\n-    return x\n+        return x + 1\n",
            "--- a.py\n def f(x):\n-    return x\n+        return x + 1",
        ),
        ("Aspirin      100       3\n  Zinc\t1", "Aspirin      100       3\n  Zinc\t1"),
        ("a  <b>b</b>  c&nbsp;&nbsp;d\n-\n- x\n-\n", "a  b  c  d\n-\n- x\n-"),
    ],
)
@pytest.mark.parametrize("tag", ["pre", "xmp", "textarea", "listing"])
def test_code_keeps_its_blanks(tag: str, code: str, expected: str) -> None:
    if tag in ("xmp", "textarea"):
        code = code.replace("<b>", "").replace("</b>", "").replace("&nbsp;", " ")
    assert (
        body_of(f"<p>Before  it.</p><{tag}>\n{code}</{tag}><p>After  it.</p>")
        == f"Before it.\n\n{expected}\n\nAfter it."
    )


def test_the_first_line_of_code_keeps_its_indentation() -> None:
    assert body_of("<p>So:</p><pre>    a\n  b</pre>") == "So:\n\n    a\n  b"


@pytest.mark.parametrize(
    "note",
    [
        '<aside class="note"><p>Never take it with juice.</p></aside>',
        '<aside aria-label="Caution" class="starlight-aside starlight-aside--caution"><p>Never take it with juice.</p></aside>',
        '<aside role="note">Never take it with juice.</aside>',
        '<aside class="topic"><p>Never take it with juice.</p></aside>',
        "<aside>Never take it with juice.</aside>",
        '<aside class="footnote brackets" role="doc-footnote"><p>Never take it with juice.</p></aside>',
        '<div class="note"><h3 class="title">Note</h3><p>Never take it with juice.</p></div>',
        '<div class="admonition warning"><p class="admonition-title">Warning</p><p>Never take it with juice.</p></div>',
        '<div class="alert alert-info"><h4>Note</h4>Never take it with juice.</div>',
        "<blockquote><p>Never take it with juice.</p><footer>A nurse</footer></blockquote>",
        '<div class="admonitionblock tip"><table><tr><td class="icon">Tip</td><td>Never take it with juice.</td></tr></table></div>',
    ],
)
def test_notes_are_read_and_end(note: str) -> None:
    before = "<p>Take one tablet in the morning with a glass of water, half an hour before you eat.</p>"
    page = f"<main><article><h1>Tablets</h1><h2>Use</h2>{before * 3}{note}<p>Then wait.</p></article></main>"
    (section,) = read_html(f"<body>{page}</body>")
    assert section.path == ("Tablets", "Use")
    assert "Never take it with juice." in section.body
    assert section.body.endswith("\n\nThen wait.")
    # two cells of a note are no row of data
    assert "|" not in section.body


def test_an_aside_about_other_pages_is_not_read() -> None:
    text = "The lung takes up oxygen, and it gives off carbon dioxide with every breath. " * 3
    links = '<a href="/1">One more page of ours</a> <a href="/2">Another page of ours</a>'
    article = (
        f"<article><h1>Lung</h1><p>{text * 3}</p><aside>{links}</aside><aside class='related'>{text}</aside></article>"
    )
    assert body_of(f"{article}<aside><p>Buy a card.</p></aside>") == (text * 3).strip()


def test_the_reach_of_a_heading_ends_with_its_item() -> None:
    long = "Then all of it is told once more, in a sentence that is long enough to be read by itself. "
    steps = "<ol><li><h3>Wash</h3><p>With soap.</p></li><li><h3>Dry</h3><p>With air.</p></li></ol>"
    body = f"<h1>Hands</h1><h2>Steps</h2><p>Do this.</p>{steps}<p>{long}</p>"
    found = read_html(f"<body>{body}</body>")
    assert [(section.path, section.body) for section in found] == [
        (("Hands", "Steps"), "Do this."),
        (("Hands", "Steps", "1. Wash"), "With soap."),
        (("Hands", "Steps", "2. Dry"), "With air."),
        (("Hands", "Steps"), long.strip()),
    ]
    # a word or two are no section
    assert read_html(f"<body>{body.replace(long, 'Done.')}</body>")[-1].body == "With air.\n\nDone."


@pytest.mark.parametrize(
    ("title", "headings", "expected"),
    [
        # the first heading is the page's title
        ("COPY", ("COPY", "Description"), [("COPY",), ("COPY", "Description")]),
        ("Manual: 16: Copy rows", ("Copy Rows", "Parameters"), [("Copy Rows",), ("Copy Rows", "Parameters")]),
        # none of the headings is
        ("Set up", ("Install", "Run"), [("Set up", "Install"), ("Set up", "Run")]),
        ("", ("Install", "Run"), [("Install",), ("Run",)]),
        ("肺炎", ("症状", "治疗"), [("肺炎", "症状"), ("肺炎", "治疗")]),
    ],
)
def test_a_page_s_title_leads_where_headings_are_siblings(
    title: str, headings: tuple[str, ...], expected: list[tuple[str, ...]]
) -> None:
    body = "".join(f"<h2>{heading}</h2><p>Text of it.</p>" for heading in headings)
    assert paths_of(f"<head><title>{title}</title></head><body>{body}</body>") == expected


def test_a_heading_without_text_leads_its_siblings() -> None:
    body = "<h4>2 Unions</h4><ul><li><a href='#a'>x</a></li></ul><h4>2.1 Arrays</h4><p>Text.</p><h4>2.2 Enums</h4><p>Text.</p>"
    source = f"<head><title>Manual</title></head><body>{body.replace('<ul>', '<nav><ul>').replace('</ul>', '</ul></nav>')}</body>"
    assert paths_of(source) == [("2 Unions", "2.1 Arrays"), ("2 Unions", "2.2 Enums")]
    # the title of a list of contents leads nothing
    contents = source.replace("2 Unions", "Contents").replace("h4", "h2", 2)
    assert paths_of(contents) == [("Manual", "2.1 Arrays"), ("Manual", "2.2 Enums")]


def test_what_a_page_hides() -> None:
    shown = "The offer is valid until the end of the month. "
    hidden = (
        '<p style="DISPLAY: NONE">one</p><p style="display :none !important">two</p><p style="visibility:hidden">three</p>'
        '<p hidden>four</p><span epub:type="pagebreak">17</span><span role="doc-pagebreak">18</span>'
    )
    assert (
        body_of(f"<p>{shown}</p>{hidden}<p style='display:block'>{shown}</p>") == f"{shown.strip()}\n\n{shown.strip()}"
    )


@pytest.mark.parametrize(
    ("inline", "expected"),
    [
        ("said <q>never again</q> and left", "said “never again” and left"),
        ("said <q>he said <q>no</q></q>", "said “he said ‘no’”"),
        ("<ruby>表<rt>ひょう</rt>示<rp>(</rp><rt>じ</rt><rp>)</rp></ruby>された", "表示された"),
        ("肺炎常有发\n热、咳嗽。\n病人", "肺炎常有发热、咳嗽。病人"),
        ("常有发\n<b>热</b>\n<i>咳</i>\n嗽", "常有发热咳嗽"),
        ("他说\n“好”\n了", "他说“好”了"),
        ("使用\nPython\n语言 和 它", "使用 Python 语言 和 它"),
        ("첫 번째\n두 번째", "첫 번째 두 번째"),
    ],
)
def test_characters_as_a_page_shows_them(inline: str, expected: str) -> None:
    assert body_of(f"<p>\n{inline}\n</p>") == expected


def test_pages_that_say_it_to_browsers_without_scripts_or_frames() -> None:
    text = "The leaflet says that the tablets are to be kept in the dark and below twenty degrees."
    assert body_of(f"<h1>Leaflet</h1><div id=app></div><noscript><p>{text}</p></noscript>") == text
    assert "JavaScript" not in body_of(f"<p>{text}</p><noscript>This page needs JavaScript, which is off.</noscript>")
    assert body_of(f"<p>{text * 3}</p><noscript><p>{text} Or not.</p></noscript>") == text * 3
    frames = f"<frameset><frame src=a><noframes><body><h1>Old</h1><p>{text}</p></body></noframes></frameset>"
    assert [(each.title, each.body) for each in read_html(f"<html>{frames}</html>")] == [("Old", text)]


def test_how_much_of_a_page_was_read() -> None:
    text = "The lung takes up oxygen, and it gives off carbon dioxide with every breath."
    other = "Some words of another kind"
    page = (
        f"<nav>Home,  news</nav><div>{other}</div><div><h1>Lung</h1>" + f"<p>{text}</p>" * 4 + "</div>"
        "<div class='menu'>Imprint</div><p><a href='p'>Previous</a> <a href='n'>Next</a></p><footer>Foot</footer><p hidden>x</p>"
    )
    coverage = read_page(f"<body>{page}</body>")[0]
    removed = len("Home, news") + len("Imprint") + len("Previous Next") + len("Foot")
    kept = len("Lung") + 4 * len(text)
    assert coverage == Coverage(kept + removed + len(other), kept, removed)
    assert coverage.lost == len(other)
    assert read_page("<body><script>x</script></body>") == [Coverage(0, 0, 0)]


@pytest.mark.parametrize(
    ("source", "times"),
    [
        ("<p>" + "\n" * 40_000 + "é", 1),
        ("<p>" + " \n" * 20_000 + "é", 1),
        ("<li>" + "1" * 40_000, 1),
        ("<div>" * 8_000 + "<aside>a</aside>" * 8_000, 1),
        ("<noscript><div>", 8_000),
        ("<div class=gutter>", 10_000),
        ("<span class=lineno>", 10_000),
        ("<table>" + "<tr><td rowspan=99 colspan=99>1" * 10_000, 1),
        ("<table><tr>" + "<td rowspan=99 colspan=99>" * 5_000 + "<tr><td>1" * 5_000, 1),
        ("<div><a href=n rel=next>Next</a>", 5_000),
        ("<li><dt><a href=n rel=next>Next</a>", 5_000),
        ("<div><a href=n rel=next><img></a>", 5_000),
    ],
)
def test_hostile_pages_take_linear_time(source: str, times: int) -> None:
    page = f"<body>{source * times}</body>"
    # the parser's own time grows with depth
    begin = time.process_time()
    LexborHTMLParser(page)
    parsed = time.process_time() - begin
    begin = time.process_time()
    read_html(page)
    assert time.process_time() - begin < 1.5 + 2 * parsed
