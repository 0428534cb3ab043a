"""From a search to its report on real data: what confirm, ablate and compare have found stands on the page."""

from __future__ import annotations

import inspect
import json
import re
import threading
from contextlib import suppress
from pathlib import Path

import pytest

import study as api
from study.cli import questions
from study.data import packed
from study.errors import Interrupted
from study.options import Options
from study.progress import TrialEnded
from study.questions import ablation, comparison, confirmation, judging, search
from study.record import results
from study.record.journal import Journal
from study.registry import registration
from study.report import found, page, reproduction
from study.settings import resolve
from study.study_files import load

STUDY = '''
"""Which learning rate reads digits best?

Two notes:
- one
- two
"""

from study import Recipe, Study


def space(trial):
    return {"lr": trial.suggest_float("lr", 0.01, 1.0, log=True)}


study = Study(
    name="digits_lr",
    recipe=Recipe(dataset="digits", model="cnn2", optimizer="sgd", lr=0.001, batch_size=32, train_size=200, epochs=2),
    space=space,
    variants={"baseline": {}, "fast": {"lr": 0.1}},
    final={"val_fraction": 0.0, "train_size": 300},
)
'''
ONE = {"executor": "inline", "track": False}
TITLES = re.compile(r'<h2 id="[^"]*">([^<]*)</h2>')


@pytest.fixture
def study():
    Path("studies").mkdir()
    Path("studies/digits_lr.py").write_text(STUDY)
    return load("digits_lr")


def searched(study, trials=4):
    list(search.run(study, resolve(), Options(trials=trials, **ONE), threading.Event()))


def compared(study, seeds=2):
    question = comparison.ask(study, seeds=seeds)
    list(comparison.run(study, resolve(), Options(**ONE), question, threading.Event()))
    return comparison.of(study, resolve(), question)


def confirmed(study):
    question = confirmation.ask(study, resolve(), 2, 2)
    list(confirmation.run(study, resolve(), Options(**ONE), question, threading.Event()))
    return confirmation.read(study, resolve())


def ablated(study):
    question = ablation.ask(study, resolve(), 2)
    list(ablation.run(study, resolve(), Options(**ONE), question, threading.Event()))


def report(name="digits_lr"):
    written = page.write(name, resolve())
    return written, written.html.read_text(), written.markdown.read_text()


@pytest.mark.slow
def test_all_that_was_found_stands_on_the_page_in_the_order_of_its_weight(study, browser):
    searched(study)
    rows = compared(study)
    confirmation = confirmed(study)
    ablated(study)
    written, text, markdown = report()
    told = TITLES.findall(text)
    expected = [
        "Answer", "Question", "What to ask next", "Confirmation", "Variants", "Ablation", "Curves",
        "Parallel coordinates", "Slices", "Looks at the test split", "Classes", "What it gets wrong", "First filters",
        "Notes in the study&#39;s file", "Compute", "Environment", "Data", "Search space", "How to repeat it",
    ]  # fmt: skip
    assert [title for title in told if title in expected] == expected
    assert "Which learning rate reads digits best?" in text
    score, gain = confirmation.score.mean, confirmation.gain
    assert f"Confirmed: `lr={confirmation.winner.recipe.lr:.4g}`" in markdown
    assert f"reaches {100 * score.value:.2f} % test accuracy" in markdown
    assert f"{100 * gain.difference:+.2f} points" in markdown
    assert f"- Optimism removed: {100 * confirmation.optimism:+.2f} points" in markdown
    assert all(f"{100 * row.mean.value:.2f} %" in markdown for row in rows)
    assert "It was looked at 2 times." in markdown
    names = {path.name for path in written.pictures}
    assert {"report-variants.png", "report-mistakes.png", "report-filters.png", "report-filters-at-work.png"} <= names
    assert all(f"({name})" in markdown for name in names)
    assert "first of 2 final seeds, 360 examples of the test split" in markdown
    ablations = Journal(resolve().study_folder("digits_lr-ablate")).trials()
    assert found.read("digits_lr", resolve()).as_of == max(folder.history().ended.time for folder in ablations)
    browser.console.clear()
    browser.open(written.html, 390)
    assert browser.run("[...document.images].every(each => each.naturalWidth > 0)")
    assert browser.console == []


def test_a_comparison_without_a_search_is_a_report_too(study):
    compared(study)
    written, text, _ = report()
    assert written.html == Path("mlruns/studies/digits_lr-compare/artifacts/report.html").absolute()
    assert "Of 2 variants fast has the best mean" in text
    assert "Maximize <code>accuracy</code> on digits" in text
    assert "The search has no trial." in text


def test_the_recipe_on_the_page_repeats_the_training(study):
    searched(study, 2)
    _, _, markdown = report()
    record = json.loads(markdown.rsplit("```", 2)[1])
    best = results.best_recipe(Journal(resolve().study_folder("digits_lr")))
    kind = type(study.recipe)
    assert kind.model_validate({**kind().model_dump(), **record["recipe"]}) == kind.model_validate(best.recipe)


