"""What Optuna dashboard shows of a study as a whole: the name of its metric, and a note with the best recipe.

The note is written as `optuna_dashboard.save_note` does, which would take three seconds to import: its text in pieces
as system attributes of the study, and a version that counts up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.record import note, results

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

    from study.record.journal import Journal

PIECE = 2045  # characters of an attribute
METRIC, VERSION, TEXT = "study:metric_names", "dashboard:note_ver", "dashboard:note_str:"


def describe(database: RDBStorage, study: int, journal: Journal) -> bool:
    """Write metric and note where they have changed; a note that a person has written stays.

    Args:
        database: Optuna's.
        study: its id there.
        journal: its folders.

    Returns:
        Whether anything has changed.

    Raises:
        StudyError: no definition, or a damaged file; names it and its line.

    """
    metric = results.metric_of(journal)
    known = database.get_study_system_attrs(study)
    changed = known.get(METRIC) != [metric.name]
    if changed:
        database.set_study_system_attr(study, METRIC, [metric.name])
    best = results.best(results.rows(journal), metric)
    text = note.of_study(journal, best and best.number, best and best.value)
    pieces = [known[f"{TEXT}{index}"] for index in range(len(known)) if f"{TEXT}{index}" in known]
    before = "".join(pieces)
    if text == before or (before and not before.endswith(note.closing(journal.folder.name))):
        return changed
    database.set_study_system_attr(study, VERSION, known.get(VERSION, 0) + 1)
    for index in range(max(len(pieces), -(-len(text) // PIECE))):
        database.set_study_system_attr(study, f"{TEXT}{index}", text[PIECE * index : PIECE * (index + 1)])
    return True
