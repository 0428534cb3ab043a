"""The text of a command's answer, from the object that it printed with `--json`; a server keeps that of each run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study.schemas.questions import Ablation, Comparison, Confirmation
from study.schemas.search import EndedSearch
from study.schemas.several import SeveralData
from study.text import questions, search, several

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.text.table import Block


def blocks(question: str, answer: Mapping[str, Any]) -> Sequence[Block]:
    """Describe what `study run`, `compare`, `confirm` or `ablate` has answered.

    Raises:
        ValidationError: a value that is not finite, which is null in JSON.

    """
    match question:
        case "run":
            return search.ended(EndedSearch.model_validate(answer), trained=True, recorded=None)
        case "compare" if "comparisons" in answer:
            return several.several(SeveralData.model_validate(answer))
        case "compare":
            return questions.comparison(Comparison.model_validate(answer))
        case "confirm":
            return questions.confirmation(Confirmation.model_validate(answer))
        case _:
            return questions.ablation(Ablation.model_validate(answer))


def line(question: str, answer: Mapping[str, Any]) -> str:
    """Say in a line what `study compare`, `confirm` or `ablate` has found; empty if it is not complete.

    Raises:
        ValidationError: a value that is not finite, which is null in JSON.

    """
    match question:
        case "compare" if "comparisons" in answer:
            over = SeveralData.model_validate(answer)
            judged = [f"{row.variant}: {row.verdict}" for row in over.variants if row.verdict]
            return "; ".join(judged) if all(each.complete for each in over.comparisons) else ""
        case "compare":
            compared = Comparison.model_validate(answer)
            said = [f"{row.variant}: {row.says}" for row in compared.variants if row.says]
            return "; ".join(said) if compared.complete else ""
        case "confirm":
            found = Confirmation.model_validate(answer)
            return "; ".join([f"trial {found.winner} wins", *questions.gain(found)]) if found.complete else ""
        case _:
            ablated = Ablation.model_validate(answer)
            return "; ".join(questions.conclusion(ablated)) if ablated.complete else ""
