"""Evaluation: figures equal those computed in one piece, and scikit-learn's."""

from __future__ import annotations

import json

import pytest
import torch
from sklearn import metrics

from study.engine import evaluate
from study.engine.data import Split
from study.engine.losses import loss_of
from study.recipe import Recipe

COUNT = 1300  # three batches, the last not full
X = torch.randn(COUNT + 5, 4, generator=torch.Generator().manual_seed(0))
Y = torch.randint(0, 3, (COUNT + 5,), generator=torch.Generator().manual_seed(1))  # of four classes one has none
ROWS = torch.arange(COUNT) + 3


@pytest.fixture
def evaluation():
    return evaluate.evaluate(
        lambda inputs: inputs * 2, lambda rows: rows, loss_of(Recipe(), training=False), Split(X, Y, ROWS)
    )


def test_loss_and_accuracy_are_those_of_the_whole_split(evaluation):
    logits, targets = X[ROWS] * 2, Y[ROWS]
    assert evaluation.loss == pytest.approx(torch.nn.functional.cross_entropy(logits, targets).item(), rel=1e-6)
    assert evaluation.scores["accuracy"] == (logits.argmax(1) == targets).double().mean().item()
    assert torch.equal(evaluation.targets, targets)
    assert torch.equal(evaluation.predictions, logits.argmax(1))


def test_the_report_equals_scikit_learns_and_is_json(evaluation):
    names = ["a", "b", "c", "none"]
    report = evaluate.report(evaluation, names)
    assert json.loads(json.dumps(report)) == report
    true, predicted = evaluation.targets.numpy(), evaluation.predictions.numpy()
    theirs = metrics.classification_report(
        true, predicted, labels=range(4), target_names=names, output_dict=True, zero_division=0
    )
    for each in report["per_class"]:
        its = theirs[each["class"]]
        assert [each[key] for key in ("precision", "recall", "f1", "support")] == list(its.values())
    assert report["accuracy"] == theirs["accuracy"] if "accuracy" in theirs else True
    assert report["confusion"][0][1] == ((true == 0) & (predicted == 1)).sum()
    assert sum(map(sum, report["confusion"])) == COUNT
    assert report["per_class"][3]["support"] == 0


def test_an_evaluation_leaves_nothing_for_autograd(evaluation):
    assert not evaluation.predictions.requires_grad


@pytest.mark.parametrize(("worst", "is_result"), [(-torch.inf, True), (torch.inf, False), (torch.nan, False)])
def test_outputs_of_a_class_that_is_masked_are_a_result_and_others_that_are_not_finite_are_none(worst, is_result):
    """No target is of the last class, which a network may rule out."""
    masked = torch.tensor([0.0, 0.0, 0.0, worst])
    found = evaluate.evaluate(
        lambda inputs: inputs + masked, lambda rows: rows, loss_of(Recipe(), training=False), Split(X, Y, ROWS)
    )
    assert (found is not None) == is_result
    if found is not None:
        assert found.loss == pytest.approx(torch.nn.functional.cross_entropy(X[ROWS][:, :3], Y[ROWS]).item(), rel=1e-6)