def test_without_the_study_s_file_the_folders_tell_the_rest(study):
    searched(study, 3)
    compared(study)
    confirmed(study)
    Path("studies/digits_lr.py").unlink()
    _, text, _ = report()
    assert "Confirmed: " in text
    assert "the best mean" not in text
    assert "Variants" in TITLES.findall(text)


def test_without_the_data_the_network_is_not_run_and_nothing_is_downloaded(study, monkeypatch, tmp_path):
    searched(study, 1)
    monkeypatch.setenv("STUDY_CACHE", str(tmp_path / "empty"))
    _, text, _ = report()
    assert "The data set is not on this machine" in text
    assert packed.names() == []


def test_the_test_split_stays_closed_for_a_trial_that_never_saw_it(study):
    searched(study, 2)
    known = found.read("digits_lr", resolve())
    assert found.winner(known).split == "validation"
    _, text, _ = report()
    assert "Looks at the test split</dt><dd>none" in text
    assert "examples of the test split" not in text


OWN = '''
"""Does a gain help?"""

import os

from pydantic import BaseModel

from study import Epoch, Study


class Own(BaseModel, frozen=True, extra="forbid"):
    gain: float = 0.0
    epochs: int = 1
    seed: int = 0


def space(trial):
    return {"gain": trial.suggest_float("gain", 0.0, 1.0)}


def train(recipe, resume):
    if recipe.gain < 0 or str(recipe.seed) == os.environ.get("FAILING_SEED"):
        raise ValueError("boom")
    yield Epoch(1, {"score": recipe.gain + 0.001 * ((recipe.seed * 7 + int(5 * recipe.gain)) % 5)})


study = Study(
    name="own", recipe=Own(), train=train, metric="score", space=space,
    variants={"baseline": {}, "better": {"gain": 1.0}, "failing": {"gain": -1.0}},
)
'''


@pytest.fixture
def own():
    Path("studies").mkdir()
    Path("studies/own.py").write_text(OWN)
    return load("own")


def begun(progress, stop):
    """Stop what is asked after its first trial."""
    with suppress(Interrupted):
        for each in progress:
            if isinstance(each, TrialEnded):
                stop.set()


def to_ask():
    """The commands under "What to ask next"."""
    _, _, markdown = report("own")
    return re.findall(r"- `(study [^`]*)`: ", markdown)


def test_a_comparison_that_is_settled_early_or_has_failures_is_not_resumed_for_ever(own):
    question = comparison.ask(own, ["better", "failing"], "baseline", until_sure=True, smallest=0.02)
    options = "--variants baseline,better,failing --against baseline --seeds 30 --smallest 0.02 --until-sure"
    command = f"study compare own {options}"
    stop = threading.Event()
    begun(comparison.run(own, resolve(), Options(**ONE), question, stop), stop)
    assert command in to_ask()
    list(comparison.run(own, resolve(), Options(**ONE), question, threading.Event()))
    known = found.read("own", resolve())
    seeds = {row.variant: row.mean.n if row.mean else 0 for row in known.compared.rows}
    assert seeds["better"] < 30
    assert seeds["failing"] == 0
    assert not any("study compare" in each for each in to_ask())
    assert reproduction.commands(known)["compare"] == command


def test_what_is_resumed_is_the_question_that_was_asked(own):
    searched(own)
    stop = threading.Event()
    confirming = confirmation.ask(own, resolve(), 3, 4)
    begun(confirmation.run(own, resolve(), Options(**ONE), confirming, stop), stop)
    assert "study confirm own --top 3 --seeds 4 --no-resplit" in to_ask()
    list(confirmation.run(own, resolve(), Options(**ONE), confirming, threading.Event()))
    stop = threading.Event()
    ablating = ablation.ask(own, resolve(), 3, 0.02)
    begun(ablation.run(own, resolve(), Options(**ONE), ablating, stop), stop)
    assert "study ablate own --seeds 3 --smallest 0.02" in to_ask()
    list(ablation.run(own, resolve(), Options(**ONE), ablating, threading.Event()))
    assert not any("ablate" in each or "confirm" in each for each in to_ask())
    assert reproduction.commands(found.read("own", resolve()))["ablate"] == "study ablate own --seeds 3 --smallest 0.02"


def test_the_network_shown_is_one_whose_training_ended_well_as_register_takes_it(own, monkeypatch):
    searched(own)
    monkeypatch.setenv("FAILING_SEED", str(confirmation.FINAL_SEEDS))
    known = confirmed(own)
    shown = found.winner(found.read("own", resolve()))
    assert known.score.failed.count == 1
    assert (shown.trial.row.state, shown.trial.number) == ("complete", known.score.trials[1])
    assert shown.label == f"trial {known.winner.trial}, first complete one of 2 final seeds"
    assert registration.confirmed(own, resolve()).training.number == shown.trial.number


def test_the_smallest_difference_is_the_same_by_default_for_every_caller():
    for call in (api.compare, api.compare_over_data, api.ablate, questions.compare, questions.ablate):
        assert inspect.signature(call).parameters["smallest"].default == judging.SMALLEST
