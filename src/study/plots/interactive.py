"""Charts for notebooks, made with plotly: differences with their intervals, values over trials, curves, bars.

Each function takes plain values and returns a `plotly.graph_objects.Figure`. Accuracies are drawn in per cent and their
differences in points, as in every text for people.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import plotly.graph_objects as go

    from study.metric import Metric
    from study.stats.expected import Curve
    from study.stats.intervals import Mean
    from study.stats.verdicts import Contrast

# Okabe and Ito's palette, which the colour-blind can tell apart
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6f6f6f", "#000000")
VERDICTS = {"helps": "#009E73", "hurts": "#D55E00", "no difference": "#0072B2", "not enough seeds": "#8a8a8a"}
GREY, BLUE = "#98a1ab", "#0072B2"


def forest(compared: Mapping[str, Contrast | None], metric: Metric, title: str, axis: str) -> go.Figure:
    """Draw paired differences with their intervals, from top to bottom, coloured by the verdict.

    Args:
        compared: contrasts by the name to show; those without a difference are left out.
        metric: of the differences.
        title: above the chart.
        axis: label of the axis, without its unit.

    """
    import plotly.graph_objects as go  # noqa: PLC0415 - takes time to import

    known = {name: each for name, each in compared.items() if each is not None and math.isfinite(each.difference)}
    figure = go.Figure()
    for verdict, colour in VERDICTS.items():
        rows = {name: each for name, each in known.items() if each.verdict == verdict}
        if not rows:
            continue
        ends = [_ends(each.difference, each.interval.low, each.interval.high) for each in rows.values()]
        figure.add_scatter(
            x=[metric.factor * each.difference for each in rows.values()],
            y=list(rows),
            mode="markers",
            name=verdict,
            marker={"color": colour, "size": 9},
            error_x={
                "type": "data", "symmetric": False, "color": colour,
                "array": [metric.factor * high for _, high in ends],
                "arrayminus": [metric.factor * low for low, _ in ends],
            },
            text=[f"{each.words(metric.factor, metric.unit)}, n={each.n}" for each in rows.values()],
            hovertemplate="%{y}: %{x:+.4g}<br>%{text}<extra></extra>",
        )  # fmt: skip
    smallest = metric.factor * max((each.smallest for each in known.values()), default=0.0)
    figure.add_vline(x=0, line_width=1)
    figure.add_vrect(x0=-smallest, x1=smallest, fillcolor=BLUE, opacity=0.08, line_width=0)
    order = list(reversed(known))
    figure.update_yaxes(categoryorder="array", categoryarray=order)
    return _titled(figure, title, f"{axis} ({metric.axis})", "")


def means(by_name: Mapping[str, Mean], metric: Metric, title: str) -> go.Figure:
    """Draw means with their intervals, from top to bottom.

    Args:
        by_name: means by the name to show.
        metric: of the values.
        title: above the chart.

    """
    import plotly.graph_objects as go  # noqa: PLC0415 - as above

    ends = [_ends(each.value, each.interval.low, each.interval.high) for each in by_name.values()]
    array, minus = [metric.factor * high for _, high in ends], [metric.factor * low for low, _ in ends]
    figure = go.Figure()
    figure.add_scatter(
        x=_scaled((each.value for each in by_name.values()), metric), y=list(by_name), mode="markers",
        marker={"color": BLUE, "size": 9}, hovertemplate="%{y}: %{x:.4g}<extra></extra>",
        error_x={"type": "data", "symmetric": False, "color": BLUE, "array": array, "arrayminus": minus},
    )  # fmt: skip
    figure.update_yaxes(categoryorder="array", categoryarray=list(by_name)[::-1])
    return _titled(figure, title, metric.heading, "")


def over_trials(
    series: Mapping[str, Sequence[tuple[int, float]]],
    so_far: Sequence[tuple[int, float]],
    metric: Metric,
    title: str,
    *,
    axis: str = "trial",
) -> go.Figure:
    """Draw a dot for each trial by its number, or for each epoch, and a line for the best so far.

    Args:
        series: number and value of each trial, by the name of its series, such as a state.
        so_far: trial numbers and the best value from each of them on.
        metric: of the values.
        title: above the chart.
        axis: what is numbered.

    """
    import plotly.graph_objects as go  # noqa: PLC0415 - as above

    figure = go.Figure()
    for index, (name, points) in enumerate(series.items()):
        colour = BLUE if index == 0 else COLOURS[(index + 5) % len(COLOURS)]
        x, y = [number for number, _ in points], _scaled((value for _, value in points), metric)
        figure.add_scatter(x=x, y=y, mode="markers", name=name, marker={"color": colour, "size": 7})
    if so_far:
        x, y = [number for number, _ in so_far], _scaled((value for _, value in so_far), metric)
        figure.add_scatter(x=x, y=y, mode="lines", name="best so far", line={"color": GREY, "shape": "hv"})
    return _titled(figure, title, axis, metric.heading)


def curves(lines: Mapping[str, Curve], metric: Metric, title: str, axis: str) -> go.Figure:
    """Draw lines with their bands.

    Args:
        lines: curves by the name to show; NaN interrupts a line or a band.
        metric: of the values.
        title: above the chart.
        axis: label of the horizontal axis.

    """
    import plotly.graph_objects as go  # noqa: PLC0415 - as above

    figure = go.Figure()
    for index, (name, curve) in enumerate(lines.items()):
        colour, at = COLOURS[index % len(COLOURS)], [float(each) for each in curve.at]
        band = {"mode": "lines", "line": {"width": 0}, "legendgroup": name, "showlegend": False, "hoverinfo": "skip"}
        figure.add_scatter(x=at, y=_scaled(curve.low, metric), **band)
        figure.add_scatter(
            x=at, y=_scaled(curve.high, metric), fill="tonexty", fillcolor=f"rgba{(*_rgb(colour), 0.16)}", **band
        )
        figure.add_scatter(
            x=at, y=_scaled(curve.mean, metric), mode="lines", name=name, legendgroup=name, line={"color": colour}
        )
    return _titled(figure, title, axis, metric.heading)


def bars(series: Mapping[str, Mapping[str, float]], title: str, axis: str) -> go.Figure:
    """Draw a horizontal bar for each name, the first name on top; the bars of several series are grouped.

    Args:
        series: values of each series by name, in the unit to show.
        title: above the chart.
        axis: label of the values' axis, with its unit.

    """
    import plotly.graph_objects as go  # noqa: PLC0415 - as above

    figure = go.Figure()
    for index, (name, values) in enumerate(series.items()):
        colour = COLOURS[index % len(COLOURS)]
        figure.add_bar(x=list(values.values()), y=list(values), name=name, orientation="h", marker={"color": colour})
    figure.update_yaxes(autorange="reversed")
    return _titled(figure, title, axis, "")


def _ends(value: float, low: float, high: float) -> tuple[float, float]:
    """Compute the distances from a value to the ends of its interval; both are 0 if one end is infinite."""
    return (value - low, high - value) if math.isfinite(low) and math.isfinite(high) else (0.0, 0.0)


def _scaled(values: Iterable[Any], metric: Metric) -> list[float | None]:
    return [metric.factor * float(each) if math.isfinite(each) else None for each in values]


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return red, green, blue


def _titled(figure: go.Figure, title: str, x_axis: str, y_axis: str) -> go.Figure:
    figure.update_layout(title=title, template="plotly_white", hovermode="closest")
    figure.update_xaxes(title=x_axis)
    figure.update_yaxes(title=y_axis, automargin=True)
    return figure
