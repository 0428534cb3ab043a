"""A study and its derived studies: NAME, NAME-compare, NAME-confirm, NAME-final and NAME-ablate.

Only this module builds and parses these names and knows their folders.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from study.definition import LENGTHS, override, restored, restored_variants
from study.differences import settings
from study.errors import InputError, StudyError
from study.formatting import nearest
from study.recipe import Recipe
from study.record import atomic_files, owner
from study.record.journal import LOCK, Journal
from study.settings import studies_folder, study_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from study.definition import Study

Kind = Literal["compare", "confirm", "final", "ablate"]
PURPOSE: dict[Kind, str] = {
    "compare": "equal seeds for the variants of",
    "confirm": "fresh seeds for the best trials of",
    "final": "the test split for the winner of",
    "ablate": "one knob less for the winner of",
}
BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Family:
    """The results of a study and its derived studies.

    Args:
        name: name of the study itself, including `@dataset`.
        home: folder of all results.

    """

    name: str
    home: Path

    @classmethod
    def of(cls, name: str, home: Path) -> Family:
        """Find the family by the name of the study, or of a derived study that has results."""
        start, kind = parsed(name)
        made_for = kind is not None and name in studies(home)
        return cls(start if made_for else name, home)

    @property
    def search(self) -> Journal:
        """The folders of the search."""
        return journal(self.name, self.home)

    @property
    def compare(self) -> Journal:
        """The folders of the comparison."""
        return self.member("compare")

    @property
    def confirm(self) -> Journal:
        """The folders of the confirmation's race."""
        return self.member("confirm")

    @property
    def final(self) -> Journal:
        """The folders of the confirmation's final scores."""
        return self.member("final")

    @property
    def ablate(self) -> Journal:
        """The folders of the ablation."""
        return self.member("ablate")

    def member(self, kind: Kind) -> Journal:
        """Return the folders of a derived study."""
        return journal(name_of(self.name, kind), self.home)

    def made(self) -> list[Journal]:
        """Return the folders of all derived studies, whether they exist or not."""
        return [self.member(kind) for kind in PURPOSE]

    def all(self) -> list[Journal]:
        """Return the folders of the search and then of the derived studies, whether they exist or not."""
        return [self.search, *self.made()]

    def defined(self) -> Journal:
        """Return the first of the family that has a stored definition: the search, or else a derived study.

        Raises:
            StudyError: none of them has one.

        """
        found = next((each for each in self.all() if each.definition() is not None), None)
        if found is None:
            raise StudyError("the study's definition is missing", where=str(self.search.definition_file))
        return found

    def question(self, kind: Kind) -> dict[str, Any] | None:
        """Read the latest question of this kind; None if there is none. Older versions stored it with the search."""
        return self.member(kind).question(kind) or self.search.question(kind)

    def looks(self) -> list[dict[str, Any]]:
        """Read every look at the test split, oldest first."""
        return sorted((look for each in self.all() for look in each.openings()), key=lambda look: look["time"])

    def as_searched(self, study: Study) -> Study:
        """Apply the search's `--set` knobs and seed to a study; the knobs stay fixed, the seed does not.

        Knobs that the study itself holds fixed keep their values.

        Raises:
            RecipeError: the recipe no longer has one of these knobs.

        """
        stored, own = self.search.definition() or {}, study.fixed
        kept = {
            knob: each for knob, each in (stored.get("fixed") or {}).items() if not {knob, LENGTHS.get(knob)} & {*own}
        }
        study = study.fix(kept)
        known = stored.get("recipe") or {}
        if "seed" in known and "seed" in type(study.recipe).model_fields and "seed" not in own:
            study = replace(study, recipe=override(study.recipe, {"seed": known["seed"]}))
        return study.free_seed()

    def compared_otherwise(self) -> dict[str, Any]:
        """Return the settings of the latest comparison that differ from the search's with `final`; none without both.

        If there are any, the figures of the two are not comparable.

        Raises:
            StudyFileError: our `Recipe` rejects a stored recipe.

        """
        searched, compared = self.search.definition(), self.compare.definition()
        if searched is None or compared is None or searched.get("recipe_type") != compared.get("recipe_type"):
            return {}
        ran, asked = restored(self.name, compared), restored(self.name, searched)
        found = settings(ran.recipe, asked.recipe_for(ran.final))
        return {knob: value for knob, value in found.items() if knob not in {"seed", *ran.final}}

    def as_confirmed(self) -> Study:
        """Restore the study as it was searched and confirmed, without its file.

        Raises:
            StudyError: no definition is stored.
            StudyFileError: our `Recipe` rejects the stored recipe.

        """
        stored = self.defined().definition() or {}
        study, finals = restored(self.name, stored).free_seed(), self.final.definition()
        if finals is None:
            return study
        changed = {knob: value for knob, value in finals["recipe"].items() if stored["recipe"].get(knob) != value}
        return replace(study, final=changed)

    def as_compared(self) -> Study | None:
        """Restore the study as it was last compared, without its file.

        Returns:
            The study with `final` applied to its recipe; None if it was never compared.

        Raises:
            StudyFileError: our `Recipe` rejects the stored recipe.

        """
        compared, searched = self.compare.definition(), self.search.definition() or {}
        if compared is None:
            return None
        study = replace(restored(self.name, compared), test=False)
        metric = study.metric
        if isinstance(study.recipe, Recipe) and not study.recipe.val_fraction and searched.get("metric") != metric:
            metric = study.followed.on("val").name  # the metric before `final` removed the validation examples
        return replace(study, metric=metric, variants=study.variants or restored_variants(searched))


