"""A study as its file describes it: one complete recipe, a search space, variants; found by name and loaded."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from study.errors import RecipeError, StudyFileError
from study.formatting import nearest
from study.imports import import_object, load_file
from study.knobs import explain, metrics_of
from study.metric import Direction, Metric
from study.recipe import Recipe

if TYPE_CHECKING:
    import optuna

OUR_TRAIN = "study.engine:train"
Overrides = Mapping[str, Any]
RESERVED = ("-compare", "-confirm", "-final", "-ablate")  # endings of studies that are made for another
LENGTHS = {"epochs": "steps", "steps": "epochs"}  # of a training: one or the other


@dataclass(frozen=True, kw_only=True)
class Published:
    """A figure that others have published for a variant.

    Args:
        value: in the unit of the study's metric; an accuracy lies in [0, 1].
        source: where it can be read.
        rounding: half of its last digit, in the same unit: 0.00005 for an accuracy printed as 97.58 %.

    """

    value: float
    source: str
    rounding: float = 0.00005


class Variant(dict[str, Any]):
    """Overrides of one variant; `as_published` marks the literal protocol of a publication beside the fair version."""

    def __init__(self, overrides: Overrides | None = None, *, as_published: bool = False, **knobs: Any) -> None:
        """Take the overrides as a mapping, as keywords, or both."""
        super().__init__(overrides or {}, **knobs)
        self.as_published = as_published


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question to search: where to start from, what may change, which named variants to try first.

    Args:
        name: also the name of its file, its Optuna study and its MLflow experiment.
        recipe: the complete starting point: our `Recipe`, or any frozen pydantic model for a training of one's own.
        space: plain Optuna, conditionals and all; returns the knobs that it changes. A suggestion is best named as the
            knob that it decides. None when there is nothing to search.
        variants: named overrides of the recipe, tried first in a search and compared on equal seeds by `compare`; a
            `Variant` with `as_published=True` is left out of both unless asked for.
        final: overrides for `compare`, whose trainings are judged on the test split: `val_fraction` 0 trains on all.
            A variant's own overrides come before them.
        published: for a variant, what others have published.
        train: the training, as a function or an import path: `train(recipe, resume) -> Iterator[Epoch]`; where it has a
            parameter `device`, it is given torch's name of the device; where it has `test`, it is told whether to
            return `{"test": {metric: value}}` of its final model.
        metric: the objective, by its name in `Epoch.metrics`, taken at the last epoch.
        direction: whether more or less of the metric is better.
        fallback: a data set to take when the recipe's own is neither on disk nor to be downloaded.
        fixed: what `--set` holds; given by `fix`.
        file: where it was loaded from, as `load` takes it; given by `load`.

    """

    name: str
    recipe: BaseModel
    space: Callable[[optuna.Trial], Overrides] | None = None
    variants: Mapping[str, Overrides] = field(default_factory=dict[str, Overrides])
    published: Mapping[str, Published] = field(default_factory=dict[str, Published])
    train: str | Callable[..., Any] = OUR_TRAIN
    metric: str = "val_accuracy"
    direction: Direction = "maximize"
    fallback: str | None = None
    final: Overrides = field(default_factory=dict[str, Any])
    fixed: Overrides = field(default_factory=dict[str, Any])
    file: str = ""

    @property
    def fair_variants(self) -> dict[str, Overrides]:
        """Give the variants that are not a publication's literal protocol."""
        return {name: each for name, each in self.variants.items() if not getattr(each, "as_published", False)}

    def recipe_for(self, overrides: Overrides) -> BaseModel:
        """Build the recipe with the overrides, then with what `--set` fixed; all checks run anew.

        Raises:
            RecipeError: an unknown knob, a value out of range, or knobs that do not go together, by name.

        """
        kept = overrides
        if isinstance(self.recipe, Recipe):  # a length that is held fixed takes back a variant's of the other kind
            kept = {knob: value for knob, value in overrides.items() if LENGTHS.get(knob) not in self.fixed}
        return override(self.recipe, {**kept, **self.fixed})

    def fix(self, overrides: Overrides) -> Study:
        """Return this study with knobs held fixed: neither the space nor a variant changes them any more.

        Raises:
            RecipeError: as `recipe_for`.

        """
        return replace(self, fixed={**self.fixed, **overrides}, recipe=override(self.recipe, overrides))

    def free_seed(self) -> Study:
        """Return this study with its seed no longer held fixed: it is the one that others are counted on from."""
        return replace(self, fixed={knob: value for knob, value in self.fixed.items() if knob != "seed"})

    def suggest(self, trial: optuna.Trial) -> Overrides:
        """Run the space on a trial, fixed knobs answered without asking it."""
        if self.space is None:
            return {}
        return self.space(_Fixing(trial, self.fixed) if self.fixed else trial)  # pyright: ignore[reportArgumentType]

    @property
    def objective(self) -> Metric:
        """Give the metric with its direction."""
        return Metric(self.metric, self.direction)

    def check(self) -> None:
        """Prove what can be proven without training: names, types, and the knobs of variants and of `final`.

        Raises:
            StudyFileError: what is wrong, and where.

        """
        self._check_types()
        named = {f"variant {name!r}": overrides for name, overrides in self.variants.items()}
        for what, overrides in {**named, "final": self.final}.items():
            try:
                self.recipe_for(overrides)
            except RecipeError as error:
                raise StudyFileError(error.what, where=f"{self.name}, {what}", fix=error.fix) from error
        if strange := set(self.published) - set(self.variants):
            raise StudyFileError(f"published figures for unknown variants: {sorted(strange)}", where=self.name)

    def _check_types(self) -> None:
        """See that a study is made of what it says; Python itself takes anything."""
        checked_name(self.name)
        self._require("recipe", self.recipe, BaseModel, "a Recipe, or a frozen pydantic model of your own")
        self._require("metric", self.metric, str, "the name of a metric")
        self._require("variants", self.variants, Mapping, "a dict of names and overrides")
        self._require("final", self.final, Mapping, "a dict of overrides")
        for name, overrides in self.variants.items():
            self._require(f"the name of variant {name!r}", name or None, str, "a text that is not empty")
            self._require(f"variant {name!r}", overrides, Mapping, "a dict of overrides")
        if self.direction not in {"maximize", "minimize"}:
            raise StudyFileError(f"direction is {self.direction!r}", where=self.name, fix="Is it maximize or minimize?")
        if self.train == OUR_TRAIN and self.metric not in metrics_of(self.recipe):
            fix = nearest(self.metric, metrics_of(self.recipe))
            raise StudyFileError(f"no metric {self.metric!r}", where=self.name, fix=fix)

    def _require(self, what: str, value: Any, kind: type, wanted: str) -> None:
        if not isinstance(value, kind):
            raise StudyFileError(f"{what} is of type {type(value).__name__}", where=self.name, fix=f"Make it {wanted}.")


