from __future__ import annotations

from domainlm.text.reading.wikitext import prose_of


def test_markup_becomes_prose() -> None:
    markup = """{{Infobox|name=x}}[[File:a.jpg|thumb|A [[lung]]]]
'''Lung''' ({{IPA|lʌŋ}}; plural ''lungs'') is {{convert|30|cm|in}} long,<ref>A book</ref> {{nowrap|two lobes}} &amp; [[air|airy]].<!-- x -->
{| class="wikitable"
| cell
|}
* item [https://example.org link]
* [[organ (biology)]]

== See also ==
* [[Heart]]
=== Deeper ===
* more
== Care ==
Breathe. [[fr:Poumon]] [[Category:Organs]] <math>x^2</math>
== References ==
{{reflist}}
== 参考文献 ==
* x
"""
    assert prose_of(markup) == (
        "Lung (plural lungs) is 30 cm long, two lobes & airy.\n\n- item link\n- organ (biology)\n\nCare\n\nBreathe."
    )
