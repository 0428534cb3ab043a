"""The gate before the champion: who is surely worse on the same test examples does not pass; the way back is kept."""

from __future__ import annotations

import numpy as np
import pytest

from study import tracking
from study.errors import DataError, InputError, StudyError, Undecided
from study.record.family import Family
from study.record.journal import Journal
from study.registry import promotion, registration
from study.stats import noninferiority

WORSE, GOOD, FAIR = 0, 1, 2  # trials of `little`: the baseline has hardly learnt anything


@pytest.fixture
def put(registry_home):
    """Register a trial of a study under a model's name; gives the version's number."""

    def register(trial, study="little", model="little"):
        trained = registration.unconfirmed(Journal(registry_home.study_folder(study)), trial)
        return registration.register(trained, registry_home, model)[0].number

    return register


def champion(settings):
    found = promotion.champion_of(tracking.open_registry(settings), "little")
    return found.number if found else None


def test_the_first_champion_meets_nobody_and_is_not_promoted_twice(registry_home, put):
    put(WORSE)
    done = promotion.promote(registry_home, "little")
    assert (done.version.number, done.before, done.paired) == (1, None, None)
    assert champion(registry_home) == 1
    again = promotion.promote(registry_home, "little", 1)
    assert again.before.number == again.version.number == 1
    assert Journal(registry_home.study_folder("little")).openings() == []


def test_a_better_one_becomes_champion_and_a_worse_one_does_not_and_is_told_why(registry_home, put):
    put(WORSE)
    put(GOOD)
    promotion.promote(registry_home, "little", 1)
    done = promotion.promote(registry_home, "little")
    assert (done.version.number, done.before.number, champion(registry_home)) == (2, 1, 2)
    assert done.paired.n == 360
    assert done.paired.candidate > done.paired.champion
    with pytest.raises(StudyError, match=r"version 1 is worse than the champion, version 2: of 360 test examples"):
        promotion.promote(registry_home, "little", 1)
    assert champion(registry_home) == 2
    looks = Journal(registry_home.study_folder("little")).openings()
    assert len(looks) == 2
    assert all(look["study"] == "little" and len(look["recipes"]) == 2 for look in looks)


def test_the_first_champion_is_met_too_so_that_a_chain_leads_not_far_down(registry_home, put):
    for trial in (GOOD, FAIR, WORSE):
        put(trial)
    promotion.promote(registry_home, "little", 1)
    promotion.force(registry_home, "little", 3, "down")
    with pytest.raises(StudyError, match="than the first champion, version 1"):
        promotion.promote(registry_home, "little", 2, margin=1e-9)
    assert champion(registry_home) == 3
    done = promotion.promote(registry_home, "little", 2, margin=0.9)
    assert done.first.difference < 0 < done.paired.difference
    looks = Journal(registry_home.study_folder("little")).openings()
    with pytest.raises(InputError, match="--margin must be above 0 and below 1, not 5"):
        promotion.promote(registry_home, "little", 1, margin=5)
    assert Journal(registry_home.study_folder("little")).openings() == looks  # nothing was looked at


def test_too_few_examples_to_tell_are_an_answer_of_their_own(registry_home, put):
    put(GOOD)
    (version,) = promotion.listed(registry_home, "little")
    right = np.ones(100, dtype=bool)
    with pytest.raises(Undecided, match=r"no more than 0.5 points worse.*They are enough for --margin 0\.037;") as told:
        promotion._require_no_worse(version, version, "the champion", noninferiority.compare(right, right))
    assert told.value.exit_code == 3
    assert noninferiority.compare(right, right, 0.037).answer == "no worse"


@pytest.mark.parametrize(
    ("bound", "above"), [(0.005, 0.0051), (0.0201, 0.021), (0.021, 0.022), (0.99, 1.0), (123.0, 130.0)]
)
def test_the_margin_that_the_examples_are_enough_for_is_rounded_up(bound, above):
    assert promotion._above(bound) == pytest.approx(above, rel=1e-12)


def test_the_accuracy_is_that_of_the_training_s_own_evaluation(registry_home, put):
    final = registration.confirmed(Family("little", registry_home.home).as_confirmed(), registry_home)
    registration.register(final, registry_home, "little")
    put(WORSE)
    promotion.promote(registry_home, "little", 1)
    with pytest.raises(StudyError, match=r"is worse") as refused:
        promotion.promote(registry_home, "little", 2)
    own = final.training.history.evaluation["test"]["accuracy"]
    assert f"against {100 * own:.2f} %" in str(refused.value)


def test_what_is_forced_is_written_down_with_its_reason(registry_home, put):
    put(GOOD)
    put(WORSE)
    promotion.promote(registry_home, "little", 1)
    done = promotion.force(registry_home, "little", 2, "a demonstration")
    assert (done.version.number, done.before.number, champion(registry_home)) == (2, 1, 2)
    (now,) = [each for each in promotion.listed(registry_home, "little") if each.number == 2]
    assert now.tags["study.promoted_because"] == "forced: a demonstration"
    assert now.tags["study.promoted_at"]


