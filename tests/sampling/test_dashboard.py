"""What Optuna dashboard shows of a study and of a trial."""

from __future__ import annotations

from dataclasses import replace

import optuna

from study.definition import OUR_TRAIN
from study.record.trial import Trial
from study.sampling import storage
from tests.sampling.folders import make, told


def test_the_dashboard_shows_the_metric_the_question_and_the_best_recipe(database, journal):
    from optuna_dashboard import get_note, save_note

    definition = {"study": "s", "metric": "val_accuracy", "direction": "maximize", "recipe": {}, "train": OUR_TRAIN}
    journal.store_definition({**definition, "about": "Which rate\nis best?\n\nMore."})
    make(journal, 0, end="complete")
    told(journal, database)
    study = optuna.load_study(study_name="s", storage=database)
    assert study.metric_names == ["val_accuracy"]
    assert get_note(study).startswith("Which rate is best?\n\nMaximize `val_accuracy`.\n\n**Best trial: 0** (`lr=0.1`)")
    assert "val_accuracy 50.00 % on one seed" in get_note(study)
    make(journal, 1, end="complete")
    told(journal, database)
    assert "**Best trial: 1** (`lr=0.2`)" in get_note(study)
    journal.store_definition({**definition, "about": "Longer? " * 600})
    told(journal, database)
    assert get_note(study).count("Longer?") == 600
    journal.store_definition({**definition, "about": "Shorter."})
    told(journal, database)
    assert get_note(study).startswith("Shorter.\n\n")
    assert "Longer" not in get_note(study)
    save_note(study, "A note of my own.")
    make(journal, 2, end="complete")
    told(journal, database)
    assert get_note(study) == "A note of my own."


def test_every_knob_that_a_variant_sets_and_the_search_does_not_is_an_attribute(database, journal):
    folder = make(journal, 0)
    about = {**folder.about(), "variant": "fast", "overrides": {"lr": 0.1, "optimizer": "adam", "hidden": [100, 50]}}
    attributes = storage.frozen(replace(Trial.of(folder), about=about)).user_attrs
    assert attributes == {
        "uid": "u0", "variant": "fast", "overrides": about["overrides"], "optimizer": "adam", "hidden": [100, 50],
    }  # fmt: skip
