"""From what a run is asked for to the command that the server starts; refuses what the asker may not have."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from study.choices import check
from study.errors import InputError
from study.knobs import is_own
from study.sampling.table import PRUNER, PRUNERS, SAMPLER, SAMPLERS
from study.schemas.service import Asked
from study.service.errors import Forbidden
from study.study_files import available

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from study.service.people import Person

EVERY = {"question", "study", "file", "workers", "timeout", "device", "hang", "data", "fallback", "accept"}
OPTIONS = {  # the fields that each command has, besides those that every one has
    "run": {"trials", "sampler", "pruner", "seed", "fixed", "name"},
    "compare": {"fixed", "variants", "against", "until_sure", "as_published", "smallest", "seeds", "resplit", "target"},
    "confirm": {"name", "seeds", "top", "resplit"},
    "ablate": {"name", "seeds", "smallest"},
}
KNOB = re.compile(r"[A-Za-z_]\w*")


def check_asked(asked: Asked, person: Person, results: set[str]) -> None:
    """Refuse what cannot be, or what the person may not ask for, before it is queued.

    Args:
        asked: by the person.
        person: who asks.
        results: names of the studies that have results.

    Raises:
        InputError: what is wrong.
        Forbidden: it runs code that is not installed, and the person is no author.

    """
    if unfit := sorted(asked.model_fields_set & set(Asked.model_fields) - EVERY - OPTIONS[asked.question]):
        raise InputError(f"`study {asked.question}` has no {', '.join(unfit)}", fix="Leave it out.")
    if "," in (asked.data or "") and (asked.question != "compare" or asked.until_sure):
        what = "`until_sure` ends at another seed on each" if asked.until_sure else "only `study compare` takes several"
        raise InputError(f"{what} data set{'' if asked.until_sure else 's'}", where="data", fix="Name one.")
    check("sampler", asked.sampler or SAMPLER, SAMPLERS)
    check("pruner", asked.pruner or PRUNER, PRUNERS)
    for knob in asked.fixed:
        if not KNOB.fullmatch(knob):
            raise InputError(f"not a knob: {knob[:60]!r}", where="fixed")
    if asked.file is not None and not person.may("author"):
        raise Forbidden("a study's file is code, which an author may submit", fix="Ask for an installed study.")
    if not person.may("author") and (path := next(_import_paths(asked.fixed), None)):
        raise Forbidden(f"{path!r} names code, which an author may submit", fix="Choose a value that is installed.")
    known = {*available(), *results}
    if asked.file is None and asked.study not in known and asked.study.partition("@")[0] not in known:
        raise InputError(f"no study {asked.study!r} is installed here", fix="The list of studies has their names.")


def words(asked: Asked, slots: int, file: Path | None) -> list[str]:
    """Give the arguments of `study`; each value is part of its option's word, so that none is taken for an option.

    Args:
        asked: by the person.
        slots: trials at a time.
        file: of the study that an author has submitted.

    """
    given: dict[str, Any] = {
        "workers": slots, "trials": asked.trials, "timeout": asked.timeout, "device": asked.device, "hang": asked.hang,
        "sampler": asked.sampler, "pruner": asked.pruner, "seed": asked.seed, "data": asked.data, "name": asked.name,
        "against": asked.against, "smallest": asked.smallest, "seeds": asked.seeds, "top": asked.top,
        "variants": ",".join(asked.variants) if asked.variants else None, "target": asked.target,
    }  # fmt: skip
    flags = {
        "no-fallback": not asked.fallback, "accept": asked.accept, "until-sure": asked.until_sure,
        "as-published": asked.as_published, "resplit": asked.resplit, "no-resplit": asked.resplit is False,
    }  # fmt: skip
    return [
        asked.question,
        str(file) if file else asked.study,
        *(f"--{name}={value}" for name, value in given.items() if value is not None),
        *(f"--{name}" for name, wanted in flags.items() if wanted),
        *(f"--set={knob}={json.dumps(value)}" for knob, value in asked.fixed.items()),
        "--json",
        "--no-progress",
    ]


def _import_paths(value: Any) -> Iterator[str]:
    """Yield the texts in a knob's value that may name code of a person's own: `module:name`, or a file."""
    if isinstance(value, dict):
        for each in value.values():
            yield from _import_paths(each)
    elif isinstance(value, list):
        for each in value:
            yield from _import_paths(each)
    elif isinstance(value, str) and (is_own(value.strip()) or value.strip().endswith(".py")):
        yield value