def baseline(variants: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Choose the baseline: the variant `baseline`, else the first without overrides, else the first; None if empty."""
    plain = (name for name, overrides in variants.items() if not overrides)
    return BASELINE if BASELINE in variants else next(plain, next(iter(variants), None))


def name_of(name: str, kind: Kind) -> str:
    """Return the name of a derived study."""
    return f"{name}-{kind}"


def parsed(name: str) -> tuple[str, Kind | None]:
    """Split the name of a derived study into the original study and its kind; the kind is None for any other study."""
    start, _, kind = name.rpartition("-")
    for each in PURPOSE:
        if start and each == kind:
            return start, each
    return name, None


def journal(name: str, home: Path) -> Journal:
    """Return the folders of a study by its full name."""
    return Journal(study_folder(home, name))


def studies(home: Path) -> list[str]:
    """List the names of the studies that have results in the home folder, in alphabetical order."""
    folder = studies_folder(home)
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return [name for name in names if (folder / name / "trials").is_dir() or journal(name, home).definition()]


def find(name: str, home: Path) -> Journal:
    """Find the results of a study by its full name.

    Raises:
        InputError: no study of this name has results; the message suggests the nearest name.

    """
    known = studies(home)
    if name in known:
        return journal(name, home)
    fix = f"{nearest(name, known)} `study run {name}` makes some."
    raise InputError(f"no results of a study {name!r}", where=str(home), fix=fix)


def held_by(ran: Journal) -> dict[str, Any] | None:
    """Return the process that is running a study; None if there is none, or if it is on another machine."""
    who = last_held_by(ran)
    if who is None or not isinstance(who.get("pid"), int):
        return None
    if {"machine", "started"} <= who.keys():
        runs = owner.is_here(who) and not owner.is_dead(who)
    else:  # of an older version
        runs = who.get("host") == socket.gethostname() and atomic_files.is_alive(who["pid"])
    return who if runs else None


def last_held_by(ran: Journal) -> dict[str, Any] | None:
    """Return the process that runs a study or was the last to do so; None if that is not known."""
    try:
        who = json.loads((ran.folder / LOCK).read_bytes())
    except (OSError, ValueError):
        return None
    return who if isinstance(who, dict) else None


def locks(home: Path) -> dict[str, int]:
    """Tell of each study that was ever run when its lock was written last, in nanoseconds since 1970."""
    found: dict[str, int] = {}
    with suppress(OSError), os.scandir(studies_folder(home)) as folders:
        for folder in folders:
            with suppress(OSError):
                found[folder.name] = os.stat(f"{folder.path}/{LOCK}").st_mtime_ns  # noqa: PTH116 - as `Journal.numbers`
    return found


def names_of(name: str, existing: Iterable[str]) -> list[str]:
    """List the existing names of a study's family: derived studies first, the study itself last."""
    known = set(existing)
    return [each for each in (*(name_of(name, kind) for kind in PURPOSE), name) if each in known]
