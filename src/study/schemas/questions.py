"""Records of comparisons, confirmations and ablations."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from study.schemas import Answer, Measured, Record, Shared

Verdict = Literal["helps", "hurts", "no difference", "not enough seeds"]


class Averaged(Shared):
    """The mean over seeds of completed trainings, with Student's 95 % interval, and the number of failures."""

    n: int = Field(description="number of trainings in the mean")
    mean: float | None = Field(description="mean over the trainings; null if there are none")
    mean_low: float | None = Field(description="lower bound of the interval; null with fewer than two trainings")
    mean_high: float | None = Field(description="upper bound of that interval")
    failed: int = Field(description="number of trainings that failed or diverged, which the mean leaves out")
    failed_high: float = Field(description="95 % upper bound of the failure rate (Clopper and Pearson), in [0, 1]")


class Spread(Record):
    """How values vary where each seed has a split of its own: two standard deviations, in the metric's unit."""

    split: float = Field(description="between splits: what all recipes share on a split")
    seed: float = Field(description="between trainings on one split")
    splits: int = Field(description="number of splits")
    recipes: int = Field(description="number of recipes that were trained on all of them")


class OnNewExamples(Shared):
    """The interval of a mean accuracy on new examples, with seeds and test examples both treated as samples."""

    mean_new_low: float | None = Field(
        default=None, description="lower bound of the mean's 95 % interval on new examples; null if unknown"
    )
    mean_new_high: float | None = Field(default=None, description="upper bound of that interval")


class Judged(Shared):
    """A difference from the baseline, paired over seeds, with its verdict; all null for the baseline."""

    difference: float | None = Field(description="mean of the paired differences")
    difference_low: float | None = Field(description="lower bound of its interval, 95 % over the family of comparisons")
    difference_high: float | None = Field(description="upper bound of that interval")
    p_adjusted: float | None = Field(description="two-sided p-value, adjusted over the family of comparisons (Holm)")
    verdict: Verdict | None = Field(description="helps, hurts, no difference, or not enough seeds")
    says: str | None = Field(description="the verdict in words, such as `no difference larger than 0.5 points`")


class OfVariant(Shared):
    """A result of a variant."""

    variant: str = Field(description="name of the variant")


class Compared(Judged, OnNewExamples, Averaged, OfVariant):
    """One variant of a comparison."""

    difference_new_low: float | None = Field(
        default=None, description="lower bound of the difference's interval on new examples, 95 % over the family"
    )
    difference_new_high: float | None = Field(default=None, description="upper bound of that interval")
    win_rate: float | None = Field(
        description="share of pairs in which the variant beats the baseline; ties count half"
    )
    win_rate_low: float | None = Field(description="lower bound of its 95 % interval (Wilson)")
    win_rate_high: float | None = Field(description="upper bound of that interval")
    more_seeds: int | None = Field(
        description="number of further seeds that settle the verdict with an even chance; 0 if it is settled, null if "
        "above 10,000"
    )
    more_seeds_most: int | None = Field(
        default=None,
        description="number of further seeds that settle the verdict in nine cases of ten; 0 if it is settled, null if "
        "unknown or above 10,000",
    )
    p_flipped: float | None = Field(
        default=None,
        description="two-sided p-value of this variant alone by flipping signs; null with fewer than six seeds",
    )
    looks: str | None = Field(
        default=None,
        description="how the differences look, if not normal: skewed, in two groups or not normal; null otherwise",
    )
    published: float | None = Field(description="published value")
    published_as_expected: bool | None = Field(
        description="whether the published value is within the 95 % prediction interval of one more training"
    )
    seconds: float = Field(description="mean duration of a training")
    diverged: int = Field(description="number of trainings that diverged")
    values: list[float] = Field(description="test values, in the order of the seeds")


class UntilTarget(Judged, OfVariant):
    """How many epochs a variant's trainings need until the target; those that never reach it count as the budget."""

    n: int = Field(description="number of trainings, those that failed included")
    reached: int = Field(description="number of trainings that reach the target")
    mean: float | None = Field(description="mean number of epochs (restricted mean); null without a training")
    mean_low: float | None = Field(description="lower bound of its 95 % interval, 1 or more; null without a training")
    mean_high: float | None = Field(description="upper bound of that interval, the budget or less")
    seconds: float = Field(description="mean duration of a training until the target, or until its end")
    values: list[float] = Field(description="epochs until the target, in the order of the seeds")


class TimeToTarget(Measured, Record):
    """How soon the variants reach a value of the metric on validation data, on training data without, in epochs."""

    target: float = Field(description="value of the metric to reach")
    budget: int = Field(description="number of epochs that every variant has")
    variants: list[UntilTarget] = Field(description="one object per variant; a negative difference is sooner")


