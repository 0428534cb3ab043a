"""The section of what can be asked next: one command for each answer that the study does not have yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.formatting import plural
from study.insight.importance import NEEDED
from study.report.parts import Commands, Section
from study.report.reproduction import commands, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from study.report.found import Found


def section(found: Found) -> Section | None:
    """Make the section; None if everything has been answered."""
    items = [*_search(found), *_variants(found), *_confirmation(found), *_ablation(found), *_importance(found)]
    return Section("next", "What to ask next", [Commands(items)]) if items else None


def _search(found: Found) -> Iterator[tuple[str, str]]:
    if found.count("running"):
        paused = f", {found.summary.paused} of them paused" if found.summary.paused else ""
        yield run(found), f"resumes {plural(found.count('running'), 'unfinished trial')}{paused}."
    elif not found.trials:
        yield run(found), "searches for the best recipe."
    elif found.best is None:
        yield run(found), "resumes the search: no trial is complete."


def _variants(found: Found) -> Iterator[tuple[str, str]]:
    if found.compared:
        if not found.compared.found.complete:
            yield commands(found)["compare"], "resumes the comparison of the variants."
    elif len(found.definition.get("variants") or ()) > 1:
        yield f"study compare {found.name}", "says which variants help, on equal seeds and on the test split."


def _confirmation(found: Found) -> Iterator[tuple[str, str]]:
    if found.study is None or found.best is None:
        return
    if found.confirmation is None:
        yield (
            f"study confirm {found.name}",
            "says how much of the best value is luck: the best trials on fresh seeds, the winner on the test split.",
        )
    elif not found.confirmation.complete:
        yield commands(found)["confirm"], "resumes the confirmation."


def _ablation(found: Found) -> Iterator[tuple[str, str]]:
    if found.ablation is None and found.confirmation and found.confirmation.complete:
        yield f"study ablate {found.name}", "says what each of the winner's knobs contributes."
    elif found.ablation and not found.ablation.complete:
        yield commands(found)["ablate"], "resumes the ablation."


def _importance(found: Found) -> Iterator[tuple[str, str]]:
    weighed = sum(trial.row.state == "complete" and bool(trial.about["params"]) for trial in found.trials)
    if 0 < weighed < NEEDED:
        asked = found.summary.finished + NEEDED - weighed
        yield (
            run(found, f" --trials {asked}"),
            f"says which knobs matter: that takes {NEEDED} complete trials of the search, and there are {weighed}.",
        )
