"""A study's search space as Optuna sees it: sampled, written to the stored definition, and compared with it."""

from __future__ import annotations

import json
import sys
import traceback
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    check_distribution_compatibility,
    distribution_to_json,
    json_to_distribution,
)

from study.asking import label_of
from study.definition import judged_by
from study.errors import DefinitionChanged, RecipeError, StudyFileError
from study.formatting import reason
from study.imports import reference_to
from study.knobs import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

    from study.definition import Overrides, Study

PROBES = 200  # a branch that is taken once in 50 is missed with a chance of 2 %
SHOWN_ONLY = (
    "metric",
    "followed",
    "about",
    "published",
    "final",
    "as_published",
    "all_variants",
    "fallback",
)  # never a changed definition
optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True, slots=True)
class Space:
    """What 200 random samples of the space gave: the distribution of each name, and the recipes."""

    distributions: Mapping[str, BaseDistribution]
    recipes: Sequence[BaseModel]


def probe(study: Study) -> Space:
    """Sample the space at random, with a fixed seed, and check every recipe.

    Raises:
        StudyFileError: the space raises, names an unknown knob, leaves a knob's range, or gives one name two ranges.

    """
    if study.space is None:
        return Space({}, [study.recipe])
    memory = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found: dict[str, BaseDistribution] = {}
    recipes: list[BaseModel] = []
    for _ in range(PROBES):
        trial = memory.ask()
        overrides = suggest(study, trial)
        recipes.append(recipe_of(study, overrides, trial.params))
        if not recipes[1:] or any(not _is_plain(value) for value in overrides.values()):
            _require_storable(study, overrides)
        for name, distribution in trial.distributions.items():
            if found.setdefault(name, distribution) != distribution:
                raise StudyFileError(
                    f"{name!r} is suggested with two ranges, {spell(found[name])} and {spell(distribution)}",
                    where=f"{study.name}, space",
                    fix="Give each its own name, and return both under the knob's.",
                )
    return Space(found, recipes)


def _is_plain(value: Any) -> bool:
    return value is None or type(value) in {bool, int, float, str}


def _require_storable(study: Study, overrides: Overrides) -> None:
    try:
        study.require_storable(overrides)
    except RecipeError as error:
        raise StudyFileError(error.what, where=f"{study.name}, space", fix=error.fix) from error


def suggest(study: Study, trial: optuna.Trial) -> Overrides:
    """Run the space on a trial; what it prints goes to stderr: stdout is for data.

    Raises:
        StudyFileError: the space raises, or returns no dict.

    """
    try:
        with redirect_stdout(sys.stderr):
            overrides = study.suggest(trial)
    except (Exception, SystemExit) as error:  # a person's function may raise anything; the error gives its line
        file = getattr(getattr(study.space, "__code__", None), "co_filename", None)
        lines = [step.lineno for step in traceback.extract_tb(error.__traceback__) if step.filename == file]
        where = f"{study.name}, space" + (f", line {lines[-1]}" if lines else "")
        raise StudyFileError(reason(error), where=where) from error
    if not isinstance(overrides, dict):
        raise StudyFileError("must return a dict of knobs", where=f"{study.name}, space")
    return overrides


def recipe_of(study: Study, overrides: Overrides, params: Mapping[str, Any]) -> BaseModel:
    """Build the recipe of a sample.

    Raises:
        StudyFileError: an unknown knob, or a combination that the recipe refuses; gives the sample.

    """
    try:
        return study.recipe_for(overrides)
    except RecipeError as error:
        sample = ", ".join(f"{name}={value}" for name, value in params.items())
        fix = f"{error.fix} " if error.fix else ""
        raise StudyFileError(error.what, where=f"{study.name}, space", fix=f"{fix}(sample: {sample})") from error


def params_of(study: Study, overrides: Overrides) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """Find the parameters with which Optuna would have suggested this recipe, as far as the space can express it.

    A suggestion is assumed to decide the knob of its own name; others are left out.
    """
    sampler = _Answers(study.recipe_for(overrides).model_dump())
    suggest(study, optuna.create_study(sampler=sampler).ask())
    return sampler.params, sampler.distributions


class _Answers(optuna.samplers.BaseSampler):
    """Samples the values of a recipe, and keeps what the space has asked for and the recipe has."""

    def __init__(self, knobs: Mapping[str, Any]) -> None:
        self._knobs = knobs
        self.params: dict[str, Any] = {}
        self.distributions: dict[str, BaseDistribution] = {}

    def infer_relative_search_space(self, study: optuna.Study, trial: Any) -> dict[str, BaseDistribution]:
        """Sample each parameter by itself."""
        del study, trial
        return {}

    def sample_relative(self, study: optuna.Study, trial: Any, search_space: Any) -> dict[str, Any]:
        """Sample none together."""
        del study, trial, search_space
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: Any, param_name: str, param_distribution: BaseDistribution
    ) -> Any:  # fmt: skip
        """Answer with the recipe's value, or with the first one if the space cannot express that."""
        del study, trial
        if param_name in self._knobs:
            value = self._knobs[param_name]
            for each in (value, _label(value)):
                if _holds(param_distribution, each):
                    self.params[param_name], self.distributions[param_name] = each, param_distribution
                    return each
        if isinstance(param_distribution, CategoricalDistribution):
            return param_distribution.choices[0]
        assert isinstance(param_distribution, FloatDistribution | IntDistribution)
        return param_distribution.low


