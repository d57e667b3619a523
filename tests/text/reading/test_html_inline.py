from __future__ import annotations

import pytest

from domainlm.text.reading.html import read_html


def body_of(body: str) -> str:
    return "\n".join(section.body for section in read_html(f"<body><p>{body}</p></body>"))


@pytest.mark.parametrize(
    ("inline", "expected"),
    [
        ("held 10<sup>5</sup> cells", "held 10^5 cells"),
        ("10 <sup>5</sup>", "10 ^5"),
        ("10<sup>−3</sup> mol", "10^−3 mol"),
        ("25 cm<sup>2</sup>, 3 м<sup>3</sup>, 5 米<sup>2</sup>", "25 cm^2, 3 м^3, 5 米^2"),
        ("<i>x</i><sup>n+1</sup>", "x^(n+1)"),
        ("(a+b)<sup>2</sup>/s", "(a+b)^2/s"),
        ("2<sup>2<sup>n</sup></sup>", "2^(2^n)"),
        ("mmol<sup>2</sup>", "mmol^2"),
        ("<sup>1</sup>/<sub>2</sub> cup", "1/2 cup"),
        ("3<sup>1</sup>⁄<sub>2</sub> cups", "3 1⁄2 cups"),
        ("3<sup>1</sup><span>/</span><sub>2</sub> cups", "3 1/2 cups"),
        (
            "H<sub>2</sub>O, Ca(OH)<sub>2</sub>, SO<sub>4</sub><sup>2−</sup>, Na<sup>+</sup>",
            "H2O, Ca(OH)2, SO4^2−, Na+",
        ),
        ('10<span style="font-size:9pt; Vertical-Align: super">5</span> cells', "10^5 cells"),
        ('H<span style="vertical-align:sub">2</span>O, x<span style="vertical-align:sub">i</span>', "H2O, x_i"),
        (
            'a <span style="vertical-align: super"><sup>2</sup></span> 3<span style="vertical-align:top">5</span>',
            "a 2 35",
        ),
        ("<sup>14</sup>C", "14C"),
        ("x<sub>i</sub>, 1010<sub>2</sub>, C<sub>2n+2</sub>", "x_i, 1010_2, C_(2n+2)"),
        (
            "the 5<sup>th</sup>, 1<sup>er</sup>, M<sup>me</sup>, N<sup>o</sup> 2, X<sup>TM</sup>",
            "the 5th, 1er, Mme, No 2, XTM",
        ),
        ("sixty mills<sup>2</sup> at work", "sixty mills[2] at work"),
        ("工厂<sup>2</sup>很多", "工厂[2]很多"),
        ('year<sup><a href="#n1">1</a></sup>', "year[1]"),
        ('year<a href="#n1"><sup>a</sup></a>', "year[a]"),
        ('year<a href="n.xhtml#n1" epub:type="noteref">1</a>', "year[1]"),
        ('year<sup class="reference"><a href="#n">[1]</a></sup>', "year[1]"),
        ("<sup>" * 3000 + "deep", "deep"),
    ],
)
def test_raised_and_lowered_text(inline: str, expected: str) -> None:
    assert body_of(inline) == expected


@pytest.mark.parametrize(
    ("inline", "expected"),
    [
        ('Let <script type="math/tex">d = \\frac{m}{w}</script> be.', "Let d = \\frac{m}{w} be."),
        ('Let <script type="math/tex; mode=display">% <![CDATA[\na < b %]]></script> be.', "Let a < b be."),
        ('Let <script type="math/mml"><math><mfrac><mn>1</mn><mn>2</mn></mfrac></math></script> be.', "Let 1/2 be."),
        ("Let <script>var x</script> be.", "Let be."),
        # what MathJax has set already
        (
            'Let <span class="MathJax_Preview">d</span><span class="MathJax" id="a"><nobr>d</nobr></span>'
            '<script type="math/tex">d</script> be.',
            "Let d be.",
        ),
        ('It is <img src="x.png" alt="t = \\ln 2 / k" class="latex"> long.', "It is t = \\ln 2 / k long."),
        ('It is <img src="https://a.b/latex.php?x" alt="$x^2$"> long.', "It is x^2 long."),
        ('It is <img src="x.png" alt="a = photograph"> long.', "It is long."),
        ('It is <img src="x.png" alt="formula" class="tex"> long.', "It is long."),
    ],
)
def test_formulas_in_scripts_and_pictures(inline: str, expected: str) -> None:
    assert body_of(inline) == expected


CODE = "def rows(path):\n    yield 1"


