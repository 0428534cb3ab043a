"""Records of a comparison, a confirmation and an ablation."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from study.schemas import Answer, Measured, Record

Verdict = Literal["helps", "hurts", "no difference", "not enough seeds"]


class Averaged(Record):
    """A mean over seeds with Student's 95 % interval, of the trainings that ended, and how many failed."""

    n: int = Field(description="number of trainings in the mean")
    mean: float | None = Field(description="mean over the trainings; null before the first")
    mean_low: float | None = Field(description="lower end of the interval; null below two trainings")
    mean_high: float | None = Field(description="upper end of the interval")
    failed: int = Field(description="trainings that failed or diverged; the mean is of those that ended")
    failed_high: float = Field(description="95 % upper bound of the share that fails (Clopper and Pearson), in [0, 1]")


class Spread(Record):
    """How values vary where each seed has a split of its own: two standard deviations, in the metric's unit."""

    split: float = Field(description="between splits: what all recipes share on a split")
    seed: float = Field(description="between trainings on one split")
    splits: int = Field(description="number of splits")
    recipes: int = Field(description="number of recipes that were trained on all of them")


class OnNewExamples(Record):
    """The interval of a mean accuracy on new examples: the seeds and the test examples are both a sample."""

    mean_new_low: float | None = Field(
        default=None, description="lower end of the mean's 95 % interval on new examples; null where it is not known"
    )
    mean_new_high: float | None = Field(default=None, description="upper end of that interval")


class Judged(Record):
    """A difference to a baseline, paired over seeds, with its verdict; all null for the baseline itself."""

    difference: float | None = Field(description="mean of the paired differences")
    difference_low: float | None = Field(description="lower end of its interval, 95 % over the family")
    difference_high: float | None = Field(description="upper end of its interval")
    p_adjusted: float | None = Field(description="two-sided, adjusted by Holm over the family")
    verdict: Verdict | None = Field(description="helps, hurts, no difference, or not enough seeds")
    says: str | None = Field(description="the verdict in words, such as `no difference larger than 0.5 points`")


class OfVariant(Record):
    """Names a variant."""

    variant: str = Field(description="its name")


class Compared(Judged, OnNewExamples, Averaged, OfVariant):
    """One variant of a comparison."""

    difference_new_low: float | None = Field(
        default=None, description="lower end of the difference's interval on new examples, 95 % over the family"
    )
    difference_new_high: float | None = Field(default=None, description="upper end of that interval")
    win_rate: float | None = Field(description="share of pairs in which it beats the baseline; a tie counts half")
    win_rate_low: float | None = Field(description="lower end of its 95 % interval (Wilson)")
    win_rate_high: float | None = Field(description="upper end of its interval")
    more_seeds: int | None = Field(description="estimated further seeds until the verdict is settled; 0 if it is")
    published: float | None = Field(description="published value")
    published_as_expected: bool | None = Field(
        description="whether the published value is in the 95 % prediction interval of one more training"
    )
    seconds: float = Field(description="mean time of a training")
    diverged: int = Field(description="number of trainings that diverged")
    values: list[float] = Field(description="test values, in the order of the seeds")


class Comparison(Measured, Answer):
    """`study compare NAME`: the variants on equal seeds, judged on the test split."""

    type: str = Field(default="comparison", description="always `comparison`")
    against: str = Field(description="name of the baseline")
    seeds: int = Field(description="seeds of each variant; a maximum with until_sure")
    until_sure: bool = Field(description="whether seeds were added until each verdict was settled")
    look: int = Field(default=1, description="1 if it was fixed in advance; more after looks at fewer or more seeds")
    family: int = Field(
        default=0, description="comparisons that share the error: all variants ever looked at; 0 unknown"
    )
    resplit: bool = Field(default=False, description="whether each seed had a split of its own")
    spread: Spread | None = Field(default=None, description="how values vary; null without new splits")
    smallest: float = Field(description="the smallest difference of interest")
    fixed: dict[str, Any] = Field(description="knobs that were held fixed")
    guessing: bool = Field(description="always false: trainings that failed are counted apart")
    examples: int | None = Field(description="number of test examples; null where it is not known")
    variants: list[Compared] = Field(description="one object for each variant")


