"""Metrics by scikit-learn's names, weights of classes, several labels for each example, sequences of tokens."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics

from study import Recipe, Study
from study.data import packed
from study.data.arrays import import_arrays
from study.engine import check, train
from study.engine.data import order_of
from study.engine.scores import score_of
from study.engine.train import assemble
from study.errors import RecipeError

LOGITS = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
CLASSES = torch.randint(0, 3, (200,), generator=torch.Generator().manual_seed(1))
SHARES = LOGITS.double().softmax(1).numpy()
EMBEDDING = """
from torch import nn


class Words(nn.Module):
    def __init__(self, num_classes, vocabulary, size=8):
        super().__init__()
        self.embedding, self.out = nn.Embedding(vocabulary, size, padding_idx=0), nn.Linear(size, num_classes)

    def forward(self, tokens):
        known = (tokens > 0).unsqueeze(2)
        return self.out((self.embedding(tokens) * known).sum(1) / known.sum(1).clamp(min=1))


def lazy(num_classes, vocabulary):
    return nn.Sequential(nn.Embedding(vocabulary, 4), nn.Flatten(), nn.LazyLinear(num_classes))
"""


def silent(_text, _share):
    """Tell nobody."""


def epochs(recipe):
    return [epoch.metrics for epoch in train(recipe)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("f1_macro", lambda y, p, s: metrics.f1_score(y, p, average="macro")),
        ("balanced_accuracy", lambda y, p, s: metrics.balanced_accuracy_score(y, p)),
        ("roc_auc", lambda y, p, s: metrics.roc_auc_score(y, s, multi_class="ovr")),
        ("log_loss", lambda y, p, s: metrics.log_loss(y, s)),
        ("matthews_corrcoef", lambda y, p, s: metrics.matthews_corrcoef(y, p)),
    ],
)
def test_a_metric_is_scikit_learns_of_the_same_name(name, expected):
    found = score_of(name, "classification", 3)(LOGITS, CLASSES)
    assert found == pytest.approx(expected(CLASSES.numpy(), SHARES.argmax(1), SHARES))


def test_one_output_and_two_are_worth_the_same():
    one, two = LOGITS[:, :1], torch.cat([torch.zeros(200, 1), LOGITS[:, :1]], 1)
    for name in ("roc_auc", "average_precision", "f1", "brier_score"):
        score = score_of(name, "classification", 2)
        assert score(one, CLASSES % 2) == pytest.approx(score(two, CLASSES % 2))


def test_a_study_s_metric_is_computed_without_being_named_twice():
    recipe = Recipe(dataset="breast_cancer", model="logistic", epochs=1)
    study = Study(name="s", recipe=recipe, metric="val_roc_auc")
    study.check()
    (found,) = epochs(study.recipe)
    assert (study.direction, 0.5 < found["val_roc_auc"] <= 1) == ("maximize", True)
    assert Study(name="s", recipe=recipe, metric="val_log_loss").direction == "minimize"
    final = study.recipe_for({"val_fraction": 0.0})
    assert "train_roc_auc" in epochs(final)[0]
    with pytest.raises(RecipeError, match=r"metric=f1 is for two classes, and the data set has 10"):
        check(Recipe(dataset="digits", model="logistic", metric="f1", epochs=1))
    with pytest.raises(RecipeError, match="sampling=balanced is for classes, and diabetes has none"):
        check(Recipe(dataset="diabetes", model="logistic", loss="mse", sampling="balanced"))


def test_class_weights_are_torchs_and_balanced_is_scikit_learns():
    recipe = Recipe(dataset="breast_cancer", model="logistic", class_weight=(3.0, 1.0))
    parts = assemble(recipe, "cpu")
    logits = LOGITS[:, :2]
    expected = torch.nn.functional.cross_entropy(logits, CLASSES % 2, torch.tensor([3.0, 1.0]))
    torch.testing.assert_close(parts.loss(logits, CLASSES % 2), expected)
    balanced = assemble(Recipe(dataset="breast_cancer", model="logistic", class_weight="balanced"), "cpu")
    labels = balanced.data.train.y[balanced.data.train.rows]
    weights = len(labels) / (2 * torch.bincount(labels))
    expected = torch.nn.functional.cross_entropy(logits, CLASSES % 2, weights)
    torch.testing.assert_close(balanced.loss(logits, CLASSES % 2), expected)
    with pytest.raises(RecipeError, match="class_weight has 3 weights, and the data set 2 classes"):
        assemble(Recipe(dataset="breast_cancer", model="logistic", class_weight=(1, 1, 1)), "cpu")


def test_balanced_sampling_draws_each_class_equally_often():
    recipe = Recipe(dataset="breast_cancer", model="logistic", sampling="balanced")
    data = assemble(recipe, "cpu").data
    labels = data.train.y[data.train.rows]
    drawn = torch.cat([labels[order_of(recipe, data, torch.Generator().manual_seed(n))] for n in range(20)])
    assert len(drawn) == 20 * len(labels)
    assert labels.double().mean() < 0.4
    assert drawn.double().mean() == pytest.approx(0.5, abs=0.02)


def test_several_labels_are_learned_and_counted_as_scikit_learn_does(tmp_path):
    random = np.random.default_rng(0)
    x = random.normal(size=(500, 6)).astype(np.float32)
    y = (x[:, :3] + 0.1 * random.normal(size=(500, 3)) > 0.3).astype(int)
    np.savez(tmp_path / "d.npz", x=x, y=y)
    pack = import_arrays("several", tmp_path / "d.npz", silent)
    assert (pack.task, pack.kind, pack.classes, pack.train) == (
        "multilabel",
        "table",
        ("label_0", "label_1", "label_2"),
        400,
    )
    recipe = Recipe(
        dataset="several", model="mlp", hidden=(16,), loss="bce", epochs=20, lr=0.02, metric="hamming_loss",
        class_weight="balanced",
    )  # fmt: skip
    training, found = train(recipe, test=True), None
    while found is None:
        try:
            last = next(training).metrics
        except StopIteration as ended:
            found = ended.value
    assert last["val_f1_micro"] > 0.9
    assert last["val_hamming_loss"] < 0.1
    assert [each["class"] for each in found["test"]["per_class"]] == list(pack.classes)
    with pytest.raises(
        RecipeError, match="loss=cross_entropy does not fit a data set whose examples have several labels each"
    ):
        assemble(Recipe(dataset="several", model="logistic"), "cpu")


def test_tokens_are_classified_by_a_network_of_ones_own(tmp_path):
    """Each text has one of two words that tell its class, among others that do not."""
    random = np.random.default_rng(0)
    tokens = random.integers(3, 50, (400, 12))
    labels = random.integers(0, 2, 400)
    tokens[np.arange(400), random.integers(0, 8, 400)] = 1 + labels
    tokens[:, 8:] *= random.integers(0, 2, (400, 1))  # 0 is the padding
    np.savez(tmp_path / "texts.npz", tokens=tokens, labels=np.where(labels, "good", "bad"))
    pack = import_arrays("texts", tmp_path / "texts.npz", silent)
    assert (pack.kind, pack.shape, pack.vocabulary, pack.classes) == ("tokens", (12,), 50, ("bad", "good"))
    assert packed.read(pack)["train_x"].dtype == np.int64
    (tmp_path / "words.py").write_text(EMBEDDING)
    recipe = Recipe(
        dataset="texts", model=f"{tmp_path}/words.py:Words", model_args={"vocabulary": 50}, epochs=15, lr=0.03,
        batch_size=32,
    )  # fmt: skip
    assert epochs(recipe)[-1]["val_accuracy"] > 0.9
    check(recipe.model_copy(update={"model": f"{tmp_path}/words.py:lazy"}))
    with pytest.raises(RecipeError, match="model=cnn3 needs images"):
        assemble(Recipe(dataset="texts", model="cnn3"), "cpu")
