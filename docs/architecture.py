"""Draws architecture.svg from the imports of the code: the rooms of src/study and which of them imports which.

    uv run python docs/architecture.py

A room is a folder or a file of src/study. Files that import no folder are drawn as one box, the foundation. An arrow
that follows from others is left out: cli imports questions, questions imports running, so cli -> running is not drawn.
The picture holds its own data, which tests/docs/test_architecture.py compares with the code.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from itertools import chain, pairwise
from pathlib import Path
from xml.sax.saxutils import escape

import grimp

DOCS = Path(__file__).parent
PICTURE = DOCS / "architecture.svg"
SOURCE = DOCS.parent / "src" / "study"
FOUNDATION = "foundation"
GROUPS = {  # what a room is for, which decides its colour; one that is not named here is grey
    "ask": ("#cfe3f7", ("cli", "api", "service", "request", "questions", "options")),
    "run": ("#fbdcc0", ("running", "sampling", "executors", "engine", "data", "progress")),
    "record": ("#cdebd0", ("record", "tracking", "background")),
    "tell": ("#e6d8f5", ("insight", "report", "registry", "plots", "text", "stats", "schemas", "notebook")),
}
WIDTH, BOX_WIDTH, BOX_HEIGHT, ROW, TOP = 880, 108, 34, 66, 44
Graph = dict[str, set[str]]


def rooms() -> list[str]:
    """List the rooms: the folders and files of src/study."""
    found = [path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    return sorted(name for name in found if not name.startswith("__"))


def imports() -> Graph:
    """Measure which rooms each room imports, type checking's imports included."""
    graph, found = grimp.build_graph("study", cache_dir=None), {name: set[str]() for name in rooms()}
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            user, used = (f"{name}.".split(".")[1] for name in (module, imported))
            if user in found and used in found and user != used:
                found[user].add(used)
    return found


def reached(graph: Graph, start: str) -> set[str]:
    """List what a room imports, directly or not."""
    found: set[str] = set()
    waiting = [*graph[start]]
    while waiting:
        if (room := waiting.pop()) not in found:
            found.add(room)
            waiting += graph[room]
    return found


def foundation(graph: Graph) -> list[str]:
    """List the files that import no folder: what all others are built on."""
    folders = {name for name in graph if (SOURCE / name).is_dir()}
    return sorted(name for name in graph if name not in folders and not reached(graph, name) & folders)


def drawn() -> Graph:
    """Reduce the imports to what is drawn: the foundation as one room, and no arrow that follows from others."""
    graph = imports()
    low = set(foundation(graph))
    merged = {room: {FOUNDATION if each in low else each for each in used} for room, used in graph.items()}
    merged = {room: used for room, used in merged.items() if room not in low} | {FOUNDATION: set[str]()}
    below = {room: reached(merged, room) for room in merged}
    circles = [room for room in merged if room in below[room]]
    assert not circles, f"a circle of imports: {circles}"
    return {
        room: {each for each in used if not any(each in below[other] for other in used)}
        for room, used in merged.items()
    }  # fmt: skip


def data() -> dict[str, list[str]]:
    """Give what the picture has to show, as it is stored in the picture."""
    return {room: sorted(used) for room, used in sorted(drawn().items())} | {"in it": foundation(imports())}


def stored() -> dict[str, list[str]]:
    """Read what the committed picture shows."""
    found = re.search(r"<metadata>(.*?)</metadata>", PICTURE.read_text(encoding="utf-8"), re.DOTALL)
    return json.loads(found[1]) if found else {}


def levels(graph: Graph) -> dict[str, int]:
    """Give each room its row, from 0 at the bottom: above all that it imports, with short arrows."""
    users: Graph = defaultdict(set)
    for room, used in graph.items():
        for each in used:
            users[each].add(room)
    level: dict[str, int] = {}

    def height(room: str) -> int:
        if room not in level:
            level[room] = 1 + max((height(each) for each in graph[room]), default=-1)
        return level[room]

    top = max(height(room) for room in graph)
    for room in sorted(graph, key=lambda each: -level[each]):
        highest = min((level[each] for each in users[room]), default=top + 1) - 1
        if len(users[room]) >= len(graph[room]) and room != FOUNDATION:
            level[room] = highest
    for room in sorted(graph, key=lambda each: -level[each]):
        if not users[room]:
            level[room] = top
    return level


def paths(graph: Graph, level: dict[str, int]) -> dict[tuple[str, str], list[tuple[str, str, int]]]:
    """Give each arrow its points, one a row: the two rooms, and a bend in each row between."""
    return {
        (room, used): [
            (room, "", level[room]),
            *((room, used, row) for row in range(level[room] - 1, level[used], -1)),
            (used, "", level[used]),
        ]
        for room in sorted(graph)
        for used in sorted(graph[room])
    }


