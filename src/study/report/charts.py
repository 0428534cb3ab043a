"""Interactive charts of a search: Optuna's own, drawn by plotly from the trial folders."""

from __future__ import annotations

import json
import math
import re
from statistics import median
from typing import TYPE_CHECKING, Any

import optuna
from optuna import visualization

from study.report.parts import Chart, Section, Text
from study.sampling.storage import frozen, placeholder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from study.record.trial import Trial
    from study.report.found import Found
    from study.report.parts import Part

# Largest number of trials to draw: more cannot be distinguished, and take space and time
POINTS, SLICED, LINES, CURVES = 1000, 500, 200, 60
PANELS = 12  # largest number of parameters with a slice
LONGEST = 200  # largest number of points of a curve
COUNTED = 12  # up to this number of epochs, each has a tick
UNEVEN = 10  # if a trial is longer than the median by this factor, the axis of epochs is logarithmic
GREY, BLUE = "#98a1ab", "#2a7fd0"  # both are visible on white and on black
SCALE = [[0, "#b4bac1"], [1, BLUE]]
CLEAR = "rgba(0,0,0,0)"


def sections(found: Found) -> list[Section]:
    """Draw the charts of the search, each in its own section; leave out those without data."""
    made = [
        ("history", "History", _history(found)),
        ("curves", "Curves", _curves(found)),
        ("parallel", "Parallel coordinates", _parallel(found)),
        ("slices", "Slices", _slices(found)),
    ]
    return [Section(key, title, parts) for key, title, each in made if (parts := list(each))]


