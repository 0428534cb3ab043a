"""What a training's state may hold beside tensors and plain values: types that are loaded without running foreign code.

torch loads a checkpoint with an unpickler that makes objects of listed types only. Its own list lacks what ordinary
trainings keep: NumPy's numbers, arrays and random generators, paths, dates, and Python's containers.
"""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import fractions
import pathlib
import pickle
import random
import uuid
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy._core import multiarray
from numpy.random import _pickle, bit_generator

PLAIN = (
    bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, range, slice,
    collections.defaultdict, collections.deque, collections.Counter, collections.OrderedDict,
    dt.date, dt.datetime, dt.time, dt.timedelta, dt.timezone,
    decimal.Decimal, fractions.Fraction, uuid.UUID, random.Random,
    pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath, pathlib.PureWindowsPath,
)  # fmt: skip
NUMPY = (
    np.ndarray, np.dtype, *(each for each in vars(np.dtypes).values() if isinstance(each, type)),
    np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64,
    bit_generator.SeedSequence,
)  # fmt: skip
FUNCTIONS = {
    "numpy._core.multiarray.scalar": multiarray.scalar,  # pyright: ignore[reportAttributeAccessIssue] - not in the stub
    "numpy._core.multiarray._reconstruct": multiarray._reconstruct,  # noqa: SLF001 # pyright: ignore - as above
    **{
        f"{module.__name__}.{name}": getattr(module, name)
        for module, names in (
            (_pickle, ("__bit_generator_ctor", "__generator_ctor")),
            (bit_generator, ("__pyx_unpickle_SeedSequence",)),
        )
        for name in names
    },
}


def default_dict(factory: Any, content: dict[Any, Any]) -> collections.defaultdict[Any, Any]:
    """Make a defaultdict, which torch's unpickler does not fill."""
    return collections.defaultdict(factory, content)


def queue(content: list[Any], longest: int | None) -> collections.deque[Any]:
    """Make a deque, as above."""
    return collections.deque(content, longest)


def random_state(state: Any) -> np.random.RandomState:
    """Make NumPy's older generator, as above."""
    made = np.random.RandomState()
    made.set_state(state)
    return made


class Pickler(pickle.Pickler):
    """Writes the types that torch's unpickler does not fill as calls of the functions above."""

    def reducer_override(self, obj: Any) -> Any:
        """Give the call for an object, or leave it to pickle."""
        if type(obj) is collections.defaultdict:
            return default_dict, (obj.default_factory, dict(obj))
        if type(obj) is collections.deque:
            return queue, (list(obj), obj.maxlen)
        if type(obj) is np.random.RandomState:
            return random_state, (obj.get_state(),)
        return NotImplemented


WRITER = SimpleNamespace(__name__=__name__, Pickler=Pickler)  # for `torch.save`
OURS = (default_dict, queue, random_state)
HINT = "It may hold tensors, numbers, strings, paths, dates, random states, and lists, dicts and sets of them"


def loadable() -> list[Any]:
    """Give the types and functions for `torch.serialization.safe_globals`."""
    return [*PLAIN, *NUMPY, *OURS, *((function, path) for path, function in FUNCTIONS.items())]