@pytest.mark.parametrize(
    "page",
    [
        # Pygments, Sphinx, highlight.js, Hexo and Chroma, Doxygen
        f'<table class="highlighttable"><tr><td class="linenos"><pre>1\n2</pre></td><td class="code"><pre>{CODE}\n</pre></td></tr></table>',
        '<pre><span class="linenos">1</span>def rows(path):\n<span class="linenos">2</span>    yield 1\n</pre>',
        '<pre><code><table><tr><td class="hljs-ln-numbers">1</td><td>def rows(path):</td></tr>'
        '<tr><td class="hljs-ln-numbers">2</td><td>    yield 1</td></tr></table></code></pre>',
        f'<figure><table><tr><td class="gutter"><pre>1<br>2</pre></td><td class="code"><pre>{CODE}</pre></td></tr></table></figure>',
        '<pre><span class="ln">1</span>def rows(path):\n<span class="ln">2</span>    yield 1</pre>',
        '<pre class="line-numbers"><span class="lineno"><a href="#1">  1</a></span>def rows(path):\n'
        '<span class="lineno">2</span>    yield 1</pre>',
    ],
)
def test_numbers_beside_code(page: str) -> None:
    (section,) = read_html(f"<body>{page}</body>")
    assert section.body == CODE


def test_numbers_of_code_and_data_stay() -> None:
    assert body_of('<code>x = <span class="num">42</span></code>') == "x = 42"
    assert read_html('<body><pre>x = <span class="num">42</span></pre></body>')[0].body == "x = 42"
    assert read_html('<body><table><tr><td>a<td class="num">42</table></body>')[0].body == "a | 42"


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("<div class='row gutter'>2010</div><p>Text.</p>", "2010\n\nText."),
        ("<pre><span class='gutter'>1</span>a\n<span class='gutter'>2</span>b</pre>", "a\nb"),
        ("<table><tr><td class='gutter'>1<br>2</td><td><pre>a\nb</pre></td></tr></table>", "a\nb"),
    ],
)
def test_a_gutter_outside_of_code_is_space(part: str, text: str) -> None:
    assert read_html(f"<body>{part}</body>")[0].body == text


@pytest.mark.parametrize(
    ("inline", "expected"),
    [
        ('held 10<span class="sup">5</span> cells', "held 10^5 cells"),
        ('10<span class="Superscript small">−3</span> mol', "10^−3 mol"),
        ('25 cm<span class="super">2</span>', "25 cm^2"),
        ('H<span class="sub">2</span>O, x<span class="subscript">i</span>', "H2O, x_i"),
        ('the 5<span class="sup">th</span>', "the 5th"),
        ('a claim<span class="sup"><a href="#n1">1</a></span>', "a claim[1]"),
        # a class of its own elements
        ('Doses<span class="sub">for the ward at night</span>', "Dosesfor the ward at night"),
        ('3<span class="supper">5</span>, 3<span class="sub-menu">5</span>', "35, 35"),
        ('10<span class="sup" style="display:none">5</span> cells', "10 cells"),
    ],
)
def test_classes_raise_and_lower_too(inline: str, expected: str) -> None:
    assert body_of(inline) == expected


@pytest.mark.parametrize(
    "style", ["white-space:pre", "color: red; White-Space : pre-wrap;", "white-space:break-spaces"]
)
@pytest.mark.parametrize("tag", ["div", "p", "span", "code", "section", "pre"])
def test_a_style_keeps_blanks_and_lines(tag: str, style: str) -> None:
    page = f"<body><p>Before.</p><{tag} style='{style}'>if x:\n    y  =  1\n</{tag}><p>After  that.</p></body>"
    text = "\n".join(section.body for section in read_html(page))
    assert text == "Before.\n\nif x:\n    y  =  1\n\nAfter that."


def test_a_style_keeps_lines_alone_or_nothing() -> None:
    assert body_of('<span style="white-space:pre-line">one  line\n  another</span> a  b') == "one line\nanother a b"
    assert body_of('<span style="white-space:nowrap">one  line\n  another</span> a  b') == "one line another a b"
    [section] = read_html('<pre style="white-space:normal">one  line\n  another</pre>')
    assert section.body == "one line another"
    [section] = read_html('<pre>a\n  <span style="white-space:nowrap">b  c</span>  d</pre>')
    assert section.body == "a\n  b c  d"
    # the last of several values that is known
    assert body_of('<span style="white-space:pre;white-space:-o-pre-wrap">a  b</span>') == "a  b"


def test_whitespace_alone_in_such_an_element_is_one_blank() -> None:
    """Mail programs write a tab so."""
    assert body_of('1.<span style="white-space:pre">\t</span>Rest') == "1. Rest"
    page = '<div style="white-space:pre-wrap">\n   <p>One.</p>\n\n   <p>Two.</p>\n</div>'
    assert "\n".join(section.body for section in read_html(page)) == "One.\n\nTwo."


def test_a_row_of_a_table_stays_one_line() -> None:
    cells = "<td style='white-space:pre-wrap'>Dose\n  of it</td><td style='white-space:pre'>a  b</td>"
    [section] = read_html(f"<table><tr><td>x</td>{cells}</tr><tr><td>1</td><td>2</td><td>3</td></tr></table>")
    assert section.body == "x | Dose of it | a  b\n1 | 2 | 3"


def test_what_a_style_begins_ends_with_its_element() -> None:
    inner = '<span style="white-space:pre">a  b<b>c  d<span style="white-space:normal">e  f</span>g  h</b></span>i  j'
    assert body_of(inner) == "a  bc  de fg  hi j"
