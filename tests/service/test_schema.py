"""The API does what its OpenAPI description says: schemathesis asks every route, with what fits and what does not."""

from __future__ import annotations

import math
import subprocess
import sysconfig
import threading
from pathlib import Path

import pytest
import uvicorn

from tests.waiting import until

SCHEMATHESIS = Path(sysconfig.get_path("scripts")) / "schemathesis"


@pytest.fixture
def address(here):
    """The service `here` on a port; nobody looks at its queue, so that what is asked for does not run."""
    here.service.conductor.heard = math.inf  # ready
    server = uvicorn.Server(uvicorn.Config(here.app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    yield f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


# Which options go with which question, and which studies are installed, no schema says.
CONFIG = """
[[operations]]
include-path = "/api/v1/runs"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "403", "409", "429"]
"""


@pytest.mark.slow
def test_every_route_keeps_what_the_description_promises(made, here, address, tmp_path):
    asked = [
        "run", f"{address}/api/v1/openapi.json", "-H", f"Authorization: Bearer {here.tokens['admin']}",
        "--phases", "examples,coverage,fuzzing", "-n", "3", "--seed", "1", "--generation-database", "none",
        "--exclude-path-regex", "events$", "--request-timeout", "60", "--warnings", "off", "--no-color",
    ]  # fmt: skip
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    done = subprocess.run([SCHEMATHESIS, *asked], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
