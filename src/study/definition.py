"""What a study is made of: one complete recipe, a search space, variants; and how its definition is restored."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from study.asking import Asking
from study.errors import RecipeError, StudyFileError
from study.formatting import close_to, nearest
from study.imports import is_outdated
from study.knobs import explain, is_own, plain
from study.metric import Direction, Metric, usual_direction
from study.objectives import metrics_of, usual_metric
from study.recipe import Recipe, computing
from study.stored_recipe import recipe_class

if TYPE_CHECKING:
    import optuna

OUR_TRAIN = "study.engine:train"
Overrides = Mapping[str, Any]
RESERVED = ("-compare", "-confirm", "-final", "-ablate")  # endings of studies that are made for another
ON_TEST = ("-compare", "-final")  # of them those whose values are of the test split
LONGEST_NAME = 200  # with what is added to it a folder's name, which has 255 bytes at most
LENGTHS = {"epochs": "steps", "steps": "epochs"}  # the length of a training is given by one of the two


@dataclass(frozen=True, kw_only=True)
class Published:
    """A figure that others have published for a variant.

    Args:
        value: in the unit of the study's metric; an accuracy is in [0, 1].
        source: the publication, with the table or page.
        rounding: half a unit of the last printed digit: 0.00005 for an accuracy printed as 97.58 %.

    """

    value: float
    source: str
    rounding: float = 0.00005


class Variant(dict[str, Any]):
    """Overrides of one variant; `as_published` marks the exact protocol of a publication, beside the fair version."""

    def __init__(self, overrides: Overrides | None = None, *, as_published: bool = False, **knobs: Any) -> None:
        """Take the overrides as a mapping, as keywords, or both."""
        super().__init__(overrides or {}, **knobs)
        self.as_published = as_published


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question to search: the recipe to start from, what may change, and the named variants to try first.

    Args:
        name: also the name of its results folder, its Optuna study and its MLflow experiment.
        recipe: the complete starting point: a `Recipe`, or any frozen pydantic model for a training of one's own.
        space: takes an Optuna trial and returns the knobs that it changes. Name each suggestion as the knob that it
            decides. None if there is nothing to search.
        variants: named overrides of the recipe, tried first in a search and compared on equal seeds by `compare`; a
            `Variant` with `as_published=True` is left out of both unless asked for.
        final: overrides for trainings that are judged on the test split: `val_fraction` 0 trains on all examples.
            A variant's own overrides take precedence.
        published: the figure that others have published, by variant.
        train: the training, as a function or an import path: `train(recipe, resume) -> Iterator[Epoch]`. If it has a
            parameter `device`, it gets torch's name of the device; if it has `test`, that says whether to return
            `{"test": {metric: value}}` for its final model.
        metric: the objective: a name in `Epoch.metrics`. Its value at the last epoch counts. Unset, it is val_accuracy,
            or val_rmse if the recipe's loss is one of numbers.
        direction: whether more or less of the metric is better; unset, the metric's name decides.
        fallback: the data set to use if the recipe's own is not on disk and cannot be downloaded.
        fixed: the knobs held by `--set`; set by `fix`.
        file: the name or path that it was loaded by; set by `load`.
        about: the docstring of its file; set by `load`.
        test: whether its values are of the test split, as those of a comparison are; set by `questions.replicates`.

    """

    name: str
    recipe: BaseModel
    space: Callable[[optuna.Trial], Overrides] | None = None
    variants: Mapping[str, Overrides] = field(default_factory=dict[str, Overrides])
    published: Mapping[str, Published] = field(default_factory=dict[str, Published])
    train: str | Callable[..., Any] = OUR_TRAIN
    metric: str = ""
    direction: Direction = ""  # pyright: ignore[reportAssignmentType] - until __post_init__ chooses
    fallback: str | None = None
    final: Overrides = field(default_factory=dict[str, Any])
    fixed: Overrides = field(default_factory=dict[str, Any])
    file: str = ""
    about: str = ""
    test: bool = False

    def __post_init__(self) -> None:
        """Choose the usual objective where none is given."""
        if self.metric == "":
            object.__setattr__(self, "metric", usual_metric(self.recipe))
        if isinstance(self.recipe, Recipe) and self.train == OUR_TRAIN:
            object.__setattr__(self, "recipe", computing(self.recipe, self.metric))
        if not self.direction:
            object.__setattr__(self, "direction", usual_direction(str(self.metric)))

    @property
    def fair_variants(self) -> dict[str, Overrides]:
        """Give the variants that are not the exact protocol of a publication."""
        return {name: each for name, each in self.variants.items() if not getattr(each, "as_published", False)}

    def recipe_for(self, overrides: Overrides) -> BaseModel:
        """Build the recipe with the overrides and the fixed knobs, and check it as a new one.

        Raises:
            RecipeError: an unknown knob, a value out of range, or knobs that do not go together, by name.

        """
        kept = overrides
        if isinstance(self.recipe, Recipe):  # a fixed length replaces a variant's of the other kind
            kept = {knob: value for knob, value in overrides.items() if LENGTHS.get(knob) not in self.fixed}
        return override(self.recipe, {**kept, **self.fixed})

    def fix(self, overrides: Overrides) -> Study:
        """Return this study with knobs held fixed: the space and the variants no longer change them.

        Raises:
            RecipeError: see `recipe_for`.

        """
        return replace(self, fixed={**self.fixed, **overrides}, recipe=override(self.recipe, overrides))

    def free_seed(self) -> Study:
        """Return this study with its seed no longer held fixed: further seeds are counted from it."""
        return replace(self, fixed={knob: value for knob, value in self.fixed.items() if knob != "seed"})

    def suggest(self, trial: optuna.Trial) -> Overrides:
        """Run the space on a trial; fixed knobs are answered without asking it."""
        if self.space is None:
            return {}
        return self.space(Asking(trial, self.fixed))  # pyright: ignore[reportArgumentType]

    @property
    def followed(self) -> Metric:
        """Give the metric that its trials are followed by, epoch by epoch, with its direction."""
        return Metric(self.metric, self.direction)

    @property
    def objective(self) -> Metric:
        """Give the metric of its trials' values: the one they are followed by, but of the test split if that judges."""
        return self.followed.on("test") if self.test else self.followed

    def check(self) -> None:
        """Check what can be checked without training: names, types, and the knobs of variants and of `final`.

        Raises:
            StudyFileError: what is wrong, and where; or the file was edited after this study was loaded from it, so
                that workers would import another recipe class or training.

        """
        self._check_types()
        named = {f"variant {name!r}": overrides for name, overrides in self.variants.items()}
        for what, overrides in {"recipe": {}, **named, "final": self.final}.items():
            try:
                self.require_storable(overrides)
            except RecipeError as error:
                raise StudyFileError(error.what, where=f"{self.name}, {what}", fix=error.fix) from error
        if strange := set(self.published) - set(self.variants):
            raise StudyFileError(f"published figures for unknown variants: {sorted(strange)}", where=self.name)

    def require_storable(self, overrides: Overrides) -> BaseModel:
        """Build the recipe as `recipe_for`, and see that it is the same from what is stored of it.

        Raises:
            RecipeError: as `recipe_for`; or a value that cannot be stored, or comes back as another.

        """
        made = self.recipe_for(overrides)
        again = self.recipe_for({knob: plain(value) for knob, value in overrides.items()})
        try:
            stored = type(made).model_validate_json(made.model_dump_json())
        except ValidationError as error:
            raise RecipeError(f"does not come back when stored: {explain(error)}") from error
        for other in (again, stored):
            if different := next((knob for knob in type(made).model_fields if _differs(made, other, knob)), None):
                one, two = getattr(made, different), getattr(other, different)
                raise RecipeError(
                    f"{different}={one!r} comes back as {two!r} when stored",
                    fix="Use values that JSON holds, or a validator that reads them.",
                )
        return made

    def _check_types(self) -> None:
        """Check the types of the fields, which Python itself does not."""
        checked_name(self.name)
        self._require("recipe", self.recipe, BaseModel, "a Recipe, or a frozen pydantic model of your own")
        self._require("metric", self.metric, str, "the name of a metric")
        self._require("variants", self.variants, Mapping, "a dict of names and overrides")
        self._require("final", self.final, Mapping, "a dict of overrides")
        for each in (type(self.recipe), self.train):
            if is_outdated(each):
                name = getattr(each, "__qualname__", "its code")
                what = f"{name} was edited after this study was loaded"
                raise StudyFileError(what, where=self.name, fix="Load the study again.")
        for name, overrides in self.variants.items():
            self._require(f"the name of variant {name!r}", name or None, str, "a text that is not empty")
            self._require(f"variant {name!r}", overrides, Mapping, "a dict of overrides")
        if self.direction not in {"maximize", "minimize"}:
            raise StudyFileError(f"direction is {self.direction!r}", where=self.name, fix="Is it maximize or minimize?")
        if self.train == OUR_TRAIN and self.metric not in metrics_of(self.recipe):
            fix = nearest(self.metric, metrics_of(self.recipe))
            raise StudyFileError(f"no metric {self.metric!r}", where=self.name, fix=fix)
        usual = usual_direction(self.metric)
        if self.train == OUR_TRAIN and usual == "minimize" != self.direction:
            raise StudyFileError(
                f"{self.metric} is better where it is lower", where=self.name, fix=f"direction={usual!r}"
            )

    def _require(self, what: str, value: Any, kind: type, wanted: str) -> None:
        if not isinstance(value, kind):
            raise StudyFileError(f"{what} is of type {type(value).__name__}", where=self.name, fix=f"Make it {wanted}.")


