"""The report's plots.

In: `Facts`. Out: plotly figures as fragments of HTML with fixed ids, so that equal facts give equal bytes; plotly's
script itself is put into the page once. Each model has one colour everywhere, distinguishable also without colour
vision, and the background is the page's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domainlm.report.facts import Facts, Training, removed_by_reason, stages_of_documents, tokens_by_source
from domainlm.report.tables import measures_of

COLOURS = {"base": "#8b929c", "instruct": "#d98a1f", "pt": "#3d7edb", "residual": "#9b6dd6", "sft": "#12936f"}
SPLIT_COLOURS = {
    "train": "#3d7edb",
    "train_sft_only": "#8ab4ec",
    "validation": "#9b6dd6",
    "validation_sft_only": "#c4aae6",
    "test": "#12936f",
    "general_held_out": "#d98a1f",
    "evaluation": "#8b929c",
    "instruction": "#c9577b",
}
NAMES = {"base": "Base", "instruct": "Instruct", "pt": "PT", "residual": "PT + residual", "sft": "SFT"}
# a curve of more points is thinned: no screen shows them, and the page grows by 50 bytes for each
MAX_POINTS = 800
SMOOTHED_UPDATES = 9


def plots(facts: Facts) -> dict[str, str]:
    """HTML fragment of each plot, by name."""
    figures = {
        "perplexities": perplexities(facts),
        "shares": shares(facts),
        "removed": removed(facts),
        "tokens": tokens(facts),
    }
    for training in facts.trainings:
        figures[f"loss_{training.name.lower()}"] = loss_curve(training)
    return {name: fragment(figure, f"plot-{name.replace('_', '-')}") for name, figure in figures.items()}


def fragment(figure: Any, name: str) -> str:
    import plotly.io as pio

    # plotly takes orjson where it is installed, whose numbers are written otherwise
    pio.json.config.default_engine = "json"
    config = {"displaylogo": False, "responsive": True, "displayModeBar": False}
    return str(figure.to_html(full_html=False, include_plotlyjs=False, div_id=name, config=config))


def _figure(traces: list[Any], height: int = 360, **layout: Any) -> Any:
    import plotly.graph_objects as go

    # without a template: plotly's own adds 7 kB to every figure and paints a background
    figure = go.Figure(traces, layout={"template": None})
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13},
        legend={"orientation": "h", "y": 1.12, "x": 0},
        bargap=0.25,
        **layout,
    )
    grid = {"gridcolor": "rgba(128,128,128,0.22)", "zeroline": False, "automargin": True}
    figure.update_xaxes(**grid)
    figure.update_yaxes(**grid)
    return figure


def _bars(facts: Facts, wanted: list[tuple[str, str, str]], factor: float) -> list[Any]:
    """A group of bars per measure, a bar with interval per model."""
    import plotly.graph_objects as go

    traces = []
    for model in facts.models:
        figures = [facts.results["models"][model][name][measure] for name, measure, _ in wanted]
        values = [factor * figure["value"] for figure in figures]
        traces.append(
            go.Bar(
                name=NAMES[model],
                x=[label for _, _, label in wanted],
                y=values,
                marker={"color": COLOURS[model]},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [factor * f["interval"][1] - value for f, value in zip(figures, values, strict=True)],
                    "arrayminus": [value - factor * f["interval"][0] for f, value in zip(figures, values, strict=True)],
                    "color": "#59626c",
                    "thickness": 1.2,
                    "width": 4,
                },
                hovertemplate="%{x}: %{y:.2f}<extra>" + NAMES[model] + "</extra>",
            )
        )
    return traces


def perplexities(facts: Facts) -> Any:
    wanted = [(name, "perplexity", label) for name, measure, label, *_ in measures_of(facts) if measure == "perplexity"]
    if "answers" in facts.results["models"]["base"]:
        wanted.insert(1, ("answers", "perplexity", "Answers"))
    return _figure(_bars(facts, wanted, 1.0), barmode="group", yaxis={"title": "perplexity"})


def shares(facts: Facts) -> Any:
    wanted = [(name, measure, label) for name, measure, label, _, _, is_share in measures_of(facts) if is_share]
    return _figure(_bars(facts, wanted, 100.0), barmode="group", yaxis={"title": "per cent", "range": [0, 100]})


def loss_curve(training: Training) -> Any:
    """Loss of every update, its moving mean, and the validation loss."""
    import plotly.graph_objects as go

    colour = COLOURS[training.name.lower()]
    step = max(1, -(-len(training.points) // MAX_POINTS))
    steps = [point[0] for point in training.points][::step]
    losses = [point[2] for point in training.points]
    traces = [
        go.Scatter(
            x=steps, y=losses[::step], name="update", mode="lines", line={"color": colour, "width": 1}, opacity=0.4
        ),
        go.Scatter(
            x=steps,
            y=smoothed(losses)[::step],
            name=f"mean of {SMOOTHED_UPDATES} updates",
            mode="lines",
            line={"color": colour, "width": 2.5},
        ),
        go.Scatter(
            x=[point[0] for point in training.validation],
            y=[point[1] for point in training.validation],
            name="validation",
            mode="lines+markers" if len(training.validation) > 1 else "markers",
            marker={"color": "#d98a1f", "size": 11, "symbol": "diamond"},
        ),
    ]
    return _figure(traces, xaxis={"title": "update"}, yaxis={"title": "loss, nats per token"})


def smoothed(values: list[float]) -> list[float]:
    """Mean of each value and its neighbours.

    At the ends, there are fewer neighbours.
    """
    reach = SMOOTHED_UPDATES // 2
    windows = [values[max(0, index - reach) : index + reach + 1] for index in range(len(values))]
    return [round(sum(window) / len(window), 6) for window in windows]


def removed(facts: Facts) -> Any:
    """Left: documents after each step. Right: rejected ones, by reason."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    steps, reasons = stages_of_documents(facts), removed_by_reason(facts)
    figure = _figure([], height=140 + 34 * max(len(steps), len(reasons)), showlegend=False)
    layout = figure.layout
    parts: Any = make_subplots(
        rows=1, cols=2, horizontal_spacing=0.22, subplot_titles=("documents left", "documents removed"), figure=figure
    )
    for column, (counts, colour) in enumerate(((steps, COLOURS["pt"]), (reasons, "#d98a1f")), start=1):
        parts.add_trace(_horizontal(counts, colour, go), row=1, col=column)
    parts.update_layout(layout)
    parts.update_xaxes(gridcolor="rgba(128,128,128,0.22)", zeroline=False)
    parts.update_yaxes(autorange="reversed", automargin=True)
    return parts


def _horizontal(counts: Mapping[str, int], colour: str, go: Any) -> Any:
    return go.Bar(
        x=list(counts.values()),
        y=list(counts),
        orientation="h",
        marker={"color": colour},
        text=[f"{count:,}" for count in counts.values()],
        textposition="auto",
        cliponaxis=False,
    )


def tokens(facts: Facts) -> Any:
    import plotly.graph_objects as go

    found = tokens_by_source(facts)
    sources = sorted({source for by_source in found.values() for source in by_source})
    traces = [
        go.Bar(
            name=split.replace("_", " "),
            y=sources,
            x=[by_source.get(source, 0) for source in sources],
            orientation="h",
            marker={"color": SPLIT_COLOURS[split]},
        )
        for split, by_source in found.items()
        if by_source
    ]
    return _figure(traces, height=150 + 46 * len(sources), barmode="stack", xaxis={"title": "tokens"})
