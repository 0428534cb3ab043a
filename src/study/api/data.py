"""The calls about data sets: import, list, verify, remove."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.errors import InputError
from study.knobs import SCIKIT_LEARN, TORCHVISION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from study.data.sets import DataSets, Imported, RemovedData, Verification
    from study.schemas.data import Verified

log = logging.getLogger("study")

# Packs load numpy, so each call imports them.


def import_data(
    name: str,
    path: str | Path,
    *,
    label: str | None = None,
    test: str | Path | None = None,
    test_fraction: float | None = None,
    image_size: int | None = None,
    drop: Sequence[str] = (),
    max_categories: int | None = None,
    category: Sequence[str] = (),
    missing: Sequence[str] = (),
    separator: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    task: str | None = None,
    force: bool = False,
    watch: Callable[[str, float | None], None] | None = None,
) -> Imported:
    """Import images (a folder, .tar, .tar.gz, .tar.xz or .zip of train/CLASS/* and test/CLASS/*) or a table.

    Args:
        name: by which recipes ask for it; under a known name, such as cifar10, it is used for that from then on.
        path: a folder or an archive of images; a table in a text file such as .csv, or a .parquet; or torchvision:NAME,
            a data set of torchvision whose files are in STUDY_DATA; or scikit-learn:NAME, one of scikit-learn.
        label: of a table, the column to predict; or columns of 0 and 1, separated by commas, for several labels.
        test: of a table, or of a list of images, the file of its test rows.
        test_fraction: share held out, stratified, where there is no test split; None is 0.2.
        image_size: width and height that images are cut and scaled to, in pixels.
        drop: of a table, columns to leave out.
        max_categories: of a table, categories to keep of each text column, the most frequent ones; None keeps all.
        category: of a table, columns whose numbers are categories, of the label classes.
        missing: of a table, texts that mean a missing value, besides empty fields, `NA`, `?` and the like.
        separator: between the fields of a text file; None is found in its content, as are the next three.
        decimal: the decimal sign, "." or ",".
        encoding: of the text, such as `latin-1`.
        header: whether the first line has the columns' names.
        task: classification, of classes, regression, of numbers, or multilabel, of several labels in a field, such as
            `cat|dog`; None is told by the label's values.
        force: replace a data set that is here under this name.
        watch: is called with a text and a share in [0, 1]; the share is None for something to know.

    Raises:
        DataError: one of that name is here already, or the data are unfit.
        InputError: an argument that has no effect on such data, or one that is missing.
        PlaceError: a file cannot be read or written.

    """
    from study.data import sets  # noqa: PLC0415 - see above
    from study.data.dialects import Reading  # noqa: PLC0415 - see above

    reading = Reading(encoding, separator, decimal, header, tuple(missing), tuple(category), task)
    given, report = str(path), watch or _log
    of_text = {"missing": missing, "separator": separator, "decimal": decimal, "encoding": encoding, "header": header}
    of_tables = {"label": label, "drop": drop, "max-categories": max_categories, "category": category, "task": task}
    if given.startswith(TORCHVISION):
        from study.engine.torchvision_sets import import_set  # noqa: PLC0415 - see above

        _require_none("a data set of torchvision", {**of_tables, **of_text, "test": test})
        sets.require_new(name, force=force)
        return sets.Imported(import_set(name, given, report, size=image_size, test_fraction=test_fraction))
    if given.startswith(SCIKIT_LEARN):
        from study.data import scikit_learn  # noqa: PLC0415 - see above

        _require_none("a data set of scikit-learn", {**of_text, "test": test, "size": image_size})
        sets.require_new(name, force=force)
        return sets.Imported(
            scikit_learn.import_set(
                name, given, report, label=label, test_fraction=test_fraction, drop=drop, max_categories=max_categories,
                reading=reading,
            )
        )  # fmt: skip
    return sets.import_data(
        name, Path(path), report, label=label, test=Path(test) if test else None, test_fraction=test_fraction,
        image_size=image_size, drop=drop, max_categories=max_categories, reading=reading, force=force,
    )  # fmt: skip


def _require_none(kind: str, options: Mapping[str, Any]) -> None:
    """Reject options that have no effect on a kind of data."""
    if unfit := next((option for option, value in options.items() if value not in (None, (), [])), None):
        raise InputError(f"has no effect on {kind}", where=f"--{unfit}")


def list_data() -> DataSets:
    """List the data sets that are here, damaged ones with what is wrong, then the known ones that are not here yet."""
    from study.data import sets  # noqa: PLC0415 - see above

    return sets.list_data()


def verify_data(names: Sequence[str] = (), *, watch: Callable[[Verified], None] | None = None) -> Verification:
    """Read data sets from start to end and compare them with their SHA-256.

    Args:
        names: of data sets; empty is all that are here.
        watch: is called with each as it was read.

    Raises:
        DataError: no such data set is here.

    """
    from study.data import sets  # noqa: PLC0415 - see above

    return sets.verify_data(names, watch)


def remove_data(name: str, *, ask: Callable[[RemovedData], None] | None = None) -> RemovedData:
    """Delete a data set's file; what it was made from stays.

    Args:
        name: of the data set.
        ask: is called with what is to be deleted; nothing is deleted if it raises.

    Raises:
        DataError: no such data set is here.

    """
    from study.data import sets  # noqa: PLC0415 - see above

    return sets.remove_data(name, ask)


def _log(text: str, share: float | None) -> None:
    if share is None:
        log.warning("%s", text)
