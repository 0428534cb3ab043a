"""Checks that a study can be searched, without training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from study.data import packed
from study.data.known import KNOWN
from study.definition import OUR_TRAIN
from study.executors import inline
from study.knobs import is_own, plain
from study.running.preflight import check_all, check_recipes
from study.sampling import space
from study.schemas.studies import CheckedStudy
from study.study_files import find, load
from study.text import studies as text
from study.text.shown import Shown

if TYPE_CHECKING:
    from pathlib import Path

    from study.definition import Study
    from study.sampling.space import Space
    from study.text.table import Block


@dataclass(frozen=True, slots=True)
class Checked(Shown):
    """A study that can be searched.

    Args:
        study: the study, as its file defines it.
        file: path of the study file.
        space: the search space, as found by sampling.
        not_tried: what could not be checked here, and why; empty if everything was checked.

    """

    study: Study
    file: Path
    space: Space
    not_tried: str

    def record(self) -> CheckedStudy:
        """Return the checked study as a record."""
        return CheckedStudy(
            study=self.study.name,
            file=str(self.file),
            metric=self.study.metric,
            direction=self.study.direction,
            space={name: space.spell(distribution) for name, distribution in self.space.distributions.items()},
            variants={name: plain(dict(overrides)) for name, overrides in self.study.variants.items()},
            not_tried=self.not_tried or None,
            sampled=len(self.space.recipes),
        )

    def blocks(self) -> list[Block]:
        """Describe what the study searches, and whether everything was checked."""
        return text.checked(self.record())


def check(name: str) -> Checked:
    """Load a study, sample its space, and build the networks of some recipes for their data.

    Args:
        name: name of the study, or path of its file.

    Raises:
        StudyFileError: there is no such study, or its file cannot be read.
        InputError: a recipe does not fit, or the data set is unknown.

    """
    study = load(name)
    found = space.probe(study)
    return Checked(study, find(name), found, _not_tried(study, found))


def _not_tried(study: Study, found: Space) -> str:
    """Check the recipes; return what could not be checked if the data is not here."""
    dataset = getattr(study.recipe, "dataset", None)
    if dataset is not None and is_own(dataset):
        from study.engine import made  # noqa: PLC0415 - torch

        made.require_same_again(dataset)
    elif dataset is not None and packed.find(dataset) is None:
        if dataset not in KNOWN:
            from study.engine.sources import unknown  # noqa: PLC0415 - torchvision

            raise unknown(dataset)
        return f"whether recipes fit the data: {dataset} is not prepared yet, `study run` does that."
    check_recipes(study, found, "cpu")
    if study.final and study.train == OUR_TRAIN:
        check_all([study.recipe_for(study.final)], "cpu", inline.call)
    return ""
