"""A section, a chart or a picture that was written is shown: nothing in report/ and plots/ is left unused."""

from __future__ import annotations

import ast
from pathlib import Path

import study

SOURCE = Path(study.__file__).parent
TREES = {file: ast.parse(file.read_text()) for file in SOURCE.rglob("*.py")}
MADE = {
    file: f"study.{file.parent.name}.{file.stem}"
    for file in TREES
    if file.parent in {SOURCE / "report", SOURCE / "plots"} and file.stem != "__init__"
}


def imported(tree):
    """By the name that a file gives it, all that it imports: a module, or a name of one."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {each.asname or each.name: f"{node.module}.{each.name}" for node in nodes for each in node.names}


def used(file, tree):
    """The names of report/ and plots/ that a file reads: by import, in a module it imports, its own."""
    known = imported(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                yield known.get(name) or f"{MADE.get(file)}.{name}"
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module in known:
                yield f"{known[module]}.{name}"


def test_every_module_of_the_report_and_of_the_pictures_is_imported():
    found = {each for tree in TREES.values() for each in imported(tree).values()}
    modules = found | {each.rpartition(".")[0] for each in found}
    assert not set(MADE.values()) - modules


def test_every_function_that_makes_a_part_of_the_report_or_a_picture_is_used():
    found = {name for file, tree in TREES.items() for name in used(file, tree)}
    made = {
        f"{module}.{node.name}"
        for file, module in MADE.items()
        for node in TREES[file].body
        if isinstance(node, ast.FunctionDef)
    }
    assert not made - found, (
        f"made and shown nowhere: {sorted(made - found)}. A section of the report goes into `sections` of "
        "report/page.py, a chart into `sections` of report/charts.py; a picture is drawn by the question or the "
        "command that it is of."
    )
