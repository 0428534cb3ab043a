"""What a search says about its knobs, its pruner, and other searches."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from study.schemas import Answer, Measured, Record

Says = Literal["matters", "below the seed noise", "no more than chance", "too few trials"]


class Weight(Record):
    """What one knob did in one set of trials."""

    fanova: float = Field(description="share of the variance that the knob explains, in [0, 1]")
    ped_anova: float = Field(description="share in getting among the best quarter of the set, in [0, 1]")
    effect: float = Field(description="how far the mean prediction moves with the knob, in the metric's unit")
    says: Says = Field(
        description="whether the effect exceeds what seeds and chance do; needs ten trials with the knob"
    )


class Knob(Record):
    """A suggestion of the search space."""

    knob: str = Field(description="its name")
    trials: int = Field(description="complete trials that have it")
    overall: Weight = Field(description="over all complete trials")
    best_quarter: Weight | None = Field(description="within the best quarter; null with too few trials")


class Noise(Record):
    """How far a seed moves a result."""

    sd: float = Field(description="standard deviation between the seeds of one recipe, pooled over recipes")
    freedom: int = Field(description="degrees of freedom: trainings less recipes")
    recipes: int = Field(description="number of recipes")
    source: str = Field(description="the study whose trainings tell it")


class Importance(Measured, Answer):
    """Which knobs mattered: `study show NAME --importance --json`."""

    type: str = Field(default="importance", description="always `importance`")
    trials: int = Field(description="complete trials with parameters")
    lacking: int = Field(description="how many more are needed to say anything")
    lacking_best_quarter: int = Field(description="how many more are needed for the best quarter")
    chance: float | None = Field(description="the effect that a knob without any shows by chance")
    noise: Noise | None = Field(description="noise between seeds; null if unknown")
    knobs: list[Knob] = Field(description="knobs that vary, the largest effect first")


class Audited(Record):
    """A trial that was trained to its end although the pruner would have stopped it."""

    trial: int = Field(description="its number")
    pruned_after: int | None = Field(description="the epoch after which the pruner would have stopped it")
    state: str = Field(description="its state")
    epochs: int = Field(description="epochs trained")
    value: float | None = Field(description="the objective after its last epoch")


class Share(Record):
    """A share with its interval."""

    share: float = Field(description="in [0, 1]; null when n is 0")
    low: float = Field(description="lower end of the 95 % interval")
    high: float = Field(description="upper end of the 95 % interval")
    n: int = Field(description="of how many")


class Pruning(Measured, Answer):
    """What pruning saved and lost: `study show NAME --pruning --json`."""

    type: str = Field(default="pruning", description="always `pruning`")
    pruner: str | None = Field(description="its name")
    pruned: int = Field(description="trials that it ended")
    diverged: int = Field(description="trials that ended because a value was not finite")
    epochs: int = Field(description="epochs trained in all finished trials")
    epochs_saved: int = Field(description="epochs that pruning saved")
    share_saved: float = Field(description="epochs saved, of all that there would have been, in [0, 1]")
    seconds_saved: float = Field(description="the same at each trial's own pace")
    audited: list[Audited] = Field(description="trials that were trained on to measure what pruning loses")
    lost_good: Share = Field(description="of the complete audited: share among the best tenth of all finished trials")
    lost_best: Share = Field(description="of the complete audited: share better than every other complete trial")


class SearchInBrief(Record):
    """One of the searches side by side."""

    study: str = Field(description="its name")
    data: str = Field(description="name of its data set; empty if unknown")
    trials: int = Field(description="finished trials")
    seconds: float = Field(description="training time of all trials")
    best: float | None = Field(description="value of the best trial")


class Worth(Record):
    """What a search is worth for a budget: the best value, were its trials run in another order."""

    mean: float = Field(description="expected best value")
    low: float = Field(description="lower end of the range that holds nine in ten such searches")
    high: float = Field(description="upper end of that range")


class Budget(Record):
    """What the searches are worth for the same budget."""

    budget: int | float = Field(description="trials, or seconds of training")
    expected_best: dict[str, Worth] = Field(description="by name of the study")


class Searches(Measured, Answer):
    """Searches side by side at equal budget: `study compare A B --json`."""

    type: str = Field(default="searches", description="always `searches`")
    searches: list[SearchInBrief] = Field(description="the searches, as they were named")
    by_trials: list[Budget] = Field(description="at 1, 2, 5, 10, ... trials")
    by_seconds: list[Budget] = Field(description="at halves of the training time that all of them have")
