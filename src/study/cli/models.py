"""`study register`, `promote`, `rollback` and `models`: networks in the model registry, and which one is champion."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from study import settings
from study.cli import options
from study.cli.show import describe, journal_of
from study.cli.terminal import width
from study.errors import InputError
from study.formatting import duration, moment, plural, to_json
from study.metric import Metric
from study.record.family import Family
from study.text.table import table

if TYPE_CHECKING:
    from study.registry.promotion import Promotion
    from study.tracking.registry import Version

log = logging.getLogger("study")
DAY = 86400.0  # seconds

Model = Annotated[str, typer.Argument(metavar="NAME", help="A registered model; it has its study's name.")]
Trial = Annotated[
    int | None,
    typer.Option(
        envvar="STUDY_TRIAL", min=0, metavar="N", show_default="the confirmed winner",
        help="A trial of the search instead, marked unconfirmed.",
    ),
]  # fmt: skip
ModelName = Annotated[
    str | None,
    typer.Option("--name", envvar="STUDY_MODEL", metavar="MODEL", show_default="the study's", help="Of the model."),
]
Force = Annotated[bool, typer.Option("--force", envvar="STUDY_FORCE", help="Promote without the test.")]
Reason = Annotated[
    str | None, typer.Option(envvar="STUDY_REASON", metavar="TEXT", help="Why it is forced; kept with the model.")
]


def register(
    name: options.StudyName,
    trial: Trial = None,
    model: ModelName = None,
    as_json: options.AsJson = False,
    home: options.Home = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Register the confirmed winner, or a trial, as a model in MLflow's registry."""
    from dataclasses import replace

    journal = journal_of(name, home)
    from study.registry import registration

    places = settings.resolve(home, None, tracking_uri)
    named = registration.checked_name(model) if model else registration.model_of(name)
    if trial is None:
        candidate = registration.confirmed(Family(name, places.home).as_confirmed(), places)
    else:
        candidate = registration.unconfirmed(journal, trial)
    version, is_new = registration.register(replace(candidate, question=describe(journal)), places, named)
    if as_json:
        print(to_json({**version_json(version), "new": is_new}, indent=2))
        return
    word = "Registered" if is_new else "Registered already, the same weights of the same training:"
    print(f"{word} {named} version {version.number}: {_what(version)}")
    if "champion" not in version.aliases:
        log.info("Make it the champion, which `study predict %s` uses: study promote %s", named, named)


