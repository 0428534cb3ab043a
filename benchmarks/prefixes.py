"""How many epochs the trials of a study share: those before their first difference from another of the same seed.

    python -m benchmarks.prefixes            # the variants of every bundled study, and 200 random trials of each space

Two recipes that differ in schedule and in the windows of penalties alone train to the same bits as long as the learning
rate, the momentum and the penalties of each step are equal. Counted is what a search would save that began each trial
from the checkpoint of the longest beginning that another one has trained. Equal recipes are left out: they are trained
once already. Nothing is trained here.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import takewhile
from typing import Any

import optuna

from study import Recipe, Study
from study.engine.schedules import Schedule
from study.errors import RecipeError
from study.recipe import fingerprint
from study.sampling import space
from study.study_files import available, load

SCHEDULE = {
    "schedule", "schedule_interval", "warmup_epochs", "gamma", "step_size", "t_max", "eta_min", "pct_start", "lr",
    "epochs",
}  # fmt: skip
PENALTIES = ("l1", "l2", "weight_decay")  # each has a window, such as l1_epochs
STEPS = 100  # of an epoch
TRIALS = 200


def key(recipe: Recipe) -> str:
    """Give all knobs that no schedule reads, as text."""
    windows = {f"{each}_epochs" for each in PENALTIES}
    apart = SCHEDULE | windows | set(PENALTIES)
    return repr(sorted((name, value) for name, value in recipe.model_dump().items() if name not in apart))


def settings(recipe: Recipe) -> list[tuple[Any, ...]]:
    """Give what each epoch's steps are trained with; empty where a loss decides, or no count of epochs is known."""
    if recipe.schedule == "plateau" or not recipe.epochs:
        return []
    schedule = Schedule(recipe, STEPS * recipe.epochs, STEPS)
    steps = [tuple(sorted(schedule.at(step).items())) for step in range(STEPS * recipe.epochs)]
    epochs = [tuple(steps[STEPS * epoch : STEPS * (epoch + 1)]) for epoch in range(recipe.epochs)]
    return [(*each, *(penalty(recipe, name, number) for name in PENALTIES)) for number, each in enumerate(epochs, 1)]


def penalty(recipe: Recipe, name: str, epoch: int) -> float:
    """Give a penalty in an epoch, counted from 1."""
    window = getattr(recipe, f"{name}_epochs")
    return getattr(recipe, name) if window is None or window[0] <= epoch <= window[1] else 0.0


def shared(recipes: list[Recipe]) -> tuple[int, int]:
    """Count the epochs that need no training since an earlier recipe has the same beginning, and all epochs."""
    seen: dict[str, list[list[tuple[Any, ...]]]] = {}
    saved = total = 0
    for recipe in {fingerprint(each): each for each in recipes}.values():
        mine = settings(recipe)
        others = seen.setdefault(key(recipe), [])
        alike = [sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(mine, each))) for each in others]  # noqa: B905
        saved, total = saved + max(alike, default=0), total + (recipe.epochs or 0)
        others.append(mine)
    return saved, total


def sampled(study: Study) -> list[Recipe]:
    """Draw random trials of a study's space; a trial that its recipe refuses is left out."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    drawn = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    found = list[Recipe]()
    for _ in range(TRIALS):
        with suppress(RecipeError):
            found.append(study.recipe_for(space.suggest(study, drawn.ask())))
    return found


def main() -> None:
    """Print a table."""
    print("| study | variants: epochs shared | random trials: epochs shared |\n|---|---:|---:|")
    for name in available():
        study = load(name)
        if not isinstance(study.recipe, Recipe):
            continue
        recipes = [study.recipe_for(each) for each in study.variants.values()]
        sides = [shared(recipes), shared(sampled(study)) if study.space else (0, 0)]
        cells = [f"{saved} of {total} ({saved / total:.0%})" if total else "" for saved, total in sides]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
