"""`study show` and `study best`: what the trial folders tell."""

from __future__ import annotations

import typer

from study import api
from study.cli import options
from study.errors import InputError
from study.terminal.console import show_as


def show(
    context: typer.Context,
    name: options.StudyName,
    trial: options.TrialNumber = None,
    importance: options.Importance = False,
    pruning: options.Pruning = False,
    form: options.ShowFormat = "table",
    as_json: options.AsJson = False,
    sort_by: options.SortBy = None,
    top: options.Top = None,
    server: options.Server = None,
    home: options.Home = None,
) -> None:
    """Show a study's trials, or one trial with all its epochs. Remarks tell how far the search can be trusted."""
    if sum((trial is not None, importance, pruning)) > 1:
        raise InputError("--trial, --importance and --pruning exclude each other", fix="Give one of them.")
    ordered = options.typed(context, "sort_by") or options.typed(context, "top")
    if ordered and (trial is not None or importance or pruning):
        raise InputError("--sort-by and --top are for the table of trials", where="study show", fix="Leave them out.")
    if as_json and form != "json" and options.typed(context, "form"):
        raise InputError("--json and --format exclude each other", where="study show", fix="Give one of them.")
    form = "json" if as_json else form
    if server:
        from study.cli import remote

        remote.show(context, server, name, trial, form)
        return
    if trial is not None:
        show_as(api.show(name, trial, home=home), form)
    elif importance:
        show_as(api.importance(name, home=home), form)
    elif pruning:
        show_as(api.pruning(name, home=home), form)
    else:
        show_as(api.show(name, sort_by=sort_by, top=top, home=home), form)


def best(name: options.StudyName, home: options.Home = None) -> None:
    """Print the best recipe as JSON for `study run --recipe`."""
    print(api.best(name, home=home).to_json(indent=2))