class OfRecipe(Record):
    """Names a recipe."""

    name: str = Field(description="`trial N` of the search, or `baseline`")


class Score(OnNewExamples, Averaged, OfRecipe):
    """A recipe's score on the test split."""

    values: list[float] = Field(description="test values, in the order of the seeds")


class OfTrial(Record):
    """Names a trial of the search."""

    trial: int = Field(description="its number in the search")
    search_value: float = Field(description="its value in the search")


class Contender(Averaged, OfTrial):
    """One of the search's best trials on fresh seeds."""

    dropped_after: int | None = Field(description="seeds after which the race dropped it; null if it did not")
    surely_worse: bool = Field(description="whether it is surely worse than the winner")
    overrides: dict[str, Any] = Field(description="what it was trained with, as far as the study's recipe differs")
    values: list[float] = Field(description="values on validation data, in the order of the fresh seeds")


class Confirmation(Measured, Answer):
    """`study confirm NAME`: the best trials on fresh seeds, and a score of the winner on the test split."""

    type: str = Field(default="confirmation", description="always `confirmation`")
    score_metric: str = Field(description="name of the metric of the scores, such as `test_accuracy`")
    complete: bool = Field(description="whether all trainings have been run")
    seeds: int = Field(description="number of fresh seeds of the race; the final scores have as many others")
    resplit: bool = Field(default=False, description="whether each fresh seed had a split of its own")
    spread: Spread | None = Field(default=None, description="how values vary in the race; null without new splits")
    score_spread: Spread | None = Field(
        default=None, description="how the scores vary; null where all examples are trained on"
    )
    winner: int | None = Field(description="the winner's trial number in the search; null during the race")
    search_value: float | None = Field(description="the winner's value in the search")
    score: Score | None = Field(description="the winner's score on the test split")
    baseline: Score | None = Field(description="the baseline's score on the test split")
    gain: float | None = Field(description="the winner's score minus the baseline's, paired over the seeds")
    gain_low: float | None = Field(description="lower end of its 95 % interval")
    gain_high: float | None = Field(description="upper end of its interval")
    gain_new_low: float | None = Field(description="lower end of its 95 % interval on new examples; null if unknown")
    gain_new_high: float | None = Field(description="upper end of that interval")
    examples: int | None = Field(description="number of test examples; null where it is not known")
    optimism: float | None = Field(description="how much better the winner looked in the search than its score")
    contenders: list[Contender] = Field(description="best mean first, dropped ones last")


class OfArm(Record):
    """Names a recipe of an ablation."""

    label: str = Field(description="the change, such as `without lr`")
    side: Literal["less", "plus", "simplest"] | None = Field(
        description="less: the winner without some knobs; plus: the baseline with some; simplest: the winner without "
        "several at once; null for winner and baseline"
    )
    knobs: list[str] = Field(description="the knobs that were set back or added")


class Ablated(Judged, Averaged, OfArm):
    """One recipe of an ablation."""

    values: list[float] = Field(description="values on validation data, in the order of the seeds")


class Ablation(Measured, Answer):
    """`study ablate NAME`: what each knob of the confirmed winner contributes."""

    type: str = Field(default="ablation", description="always `ablation`")
    complete: bool = Field(description="whether all trainings have been run")
    seeds: int = Field(description="fresh seeds of each recipe")
    smallest: float = Field(description="the smallest difference of interest")
    trial: int = Field(description="the winner's number in the search")
    winner: Ablated = Field(description="the winner itself")
    baseline: Ablated = Field(description="the baseline itself")
    rows: list[Ablated] = Field(description="the other recipes")
    simplest: dict[str, Any] | None = Field(
        description="overrides of the recipe with the fewest changes that is surely no worse; null if there is none"
    )
    dropped: list[str] = Field(description="knobs of the winner that the simplest recipe does not change")
