"""What a run trains on, as the use report names it: by what NVIDIA's driver says of its GPUs."""

import pytest

from study.service import devices

INFORMATION = """Model: \t\t {model}
IRQ:   \t\t 196
GPU UUID: \t GPU-0b1c2d3e-0000-0000-0000-00000000000{minor}
Bus Type: \t PCIe
Bus Location: \t 0000:0{minor}:00.0
Device Minor: \t {minor}
GPU Excluded:\t No
"""


@pytest.fixture
def gpus(tmp_path, monkeypatch):
    """A folder as the driver's, with GPUs of these models."""

    def made(*models):
        for minor, model in enumerate(models):
            folder = tmp_path / "gpus" / f"0000:{9 - minor:02}:00.0"  # their order on the bus is another one
            folder.mkdir(parents=True)
            (folder / "information").write_text(INFORMATION.format(model=model, minor=minor))
        monkeypatch.setattr(devices, "GPUS", tmp_path / "gpus")

    return made


@pytest.mark.parametrize(
    ("models", "asked", "named"),
    [
        ((), "auto", "cpu"),
        (("NVIDIA H200",), "auto", "NVIDIA H200"),
        (("NVIDIA H200",), "cpu", "cpu"),
        (("NVIDIA H200", "NVIDIA H200"), "cuda", "NVIDIA H200"),
        (("NVIDIA H200", "NVIDIA A40"), "cuda:1", "NVIDIA A40"),
        (("NVIDIA H200", "NVIDIA A40"), "auto", "NVIDIA H200 or NVIDIA A40"),
        ((), "cuda", "cuda"),
        ((), "mps", "mps"),
    ],
)
def test_a_device_has_the_name_of_its_model(gpus, models, asked, named):
    gpus(*models)
    assert devices.named(asked) == named
    assert devices.default_slots() >= max(1, len(models))
