"""Interactive charts of a search: Optuna's own, drawn by plotly from the trial folders."""

from __future__ import annotations

import json
import math
import re
from statistics import median
from typing import TYPE_CHECKING, Any

import optuna
from optuna import visualization

from study.formatting import plural
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
FEWEST, FAR = 8, 3  # trials from which on those far worse than the others are left out of view, see _focused
MANY = 30  # if a logarithmic axis spans more than this factor, it has ticks at powers of ten alone
NUMBER = re.compile(r"-?[\d.]+(e-?\d+)?")
UNEVEN = 10  # if a trial is longer than the median by this factor, the axis of epochs is logarithmic
GREY, BLUE = "#98a1ab", "#2a7fd0"  # both are visible on white and on black
SCALE = [[0, "#b4bac1"], [1, BLUE]]
CLEAR = "rgba(0,0,0,0)"


def sections(found: Found) -> list[Section]:
    """Draw the charts of the search but its history, each in its own section; leave out those without data."""
    made = [
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


def history(found: Found) -> list[Part]:
    """Draw the complete trials in their order with the best so far; empty with fewer than two."""
    return list(_history(found))


def _history(found: Found) -> Iterator[Part]:
    complete = [trial for trial in found.trials if trial.row.state == "complete"]
    if len(complete) < 2:
        return
    drawn = chosen(found, complete, POINTS)
    figure: Any = visualization.plot_optimization_history(_in_memory(found, drawn), target_name=found.metric.name)
    names = [_named(trial) for trial in drawn]
    for trace in figure.data:
        if trace.mode == "markers":
            trace.update(marker={"color": GREY, "size": 7, "opacity": 0.85}, name="complete trials", text=names,
                         hovertemplate=f"%{{text}}: %{{y:{_written(found)}}}<extra></extra>")  # fmt: skip
        else:
            trace.update(
                line={"color": BLUE, "width": 2, "shape": "hv"}, name="best so far", mode="lines", hoverinfo="skip"
            )
    axis, outside = _focused(found, [trial.row.value for trial in drawn])
    ticks = 1 if max(trial.row.number for trial in drawn) <= COUNTED else None
    figure.update_layout(xaxis={"title": "trial", "dtick": ticks}, yaxis=axis, legend=_above())
    best = found.best
    told = f"; best: {found.metric.value(best.row.value)}, trial {best.row.number}" if best else ""
    yield _chart("history", f"{found.metric.name} of {len(drawn)} complete trials by their number{told}", figure, 320)
    yield Text(f"Complete trials in the order of their numbers{_drawn(drawn, complete)}{outside}.", "quiet")


def _curves(found: Found) -> Iterator[Part]:
    with_epochs = [trial for trial in found.trials if trial.row.epochs > 1]
    if not with_epochs:
        return
    drawn = chosen(found, with_epochs, CURVES)
    figure: Any = visualization.plot_intermediate_values(_in_memory(found, drawn))
    names = {trial.row.number: _named(trial) for trial in drawn}
    best = found.best.row.number if found.best else None
    for trace in figure.data:
        number = int(re.sub(r"\D", "", trace.name))
        named, lit = names[number], number == best
        kept = _thinned(len(trace.x))
        trace.update(
            x=[trace.x[index] for index in kept], y=[float(f"{trace.y[index]:.5g}") for index in kept], name=named,
            mode="lines", showlegend=lit, opacity=1 if lit else 0.55,
            line={"color": BLUE if lit else GREY, "width": 3 if lit else 1.2},
            hovertemplate=f"{named}<br>epoch %{{x}}: %{{y:{_written(found)}}}<extra></extra>",
        )  # fmt: skip
    figure.data = sorted(figure.data, key=lambda trace: trace.line.width)  # the best one on top
    longest, usual = max(trial.row.epochs for trial in drawn), median(trial.row.epochs for trial in drawn)
    scale = "log" if longest > UNEVEN * usual else "linear"
    axis, outside = _focused(found, [_top(found, trace.y) for trace in figure.data], [trace.y for trace in figure.data])
    figure.update_layout(
        xaxis={"title": "epoch", "type": scale, "dtick": 1 if longest <= COUNTED else None, "exponentformat": "none"},
        yaxis=axis, legend=_above(), hovermode="closest", showlegend=True,
    )  # fmt: skip
    yield _chart("curves", f"{found.metric.name} of {len(drawn)} trials after each epoch", figure, 380)
    yield Text(f"Each line is a trial{_drawn(drawn, with_epochs)}; the best one is thick, and one that ends early was "
               f"pruned{outside}.", "quiet")  # fmt: skip


def _parallel(found: Found) -> Iterator[Part]:
    complete = _with_parameters(found)
    limit = _worst_shown(found, [trial.row.value for trial in complete])
    near = [each for each in complete if each.row.value is not None and not found.metric.better(limit, each.row.value)]
    if len(near) < 2:
        return
    drawn = chosen(found, near, LINES)
    outside = len(complete) - len(near)
    without = f"; {plural(outside, 'trial')} far from the others left out" if outside else ""
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
        if found.metric.factor == 100 and annotation.x == 0 and NUMBER.fullmatch(annotation.text):
            annotation.text = f"{100 * float(annotation.text):.4g}%"
    figure.update_xaxes(ticklabeloverflow="allow")
    axes = len({name for trial in drawn for name in trial.about["params"]}) + 1
    alt = f"Parameters of {len(drawn)} complete trials with their {found.metric.name}, one axis for each parameter"
    yield _chart("parallel", alt, figure, 400, wide=6.0 * axes, left=56)
    yield Text(
        f"Each line is a complete trial{_drawn(drawn, near)}; better ones are bluer{without}. `None`: the trial does "
        "not have the parameter.",
        "quiet",
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
    axis, outside = _focused(found, [trial.row.value for trial in drawn])
    for index, name in enumerate(names[:PANELS]):
        figure: Any = visualization.plot_slice(memory, params=[name], target_name=found.metric.name)
        for trace in figure.data:
            marker = {"color": trace.marker.color, "colorscale": SCALE, "size": 6, "opacity": 0.8}
            hover = f"{name}=%{{x}}: %{{y:{_written(found)}}}<extra></extra>"
            trace.update(x=_unquoted(trace.x), marker=marker, hovertemplate=hover, overwrite=True)
        if order := figure.layout.xaxis.categoryarray:
            figure.layout.xaxis.categoryarray = _unquoted(order)
        values = [trial.about["params"][name] for trial in drawn if name in trial.about["params"]]
        decades = figure.layout.xaxis.type == "log" and max(values) > MANY * min(values)
        figure.update_xaxes(title=name, dtick=1 if decades else None)
        figure.update_layout(yaxis={**axis, "title": None})
        yield _chart(f"slice-{index}", f"{found.metric.name} by {name}, {len(values)} trials", figure, 260, half=True)
    yield Text(
        f"{found.metric.name} by each parameter{_drawn(drawn, complete)}; later trials are bluer{outside}{more}.",
        "quiet",
    )


def _named(trial: Trial) -> str:
    return f"trial {trial.row.number}{f' ({trial.row.variant})' if trial.row.variant else ''}"


def _thinned(count: int) -> list[int]:
    """Choose the points of a curve to draw: all, or each n-th and the last one."""
    return sorted({*range(0, count, max(1, count // LONGEST)), count - 1})


def _worst_shown(found: Found, values: Sequence[float | None]) -> float:
    """Compute the limit beyond which values are far worse than the others; infinite where no limit is needed.

    It is Tukey's limit for values that are far out: three times the range of the middle half beyond its end. So at most
    a quarter of the values is beyond it.
    """
    sign = found.metric.sign
    finite = sorted(sign * each for each in values if each is not None and math.isfinite(each))
    if len(finite) < FEWEST:
        return -sign * math.inf
    lower, upper = finite[len(finite) // 4], finite[3 * len(finite) // 4]
    return sign * (lower - FAR * (upper - lower)) if upper > lower else -sign * math.inf


def _focused(
    found: Found, values: Sequence[float | None], lines: Sequence[Sequence[float]] | None = None
) -> tuple[dict[str, Any], str]:
    """Describe the axis of the values without those far worse than the others, and write how many are not in view.

    Args:
        found: the study.
        values: one for each trial.
        lines: the values to show of each trial; its value alone if unset.

    """
    axis, limit = _values(found), _worst_shown(found, values)
    known = [(index, each) for index, each in enumerate(values) if each is not None and math.isfinite(each)]
    near = [index for index, each in known if not found.metric.better(limit, each)]
    outside = len(known) - len(near)
    if not outside:
        return axis, ""
    shown = [y for index in near for y in (lines[index] if lines else [values[index]]) if y is not None]
    low, high = min(shown), max(shown)
    axis["range"] = [low - 0.08 * (high - low), high + 0.08 * (high - low)]
    return axis, f"; {plural(outside, 'trial')} far from the others not in view: double-click for all"


def _top(found: Found, values: Sequence[float]) -> float:
    return max(values, key=lambda each: found.metric.sign * each)


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
    if found.metric.factor == 100:
        return {"title": found.metric.name, "tickformat": ".4~%"}
    return {"title": found.metric.name, "exponentformat": "none", "separatethousands": True}


def _written(found: Found) -> str:
    """Give d3's format of a value."""
    return ".2%" if found.metric.factor == 100 else ".4g"


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
