"""An epoch that a resumed training repeats must be equal, to the bit, to the one in its log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.definition import OUR_TRAIN
from study.errors import StudyError
from study.imports import reference_to
from study.progress import Notice
from study.record.history import same_result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from study.definition import Study
    from study.events import Epoch
    from study.running.batch import Batch
    from study.running.making import Running


def compared(each: Running, epoch: Epoch, study: Study, batch: Batch) -> Iterator[Notice]:
    """Compare a repeated epoch with the log; say so if a training of a person's own cannot repeat it.

    Raises:
        StudyError: a training of ours gave another result.

    """
    known = each.history.epochs[epoch.number - 1]
    if same_result(known, epoch):
        return
    what = f"epoch {epoch.number} was {dict(known.metrics)} and is now {dict(epoch.metrics)}"
    if reference_to(study.train) == OUR_TRAIN:
        fix = "Was the trial started with other versions, or on another machine? Delete its folder to run it again."
        raise StudyError(f"not the same training: {what}", where=f"trial {each.folder.number}", fix=fix)
    each.history.take(batch.append(each.folder, "restarted", epochs=epoch.number - 1))
    yield Notice(f"trial {each.folder.number} resumed from an earlier epoch and is not repeatable: {what}")
