from __future__ import annotations

import pytest
from selectolax.lexbor import LexborHTMLParser

from domainlm.text.reading.html_formula import formula_of

SUM = "<mrow><mi>a</mi> <mo>+</mo> <mn>1</mn></mrow>"


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<mi>E</mi> <mo>=</mo> <!-- x --> <mi>m</mi>", "E=m"),
        (f"<mfrac><mn>1</mn>\n{SUM}</mfrac>", "1/(a+1)"),
        (f"<msup>{SUM}<mrow><mn>2</mn></mrow></msup>", "(a+1)^2"),
        ("<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup><msub><mi>y</mi><mi>j</mi></msub>", "x_i^2y_j"),
        (f"<msqrt>{SUM}</msqrt><mo>&lt;</mo><mn>2</mn>", "√(a+1)<2"),
        (
            "<semantics><mi>E</mi><annotation encoding='application/x-tex'>{\\displaystyle E=\n mc^{2}}</annotation></semantics>",
            "E= mc^{2}",
        ),
        (
            "<semantics><mi>E</mi><annotation-xml encoding='MathML-Content'><ci>E</ci></annotation-xml>"
            "<annotation encoding='StarMath 5.0'>size 12 {E}</annotation></semantics>",
            "E",
        ),
        ("<semantics><mi>E</mi><annotation encoding='LaTeX'>\\mathrm{E}</annotation></semantics>", "\\mathrm{E}"),
        ("<mi>x</mi><mtext> if\n&nbsp;</mtext><mi>y</mi><mtext>m</mtext><mtext> </mtext><mn>1</mn>", "x if ym 1"),
        (
            "<mo>(</mo><mtable>\n<mtr><mtd><mi>a</mi></mtd>\n<mtd><mn>1</mn></mtd></mtr><mtr><mtd><mn>2</mn></mtd></mtr></mtable>",
            "(a 1 2",
        ),
        ("<mn>3</mn><mfrac><mn>1</mn><mn>2</mn></mfrac><mi>m</mi>", "3 1/2m"),
        ("<mn>1</mn><mn>0</mn><mo>+</mo><msup><mi>x</mi><mn>2</mn></msup><mn>3</mn>", "10+x^2 3"),
        ("<mfrac><mfrac><mn>1</mn><mn>2</mn></mfrac><mn>3</mn></mfrac>", "(1/2)/3"),
        ("<mroot><mi>a</mi><mn>3</mn></mroot>", "√[3](a)"),
        (
            "<mmultiscripts><mi>C</mi><mprescripts/></mprescripts><mn>6</mn><mn>14</mn></mmultiscripts>"
            "<mmultiscripts><mi>R</mi><mi>i</mi><none></none></mmultiscripts>",
            "_6^14CR_i",
        ),
        (
            "<mi>f</mi><mfenced><mi>x</mi><mi>y</mi></mfenced><mfenced open='[' close='[' separators=';'><mn>0</mn><mn>1</mn></mfenced>",
            "f(x,y)[0;1[",
        ),
        ("<mi>a</mi><mphantom><mi>b</mi></mphantom>", "a"),
        ("<mrow>" * 3000 + "<mi>deep</mi>", "deep"),
        ("", ""),
    ],
)
def test_formulas_as_a_line(markup: str, expected: str) -> None:
    node = LexborHTMLParser(f"<body><p><math>{markup}</math></p>").css_first("math")
    assert node is not None
    assert formula_of(node) == expected


def test_the_source_beside_a_formula() -> None:
    node = LexborHTMLParser('<body><math alttext="{\\textstyle \\frac{1}{2}}"><mi>x</mi></math>').css_first("math")
    assert node is not None
    assert formula_of(node) == "\\frac{1}{2}"
