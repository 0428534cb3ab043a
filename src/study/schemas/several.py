"""Records of a comparison on several data sets."""

from __future__ import annotations

from pydantic import Field

from study.schemas import Answer, Measured
from study.schemas.questions import Comparison, OfVariant, Verdict


class OverData(OfVariant):
    """One variant over all data sets, each counting once; all but the rank is null for the baseline."""

    rank: float | None = Field(
        description="mean rank of the variant's mean over the data sets, 1 for the best; null before the first training"
    )
    verdict: Verdict | None = Field(description="on these data sets on average, as in a comparison")
    difference: float | None = Field(description="mean over the data sets of the mean paired differences")
    difference_low: float | None = Field(description="lower bound of its interval on these data sets, 95 % over all")
    difference_high: float | None = Field(description="upper bound of that interval")
    p_adjusted: float | None = Field(description="two-sided p-value on these data sets, adjusted over the variants")
    better: int | None = Field(description="number of data sets on which the variant's mean is better")
    iqm: float | None = Field(description="interquartile mean of all paired differences")
    iqm_low: float | None = Field(description="lower bound of its 95 % interval, by a stratified bootstrap")
    iqm_high: float | None = Field(description="upper bound of that interval")
    p_others: float | None = Field(
        description="two-sided p-value for other data sets (Wilcoxon), adjusted over the variants; null below six"
    )
    same: bool = Field(default=False, description="whether the variant is the baseline's recipe on each data set")


class SeveralData(Measured, Answer):
    """`study compare NAME --data A,B`: the same comparison on several data sets, and one verdict over all."""

    type: str = Field(default="several data sets", description="always `several data sets`")
    against: str = Field(description="name of the baseline")
    seeds: int = Field(description="number of seeds per variant and data set")
    smallest: float = Field(description="smallest difference of interest")
    data: list[str] = Field(description="names of the data sets")
    variants: list[OverData] = Field(description="one object per variant")
    comparisons: list[Comparison] = Field(description="the comparison on each data set")
