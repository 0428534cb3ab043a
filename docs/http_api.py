"""Writes docs/api.md from the server's own OpenAPI description: `uv run --group test python docs/http_api.py`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI

from study.schemas import service as records
from study.service import app
from study.service.web import Service

HEAD = """# The server's API

Written by `docs/http_api.py` from the server's OpenAPI description, which programs get at `/api/v1/openapi.json`.

A request has `Authorization: Bearer TOKEN`; `study login`, a person's own page and `POST /api/v1/login` make tokens.
Bodies and answers are JSON: NaN and infinity are null. An answer of 400 or more is `{"kind": ..., "what": ...,
"fix": ...}`, where `kind` says whose fault it is. The
records of studies and trials are those of [`--json`](cli.md). Lists come in parts: `next` of one is `cursor` of the
following one.

Events come as a stream, `text/event-stream`. Each has an `id`; a client that connects again with `Last-Event-ID` gets
all that came after it, even if the server was restarted meanwhile. Events of the kind `run` are the queue's, others
are the lines of a trial's log, in its order: `created`, `started`, `epoch`, `ended`, `died`, `restarted`, `anew`,
`audited`.

<!-- not run: it needs a server and its token -->
```sh
curl -H "Authorization: Bearer $TOKEN" -H "Idempotency-Key: monday" -H "Content-Type: application/json" \\
  -d '{"study": "mnist_cnn", "trials": 20}' https://study.example.org/api/v1/runs
curl -N -H "Authorization: Bearer $TOKEN" -H "Last-Event-ID: 0" https://study.example.org/api/v1/events
```

## Routes

| route | least role | |
|---|---|---|
"""
RECORDS = ("Submitted", "Run", "Event", "Person", "ChangedPerson", "Invitation", "Token", "Usage", "AuditLine")


def document() -> str:
    """Write the page."""
    made = app.make(cast(Service, None), {"localhost"})
    inner = inspect.getattr_static(made, "_app").app.app
    assert isinstance(inner, FastAPI)
    description = app.description(inner)
    routes = [
        f"| `{method.upper()} {path}` | {each['x-role']} | {each['description'].splitlines()[0]} |"
        for path, methods in description["paths"].items()
        for method, each in methods.items()
    ]
    return HEAD + "\n".join(routes) + "\n\n## Records\n" + "".join(_record(getattr(records, name)) for name in RECORDS)


def _record(kind: Any) -> str:
    rows = [
        f"| `{name}` | {field.description}{'' if field.is_required() else '; optional'} |"
        for name, field in kind.model_fields.items()
    ]
    return f"\n### {kind.__name__}\n\n{inspect.getdoc(kind)}\n\n| field | |\n|---|---|\n" + "\n".join(rows) + "\n"


if __name__ == "__main__":
    (Path(__file__).parent / "api.md").write_text(document())
