"""Golden epochs: a change of the engine that changes a single bit of a training shows here.

The bits depend on the processor and on torch's version, so each pair has its own; a pair that is not here is skipped
with what it computes, to be entered. A change of figures that are here needs a line in CHANGELOG.md.
"""

from __future__ import annotations

import platform
import re
from pathlib import Path

import pytest
import torch

from study.definition import override
from study.recipe import Recipe

CNN = Recipe(
    dataset="digits", model="cnn2", epochs=3, lr=3e-3, normalize=True, dropout_dense=0.3, init="xavier_normal",
    augment_crop=1, schedule="one_cycle", schedule_interval="batch",
)  # fmt: skip
RECIPES = {
    "cnn": CNN,  # in oneDNN's order of memory
    "cnn in torch's order": override(CNN, {"dropout_conv": 0.1, "activation": "tanh"}),
    "mlp": Recipe(
        dataset="breast_cancer", model="mlp", hidden=(32, 16), epochs=3, optimizer="sgd", lr=0.1, momentum=0.9,
        nesterov=True, batch_norm=True, batch_size=32, l2=1e-4, grad_clip=1.0, loss="bce", warmup_epochs=1,
    ),
}  # fmt: skip
GOLDEN = {
    "x86_64 GenuineIntel 6 167 AVX512 torch 2.15.0": {
        "cnn": [
            ["0x1.2d22760ab100ap+1", "0x1.12b3200000000p+1"],
            ["0x1.1319846e14fcap+1", "0x1.ea88d1c71c71cp+0"],
            ["0x1.03fc790ed9646p+1", "0x1.d0ffa00000000p+0"],
        ],
        "cnn in torch's order": [
            ["0x1.2cbccad5094e3p+1", "0x1.eb3d6aaaaaaabp+0"],
            ["0x1.02381a5d736d8p+1", "0x1.9b36171c71c72p+0"],
            ["0x1.dddb70b3c62ffp+0", "0x1.8ae5e1c71c71cp+0"],
        ],
        "mlp": [
            ["0x1.e9ddd81f4bbc6p-2", "0x1.26dfade9bd37ap-2"],
            ["0x1.daafb8fafe1f5p-4", "0x1.c13729bd37a6fp-3"],
            ["0x1.f43200b5d42f9p-5", "0x1.b0efd37a6f4dfp-3"],
        ],
    },
}


def here():
    """Processor and torch's version, as far as bits may depend on them."""
    about = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    chip = [found[1] for key in ("vendor_id", "cpu family", "model") if (found := re.search(rf"{key}\s*: (.+)", about))]
    version = torch.__version__.split("+")[0]
    return " ".join([platform.machine(), *chip, torch.backends.cpu.get_cpu_capability(), f"torch {version}"])


@pytest.mark.parametrize("name", RECIPES)
def test_three_epochs_are_the_same_to_the_bit(data, run, name):
    metrics, _, _ = run(RECIPES[name])
    found = [[each["train_loss"].hex(), each["val_loss"].hex()] for each in metrics]
    if here() not in GOLDEN:
        pytest.skip(f"no golden epochs for {here()!r}; they would be {found}")
    assert found == GOLDEN[here()][name]
