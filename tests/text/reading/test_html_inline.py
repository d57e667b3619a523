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