def checked_name(name: Any) -> str:
    """Return the name if it can be a folder, a database's key and part of a command.

    Raises:
        StudyFileError: it cannot.

    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][\w.@+-]*", name, re.ASCII):
        raise StudyFileError(f"not a name for a study: {name!r}", fix="Use letters, digits and . _ - + @ only.")
    if len(name) > LONGEST_NAME:
        what = f"not a name for a study: {name[:20]}... has {len(name)} characters"
        raise StudyFileError(what, fix=f"Use {LONGEST_NAME} at most: it names folders and database rows.")
    if name.endswith(RESERVED):
        raise StudyFileError(
            f"not a name for a study: {name!r}",
            fix="These endings are reserved for what the program makes from a study.",
        )
    return name


def _differs(one: BaseModel, other: BaseModel, knob: str) -> bool:
    return type(getattr(one, knob)) is not type(getattr(other, knob)) or getattr(one, knob) != getattr(other, knob)


def override(recipe: BaseModel, overrides: Overrides) -> BaseModel:
    """Build a new recipe with some knobs changed, and check it; `model_copy` would not.

    Raises:
        RecipeError: an unknown knob (with the nearest one), a value out of range, or knobs that do not go together.

    """
    known = type(recipe).model_fields
    for knob in overrides:
        if knob not in known:
            near = close_to(knob, known)
            raise RecipeError(f"unknown knob {knob!r}", fix=f"Did you mean {near!r}?" if near else "")
    overrides = dict(overrides)
    if isinstance(recipe, Recipe):  # giving one length replaces the other
        if overrides.get("epochs") is not None:
            overrides.setdefault("steps", None)
        elif overrides.get("steps") is not None:
            overrides.setdefault("epochs", None)
    try:
        return type(recipe).model_validate({**recipe.model_dump(), **overrides})
    except ValidationError as error:
        raise explain(error) from error


def with_data(study: Study, dataset: str) -> Study:
    """Change the study's data set, and its name to `NAME@dataset`, so that its results are kept apart.

    Published figures are dropped: they were measured on the other data.

    Raises:
        RecipeError: the recipe has no knob `dataset`, or the data have an import path and no name.

    """
    if is_own(dataset):
        raise RecipeError(f"{dataset!r} is an import path, which a study's own recipe names: --set dataset={dataset}")
    recipe = override(study.recipe, {"dataset": dataset})
    return replace(study, name=f"{study.name}@{dataset}", recipe=recipe, published={})


def restored(name: str, stored: Mapping[str, Any]) -> Study:
    """Restore a study from its stored definition, to show its results; no code of a person's own is imported.

    Its recipe is a stand-in if its class is not ours (see `stored_recipe`), and it has no search space, so it cannot be
    run. Definitions of old results may lack the docstring, published figures, `final` and the mark of protocols.

    Args:
        name: of the study.
        stored: its definition, as `sampling.space.describe` writes it.

    Raises:
        StudyFileError: our `Recipe` refuses the stored one.

    """
    try:
        recipe = recipe_class(stored["recipe_type"], stored["recipe"]).model_validate(stored["recipe"])
    except ValidationError as error:
        raise StudyFileError(f"the recipe of {name} is not one of {stored['recipe_type']}: {explain(error)}") from error
    return Study(
        name=name,
        recipe=recipe,
        variants=restored_variants(stored),
        published={variant: Published(**each) for variant, each in (stored.get("published") or {}).items()},
        fixed=stored.get("fixed") or {},
        final=stored.get("final") or {},
        fallback=stored.get("fallback"),
        train=stored["train"],
        metric=stored.get("followed") or stored["metric"],
        direction=stored["direction"],
        file=str(stored.get("file") or ""),
        about=str(stored.get("about") or ""),
    )


def judged_by(stored: Mapping[str, Any]) -> Metric:
    """Read the metric of a study's values from its stored definition."""
    metric = Metric(stored["metric"], stored["direction"])
    old = names_epochs(stored, str(stored.get("study"))) and stored.get("train") == OUR_TRAIN
    return metric.on("test") if old else metric


def names_epochs(stored: Mapping[str, Any], study: str) -> bool:
    """Tell whether an older version named values of the test split by the metric of an epoch, as `train_accuracy`.

    Args:
        stored: the definition of a study or what is known about a trial.
        study: its name.

    """
    return "followed" not in stored and study.endswith(ON_TEST)


def restored_variants(stored: Mapping[str, Any]) -> dict[str, Overrides]:
    """Restore all variants that a study has; the definition of a comparison, for one, has them apart."""
    literal = stored.get("as_published") or ()
    variants = stored.get("all_variants") or stored.get("variants") or {}
    return {name: Variant(overrides, as_published=name in literal) for name, overrides in variants.items()}
