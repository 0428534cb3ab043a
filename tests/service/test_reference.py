"""docs/api.md is what the server says of itself."""

from __future__ import annotations

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_the_api_is_up_to_date():
    found = importlib.util.spec_from_file_location("http_api", DOCS / "http_api.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    assert (DOCS / "api.md").read_text() == module.document(), "run: uv run --group test python docs/http_api.py"
