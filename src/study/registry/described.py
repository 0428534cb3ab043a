"""Registered models as results that are shown: versions, what was registered, who is champion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from study.formatting import moment
from study.schemas import models
from study.schemas.models import ModelVersion, PairedErrors, PairedTest, RegisteredVersion
from study.text import models as text
from study.text.shown import Shown, ShownList

if TYPE_CHECKING:
    from study.stats import errors, noninferiority
    from study.text.table import Block
    from study.tracking.registry import Version

    Met = noninferiority.Paired | errors.PairedErrors


class Models(ShownList[ModelVersion]):
    """Versions of registered models, oldest first."""

    __slots__ = ()

    def blocks(self) -> list[Block]:
        """Show a line for each version."""
        return text.versions(self.entries)


@dataclass(frozen=True, slots=True)
class Registered(Shown):
    """A version that was registered.

    Args:
        version: of the model.
        new: false if the same weights of the same training were registered already.

    """

    version: Version
    new: bool

    def record(self) -> RegisteredVersion:
        """Describe the version in plain values."""
        return RegisteredVersion(**described(self.version).plain(), new=self.new)

    def blocks(self) -> list[Block]:
        """Say what was registered."""
        return text.registered(self.record())


@dataclass(frozen=True, slots=True)
class Promotion(Shown):
    """Which version is champion now.

    Args:
        version: the champion now.
        before: the champion until then; None if there was none.
        paired: how the two did on the same test examples; None without a test.
        first: how it did against the first champion; None if there was no other.

    """

    version: Version
    before: Version | None
    paired: Met | None
    first: Met | None

    def record(self) -> models.Promotion:
        """Describe the promotion in plain values."""
        return models.Promotion(
            model=self.version.model,
            champion=self.version.number,
            before=self.before.number if self.before else None,
            **_met(self.paired),
            first=tested(self.first) if self.first else None,
        )

    def blocks(self) -> list[Block]:
        """Say which version is champion now, and why."""
        return text.promoted(self.record(), described(self.version))


class Rollback(Promotion):
    """Which version is champion again."""

    __slots__ = ()

    def blocks(self) -> list[Block]:
        """Say which version is champion again."""
        return text.rolled_back(self.record())


def described(version: Version) -> ModelVersion:
    """Describe a version in plain values, as its tags tell."""
    tags = version.tags
    known: dict[str, Any] = {
        "confirmed": tags.get("study.confirmed") == "true",
        "score": _number(version, "study.score"),
        "low": _number(version, "study.score_low"),
        "high": _number(version, "study.score_high"),
        "new_low": _number(version, "study.score_new_low"),
        "new_high": _number(version, "study.score_new_high"),
        "seeds": _number(version, "study.score_seeds"),
        "failed": _number(version, "study.failed"),
        "failed_high": _number(version, "study.failed_high"),
        "own_score": _number(version, "study.own_score"),
        "search_score": _number(version, "study.search_score"),
        "study": tags.get("study"),
        "trial": _number(version, "study.trial"),
        "made_by": tags.get("study.made_by"),
        "data": tags.get("study.data"),
        "data_sha256": tags.get("study.data_sha256"),
        "promoted_at": tags.get("study.promoted_at"),
        "promoted_because": tags.get("study.promoted_because"),
        "metric": tags.get("study.metric"),
        "direction": tags.get("study.direction", "maximize"),
    }
    return ModelVersion(
        model=version.model,
        version=version.number,
        aliases=list(version.aliases),
        created=moment(version.created),
        **known,
    )


def tested(paired: Met) -> PairedTest | PairedErrors:
    """Describe how two models did on the same test examples."""
    from study.stats.errors import PairedErrors as Errors  # noqa: PLC0415 - SciPy

    if isinstance(paired, Errors):
        return PairedErrors(
            examples=paired.n, measure=paired.measure, error=paired.candidate, champion_error=paired.champion,
            low=paired.low, high=paired.high, margin=paired.margin,
        )  # fmt: skip
    return PairedTest(
        examples=paired.n, gained=paired.gained, lost=paired.lost, accuracy=paired.candidate,
        champion_accuracy=paired.champion, difference=paired.difference, low=paired.interval.low,
        high=paired.interval.high, margin=paired.margin,
    )  # fmt: skip


def in_words(paired: Met) -> str:
    """Say how two models did on the same test examples."""
    return text.met(tested(paired))


def _met(paired: Met | None) -> dict[str, Any]:
    found = tested(paired) if paired else None
    return {"test": None, "errors": found} if isinstance(found, PairedErrors) else {"test": found}


def _number(version: Version, tag: str) -> float | int | None:
    value = version.tags.get(tag)
    if value is None:
        return None
    return int(value) if value.isdecimal() else float(value)
