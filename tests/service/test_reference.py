"""docs/api.md is what the server says of itself."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import script

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_the_api_is_up_to_date():
    made = script("http_api.py").document()
    assert (DOCS / "api.md").read_text() == made, "run: uv run --group test python docs/http_api.py"