def checked_name(name: Any) -> str:
    """Let a name pass that can be a folder, a database's key and part of a command.

    Raises:
        StudyFileError: it cannot.

    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][\w.@+-]*", name, re.ASCII):
        raise StudyFileError(f"not a name for a study: {name!r}", fix="Use letters, digits and . _ - + @ only.")
    if name.endswith(RESERVED):
        raise StudyFileError(f"not a name for a study: {name!r}", fix="What is made for a study is named so.")
    return name


class _Fixing:
    """A trial that answers for fixed knobs itself, so that Optuna never hears of them."""

    def __init__(self, trial: optuna.Trial, fixed: Overrides) -> None:
        self._trial, self._fixed = trial, fixed

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._trial, name)
        if not name.startswith("suggest_"):
            return attribute
        return lambda knob, *args, **kwargs: (
            self._fixed[knob] if knob in self._fixed else attribute(knob, *args, **kwargs)
        )


def override(recipe: BaseModel, overrides: Overrides) -> BaseModel:
    """Build a new recipe with some knobs changed; never `model_copy`, which checks nothing.

    Raises:
        RecipeError: an unknown knob (with the nearest one), a value out of range, or knobs that do not go together.

    """
    known = type(recipe).model_fields
    for knob in overrides:
        if knob not in known:
            near = difflib.get_close_matches(knob, known, n=1)
            raise RecipeError(f"unknown knob {knob!r}", fix=f"Did you mean {near[0]!r}?" if near else "")
    overrides = dict(overrides)
    if isinstance(recipe, Recipe):  # one of the two is the length; giving one takes the other back
        if overrides.get("epochs") is not None:
            overrides.setdefault("steps", None)
        elif overrides.get("steps") is not None:
            overrides.setdefault("epochs", None)
    try:
        return type(recipe).model_validate({**recipe.model_dump(), **overrides})
    except ValidationError as error:
        raise explain(error) from error


def with_data(study: Study, dataset: str) -> Study:
    """Change the study's data set, and its name to `NAME@dataset`, so that no result is mistaken for another.

    What was published is of the other data, and is left out.

    Raises:
        RecipeError: the recipe has no knob `dataset`.

    """
    recipe = override(study.recipe, {"dataset": dataset})
    return replace(study, name=f"{study.name}@{dataset}", recipe=recipe, published={})


def folders() -> list[Path]:
    """Folders in which studies are looked for, a person's own first."""
    packaged = Path(__file__).parent / "studies"
    checkout = Path(__file__).parents[2] / "studies"
    return [Path("studies").absolute(), packaged if packaged.is_dir() else checkout]


