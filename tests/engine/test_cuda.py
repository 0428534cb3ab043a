"""What a GPU must hold, on one if it is there, and what of it a CPU can show.

Written for unittest, so that a machine which has torch but no pytest runs it, too, at the root of the repository:
`PYTHONPATH=src python -m unittest tests.engine.test_cuda`; it is a part of `python -m benchmarks.gpu`.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import unittest
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from benchmarks.gpu_steps import Captured, Plain, batches, captured, waits
from benchmarks.lanes import Lanes, independence, networks, rows_of, stacked, weights_of_first
from study.data import packed
from study.engine import checkpoint, train
from study.engine.train import _seed, _take_up, assemble, judge, order_of
from study.recipe import Recipe

TRAIN = sys.modules["study.engine.train"]
CNN = {"dataset": "dots", "model": "cnn3", "lr": 3e-3, "batch_size": 16, "epochs": 3}
PERCEPTRON = {**CNN, "model": "mlp", "hidden": (16,)}
RECIPES = {
    "cnn3": CNN,
    "cnn3 with all that is random": {
        **CNN, "dropout_conv": 0.2, "dropout_dense": 0.3, "augment_flip": True, "augment_crop": 2, "normalize": True,
    },
    "cnn3 in bfloat16": {**CNN, "precision": "bfloat16"},
    "a perceptron": {**PERCEPTRON, "optimizer": "sgd", "momentum": 0.9, "schedule": "cosine", "grad_clip": 1.0},
}  # fmt: skip


def trained(recipe, device, resume=None):
    """Train to the end: the metrics of each epoch, the states after each."""
    epochs = list(train(recipe, resume, device))
    return [dict(epoch.metrics) for epoch in epochs], [epoch.state for epoch in epochs]


def tensors(value):
    """List the tensors in nested dicts."""
    if isinstance(value, torch.Tensor):
        return [value.cpu()]
    return [each for part in value.values() for each in tensors(part)] if isinstance(value, dict) else []


def equal(one, other):
    one, other = tensors(one), tensors(other)
    return len(one) == len(other) > 0 and all(map(torch.equal, one, other))


class OnACpu(unittest.TestCase):
    """What holds on any device."""

    device = "cpu"
    short, long = 2, 14  # steps of two epochs in which the host must wait equally often; on a CPU fewer than LOOK

    def setUp(self):
        self.enterContext(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # that a pool's backward pass has no deterministic kernel on a GPU
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(mock.patch.dict(os.environ, STUDY_CACHE=str(folder)))
        self.folder, self.threads = folder, torch.get_num_threads()
        torch.set_num_threads(1)
        self.addCleanup(torch.set_num_threads, self.threads)
        random, arrays = np.random.default_rng(0), {}
        for split, count in (("train", 5000 if self.device != "cpu" else 300), ("test", 20)):
            y = np.arange(count, dtype=np.int64) % 4
            x = random.integers(0, 100, (count, 20, 20, 3), dtype=np.uint8)
            arrays |= {f"{split}_x": x + (y * 50).astype(np.uint8)[:, None, None, None], f"{split}_y": y}
        packed.write("dots", arrays, kind="image", classes=list("abcd"), source="random", imported=True)

    def recipes(self, **knobs):
        return {
            name: Recipe.model_validate({**each, "train_size": 100, **knobs}) for name, each in RECIPES.items()
        }.items()

    def test_two_runs_give_the_same_bits(self):
        for name, recipe in self.recipes(epochs=2):
            with self.subTest(name):
                (first, states), (second, others) = (trained(recipe, self.device) for _ in range(2))
                assert first == second
                assert math.isfinite(first[-1]["train_loss"])
                assert equal(states[-1](), others[-1]())

    def test_a_training_goes_on_from_a_checkpoint_to_the_same_bits(self):
        for name, recipe in self.recipes():
            with self.subTest(name):
                training = train(recipe, device=self.device)
                checkpoint.save(self.folder / "state", next(training).state())
                whole = [dict(epoch.metrics) for epoch in training]
                assert trained(recipe, self.device, checkpoint.load(self.folder / "state"))[0] == whole

    def test_an_evaluation_is_about_that_of_a_cpu(self):
        for name, recipe in self.recipes(epochs=1):
            with self.subTest(name):
                _, states = trained(recipe, self.device)
                found = []
                for device in (self.device, "cpu"):
                    parts = assemble(recipe, device)
                    _take_up(parts, states[-1]())
                    found.append(judge(parts, 1, parts.data.val))
                here, there = found
                assert abs(here.loss - there.loss) <= (0.03 if recipe.precision == "bfloat16" else 2e-3) * there.loss
                assert (here.predictions != there.predictions).double().mean() <= 0.05

    def test_the_host_waits_no_more_often_in_an_epoch_of_many_steps(self):
        for name, recipe in self.recipes(epochs=1):
            with self.subTest(name):
                counts = []
                for steps in (self.short, self.long):
                    training = train(recipe.model_copy(update={"train_size": 16 * steps}), device=self.device)
                    with waits(self.device) as found:
                        next(training)
                    training.close()
                    counts.append(found.total())
                assert counts[0] == counts[1] > 0

    def test_a_step_by_itself_is_that_of_the_engine(self):
        for name, recipe in self.recipes(epochs=1, grad_clip=None, schedule="constant"):
            with self.subTest(name):
                _, states = trained(recipe, self.device)
                parts = assemble(recipe, self.device)
                step = Plain(parts, torch.Generator(self.device).manual_seed(_seed(recipe, 1, "augmentation")))
                order = order_of(recipe, parts.data, torch.Generator().manual_seed(_seed(recipe, 1, "order")))
                rows = parts.data.train.rows.index_select(0, order.to(self.device))
                torch.set_flush_denormal(True)
                torch.manual_seed(_seed(recipe, 1, "dropout"))
                with parts.step.mode():
                    for some in rows.split(parts.batch):
                        step(some, parts.data.train.y.index_select(0, some))
                torch.set_flush_denormal(False)
                assert equal(parts.model.state_dict(), states[-1]()["model"])

    def test_a_training_that_diverges_ends_with_an_epoch_that_says_so(self):
        for look in (2, 1000):
            with mock.patch.object(TRAIN, "LOOK", look):
                metrics, _ = trained(Recipe.model_validate({**PERCEPTRON, "optimizer": "sgd", "lr": 1e30}), self.device)
            assert len(metrics) == 1
            assert not math.isfinite(metrics[0]["train_loss"])
            assert math.isnan(metrics[0]["train_accuracy"])

    def test_a_lane_does_not_depend_on_its_neighbours_or_its_place(self):
        recipe = {**PERCEPTRON, "dataset": "dots", "optimizer": "adam"}
        parts = assemble(Recipe.model_validate(recipe), self.device)
        with mock.patch("benchmarks.lanes.recipe", lambda **knobs: Recipe.model_validate({**recipe, **knobs})):
            for shared in (False, True):
                held = independence(parts, 4, 5, by_kernel=self.device == "cpu", shared=shared)
                assert held["neighbours"], held
                assert held["place"], held

    def test_a_captured_step_gives_the_bits_of_the_plain_one(self):
        for name, recipe in self.recipes(optimizer="adam", momentum=None, grad_clip=None, schedule="constant"):
            with self.subTest(name):
                outcomes = []
                for make in (lambda plain: plain, captured):
                    parts = assemble(recipe, self.device)
                    step = make(Plain(parts, torch.Generator(self.device).manual_seed(1)))
                    torch.manual_seed(2)
                    with parts.step.mode():
                        losses = [step(rows, targets).clone() for rows, targets in batches(parts, 20)]
                    outcomes.append({"losses": torch.stack(losses), **parts.model.state_dict()})
                assert equal(*outcomes)

    def test_captured_lanes_give_the_bits_of_plain_ones(self):
        recipe = {**PERCEPTRON, "dataset": "dots", "optimizer": "adam"}
        parts = assemble(Recipe.model_validate(recipe), self.device)
        with mock.patch("benchmarks.lanes.recipe", lambda **knobs: Recipe.model_validate({**recipe, **knobs})):
            nets = networks(3, self.device)
        for shared in (False, True):
            rows, outcomes = rows_of(parts, 20, 3), []
            for is_captured in (False, True):
                lanes = Lanes(nets, [1e-3, 1e-2, 3e-3], by_kernel=False)

                def step(some, lanes=lanes):
                    return lanes.step(*stacked(parts, some))

                call = Captured(step, self.device) if is_captured else step
                with torch.inference_mode():
                    losses = [call(some).clone() for some in (rows[:, 0] if shared else rows)]
                outcomes.append(
                    {
                        "losses": torch.stack(losses),
                        "weights": torch.cat([w.flatten() for w in weights_of_first(lanes)]),
                    }
                )
            assert equal(*outcomes)


@unittest.skipUnless(torch.cuda.is_available(), "no GPU on this machine")
class OnAGpu(OnACpu):
    """The same on a GPU, and what only one can show."""

    device = "cuda"
    short, long = 2, 250  # two looks at the loss are among them

    def test_a_metric_does_not_make_the_host_wait_for_each_batch(self):
        recipe = {**CNN, "metric": "torch.nn.functional:cross_entropy", "val_fraction": 0.5}
        parts = assemble(Recipe.model_validate(recipe), self.device)
        counts = []
        for batch in (10, 1000):
            with mock.patch.object(sys.modules["study.engine.evaluate"], "BATCH", batch), waits(self.device) as found:
                assert "cross_entropy" in judge(parts, 1, parts.data.val).scores
            counts.append(found.total())
        assert counts[0] == counts[1] > 0


if __name__ == "__main__":
    unittest.main()
