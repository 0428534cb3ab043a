"""What the parts of gpu.py have in common: how much they measure, on which data, and how they say what they found."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

ROOT = Path(__file__).parents[1]
if str(ROOT / "src") not in sys.path:  # where `study` is not installed
    sys.path.insert(0, str(ROOT / "src"))

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPES = {"cifar10": (32, 3), "mnist": (28, 1)}  # side and channels of an image


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Args:
        device: as torch spells it.
        images: of the training split, where it is made of random images.
        epochs: of a full training.
        trainings: of the list.
        processes: at a time, to be compared.
        lanes: networks at a time, to be compared.
        steps: that are timed at a time.
        rounds: of which the median is told.
        side: of the matrices of the device's limit.

    """

    device: str
    images: int
    epochs: int
    trainings: int
    processes: tuple[int, ...]
    lanes: tuple[int, ...]
    steps: int
    rounds: int
    side: int


FULL = Size("cuda", 50_000, 10, 100, (1, 2, 4, 8, 16), (10, 50, 100), 300, 5, 8192)
QUICK = replace(FULL, epochs=1, trainings=16, processes=(1, 4), lanes=(100,), steps=100, rounds=2)
CPU = Size("cpu", 300, 1, 2, (1, 2), (2,), 2, 2, 64)


def arguments(about: str | None) -> argparse.Namespace:
    """Parse the options that all parts have; `size` is what they come to."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument(
        "--cpu", action="store_true", help="every row on the CPU at a tiny size: its figures say nothing"
    )
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), help="file of the rows (of gpu.py)")
    parser.add_argument("--until", type=float, default=time.time() + 450, help="seconds since 1970 to be ready by")
    parser.add_argument("--folder", type=Path, help="for what a part leaves behind")
    parser.add_argument("--work", action="store_true", help="train what is asked for on stdin (of gpu_search.py)")
    asked = parser.parse_args()
    asked.size = CPU if asked.cpu else QUICK if asked.quick else FULL
    asked.flags = [flag for flag, is_on in (("--quick", asked.quick), ("--cpu", asked.cpu)) if is_on]
    return asked


def say(what: str, found: str, *, n: int = 1, goal: str = "", note: str = "", value: float | None = None) -> None:
    """Print a row for gpu.py.

    Args:
        what: was measured.
        found: the figure with its unit.
        n: number of measurements that it is the median of.
        goal: that it is to reach.
        note: what must be known to read it.
        value: the figure as a number.

    """
    print(json.dumps({"what": what, "found": found, "n": n, "goal": goal, "note": note, "value": value}), flush=True)


def say_device(device: str) -> None:
    """Print what this runs on and with."""
    import torch

    has_gpu = device.startswith("cuda")
    about: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if has_gpu else "cpu",
        "cuda": torch.version.cuda if has_gpu else None,
        "cudnn": torch.backends.cudnn.version() if has_gpu else None,
        "python": sys.version.split()[0],
        **{name: version(name) for name in ("torch", "numpy", "optuna", "pydantic", "safetensors")},
    }
    print(json.dumps({"about": {name: value for name, value in about.items() if value is not None}}), flush=True)


def has_images() -> bool:
    """Tell whether CIFAR-10 and MNIST are in the cache folder."""
    from study.data import packed

    return all(packed.find(name) for name in SHAPES)


def make_images(count: int) -> None:
    """Write random images of the shapes of CIFAR-10 and MNIST, whose brightness hints at their class."""
    from study.data import packed

    random = np.random.default_rng(0)
    for name, (side, channels) in SHAPES.items():
        arrays: dict[str, np.ndarray] = {}
        for split, images in (("train", count), ("test", count // 5)):
            labels = np.arange(images, dtype=np.int64) % 10
            pixels = random.integers(0, 156, (images, side, side, channels), dtype=np.uint8)
            arrays[f"{split}_x"] = pixels + (labels * 10).astype(np.uint8)[:, None, None, None]
            arrays[f"{split}_y"] = labels
        classes = [str(number) for number in range(10)]
        packed.write(name, arrays, kind="image", classes=classes, source="random", imported=True)


def seconds(work: Callable[[], object], rounds: int, device: str) -> float:
    """Time some work, the median of some rounds after one that does not count."""
    import torch

    wait = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    taken: list[float] = []
    for _ in range(rounds + 1):
        wait()
        began = time.perf_counter()
        work()
        wait()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])