def places(graph: Graph, level: dict[str, int], routes: list[list[tuple[str, str, int]]]) -> dict[tuple, float]:
    """Give each room and bend its middle, in pixels from the left, such that few arrows cross."""
    rows: dict[int, list[tuple]] = defaultdict(list)
    for point in dict.fromkeys([*((room, "", level[room]) for room in sorted(graph)), *chain.from_iterable(routes)]):
        rows[point[2]].append(point)
    near: dict[tuple, list[tuple]] = defaultdict(list)
    for route in routes:
        for one, other in pairwise(route):
            near[one].append(other)
            near[other].append(one)
    x = {point: WIDTH * (index + 1) / (len(row) + 1) for row in rows.values() for index, point in enumerate(row)}
    for sweep in range(60):
        for number in sorted(rows, reverse=sweep % 2 == 0):
            row = rows[number]
            wanted = {
                each: sum(x[other] for other in near[each]) / len(near[each]) if near[each] else x[each] for each in row
            }
            row.sort(key=lambda each: (wanted[each], each))
            x |= spread(row, wanted)
    left, right = min(x.values()), max(x.values())
    side = BOX_WIDTH / 2 + 4
    return {point: side + (each - left) * (WIDTH - 2 * side) / (right - left) for point, each in x.items()}


def spread(row: list[tuple], wanted: dict[tuple, float]) -> dict[tuple, float]:
    """Set the points of a row apart, each as near to where it wants to be as the others let it."""
    half = [(BOX_WIDTH if not point[1] else 12) / 2 + 6 for point in row]
    x = [wanted[point] for point in row]
    for _ in range(200):
        for index in range(len(row) - 1):
            overlap = x[index] + half[index] + half[index + 1] - x[index + 1]
            if overlap > 0:
                x[index] -= overlap / 2
                x[index + 1] += overlap / 2
        x = [min(max(each, side), WIDTH - side) for each, side in zip(x, half, strict=True)]
    return dict(zip(row, x, strict=True))


def curve(points: list[tuple[float, float]]) -> str:
    """Write an arrow's line, which leaves and enters each row upright."""
    line = f"M{points[0][0]:.0f},{points[0][1]:.0f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2
        line += f" C{x0:.0f},{middle:.0f} {x1:.0f},{middle:.0f} {x1:.0f},{y1:.0f}"
    return line


def colour(room: str) -> str:
    """Pick the colour of a room's group."""
    return next((fill for fill, members in GROUPS.values() if room in members), "#e3e6ea")


def box(name: str, x: float, y: float, width: float, height: float, lines: list[str]) -> str:
    """Draw a room."""
    text = "".join(
        f'<text x="{x:.0f}" y="{y + height / 2 + 5 + 18 * (index - (len(lines) - 1) / 2):.0f}"'
        f' class="{"name" if index == 0 else "small"}">{escape(line)}</text>'
        for index, line in enumerate(lines)
    )
    return (
        f'<rect x="{x - width / 2:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height}" rx="6" '
        f'fill="{colour(name)}" stroke="#7d8590"/>{text}'
    )


def legend() -> str:
    """Name the colours."""
    parts = []
    for index, (name, (fill, _)) in enumerate(GROUPS.items()):
        x = 10 + 100 * index
        parts.append(
            f'<rect x="{x}" y="8" width="84" height="22" rx="6" fill="{fill}" stroke="#7d8590"/>'
            f'<text x="{x + 42}" y="24" class="small">{name}</text>'
        )
    return "\n".join(parts)


def picture() -> str:
    """Draw the rooms and their arrows as SVG, readable on a light and on a dark page."""
    graph = drawn()
    level = levels(graph)
    routes = paths(graph, level)
    x = places(graph, level, list(routes.values()))
    top = max(level.values())
    y = {row: TOP + ROW * (top - row) for row in range(top + 1)}
    bottom = 2 * 18 + BOX_HEIGHT
    height = y[0] + bottom + 8
    arrows = []
    for (_, used), route in routes.items():
        points = [(x[point], y[point[2]] + BOX_HEIGHT / 2) for point in route]
        points[0] = (points[0][0], y[route[0][2]] + BOX_HEIGHT)
        end = x[routes[route[0][0], used][-2]] if used == FOUNDATION else points[-1][0]
        points[-1] = (end, y[route[-1][2]] - 5)
        arrows.append(f'<path d="{curve(points)}" class="arrow" marker-end="url(#head)"/>')
    boxes = [
        box(room, x[room, "", level[room]], y[level[room]], BOX_WIDTH, BOX_HEIGHT, [room])
        for room in graph
        if room != FOUNDATION
    ]
    names = foundation(imports())
    half = -(-len(names) // 2)
    lines = [FOUNDATION, "  ".join(names[:half]), "  ".join(names[half:])]
    boxes.append(box(FOUNDATION, WIDTH / 2, y[0], WIDTH - 8, bottom, lines))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">
<title>The rooms of src/study; an arrow leads from a room to one that it imports</title>
<metadata>{escape(json.dumps(data()))}</metadata>
<style>
text {{ font-family: system-ui, -apple-system, "Segoe UI", "Liberation Sans", Arial, sans-serif; fill: #1f2328; text-anchor: middle }}
.name {{ font-size: 16px; font-weight: 600 }} .small {{ font-size: 14px }}
.arrow {{ fill: none; stroke: #7d8590; stroke-width: 1.5 }}
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="4" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0,0 L8,4 L0,8 z" fill="#7d8590"/></marker></defs>
{legend()}
{chr(10).join(arrows)}
{chr(10).join(boxes)}
</svg>
"""  # noqa: E501 - one rule a line


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
