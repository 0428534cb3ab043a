"""Records of knob importance, pruning and the comparison of searches."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from study.schemas import Answer, Measured, Record

Says = Literal["matters", "below the seed noise", "no more than chance", "too few trials"]


class Weight(Record):
    """The importance of one knob in one set of trials."""

    fanova: float = Field(description="share of the variance explained by the knob, in [0, 1] (fANOVA)")
    ped_anova: float = Field(description="share in reaching the best quarter of the set, in [0, 1] (PED-ANOVA)")
    effect: float = Field(description="how much the mean prediction changes with the knob, in the metric's unit")
    says: Says = Field(description="whether the effect exceeds seed noise and chance; needs ten trials with the knob")


class Knob(Record):
    """A knob of the search space."""

    knob: str = Field(description="name of the knob")
    trials: int = Field(description="number of complete trials with the knob")
    overall: Weight = Field(description="importance over all complete trials")
    best_quarter: Weight | None = Field(description="importance within the best quarter; null with too few trials")


class Noise(Record):
    """How much results vary with the seed."""

    sd: float = Field(description="standard deviation over the seeds of a recipe, pooled over recipes")
    freedom: int = Field(description="degrees of freedom: trainings minus recipes, minus splits and plus 1")
    recipes: int = Field(description="number of recipes")
    source: str = Field(description="study that the estimate comes from")
    splits: int = Field(default=1, description="number of splits, one for each seed; 1 if all seeds share one")


class Importance(Measured, Answer):
    """Which knobs mattered: `study show NAME --importance --json`."""

    type: str = Field(default="importance", description="always `importance`")
    trials: int = Field(description="number of complete trials with parameters")
    lacking: int = Field(description="number of further trials needed for any result")
    lacking_best_quarter: int = Field(description="number of further trials needed for the best quarter")
    chance: float | None = Field(description="effect that a knob with no influence shows by chance")
    noise: Noise | None = Field(description="noise over seeds; null if unknown")
    knobs: list[Knob] = Field(description="knobs that vary, largest effect first")


class Audited(Record):
    """A trial that ran to completion although the pruner would have stopped it."""

    trial: int = Field(description="trial number")
    pruned_after: int | None = Field(description="epoch after which the pruner would have stopped it")
    state: str = Field(description="state of the trial")
    epochs: int = Field(description="number of epochs trained")
    value: float | None = Field(description="value of the objective after its last epoch")


class Share(Record):
    """A share with its 95 % interval."""

    share: float = Field(description="in [0, 1]; null when n is 0")
    low: float = Field(description="lower bound of the 95 % interval")
    high: float = Field(description="upper bound of the 95 % interval")
    n: int = Field(description="sample size")


class Pruning(Measured, Answer):
    """What pruning saved and lost: `study show NAME --pruning --json`."""

    type: str = Field(default="pruning", description="always `pruning`")
    pruner: str | None = Field(description="name of the pruner")
    pruned: int = Field(description="number of trials that the pruner stopped")
    diverged: int = Field(description="number of trials stopped because a value was not finite")
    epochs: int = Field(description="number of epochs trained in all finished trials")
    epochs_saved: int = Field(description="number of epochs that pruning saved")
    share_saved: float = Field(description="epochs saved as a share of the epochs without pruning, in [0, 1]")
    seconds_saved: float = Field(description="time saved, at each trial's own pace")
    audited: list[Audited] = Field(description="trials that ran on to measure what pruning loses")
    lost_good: Share = Field(
        description="share of the complete audited trials that are in the best tenth of all finished trials"
    )
    lost_best: Share = Field(description="share of the complete audited trials that beat every other complete trial")


class SearchInBrief(Record):
    """One of the compared searches."""

    study: str = Field(description="name of the study")
    data: str = Field(description="name of its data set; empty if unknown")
    trials: int = Field(description="number of finished trials")
    seconds: float = Field(description="training time of all trials")
    best: float | None = Field(description="value of the best trial")


class Worth(Record):
    """Best value that a search reaches within a budget, over random orders of its trials."""

    mean: float = Field(description="expected best value")
    low: float = Field(description="lower bound of the range of nine in ten orders")
    high: float = Field(description="upper bound of that range")


class Budget(Record):
    """Best values that the searches reach within the same budget."""

    budget: int | float = Field(description="number of trials, or seconds of training")
    expected_best: dict[str, Worth] = Field(description="expected best value, by study name")


class Searches(Measured, Answer):
    """Searches compared at equal budgets: `study compare A B --json`."""

    type: str = Field(default="searches", description="always `searches`")
    searches: list[SearchInBrief] = Field(description="the searches, in the order given")
    by_trials: list[Budget] = Field(description="at 1, 2, 5, 10, ... trials")
    by_seconds: list[Budget] = Field(description="at successive halves of the training time that all searches have")


class SeedsNeeded(Record):
    """What it takes to see one difference."""

    difference: float = Field(description="difference that is to be found, in the metric's unit")
    seeds_alone: int | None = Field(description="seeds that find it in four cases of five, if it is the only variant")
    seeds: int | None = Field(description="the same where all variants share the error; null if above 10,000")
    seeds_to_rule_out: int | None = Field(
        description="seeds that rule it out in four cases of five, if there is no difference"
    )
    trainings: int | None = Field(description="trainings of `seeds`, of all variants and the baseline")
    seconds: float | None = Field(description="time they take; null if no training has ended yet")


class SeedPlan(Measured, Answer):
    """How many seeds a comparison needs: `study plan NAME --json`."""

    type: str = Field(default="seed_plan", description="always `seed_plan`")
    against: str = Field(description="name of the baseline")
    variants: int = Field(description="number of variants that are compared with it")
    noise: float = Field(description="standard deviation between the seeds of one recipe, in the metric's unit")
    source: str | None = Field(description="study whose trainings show that noise; null if it was given")
    freedom: int | None = Field(description="degrees of freedom of the noise: trainings minus recipes")
    workers: int = Field(description="number of trainings at a time")
    seconds_per_training: float | None = Field(description="mean duration of a training; null if none has ended")
    differences: list[SeedsNeeded] = Field(description="half of the difference, the difference, and twice of it")
