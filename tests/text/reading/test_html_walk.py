from __future__ import annotations

from selectolax.lexbor import LexborHTMLParser

from domainlm.text.reading.html_marks import CODE_BLANK, ITEM, LINE, PARAGRAPH
from domainlm.text.reading.html_walk import blocks_of

PAGE = """<body><h2>Title</h2><div id="mainNav"><a href="/">home</a></div><!-- x --><pre>a
  b</pre><p>This <b>is</b> a sentence that is long enough, with <a href="x">a link</a>, to be prose.</p><script>x</script>
<main><ul><li>one</li></ul></main></body>"""


def test_blocks() -> None:
    blocks = blocks_of(LexborHTMLParser(PAGE).body)
    assert blocks.tag == ["body", "h2", "div", "pre", "p", "main", "ul", "li"]
    assert blocks.named == {blocks.tag.index("div")}
    assert blocks.main == {blocks.tag.index("main")}
    paragraph = blocks.tag.index("p")
    assert blocks.chars[paragraph] == len("This is a sentence that is long enough, with a link, to be prose.")
    assert blocks.link_chars[paragraph] == len("a link")
    assert blocks.prose[paragraph] == blocks.chars[paragraph] - len("a link")
    assert blocks.prose[blocks.tag.index("div")] == 0
    assert blocks.totals(blocks.link_chars)[0] == len("home") + len("a link")
    kept = [tag != "p" for tag in blocks.tag]
    assert blocks.totals(blocks.chars, kept)[0] == len("Title") + len("home") + len("a\n  b") + len("one")


def test_flow() -> None:
    blocks = blocks_of(LexborHTMLParser(PAGE).body)
    levels = [(text, level) for _, text, level in blocks.flow if level]
    assert levels == [("", 2), ("", -2)]
    assert "".join(text for _, text, _ in blocks.flow if text.strip(f" {PARAGRAPH}")) == (
        f"Titlehomea\n{CODE_BLANK * 2}bThis is a sentence that is long enough, with a link, to be prose.{LINE}-{ITEM}one{LINE}"
    )
