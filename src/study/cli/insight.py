"""`study show NAME --importance`, `--pruning`, and the lines in which a search judges itself."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from study.cli import records
from study.cli.terminal import width
from study.formatting import duration, plural, to_json
from study.insight import judgement, savings
from study.record import results
from study.text.table import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.insight.importance import Importance, Knob, Weight
    from study.insight.judgement import Remark
    from study.insight.savings import Pruning
    from study.metric import Metric
    from study.record.journal import Journal
    from study.record.results import TrialRow
    from study.stats.intervals import Share


def remarks(journal: Journal, rows: Sequence[TrialRow]) -> list[Remark]:
    """Let the search judge itself."""
    return judgement.remarks(judgement.read(journal, rows))


def remark_lines(found: Sequence[Remark]) -> str:
    """One line a remark, and under it what to do."""
    lines = [f"- {each.text}" + (f"\n  {each.fix}" if each.fix else "") for each in found]
    return "\n".join(lines)


def show_importance(journal: Journal, form: str) -> None:
    """Print what mattered in a search."""
    from study.insight import importance  # Optuna

    found, metric = importance.read(journal), results.metric_of(journal)
    if form == "json":
        print(to_json(importance_json(journal.folder.name, metric.name, found), indent=2))
    elif form == "csv":
        print(records.csv_of([_flat(each) for each in found.knobs]), end="")
    else:
        print(_importance_text(journal.folder.name, metric, found))


def importance_json(name: str, metric: str, found: Importance) -> dict[str, Any]:
    """What mattered as JSON values."""
    return {
        "study": name,
        "metric": metric,
        "trials": found.trials,
        "lacking": found.lacking,
        "lacking_best_quarter": found.lacking_best,
        "chance": found.chance,
        "noise": asdict(found.noise) if found.noise else None,
        "knobs": [
            {"knob": each.name, "trials": each.trials, "overall": asdict(each.overall),
             "best_quarter": asdict(each.among_best) if each.among_best else None}
            for each in found.knobs
        ],
    }  # fmt: skip


def _flat(each: Knob) -> dict[str, Any]:
    best = asdict(each.among_best) if each.among_best else {}
    return {
        "knob": each.name,
        "trials": each.trials,
        **asdict(each.overall),
        **{f"best_quarter.{name}": value for name, value in best.items()},
    }


def _importance_text(name: str, metric: Metric, found: Importance) -> str:
    head = f"{name}: what mattered for {metric.name}, over {plural(found.trials, 'complete trial')}"
    if found.lacking:
        more = plural(found.lacking, "more complete trial")
        return (
            f"{head}\nToo few to tell: {more} needed. `study run {name}` goes on.\n{_noise_line(name, metric, found)}"
        )
    if not found.knobs:
        return f"{head}\nNo knob was varied."
    shown_best = any(each.among_best for each in found.knobs)
    headings = ["Knob", "Trials", "Effect", "fANOVA", "PED-ANOVA", "Says"]
    if shown_best:
        headings += ["Best quarter: effect", "fANOVA", "PED-ANOVA", "Says"]
    cells = [
        [
            each.name,
            str(each.trials),
            *_weight(each.overall, metric),
            *(_weight(each.among_best, metric) if shown_best else ()),
        ]
        for each in found.knobs
    ]
    notes = [
        f"Effect: how far the mean {metric.name} goes as the knob alone goes through the values that were tried;",
        f"with so many trials and knobs, an idle one reaches {metric.size(found.chance)} by chance (one in ten: more).",
        "fANOVA: share of the variance that the knob explains. PED-ANOVA: share in getting among the best quarter.",
        _noise_line(name, metric, found),
    ]
    if found.lacking_best:
        notes.append(f"Within the best quarter: {plural(found.lacking_best, 'more complete trial')} needed to tell.")
    return "\n".join([head, "", table(headings, cells, width=width()), "", *notes])


def _weight(weight: Weight | None, metric: Metric) -> list[str]:
    if weight is None:
        return ["-"] * 4
    return [metric.size(weight.effect), f"{weight.fanova:.2f}", f"{weight.ped_anova:.2f}", weight.says]


def _noise_line(name: str, metric: Metric, found: Importance) -> str:
    noise = found.noise
    if noise is None:
        return f"Noise between seeds: not known; `study confirm {name}` measures it."
    runs = f"{plural(noise.freedom + noise.recipes, 'run')} of {plural(noise.recipes, 'recipe')} in {noise.source}"
    return f"Noise between seeds: {metric.size(noise.sd)} (standard deviation; {runs})."


def show_pruning(journal: Journal, form: str) -> None:
    """Print what pruning saved in a search, and what it lost as far as the audit shows."""
    metric = results.metric_of(journal)
    found = savings.read(results.rows(journal), metric)
    pruner = (journal.definition() or {}).get("pruner")
    if form == "json":
        print(to_json(pruning_json(journal.folder.name, pruner, found), indent=2))
    elif form == "csv":
        print(records.csv_of([_audited(row) for row in found.audited]), end="")
    else:
        print(_pruning_text(journal.folder.name, pruner, found, metric))


def pruning_json(name: str, pruner: str | None, found: Pruning) -> dict[str, Any]:
    """What pruning did as JSON values."""
    return {
        "study": name,
        "pruner": pruner,
        "pruned": found.pruned,
        "diverged": found.diverged,
        "epochs": found.epochs,
        "epochs_saved": found.epochs_saved,
        "share_saved": found.share_saved,
        "seconds_saved": round(found.seconds_saved, 3),
        "audited": [_audited(row) for row in found.audited],
        "lost_good": _share_json(found.lost_good),
        "lost_best": _share_json(found.lost_best),
    }


def _share_json(share: Share) -> dict[str, Any]:
    return {"share": share.value, "low": share.interval.low, "high": share.interval.high, "n": share.n}


def _audited(row: TrialRow) -> dict[str, Any]:
    return {"trial": row.number, "pruned_after": row.audited, "state": row.state, "epochs": row.epochs,
            "value": row.value}  # fmt: skip


def _pruning_text(name: str, pruner: str | None, found: Pruning, metric: Metric) -> str:
    whole = found.epochs + found.epochs_saved
    lines = [
        f"{name}: {pruner or 'no'} pruner",
        f"{plural(found.pruned, 'trial')} pruned"
        + (f", {found.diverged} more ended because their figures were not finite" if found.diverged else "")
        + f"; {found.epochs} epochs trained, {found.epochs_saved} of {whole} saved ({found.share_saved:.0%}, "
        f"about {duration(found.seconds_saved)})",
    ]
    if not found.audited:
        return "\n".join(
            [*lines, "Audit: none yet. One in 20 of the trials that the pruner would end is run to its end."]
        )
    cells = [
        [str(row.number), str(row.audited), str(row.epochs), records.state_word(row), metric.figure(row.value)]
        for row in found.audited
    ]
    good, best = found.lost_good, found.lost_best
    them = "it" if len(found.audited) == 1 else "them"
    lines += [
        f"Audit: {plural(len(found.audited), 'trial')} ran on although the pruner would have ended {them}",
        "",
        table(["Trial", "Pruned after", "Epochs", "State", metric.heading], cells, width=width()),
        "",
    ]
    if good.n:
        lines.append("Pruning would have lost, of these:")
        lines.append(f"  {_of(good)} that ended among the best tenth of all finished trials{_range(good)}")
        lines.append(f"  {_of(best)} that ended better than every other trial{_range(best)}")
    return "\n".join(lines)


def _of(share: Share) -> str:
    return f"{round(share.value * share.n)} of {share.n}"


def _range(share: Share) -> str:
    low, high = share.interval.low, share.interval.high
    return f" ({low:.0%} to {high:.0%} with 95 % confidence)" if math.isfinite(share.value) else ""
