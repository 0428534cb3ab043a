"""Where a data set comes from when nobody has imported it: scikit-learn, torchvision's files, torchvision's servers."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np

from study import packs
from study.datasets import KNOWN, TEST_SEED, TEST_SHARE, Known, hold_out
from study.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from study.packs import Pack


def ensure(name: str, report: Callable[[str, float | None], None] | None = None) -> Pack:
    """Find a data set's pack, or make it.

    A pack that is there is taken as it is: what a person has imported under a known name wins over its usual source.

    Args:
        name: a known data set or an imported one.
        report: is told what is going on, with the share that is done, in [0, 1], or None for a single line.

    Raises:
        DataError: not a known name; or neither here nor to be had, with the ways to mend that.
        PlaceError: the cache folder cannot be written or is full.

    """
    pack = packs.find(name)
    if pack is not None:
        return pack
    if name not in KNOWN:
        raise _unknown(name)
    if report is not None:
        report(f"Making {name}", None)
    return _from_scikit_learn(name, KNOWN[name])


def _unknown(name: str) -> DataError:
    known = sorted({*KNOWN, *packs.names()})
    close = get_close_matches(name, known, n=1)
    meant = f"Did you mean {close[0]!r}?" if close else f"Known are {', '.join(known)}."
    return DataError(f"unknown data set {name!r}", fix=f"{meant} One's own: `study data import {name} PATH`.")


def _from_scikit_learn(name: str, known: Known) -> Pack:
    from sklearn import datasets  # noqa: PLC0415 - half a second that only the making needs

    data = getattr(datasets, known.made_by)()
    images = known.kind == "image"
    if images:  # digits: 0 to 16
        x, y = np.rint(data.images * (255 / 16)).astype(np.uint8)[..., None], data.target.astype(np.int64)
    else:  # breast_cancer: scikit-learn counts malignant as 0
        x, y = data.data.astype(np.float32), 1 - data.target.astype(np.int64)
    train, test = hold_out(y, stratify=images, where=name)
    drawn = f"{TEST_SHARE:.0%} held out for the test{', stratified' if images else ''}, seed {TEST_SEED}"
    return packs.write(
        name,
        {"train_x": x[train], "train_y": y[train], "test_x": x[test], "test_y": y[test]},
        kind=known.kind,
        classes=known.classes,
        source=f"scikit-learn ({known.made_by}; {drawn})",
        imported=False,
        columns=() if images else [str(column) for column in data.feature_names],
    )
