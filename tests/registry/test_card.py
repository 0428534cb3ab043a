"""The card and the tags of a version: what is known, in words, and nothing that is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from study.metric import Metric
from study.registry.card import LONGEST, Facts, markdown, tags
from study.stats import failures
from study.stats.intervals import Interval, Mean

LOSS = Metric("val_loss", "minimize")
FACTS = Facts(
    study="little",
    trial=4,
    made_by="little-final trial 1",
    uid="u1",
    question="Which optimizer?",
    metric=Metric("val_accuracy"),
    search_value=0.9512,
    score=Mean(0.9455, Interval(0.9401, 0.9509), 0.004, 5),
    score_new=Interval(0.92, 0.97),
    failed=failures.of(1, 6),
    own_score=0.9460,
    recipe={"lr": 0.01, "hidden": [16]},
    fingerprint="f" * 16,
    overrides={"lr": 0.01},
    about={
        "data": {"name": "digits", "sha256": "ab" * 32, "source": "scikit-learn"},
        "environment": {"torch": "2.15.0"},
    },
    weights_sha256="cd" * 32,
    classes=("0", "1"),
)


def test_the_card_of_a_confirmed_model_says_its_score_with_interval_and_how_to_use_it():
    card = markdown(FACTS, "little", ["torch==2.15.0", "mlflow==3.17.2"], "")
    for words in (
        "# little",
        "Which optimizer?",
        "94.55 % on the test split, mean of 5 fresh seeds (95 % interval on this test set 94.01 to 95.09, ",
        "on new examples 92.00 to 97.00); failed: 1 of 6 (below 58 %)",
        "95.12 % in the search",
        "digits (sha256 abababababab…), scikit-learn",
        "lr=0.01",
        "little-final trial 1",
        'mlflow.pyfunc.load_model("models:/little@champion")',
        "uint8 images",
        "It needs torch==2.15.0, mlflow==3.17.2.",
    ):
        assert words in card
    assert "must be importable" not in card


@pytest.mark.parametrize(
    ("change", "own", "words"),
    [
        ({"score": None}, "", "Not confirmed: val_accuracy 95.12 % in the search"),
        ({"overrides": {}}, "", "the study's recipe as it is"),
        ({"columns": tuple("abcdefgh")}, "", "a DataFrame with the columns a, b, c, d, e, f and 2 more"),
        ({}, "", "model.predict(examples)  # uint8 images, as the signature says"),
        ({"kind": "tokens"}, "", "model.predict(examples)  # an array, as the signature says"),
        ({"classes": tuple(map(str, range(1000)))}, "", "18, 19 and 980 more"),
        ({}, "nets.mine:Net", "The network is `nets.mine:Net`: that module must be importable"),
        (
            {"metric": LOSS, "search_value": 0.31, "score": None},
            "",
            "val_loss 0.3100 in the search",
        ),
    ],
)
def test_the_card_says_what_is_special(change, own, words):
    assert words in markdown(replace(FACTS, **change), "little", [], own)


def test_a_file_that_is_carried_along_need_not_be_importable_and_no_card_is_too_long():
    assert "importable" not in markdown(FACTS, "little", [], "nets.py:Net")
    assert len(markdown(replace(FACTS, question="x" * 9000), "little", [], "")) == LONGEST


def test_what_is_not_known_is_no_tag():
    found = tags(FACTS)
    assert found["study.recipe"] == '{"lr": 0.01, "hidden": [16]}'
    assert (found["study.score"], found["study.score_low"], found["study.score_seeds"]) == ("0.9455", "0.9401", "5")
    assert found["study.with.torch"] == "2.15.0"
    assert "study.git_commit" not in found
    bare = tags(replace(FACTS, score=None, own_score=None))
    assert bare["study.confirmed"] == "false"
    assert not {"study.score", "study.score_low", "study.own_score"} & set(bare)
