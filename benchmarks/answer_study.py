"""The search of answer.py as a study.

The environment variable ANSWER_WORK says which; if ANSWER_START is set, its recipe as it is comes first.
"""

from __future__ import annotations

import os
from functools import partial

from answer_space import WORKS, suggest

from study import Recipe, Study

NAME = os.environ.get("ANSWER_WORK", "digits")
study = Study(
    name=f"answer_{NAME}",
    recipe=Recipe(dataset=WORKS[NAME].dataset, optimizer="adam", lr=1e-3, **WORKS[NAME].knobs),
    space=partial(suggest, work=NAME),
    variants={"baseline": {}} if os.environ.get("ANSWER_START") else {},
)
