"""Comparisons: paired over seeds, resumable, one verdict a variant, and the same table whatever happened in between."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from pydantic import BaseModel

from study import Epoch, Recipe, Study
from study import settings as places
from study.definition import Published, Variant
from study.errors import DefinitionChanged, InputError, Interrupted
from study.options import Options
from study.progress import TrialEnded, TrialEpoch, TrialStarted
from study.questions import comparison, judging
from study.record import checked, results
from study.record.journal import Journal

RECIPE = Recipe(
    dataset="digits", model="mlp", hidden=(16,), optimizer="sgd", lr=0.1, train_size=300, batch_size=32, epochs=4
)
STUDY = Study(
    name="tricks",
    recipe=RECIPE,
    variants={
        "baseline": {},
        "same": {},
        "softmax": {"activation": "softmax"},
        "literal": Variant(lr=0.2, as_published=True),
    },
    published={"softmax": Published(value=0.99, source="nowhere")},
)


def run(study=STUDY, question=None, *, stop=None, **options):
    options = {"executor": "inline", "track": False, **options}
    question = question or comparison.ask(study, seeds=5)
    return comparison.run(study, places.resolve(), Options(**options), question, stop or threading.Event())


def rows(study=STUDY, question=None):
    question = question or comparison.ask(study, seeds=5)
    return {row.variant: row for row in comparison.of(study, places.resolve(), question)}


def trials(name="tricks-compare"):
    return Journal(places.resolve().study_folder(name)).trials()


def test_the_same_recipe_makes_no_difference_and_a_known_bad_one_hurts():
    list(run())
    table = rows()
    assert list(table) == ["baseline", "same", "softmax"]
    assert table["same"].comparison.verdict == "no difference"
    assert table["same"].comparison.interval == type(table["same"].comparison.interval)(0.0, 0.0)
    assert table["softmax"].comparison.verdict == "hurts"
    assert table["softmax"].as_expected is False
    assert table["baseline"].mean.n == 5


def test_equal_recipes_share_their_trials():
    list(run())
    assert len(trials()) == 10


def test_a_seed_that_is_held_fixed_is_the_first_of_several():
    study = STUDY.fix({"seed": 7})
    question = comparison.ask(study, ["softmax"], seeds=3)
    list(run(study, question))
    assert {trial.recipe()["seed"] for trial in trials()} == {7, 8, 9}
    assert len(set(rows(study, question)["baseline"].values)) > 1


def test_figures_of_another_metric_do_not_count_and_its_direction_is_refused():
    question = comparison.ask(STUDY, ["softmax"], seeds=2)
    list(run(question=question))
    losses = replace(STUDY, metric="val_loss", direction="minimize")
    assert np.isnan(rows(losses, question)["softmax"].values).all()
    with pytest.raises(DefinitionChanged, match="the direction maximize, and this one is to minimize"):
        list(run(losses, question, accept=True))
    assert len(trials()) == 4


def test_folders_of_older_versions_are_read_by_the_split_of_their_values_and_go_on():
    """They say `val_accuracy`, or `train_accuracy` where `final` left no validation data, of a test accuracy."""
    study = replace(STUDY, final={"val_fraction": 0})
    question = comparison.ask(study, ["softmax"], seeds=2)
    list(run(study, question))
    journal, table = Journal(places.resolve().study_folder("tricks-compare")), rows(study, question)
    for file in (journal.definition_file, *(trial.path / "trial.json" for trial in trials())):
        stored = checked.read(file)
        assert (stored.pop("metric"), stored.pop("followed")) == ("test_accuracy", "train_accuracy")
        file.write_text(json.dumps({**stored, "metric": "train_accuracy"}))
    assert results.metric_of(journal).name == "test_accuracy"
    assert rows(study, question) == table
    assert not [each for each in run(study, question) if isinstance(each, TrialStarted)]
    list(run(study, comparison.ask(study, ["softmax"], seeds=3)))
    assert len(trials()) == 6
    assert journal.definition()["metric"] == "test_accuracy"


class Plain(BaseModel):
    seed: int = 0


def scored(recipe, resume):
    yield Epoch(1, {"val_accuracy": 0.5 + recipe.seed / 100})


def with_test(recipe, resume, *, test=False):
    yield from scored(recipe, resume)
    return {"test": {"accuracy": 0.25}} if test else {}


@pytest.mark.parametrize(
    ("train", "metric", "value"), [(scored, "val_accuracy", 0.5), (with_test, "test_accuracy", 0.25)]
)
def test_a_training_of_ones_own_is_of_the_test_split_if_it_can_be_judged_there(train, metric, value):
    study = Study(name="own", recipe=Plain(), train=train, variants={"baseline": {}, "other": {"seed": 5}})
    question = comparison.ask(study, seeds=2)
    list(run(study, question))
    found = comparison.of(study, places.resolve(), question)
    journal = Journal(places.resolve().study_folder("own-compare"))
    assert found.metric.name == results.metric_of(journal).name == journal.definition()["metric"] == metric
    assert found.variants[0].values[0] == value
    assert {row.value for row in results.rows(journal)} >= {value}


@pytest.mark.parametrize(("what", "there"), [("source", True), ("sha256", False)])
def test_figures_count_on_the_same_data_wherever_they_came_from(what, there):
    question = comparison.ask(STUDY, ["softmax"], seeds=2)
    list(run(question=question))
    for trial in trials():
        file = trial.path / "trial.json"
        about = checked.read(file)
        file.write_text(json.dumps({**about, "data": {**about["data"], what: "another"}}))
    assert all((row.mean is not None) is there for row in rows(STUDY, question).values())


def test_variants_meet_the_same_seeds_one_seed_after_the_other():
    started = [each for each in run() if isinstance(each, TrialStarted)]
    assert [(each.variant, each.overrides.get("seed", 0)) for each in started] == [
        (name, seed) for seed in range(5) for name in ("baseline", "softmax")
    ]


def test_values_are_of_the_test_split_and_are_optunas_too():
    list(run())
    import optuna

    found = optuna.load_study(study_name="tricks-compare", storage=places.resolve().storage).trials
    for folder, trial in zip(trials(), found, strict=True):
        ended = folder.history().ended
        assert ended.value == trial.value == ended.evaluation["test"]["accuracy"]
        assert ended.value != folder.history().epochs[-1].metrics["val_accuracy"]


def test_more_seeds_or_variants_only_add_to_what_is_there():
    list(run(question=comparison.ask(STUDY, ["softmax"], seeds=2)))
    assert len(trials()) == 4
    list(run(question=comparison.ask(STUDY, seeds=3)))
    assert len(trials()) == 6
    assert not [each for each in run(question=comparison.ask(STUDY, seeds=3)) if isinstance(each, TrialStarted)]


def test_a_changed_variant_is_run_anew_and_never_mixed_with_the_old_one():
    list(run(question=comparison.ask(STUDY, seeds=2)))
    before = rows(question=comparison.ask(STUDY, seeds=2))["softmax"].values
    changed = replace(STUDY, variants={**STUDY.variants, "softmax": {"activation": "tanh"}})
    question = comparison.ask(changed, seeds=2)
    list(run(changed, question))
    assert len(trials()) == 6
    assert rows(changed, question)["softmax"].values != before


def test_stopped_and_resumed_the_table_is_the_same_to_the_bit():
    list(run(replace(STUDY, name="whole")))
    for _ in range(4):
        stop = threading.Event()
        with pytest.raises(Interrupted):
            stop_soon(run(stop=stop), stop)
    list(run())
    assert numbers(rows()) == numbers(rows(replace(STUDY, name="whole")))


def stop_soon(progress, stop):
    for count, each in enumerate(progress):
        if isinstance(each, TrialEpoch) and count > 3:
            stop.set()


def numbers(table):
    return {name: (list(row.values), row.mean, row.comparison) for name, row in table.items()}


def test_until_sure_stops_a_variant_as_soon_as_its_verdict_is_settled():
    question = comparison.ask(STUDY, until_sure=True)
    assert question.seeds == comparison.CAP
    list(run(question=question))
    table = rows(question=question)
    assert table["softmax"].comparison.verdict == "hurts"
    assert 3 <= table["softmax"].comparison.n < 15
    assert table["same"].comparison.verdict == "no difference"


def test_a_recipe_whose_trainings_fail_hurts_by_that_and_has_no_value_of_guessing():
    study = replace(STUDY, variants={"baseline": {}, "wild": {"lr": 1e30}})
    list(run(study))
    row = rows(study)["wild"]
    assert (row.diverged, row.failed.count, row.failed.n) == (5, 5, 5)
    assert row.mean is None
    assert row.comparison.words() == "hurts: 5 of 5 failed, against 0 of 5 (below 45 %)"
    question = comparison.ask(study, until_sure=True)
    list(run(study, question))
    assert rows(study, question)["wild"].comparison.verdict == "hurts"
    assert rows(study, question)["wild"].failed.n == 7  # of 30: the test that allows every look


def test_a_literal_protocol_is_compared_only_when_asked_for():
    assert "literal" not in comparison.ask(STUDY).variants
    assert "literal" in comparison.ask(STUDY, as_published=True).variants
    assert "literal" in comparison.ask(STUDY, ["literal"]).variants


def test_final_trainings_may_train_on_all_examples():
    study = replace(STUDY, final={"val_fraction": 0.0, "train_size": None, "epochs": 1})
    list(run(study, comparison.ask(study, ["softmax"], seeds=2)))
    assert "val_accuracy" not in trials()[0].history().epochs[0].metrics


def test_what_was_last_compared_is_kept():
    question = comparison.ask(STUDY, ["softmax"], seeds=2, smallest=0.01)
    with pytest.raises(InputError, match="has not been compared yet"):
        comparison.last_asked(STUDY, places.resolve())
    list(run(question=question))
    study, asked = comparison.last_asked(STUDY, places.resolve())
    assert asked == question
    assert study.variants == {"baseline": {}, "softmax": {"activation": "softmax"}}


def test_without_trials_there_is_a_table_that_says_so():
    assert rows()["softmax"].comparison.verdict == "not enough seeds"
    assert rows()["baseline"].mean is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variants": ["nothing"]}, "has no variant 'nothing'. There are: baseline, same"),
        ({"variants": ["baseline"]}, "nothing to compare with 'baseline'"),
        ({"against": "x"}, "has no variant 'x'"),
        ({"seeds": 1}, "--seeds must be 2 or more, not 1"),
        ({"smallest": float("nan")}, "--smallest must be a number, 0 or more, not nan"),
        ({"smallest": float("inf")}, "--smallest must be a number, 0 or more, not inf"),
        ({"smallest": -0.01}, "--smallest must be a number, 0 or more, not -0.01"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        comparison.ask(STUDY, **arguments)


def test_two_workers_give_the_table_of_one(monkeypatch):
    list(run(replace(STUDY, name="one")))
    ended = [each for each in run(executor="local", workers=2) if isinstance(each, TrialEnded)]
    assert len(ended) == 10
    assert json.dumps(numbers(rows()), default=str) == json.dumps(
        numbers(rows(replace(STUDY, name="one"))), default=str
    )


def test_a_variant_that_needs_validation_keeps_it_where_the_others_train_on_all():
    plateau = {"schedule": "plateau", "val_fraction": 0.2}
    finals = judging.judged_on_test(
        replace(STUDY, final={"val_fraction": 0.0}, variants={"baseline": {}, "plateau": plateau}), "compare"
    )
    shares = [finals.recipe_for(overrides).val_fraction for overrides in finals.variants.values()]
    assert shares == [0.0, 0.2]


class Bare(BaseModel):
    x: float = 0.0
    seed: int = 0


def tells_another_metric(recipe, resume, *, test):
    yield Epoch(1, {"val_f1": recipe.x})
    return {"test": {"accuracy": 1.0}}


def test_a_training_whose_test_lacks_the_metric_fails_and_says_which():
    study = Study(
        name="bare", recipe=Bare(), train=tells_another_metric, metric="val_f1", variants={"a": {}, "b": {"x": 1.0}}
    )
    list(run(study, comparison.ask(study, seeds=2)))
    ended = [trial.history().ended for trial in trials("bare-compare")]
    assert [each.state for each in ended] == ["failed"] * 4
    assert ended[0].reason == "its test has no 'f1', by which the study judges; it has accuracy"
