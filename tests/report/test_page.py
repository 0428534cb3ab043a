"""A report says what the folders say, whatever they hold, in one file that needs nothing else."""

from __future__ import annotations

import html.parser
import json
import math
import os
import re
import shlex
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, distribution_to_json

from study.recipe import Recipe, to_json
from study.record.journal import Journal
from study.report import page, reproduction
from study.settings import resolve
from tests.conftest import make_trial

SPACE = {
    "lr": FloatDistribution(1e-4, 1.0, log=True),
    "momentum": FloatDistribution(0.0, 0.99),
    "activation": CategoricalDistribution(("relu", "tanh", "gelu")),
    "normalize": CategoricalDistribution((False, True)),
}
LARGEST = 1_000_000  # bytes, of 100 trials; a plain 2,000 need 0.3 MB more
TITLES = re.compile(r'<h2 id="[^"]*">([^<]*)</h2>')


@pytest.fixture
def no_fsync(monkeypatch):
    """Nobody pulls the plug in the middle of these tests."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def searched(no_fsync):
    """Make a study with as many trials as asked for, some pruned, some failed, some diverged."""

    def make(trials, name="searched", epochs=5, **definition):
        journal = Journal(Path("mlruns/studies", name).absolute())
        recipe = Recipe(dataset="digits", model="mlp", hidden=(8,), optimizer="sgd", epochs=5)
        journal.store_definition({
            "study": name, "metric": "val_accuracy", "direction": "maximize", "train": "study.engine:train",
            "recipe_type": "study.recipe:Recipe", "recipe": recipe.model_dump(mode="json"),
            "space": {key: distribution_to_json(each) for key, each in SPACE.items()}, "fixed": {},
            "variants": {"baseline": {}}, "sampler": "tpe", "pruner": "median", "seed": 0,
            "data": {"name": "digits", "sha256": "0" * 64, "source": "scikit-learn", "imported": False},
            **definition,
        })  # fmt: skip
        random = np.random.default_rng(0)
        for number in range(trials):
            add_trial(journal, recipe, number, random, epochs)
        return journal

    return make


def add_trial(journal, recipe, number, random, epochs):
    overrides = {
        "lr": float(10 ** random.uniform(-4, 0)), "momentum": float(random.uniform(0, 0.99)),
        "activation": ("relu", "tanh", "gelu")[number % 3], "normalize": bool(number % 2),
    }  # fmt: skip
    if number % 5 == 1:
        del overrides["momentum"]
    about = {
        "uid": f"uid{number}", "variant": "baseline" if number == 0 else None, "overrides": overrides,
        "params": overrides, "distributions": {name: distribution_to_json(SPACE[name]) for name in overrides},
        "created": 1_795_000_000 + 60 * number, "study": journal.folder.name, "metric": "val_accuracy",
        "direction": "maximize", "environment": {"torch": "2.15.0", "python": "3.11.7"},
        "git": {"commit": "a" * 40, "dirty": True},
    }  # fmt: skip
    folder = journal.create(number, to_json(Recipe.model_validate({**recipe.model_dump(), **overrides})), about)
    folder.append("started", device="cpu")
    top = 0.9 - (math.log10(overrides["lr"]) + 2) ** 2 / 20 + random.normal(0, 0.01)
    end = {0: "complete", 4: "pruned", 17: "failed"}.get(number % 20, "complete")
    values = [top * (1 - 0.5 ** (epoch + 1)) for epoch in range(epochs if end == "complete" else 2)]
    for epoch, value in enumerate(values, 1):
        folder.append("epoch", number=epoch, metrics={"val_accuracy": value, "val_loss": 1 - value}, seconds=0.5)
    reason = {"complete": "", "pruned": "median pruner", "failed": "ValueError: <boom> & 'more'"}[end]
    evaluation = {
        "classes": ["cat", "<dog>"], "confusion": [[9, 1], [2, 8]],
        "per_class": [{"class": "cat", "f1": 0.86}, {"class": "<dog>", "f1": 0.84}],
    }  # fmt: skip
    folder.append("ended", state=end, value=values[-1], reason=reason, evaluation=evaluation)


class Checked(html.parser.HTMLParser):
    """Reads a page: what it loads, what its pictures say, whether its elements close in order."""

    ALONE = frozenset({"meta", "link", "img", "br"})

    def __init__(self, text):
        super().__init__()
        self.loads, self.open, self.ids = [], [], []
        self.feed(text)
        assert self.open == []
        assert len(self.ids) == len(set(self.ids))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.loads += [found[name] for name in ("src", "href") if name in found]
        self.ids += [found["id"]] if "id" in found else []
        assert tag != "img" or found["alt"]
        if tag not in self.ALONE:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def written(name="searched", output=None):
    """Write the report, and see that it needs nothing else."""
    found = page.write(name, resolve(), output)
    text = found.html.read_text()
    checked = Checked(text)
    assert all(each.startswith(("#", "data:")) for each in checked.loads)
    assert "url(" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    return found, text


def test_a_study_without_a_trial_is_told_with_what_to_do(searched):
    searched(0)
    found, text = written()
    assert "None yet: no trial is complete." in text
    assert TITLES.findall(text) == [
        "Answer", "Question", "What to ask next", "Compute", "Data", "Search space", "How to repeat it",
    ]  # fmt: skip
    assert "Plotly" not in text
    assert len(text) < 40_000
    assert "- `study run searched.py`: searches for the best recipe." in found.markdown.read_text()


def test_one_trial_is_enough_for_an_answer(searched):
    searched(1)
    _, text = written()
    assert "(trial 0) looks best, with val_accuracy" in text
    assert "The best of 1 trial is partly luck" in text
    assert {"Curves", "Classes"} <= set(TITLES.findall(text))
    assert 'id="history-figure"' not in text  # one point is no history
    assert "Slices" not in TITLES.findall(text)


def test_a_half_done_search_says_so_and_shows_what_there_is(made):
    _, text = written("made")
    assert "The search is not over: 1 of 7 trials unfinished." in text
    assert "(trial 2) looks best" in text
    assert "norm_inputs" in text
    assert "1 failed, 1 unfinished" in text
    assert "ValueError: boom (1)" in text


def test_what_pruning_lost_is_told_in_words_that_fit_one_trial_too(made):
    unfinished = made.trial(6)
    unfinished.append("audited", epoch=1)
    unfinished.append("ended", state="complete", value=0.95, reason="", evaluation={})
    found, _ = written("made")
    told = "1 of 1 trial that ran on against the pruner's decision ended among the best tenth of all, 1 as the best"
    assert told in found.markdown.read_text()


def test_a_search_with_paused_trials_says_what_becomes_of_them_and_how_it_goes_on(made):
    make_trial(made, 7, {"lr": 0.02}, [0.3])
    made.trial(6).append("paused", epochs=2)
    made.store_definition({**made.definition(), "pruner": "promotion", "sampler": "random"})
    found, text = written("made")
    assert "The search is not over: 2 of 8 trials unfinished. 1 trial is paused: it goes on if it comes among" in text
    assert "the best third; otherwise it counts as pruned at the end. " in text
    assert "1 failed, 1 paused, 1 unfinished" in text
    assert found.markdown.read_text().count("`study run made.py --sampler random --pruner promotion`") == 2
    assert "`: resumes 2 unfinished trials, 1 of them paused." in found.markdown.read_text()


def test_the_same_folders_give_the_same_bytes(searched):
    searched(12)
    first, _ = written()
    before = {path: path.read_bytes() for path in (first.html, first.markdown, *first.pictures)}
    written()
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_hundred_trials_of_a_hundred_epochs_fit_into_a_megabyte(searched):
    searched(100, epochs=100)
    _, text = written()
    assert 'id="curves-figure"' in text
    assert len(text) < LARGEST


@pytest.mark.slow
def test_two_thousand_trials_take_less_than_twenty_seconds_and_two_megabytes(searched, browser):
    searched(2000)
    began = time.process_time()  # the machine may have other things to do
    found, text = written()
    assert time.process_time() - began < 20
    assert len(text) < 2 * LARGEST
    assert "1,000 of 1,800 trials are drawn" in text
    browser.console.clear()
    browser.open(found.html)
    assert browser.console == []


def test_the_charts_need_nothing_that_the_basic_bundle_of_plotly_lacks(searched):
    searched(45)
    _, text = written()
    figures = [json.loads(each) for each in re.findall(r'-figure">(.*?)</script>', text)]
    assert len(figures) == 7
    assert {trace["type"] for figure in figures for trace in figure["data"]} <= {"scatter", "bar", "pie"}


def test_a_trial_far_from_the_others_does_not_flatten_the_charts(searched):
    journal = searched(30)
    lost = journal.trial(2)
    lost.append("ended", state="complete", value=0.01, reason="", evaluation={})
    _, text = written()
    figure = json.loads(re.search(r'id="history-figure">(.*?)</script>', text).group(1))
    low, high = figure["layout"]["yaxis"]["range"]
    values = {folder.number: folder.history().ended.value for folder in journal.trials()
              if folder.history().ended.state == "complete"}  # fmt: skip
    assert [number for number, value in values.items() if not low <= value <= high] == [2]
    assert "1 trial far from the others not in view" in text


def test_what_can_be_asked_next_is_one_list_of_commands(searched):
    searched(12, fixed={"train_size": 200})
    found, _ = written()
    markdown = found.markdown.read_text()
    asked = re.findall(r"- `(study [^`]*)`: ", markdown)
    assert asked == ["study confirm searched", "study run searched.py --trials 41 --set train_size=200"]
    assert "Not asked for" not in markdown


def test_a_long_command_is_folded_before_its_options_and_never_within_one():
    command = "study compare a --variants 'one --x,two' --against one --seeds 10 --set train_size=2000 --set epochs=2"
    lines = reproduction.folded(command).split("\n")
    assert all(len(line) <= 80 for line in lines)
    assert all(line.endswith(" \\") for line in lines[:-1])
    read = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {reproduction.folded(command)}"], capture_output=True, text=True, check=True
    ).stdout  # as a shell reads it
    assert read.rstrip("\0").split("\0") == shlex.split(command)


def test_a_metric_that_is_minimized_is_written_as_a_plain_number(searched):
    searched(30, metric="val_loss", direction="minimize")
    found, text = written()
    best = min(folder.history().ended.value for folder in Journal(Path("mlruns/studies/searched")).trials()
               if folder.history().ended.state == "complete")  # fmt: skip
    assert "Minimize" in text
    assert f"with val_loss {best:.4f} on one seed" in found.markdown.read_text()


def test_a_training_of_one_s_own_is_told_without_its_code(searched):
    searched(25, recipe_type="nowhere:Recipe", train="nowhere:train", data={})
    _, text = written()
    assert "study confirm searched</code><span>" in text
    assert "looks best" in text
    assert 'id="history-figure"' in text
    assert {"Slices", "Classes"} <= set(TITLES.findall(text))
    assert "What it gets wrong" not in TITLES.findall(text)


def test_many_classes_are_told_by_their_commonest_confusions(made):
    counts = [[50 * (row == column) + 7 * ((row, column) == (3, 4)) for column in range(30)] for row in range(30)]
    evaluation = {"classes": [f"c{number}" for number in range(30)], "confusion": counts}
    made.trial(6).append("ended", state="complete", value=0.99, reason="", evaluation=evaluation)
    found, text = written("made")
    assert "| c3 | c4 | 7 |" in found.markdown.read_text()
    assert "Confusion matrix" not in text


def test_names_and_reasons_of_a_person_do_no_harm(searched):
    nasty = "</script><script>alert(1)</script>|`*"
    searched(20, variants={"baseline": {}, nasty: {}}, data={"name": nasty, "sha256": "1", "source": nasty})
    found, text = written()
    assert "<script>alert" not in text
    assert "<boom>" not in text
    rows = [line for line in found.markdown.read_text().splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)


@pytest.mark.parametrize(
    ("place", "files"),
    [
        ("there/page.html", ["page.html"]),
        ("there/text.md", ["text.md"]),
        ("there/folder", ["folder/report.html", "folder/report.md"]),
    ],
)
def test_the_place_decides_what_is_written(searched, place, files):
    searched(3)
    page.write("searched", resolve(), Path(place))
    assert sorted(path.relative_to("there").as_posix() for path in Path("there").rglob("*.*")) == files


def test_the_charts_hold_the_trials_own_numbers_and_values(searched):
    journal = searched(45)
    _, text = written()
    figure = json.loads(re.search(r'id="history-figure">(.*?)</script>', text).group(1))
    markers = next(trace for trace in figure["data"] if trace["mode"] == "markers")
    ended = {folder.number: folder.history().ended for folder in journal.trials()}
    assert dict(zip(markers["x"], markers["y"], strict=True)) == {
        number: end.value for number, end in ended.items() if end.state == "complete"
    }
    assert "template" not in figure["layout"]


def test_the_page_is_at_home_on_a_phone_in_the_dark_and_on_paper(searched, browser, tmp_path):
    searched(30)
    found, _ = written()
    browser.console.clear()
    for width, dark in ((1280, False), (390, False), (390, True)):
        browser.open(found.html, width, dark=dark)
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.run("document.querySelectorAll('.js-plotly-plot').length") == 7
        ink, paper = browser.run(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        assert (brightness(ink) > brightness(paper)) == dark
        texts = "[...document.querySelectorAll('.plot text')].map(each => getComputedStyle(each).fill)"
        assert all((brightness(fill) > 127) == dark for fill in browser.run(texts))
        assert browser.run(CLIPPED) == []
        browser.run("scrollTo({top: document.documentElement.scrollHeight / 2, behavior: 'instant'})")
        top, bottom = browser.run(
            "['top', 'bottom'].map(side => document.querySelector('nav [aria-current]').getBoundingClientRect()[side])"
        )
        assert 0 <= top < bottom <= 900  # the contents stay in view
    browser.picture(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 10_000
    assert browser.printed().startswith(b"%PDF")
    assert browser.console == []


# What is wider than its place and does not say so, or breaks a command across lines.
CLIPPED = """
[...document.querySelectorAll("main *")].filter(each =>
  (each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).overflowX !== "visible"
    && !each.classList.contains("more") && !each.closest(".plot"))
  || (each.matches("code.command") && each.getClientRects().length > 1)
).map(each => each.outerHTML.slice(0, 100))
"""


def brightness(colour):
    """Of `rgb(1, 2, 3)`, 0 to 255."""
    return np.mean([int(each) for each in re.findall(r"\d+", colour)[:3]])
