from __future__ import annotations

import pytest

from domainlm.text.reading.html import read_html

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
        (("Lung diseases",), "Lung diseases"),
        (("Lung diseases", "Pneumonia"), "Pneumonia"),
        (("Heart",), "Heart"),
    ]
    bodies = [section.body for section in sections]
    assert bodies[0] == "Before."
    assert bodies[1] == "First line\nsecond <line>.\n\n- one\n- two"
    assert bodies[2] == "a\n  b\n\nx y\nz"
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