def chosen(found: Found, trials: Sequence[Trial], most: int) -> list[Trial]:
    """Choose trials to draw: a quarter from the best ones, every trial that set a new best value, the rest evenly.

    Args:
        found: the study.
        trials: in the order of their numbers.
        most: largest number of trials; those that set a new best value are drawn in any case.

    """
    if len(trials) <= most:
        return list(trials)
    judged = [(trial.row.value, trial) for trial in trials if trial.row.value is not None]
    ranked = [
        trial for value, trial in sorted(judged, key=lambda each: -found.metric.sign * each[0]) if math.isfinite(value)
    ]
    kept = {trial.row.number for trial in ranked[: most // 4]} | set(_new_bests(found, trials))
    others = [trial.row.number for trial in trials if trial.row.number not in kept]
    room = max(0, most - len(kept))
    kept |= {others[index * len(others) // room] for index in range(room)} if others else set()
    return [trial for trial in trials if trial.row.number in kept]


def _new_bests(found: Found, trials: Sequence[Trial]) -> Iterator[int]:
    """Yield the numbers of the complete trials that were better than all before them."""
    best: float | None = None
    for trial in trials:
        value = trial.row.value
        if trial.row.state == "complete" and value is not None and (best is None or found.metric.better(value, best)):
            best = value
            yield trial.row.number


def _history(found: Found) -> Iterator[Part]:
    complete = [trial for trial in found.trials if trial.row.state == "complete"]
    if not complete:
        return
    drawn = chosen(found, complete, POINTS)
    figure: Any = visualization.plot_optimization_history(_in_memory(found, drawn), target_name=found.metric.name)
    for trace in figure.data:
        if trace.mode == "markers":
            trace.marker = {"color": GREY, "size": 6, "opacity": 0.75}
        else:
            trace.update(line={"color": BLUE, "width": 2, "shape": "hv"}, name="best so far")
    figure.update_layout(xaxis_title="trial", yaxis=_values(found), legend=_above())
    yield Text(f"Complete trials in their order{_drawn(drawn, complete)}; the line is the best so far.")
    yield _chart(
        "history", f"{found.metric.name} of the complete trials by their number, with the best so far", figure, 340
    )


def _curves(found: Found) -> Iterator[Part]:
    with_epochs = [trial for trial in found.trials if trial.row.epochs > 1]
    if not with_epochs:
        return
    drawn = chosen(found, with_epochs, CURVES)
    figure: Any = visualization.plot_intermediate_values(_in_memory(found, drawn))
    names = {trial.row.number: trial.row.variant for trial in drawn}
    best = found.best.row.number if found.best else None
    shown = ".2%" if found.metric.factor == 100 else ".4f"
    for trace in figure.data:
        number = int(re.sub(r"\D", "", trace.name))
        variant = names.get(number)
        named = f"trial {number}{f' ({variant})' if variant else ''}"
        step = max(1, len(trace.x) // LONGEST)
        lit = number == best
        trace.update(
            x=trace.x[::step], y=trace.y[::step], name=named, mode="lines", showlegend=lit, opacity=1 if lit else 0.55,
            line={"color": BLUE if lit else GREY, "width": 3 if lit else 1.2},
            hovertemplate=f"{named}<br>epoch %{{x}}: %{{y:{shown}}}<extra></extra>",
        )  # fmt: skip
    figure.data = sorted(figure.data, key=lambda trace: trace.line.width)  # the best one on top
    longest, usual = max(trial.row.epochs for trial in drawn), median(trial.row.epochs for trial in drawn)
    scale = "log" if longest > UNEVEN * usual else "linear"
    figure.update_layout(
        xaxis={"title": "epoch", "type": scale, "dtick": 1 if longest <= COUNTED else None, "exponentformat": "none"},
        yaxis=_values(found), legend=_above(), hovermode="closest", showlegend=True,
    )  # fmt: skip
    yield Text(f"After every epoch{_drawn(drawn, with_epochs)}; the best trial is drawn thick, a line that ends early "
               "was pruned.")  # fmt: skip
    yield _chart("curves", f"{found.metric.name} by epoch, a line a trial", figure, 380)


def _parallel(found: Found) -> Iterator[Part]:
    complete = _with_parameters(found)
    if len(complete) < 2:
        return
    drawn = chosen(found, complete, LINES)
    figure: Any = visualization.plot_parallel_coordinate(_in_memory(found, drawn), target_name=found.metric.name)
    if not figure.data:
        return
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    heights = sorted({trace.y[0] for trace in lines}, reverse=found.metric.sign < 0)  # the objective's axis comes first
    for trace in lines:
        rank = heights.index(trace.y[0]) / max(1, len(heights) - 1)
        trace.line.update(color=_between(rank), width=0.8 + 1.4 * rank)
        trace.opacity = 0.35 + 0.5 * rank
    figure.data = lines
    for annotation in figure.layout.annotations:
        annotation.font.color = None  # the page's
    figure.update_xaxes(ticklabeloverflow="allow")
    yield Text(
        f"A line a complete trial{_drawn(drawn, complete)}, the bluer the better; `None` where a trial has no such "
        "parameter."
    )
    axes = len({name for trial in drawn for name in trial.about["params"]}) + 1
    yield _chart(
        "parallel", "Parameters of the complete trials, an axis a parameter", figure, 400, wide=6.0 * axes, left=56
    )


def _slices(found: Found) -> Iterator[Part]:
    complete = _with_parameters(found)
    if len(complete) < 2:
        return
    drawn = chosen(found, complete, SLICED)
    memory = _in_memory(found, drawn)
    counts = {name: sum(name in trial.about["params"] for trial in drawn) for name in found.definition["space"]}
    names = [name for name, count in counts.items() if count > 1]
    more = f"; {len(names) - PANELS} parameters more are not drawn" if len(names) > PANELS else ""
    yield Text(f"Each parameter against {found.metric.name}{_drawn(drawn, complete)}; the bluer, the later{more}.")
    for index, name in enumerate(names[:PANELS]):
        figure: Any = visualization.plot_slice(memory, params=[name], target_name=found.metric.name)
        for trace in figure.data:
            marker = {"color": trace.marker.color, "colorscale": SCALE, "size": 6, "opacity": 0.8}
            trace.update(x=_unquoted(trace.x), marker=marker, overwrite=True)
        if order := figure.layout.xaxis.categoryarray:
            figure.layout.xaxis.categoryarray = _unquoted(order)
        figure.update_layout(xaxis_title=name, yaxis={**_values(found), "title": None})
        yield _chart(f"slice-{index}", f"{found.metric.name} by {name}", figure, 260, half=True)


def _unquoted(values: Sequence[Any]) -> list[Any]:
    """Remove the quotes that Optuna puts around text."""
    return [value.strip("'") if isinstance(value, str) else value for value in values]


def _with_parameters(found: Found) -> list[Trial]:
    return [trial for trial in found.trials if trial.row.state == "complete" and trial.about["params"]]


def _in_memory(found: Found, drawn: Sequence[Trial]) -> optuna.Study:
    """Make an Optuna study in memory from some trials, each with its own number."""
    numbers = {trial.row.number: trial for trial in drawn}
    made = optuna.create_study(direction=found.metric.direction)
    made.add_trials(
        frozen(numbers[number]) if number in numbers else placeholder()
        for number in range(max(numbers, default=-1) + 1)
    )
    return made


def _between(share: float) -> str:
    """Mix grey and blue."""
    ends = ((0xB4, 0xBA, 0xC1), (0x2A, 0x7F, 0xD0))
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in zip(*ends, strict=True))


def _drawn(drawn: Collection[Trial], all_of_them: Collection[Trial]) -> str:
    if len(drawn) == len(all_of_them):
        return ""
    return f" ({len(drawn):,} of {len(all_of_them):,} trials are drawn: the best, and others evenly spaced)"


def _values(found: Found) -> dict[str, Any]:
    """Describe the axis of the objective's values; accuracies are in per cent."""
    return {"title": found.metric.name, "tickformat": ".4~%" if found.metric.factor == 100 else None}


def _above() -> dict[str, Any]:
    return {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"}


def _chart(
    name: str, alt: str, figure: Any, height: int, *, half: bool = False, wide: float = 0.0, left: int = 8
) -> Chart:
    """Make a chart part; the page sets the colours of text, grid and background, since it may be light or dark."""
    figure.update_layout(
        title=None, height=height, autosize=True, paper_bgcolor=CLEAR, plot_bgcolor=CLEAR,
        margin={"l": left, "r": 8, "t": 28, "b": 8},
    )  # fmt: skip
    figure.update_xaxes(automargin=True).update_yaxes(automargin=True)
    content = json.loads(figure.to_json() or "{}")
    content["layout"].pop("template", None)
    content["layout"].pop("width", None)
    return Chart(name, alt, json.dumps(content, separators=(",", ":")), half=half, wide=wide)