def available() -> dict[str, Path]:
    """Every study that can be run by its name, with its file."""
    files = [file for folder in reversed(folders()) for file in sorted(folder.glob("[!_]*.py"))]
    return {file.stem: file for file in files}


def find(name: str) -> Path:
    """Find the file of a study by name or path.

    Raises:
        StudyFileError: no such study; says the nearest name.

    """
    if name.endswith(".py") or "/" in name:
        path = Path(name).expanduser().absolute()
        if not path.is_file():
            raise StudyFileError("no such study file", where=name, fix="`study new NAME` writes one.")
        return path
    studies = available()
    if name not in studies:
        hint = nearest(name, sorted(studies))
        raise StudyFileError(f"no study {name!r}", fix=f"{hint} `study new {name}` writes a new one.")
    return studies[name]


def file_of(name: str, stored: Mapping[str, Any]) -> Path | None:
    """Find the file of a study that has results: one of its name, else what it was loaded from; None if that is gone.

    Args:
        name: of the results, `@dataset` included.
        stored: the definition that lies with them.

    """
    known, recorded = available(), str(stored.get("file") or "")
    file = known.get(name.partition("@")[0]) or known.get(recorded) or Path(recorded)
    return file if file.is_file() else None


def load(name: str) -> Study:
    """Load the study of that name or path: the object `study` of its file.

    Raises:
        StudyFileError: not found, does not import, or holds no `study`; says which line.

    """
    path = find(name)
    study = getattr(load_file(path), "study", None)
    if not isinstance(study, Study):
        raise StudyFileError("no object `study` of type study.Study", where=str(path), fix="Compare `study new`.")
    study.check()
    return replace(study, file=name if name in available() else str(path))


def restored(name: str, stored: Mapping[str, Any]) -> Study:
    """Make a study anew of its stored definition, whatever its file says now; it has no search space.

    Raises:
        StudyFileError: the type of its recipe cannot be imported, or refuses what is stored.

    """
    try:
        recipe = import_object(stored["recipe_type"]).model_validate(stored["recipe"])
    except ValidationError as error:
        raise StudyFileError(f"the recipe of {name} is not one of {stored['recipe_type']}: {explain(error)}") from error
    return Study(
        name=name,
        recipe=recipe,
        variants=stored.get("variants") or {},
        fixed=stored.get("fixed") or {},
        train=stored["train"],
        metric=stored["metric"],
        direction=stored["direction"],
    )


def reference_to(thing: Any) -> str:
    """Name a function or class such that another process can import it: the reverse of `import_object`.

    Raises:
        StudyFileError: it was defined where no other process can find it, such as a notebook.

    """
    if isinstance(thing, str):
        return thing
    module = sys.modules.get(thing.__module__)
    if "<locals>" in thing.__qualname__ or module is None or thing.__module__ == "__main__":
        raise StudyFileError(
            f"{thing.__qualname__} cannot be imported by a worker process",
            fix="Move it to a module, or run with executor='inline'.",
        )
    file = getattr(module, "__file__", None)
    place = file if thing.__module__.startswith("study_file_") else thing.__module__
    return f"{place}:{thing.__qualname__}"