class Comparison(Measured, Answer):
    """`study compare NAME`: the variants on the same seeds, judged on the test split."""

    type: str = Field(default="comparison", description="always `comparison`")
    against: str = Field(description="name of the baseline")
    seeds: int = Field(description="number of seeds per variant; a maximum with until_sure")
    until_sure: bool = Field(description="whether seeds were added until each verdict was settled")
    complete: bool = Field(default=True, description="whether all trainings have run")
    look: int = Field(default=1, description="1 if it was fixed in advance; more after looks at fewer or more seeds")
    family: int = Field(
        default=0, description="comparisons that share the error: all variants ever looked at; 0 unknown"
    )
    resplit: bool = Field(default=False, description="whether each seed had a split of its own")
    spread: Spread | None = Field(default=None, description="how values vary; null without new splits")
    found_by_search: dict[str, int] = Field(
        default_factory=dict[str, int],
        description="variants that the search found, with their trials: if there are any, its seed is left out",
    )
    smallest: float = Field(description="smallest difference of interest")
    fixed: dict[str, Any] = Field(description="knobs held fixed")
    guessing: bool = Field(default=False, description="always false: failed trainings are counted separately")
    examples: int | None = Field(description="number of test examples; null if unknown")
    variants: list[Compared] = Field(description="one object per variant")
    time_to_target: TimeToTarget | None = Field(default=None, description="with `--target`, as a second outcome")


class OfRecipe(Shared):
    """A result of a recipe."""

    name: str = Field(description="`trial N` of the search, or `baseline`")


class Score(OnNewExamples, Averaged, OfRecipe):
    """A recipe's score on the test split."""

    values: list[float] = Field(description="test values, in the order of the seeds")


class OfTrial(Shared):
    """A result of a trial of the search."""

    trial: int = Field(description="trial number in the search")
    search_value: float = Field(description="value in the search")


class Contender(Averaged, OfTrial):
    """One of the search's best trials on fresh seeds."""

    dropped_after: int | None = Field(description="number of seeds after which the race dropped it; null if it stayed")
    surely_worse: bool = Field(description="whether it is significantly worse than the winner")
    overrides: dict[str, Any] = Field(description="knobs that differ from the study's recipe")
    values: list[float] = Field(description="values on validation data, in the order of the fresh seeds")


class Confirmation(Measured, Answer):
    """`study confirm NAME`: the best trials on fresh seeds, and the winner's test score."""

    type: str = Field(default="confirmation", description="always `confirmation`")
    score_metric: str = Field(description="name of the metric of the scores, such as `test_accuracy`")
    complete: bool = Field(description="whether all trainings have run")
    seeds: int = Field(description="number of fresh seeds of the race; the final scores use as many others")
    resplit: bool = Field(default=False, description="whether each fresh seed had a split of its own")
    spread: Spread | None = Field(default=None, description="how values vary in the race; null without new splits")
    score_spread: Spread | None = Field(
        default=None, description="how the scores vary; null where all examples are trained on"
    )
    winner: int | None = Field(description="trial number of the winner in the search; null during the race")
    search_value: float | None = Field(description="value of the winner in the search")
    score: Score | None = Field(description="test score of the winner")
    baseline: Score | None = Field(description="test score of the baseline")
    gain: float | None = Field(description="score of the winner minus score of the baseline, paired over seeds")
    gain_low: float | None = Field(description="lower bound of its 95 % interval")
    gain_high: float | None = Field(description="upper bound of that interval")
    gain_new_low: float | None = Field(description="lower bound of its 95 % interval on new examples; null if unknown")
    gain_new_high: float | None = Field(description="upper bound of that interval")
    examples: int | None = Field(description="number of test examples; null if unknown")
    optimism: float | None = Field(description="how much the winner's value in the search exceeds its score")
    contenders: list[Contender] = Field(description="the candidates, best mean first, dropped ones last")


class OfArm(Shared):
    """A result of a recipe of an ablation."""

    label: str = Field(description="the change, such as `without lr`")
    side: Literal["less", "plus", "simplest"] | None = Field(
        description="less: the winner without some knobs; plus: the baseline with some; simplest: the winner without "
        "several at once; null for winner and baseline"
    )
    knobs: list[str] = Field(description="knobs that were reset or added")


class Ablated(Judged, Averaged, OfArm):
    """One recipe of an ablation."""

    values: list[float] = Field(description="values on validation data, in the order of the seeds")


class Ablation(Measured, Answer):
    """`study ablate NAME`: the contribution of each knob of the confirmed winner."""

    type: str = Field(default="ablation", description="always `ablation`")
    complete: bool = Field(description="whether all trainings have run")
    seeds: int = Field(description="number of fresh seeds per recipe")
    smallest: float = Field(description="smallest difference of interest")
    trial: int = Field(description="trial number of the winner in the search")
    winner: Ablated = Field(description="the winner")
    baseline: Ablated = Field(description="the baseline")
    rows: list[Ablated] = Field(description="the other recipes")
    simplest: dict[str, Any] | None = Field(
        description="changed knobs of the simplest recipe that is shown to be no worse; null if there is none"
    )
    dropped: list[str] = Field(description="knobs of the winner that the simplest recipe does not change")