def test_rollback_goes_back_one_champion_at_a_time_until_there_is_none(registry_home, put):
    for trial in (WORSE, FAIR, GOOD):
        promotion.force(registry_home, "little", put(trial), "in turn")
    done = promotion.rollback(registry_home, "little")
    assert (done.version.number, done.before.number, champion(registry_home)) == (2, 3, 2)
    assert promotion.rollback(registry_home, "little").version.number == champion(registry_home) == 1
    with pytest.raises(InputError, match="no previous champion"):
        promotion.rollback(registry_home, "little")
    assert champion(registry_home) == 1
    promotion.promote(registry_home, "little", 3)
    assert promotion.rollback(registry_home, "little").version.number == 1  # not 2, which was rolled back from


def test_rollback_knows_a_champion_set_by_mlflow_itself_and_leaves_out_deleted_versions(registry_home, put):
    from mlflow import MlflowClient

    for trial in (WORSE, FAIR, GOOD):
        put(trial)
    promotion.force(registry_home, "little", 1, "first")
    promotion.force(registry_home, "little", 2, "second")
    client = MlflowClient(registry_home.tracking_uri)
    client.set_registered_model_alias("little", "champion", "3")
    client.delete_model_version("little", "2")
    assert promotion.rollback(registry_home, "little").version.number == 1


def test_after_the_champion_was_deleted_in_mlflow_the_one_before_is_met_and_may_be_gone_back_to(registry_home, put):
    from mlflow import MlflowClient

    for trial in (GOOD, FAIR, WORSE):
        put(trial)
    promotion.force(registry_home, "little", 1, "first")
    promotion.force(registry_home, "little", 2, "second")
    MlflowClient(registry_home.tracking_uri).delete_model_version("little", "2")
    assert champion(registry_home) is None
    with pytest.raises(StudyError, match="version 3 is worse than the champion, version 1"):
        promotion.promote(registry_home, "little")
    back = promotion.rollback(registry_home, "little")
    assert (back.version.number, back.before, champion(registry_home)) == (1, None, 1)
    assert back.blocks()[0].lines == ["little: version 1 is the champion again"]
    MlflowClient(registry_home.tracking_uri).delete_registered_model_alias("little", "champion")
    promotion.promote(registry_home, "little", 1)
    assert champion(registry_home) == 1


def test_a_version_of_other_data_is_refused_unless_forced(registry_home, put):
    put(GOOD)
    put(0, "cells")
    promotion.promote(registry_home, "little", 1)
    with pytest.raises(InputError, match=r"version 2 \(breast_cancer\) was trained on other data than the champion"):
        promotion.promote(registry_home, "little", 2)
    assert promotion.force(registry_home, "little", 2, "new task").version.number == 2


def test_a_table_s_versions_meet_on_its_raw_test_rows(registry_home, put, monkeypatch):
    put(0, "cells", "cells")
    put(0, "cells", "cells")  # the same training: one version
    (version,) = promotion.listed(registry_home, "cells")
    examples, true = promotion._test_examples(version)
    found = tracking.open_registry(registry_home).load(version).predict(examples)["label"]
    assert len(true) == 114
    assert (found.to_numpy(dtype=str) == true).mean() > 0.8


def test_test_data_that_is_another_here_is_refused(registry_home, put, monkeypatch, tmp_path):
    from study.data import packed
    from study.engine.sources import ensure

    put(GOOD)
    put(WORSE)
    promotion.promote(registry_home, "little", 1)
    real = packed.read(ensure("digits"))
    monkeypatch.setenv("STUDY_CACHE", str(tmp_path / "other"))
    arrays = {name: np.ascontiguousarray(array[::-1]) for name, array in real.items()}
    packed.write("digits", arrays, kind="image", classes=tuple("0123456789"), source="reversed", imported=True)
    with pytest.raises(DataError, match="differs from the one that it was trained on"):
        promotion.promote(registry_home, "little", 2)
    assert Journal(registry_home.study_folder("little")).openings() == []


def test_what_is_not_there_is_named(registry_home, put):
    put(GOOD)
    for act in (promotion.promote, promotion.rollback):
        with pytest.raises(InputError, match=r"no registered model 'nope'.*There are: little"):
            act(registry_home, "nope")
    with pytest.raises(InputError, match=r"there is no version 7. There are: 1"):
        promotion.promote(registry_home, "little", 7)
    with pytest.raises(InputError, match="there is no champion"):
        promotion.rollback(registry_home, "little")
    registry = promotion.reach(registry_home)
    with pytest.raises(InputError, match="there is no champion"):
        promotion.chosen(registry, "little", None)
    assert promotion.chosen(registry, "little", 1).number == 1


def test_where_nothing_was_ever_run_reading_makes_nothing(tmp_path):
    from study.settings import resolve

    empty = resolve(tmp_path / "empty")
    assert promotion.listed(empty, None) == []
    with pytest.raises(InputError, match="no model is registered yet"):
        promotion.promote(empty, "little")
    assert not empty.home.exists()