def _label(value: Any) -> Any:
    """Give what Optuna stores of a recipe's value; of a knob that no space could suggest itself."""
    try:
        return label_of(value)
    except RecipeError:
        return value


def _holds(distribution: BaseDistribution, value: Any) -> bool:
    try:
        optuna.trial.create_trial(value=0.0, params={"x": value}, distributions={"x": distribution})
    except (ValueError, TypeError):
        return False
    return True


def describe(study: Study, space: Space, **more: Any) -> dict[str, Any]:
    """Give the definition that is stored with a study's results, as JSON values.

    It has all that is shown of the study later, so that showing results never runs the study's file.

    Args:
        study: the study.
        space: its space, sampled.
        more: further keys, or other values for keys.

    Raises:
        StudyFileError: the training or the recipe's class cannot be imported by another process.

    """
    of_other_data = "dataset" in study.fixed  # `--set dataset=...`: the published values are for other data
    published = {} if of_other_data else {name: asdict(figure) for name, figure in study.published.items()}
    description = {
        "study": study.name,
        "file": study.file,
        "metric": study.objective.name,
        **({"followed": study.metric} if study.test else {}),
        "direction": study.direction,
        "train": reference_to(study.train),
        "recipe_type": reference_to(type(study.recipe)),
        "recipe": study.recipe.model_dump(mode="json"),
        "space": {name: distribution_to_json(each) for name, each in space.distributions.items()},
        "variants": {name: dict(overrides) for name, overrides in study.variants.items()},
        "fixed": dict(study.fixed),
        "about": study.about,
        "published": published,
        "final": dict(study.final),
        "as_published": [name for name in study.variants if name not in study.fair_variants],
        "fallback": study.fallback,
        **more,
    }
    return plain(description)


def differences(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """List the differences between the stored definition and the requested one, a line for each name.

    What is only displayed, such as the docstring and published values, is not compared.
    """
    lines = [
        f"metric: stored {before.name}, now {now.name}"
        for before, now in [(judged_by(stored), judged_by(asked))]
        if before.name != now.name
    ]
    lines += [
        f"{key}: stored {stored.get(key)}, now {asked.get(key)}"
        for key in ("direction", "train", "recipe_type", "sampler", "pruner", "seed")
        if stored.get(key) != asked.get(key) and not (key in {"train", "recipe_type"} and _moved(stored, asked, key))
    ]
    for group in ("recipe", "space", "variants"):
        before, now = stored.get(group) or {}, asked.get(group) or {}
        lines.extend(
            f"{group} {name}: {_said(group, before, name)} stored, {_said(group, now, name)} now"
            for name in dict.fromkeys([*before, *now])
            if before.get(name) != now.get(name) or (name in before) != (name in now)
        )
    data_before, data_now = stored.get("data") or {}, asked.get("data") or {}
    if data_before.get("sha256") != data_now.get("sha256"):
        lines.append(f"data: {data_before.get('source')} stored, {data_now.get('source')} now (other sha256)")
    return lines


def _moved(stored: Mapping[str, Any], asked: Mapping[str, Any], key: str) -> bool:
    """Tell whether two import paths differ only in the folder of the study file."""
    return str(stored[key]).rsplit("/", 1)[-1] == str(asked[key]).rsplit("/", 1)[-1]


def refreshed(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Give the stored definition with what is only shown, such as the docstring, as it is now."""
    return {**stored, **{key: asked[key] for key in SHOWN_ONLY if key in asked}}


def require_same(stored: Mapping[str, Any], asked: Mapping[str, Any], *, accept: bool) -> list[str]:
    """Compare the stored definition with the requested one.

    Returns:
        The differences that were accepted.

    Raises:
        DefinitionChanged: they differ and that was not accepted, or Optuna cannot hold both in one study.

    """
    lines = differences(stored, asked)
    if not lines:
        return []
    shown = "".join(f"\n  {line}" for line in lines)
    name = asked["study"]
    if stuck := _incompatible(stored.get("space") or {}, asked["space"]):
        fix = f"Optuna cannot hold both kinds of {', '.join(stuck)}: `--name NEW` starts a separate study."
        raise DefinitionChanged(f"the stored study and this one differ:{shown}\n{fix}", where=name)
    if not accept:
        fix = "`--name NEW` starts a separate study; `--accept` goes on with this one under the new definition."
        raise DefinitionChanged(f"the stored study and this one differ:{shown}\n{fix}", where=name)
    return lines


def _incompatible(stored: Mapping[str, str], asked: Mapping[str, str]) -> list[str]:
    stuck: list[str] = []
    for name in stored.keys() & asked.keys():
        try:
            check_distribution_compatibility(json_to_distribution(stored[name]), json_to_distribution(asked[name]))
        except ValueError:
            stuck.append(name)
    return sorted(stuck)


def _said(group: str, values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return "none"
    return spell_stored(values[name]) if group == "space" else json.dumps(values[name])


def spell(distribution: BaseDistribution) -> str:
    """Spell a distribution as people do: `0.0001 to 0.1 (log)`, `one of relu, tanh`."""
    if isinstance(distribution, CategoricalDistribution):
        return f"one of {', '.join(map(str, distribution.choices))}"
    if isinstance(distribution, FloatDistribution | IntDistribution):
        step = f", step {distribution.step}" if distribution.step not in (None, 1) else ""
        return f"{distribution.low} to {distribution.high}{' (log)' if distribution.log else ''}{step}"
    return str(distribution)


def spell_stored(distribution: str) -> str:
    """Spell a distribution that a definition holds as JSON."""
    return spell(json_to_distribution(distribution))