def promote(
    name: Model,
    number: Annotated[
        int | None, typer.Argument(metavar="VERSION", min=1, show_default="the newest", help="Of the model.")
    ] = None,
    force: Force = False,
    reason: Reason = None,
    as_json: options.AsJson = False,
    home: options.Home = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Make a version the champion, unless it is surely worse than the present one on the same test examples."""
    if force != bool(reason and reason.strip()):
        what = "--force needs its reason" if force else "--reason is only for --force"
        raise InputError(what, where="study promote", fix="Give both: --force --reason TEXT.")
    from study.registry import promotion
    from study.registry.registration import model_of

    places, model = settings.resolve(home, None, tracking_uri), model_of(name)
    if force:
        done = promotion.force(places, model, number, (reason or "").strip())
    else:
        done = promotion.promote(places, model, number)
    if as_json:
        print(to_json(_promotion_json(done), indent=2))
        return
    version, before = done.version, done.before
    if before and before.number == version.number:
        print(f"{model}: version {version.number} is the champion already")
    elif before is None:
        print(f"{model}: version {version.number} is the champion, the first: {_what(version)}")
    else:
        why = promotion.in_words(done.paired) if done.paired else "forced, without a test"
        print(f"{model}: version {version.number} is the champion now, before it version {before.number}: {why}")


def rollback(
    name: Model,
    as_json: options.AsJson = False,
    home: options.Home = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """Make the champion before the present one champion again; repeated, it goes further back."""
    from study.registry import promotion
    from study.registry.registration import model_of

    done = promotion.rollback(settings.resolve(home, None, tracking_uri), model_of(name))
    if as_json:
        print(to_json(_promotion_json(done), indent=2))
    elif done.before:
        print(f"{done.version.model}: version {done.version.number} is the champion again, no longer version "
              f"{done.before.number}")  # fmt: skip


def models(
    name: Annotated[str | None, typer.Argument(metavar="NAME", show_default="all", help="A registered model.")] = None,
    as_json: options.AsJson = False,
    home: options.Home = None,
    tracking_uri: options.TrackingUri = None,
) -> None:
    """List the versions of registered models: aliases, scores, ages."""
    from study.registry import promotion
    from study.registry.registration import model_of

    versions = promotion.listed(settings.resolve(home, None, tracking_uri), model_of(name) if name else None)
    if as_json:
        print(to_json([version_json(version) for version in versions], indent=2))
        return
    if not versions:
        log.info("No model is registered yet: `study register NAME` makes one.")
        return
    headings = ["Model", "Version", "Aliases", "Confirmed", "Score", "95 % interval", "Seeds", "Age", "Made by"]
    print(table(headings, [_row(version) for version in versions], width=width()))


def version_json(version: Version) -> dict[str, Any]:
    """A version as JSON values."""
    tags = version.tags
    return {
        "model": version.model,
        "version": version.number,
        "aliases": list(version.aliases),
        "created": moment(version.created),
        "confirmed": tags.get("study.confirmed") == "true",
        "score": _number(version, "study.score"),
        "low": _number(version, "study.score_low"),
        "high": _number(version, "study.score_high"),
        "seeds": _number(version, "study.score_seeds"),
        "own_score": _number(version, "study.own_score"),
        "search_score": _number(version, "study.search_score"),
        "study": tags.get("study"),
        "trial": _number(version, "study.trial"),
        "made_by": tags.get("study.made_by"),
        "data": tags.get("study.data"),
        "data_sha256": tags.get("study.data_sha256"),
        "promoted_at": tags.get("study.promoted_at"),
        "promoted_because": tags.get("study.promoted_because"),
    }


def _promotion_json(done: Promotion) -> dict[str, Any]:
    paired = done.paired
    test = paired and {"examples": paired.n, "gained": paired.gained, "lost": paired.lost, "p": paired.p,
                       "accuracy": paired.candidate, "champion_accuracy": paired.champion}  # fmt: skip
    before = done.before.number if done.before else None
    return {"model": done.version.model, "champion": done.version.number, "before": before, "test": test}


def _row(version: Version) -> list[str]:
    score, interval = _score(version)
    seeds = version.tags.get("study.score_seeds", "-")
    confirmed = "yes" if version.tags.get("study.confirmed") == "true" else "no"
    return [version.model, str(version.number), ", ".join(version.aliases) or "-", confirmed, score, interval, seeds,
            _age(time.time() - version.created), version.tags.get("study.made_by", "-")]  # fmt: skip


def _what(version: Version) -> str:
    """Say in one line what a version is: its score, and whether it is confirmed."""
    score, interval = _score(version)
    if version.tags.get("study.confirmed") == "true":
        seeds = plural(int(version.tags["study.score_seeds"]), "fresh seed")
        return f"{score} on the test split, mean of {seeds} (95 % interval {interval})"
    return f"{version.tags.get('study.made_by', 'of unknown origin')}, unconfirmed, {score} in the search"


def _score(version: Version) -> tuple[str, str]:
    """Spell the confirmed score and its interval, else the search's score without one."""
    from study.stats.intervals import Interval

    metric = Metric(version.tags.get("study.metric", "")).seen([value or 0.0 for value in _values(version)])
    low, high = _number(version, "study.score_low"), _number(version, "study.score_high")
    value = _number(version, "study.score")
    if value is None or low is None or high is None:
        return metric.value(_number(version, "study.search_score")), "-"
    return metric.value(value), metric.interval(Interval(low, high))


def _values(version: Version) -> list[float | int | None]:
    return [_number(version, f"study.{name}") for name in ("score", "search_score")]


def _number(version: Version, tag: str) -> float | int | None:
    text = version.tags.get(tag)
    if text is None:
        return None
    return int(text) if text.isdecimal() else float(text)


def _age(seconds: float) -> str:
    return duration(seconds) if seconds < 2 * DAY else plural(round(seconds / DAY), "day")
