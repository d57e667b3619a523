"""The report as one page.

In: `Facts`. Out: HTML that needs no other file: style, plotly's script and the figures are inside, and it requests
nothing over the network. The text is in the template beside this module, which escapes every value.
"""

from __future__ import annotations

from pathlib import Path

from domainlm.report.facts import Facts, removed_by_reason
from domainlm.report.figures import COLOURS, NAMES, plots
from domainlm.report.model_kind import kind_sentences
from domainlm.report.tables import against_rows, compared_rows, headline, summary_rows

TEMPLATE = Path(__file__).with_name("report.html.jinja")
STYLE = Path(__file__).with_name("style.css")


def page(facts: Facts) -> str:
    from jinja2 import Environment, StrictUndefined
    from plotly.offline import get_plotlyjs

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        facts=facts,
        style=STYLE.read_text(encoding="utf-8"),
        names=NAMES,
        colours=COLOURS,
        headline=headline(facts),
        rows=summary_rows(facts),
        against=against_rows(facts),
        compared=compared_rows(facts),
        kinds=kind_sentences(facts.kinds, facts.models),
        removed=removed_by_reason(facts),
        plots=plots(facts),
        plotly=get_plotlyjs(),
        command=f"snakemake --cores all eval_report --config domain={facts.domain}",
    )
