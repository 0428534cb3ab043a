"""A section, a chart or a picture that was written is shown: nothing in report/ and plots/ is left unused."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import study

SOURCE = Path(study.__file__).parent
TREES = {file: ast.parse(file.read_text()) for file in SOURCE.rglob("*.py")}


def named(tree):
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name


def test_every_function_that_makes_a_part_of_the_report_or_a_picture_is_used():
    used = Counter(name for tree in TREES.values() for name in named(tree))
    made = {
        f"{file.relative_to(SOURCE)}: {node.name}"
        for file, tree in TREES.items()
        if file.parent.name in {"report", "plots"}
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not used[node.name]
    }
    assert not made, (
        f"made and shown nowhere: {sorted(made)}. A section of the report goes into `sections` of report/page.py, a "
        "chart into `sections` of report/charts.py; a picture is drawn by the question or the command that it is of."
    )
