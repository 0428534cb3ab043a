"""Runs Optuna dashboard or MLflow's server beside the service, on a socket in a folder that nobody else can open.

`python -m study.service.dashboard_process optuna|mlflow SOCKET` is started by `study.service.dashboards`. Its standard
input is a pipe of the service: it closes when the service ends, however that ends, and then the whole group ends.
"""

from __future__ import annotations

import subprocess
import sys
import threading

from study import processes, settings, tracking
from study.sampling import storage
from study.service.dashboards import PREFIX


def main(kind: str, socket: str) -> int:
    """Serve until standard input closes; give the exit code of a server that ends by itself."""
    threading.Thread(target=_end_with_the_service, daemon=True).start()
    return {"optuna": _optuna, "mlflow": _mlflow}[kind](socket)


def _end_with_the_service() -> None:
    sys.stdin.buffer.read()
    processes.end_own_group()


def _optuna(socket: str) -> int:
    import optuna_dashboard  # noqa: PLC0415 - only in this process
    import uvicorn  # noqa: PLC0415 - as above
    from a2wsgi import WSGIMiddleware  # noqa: PLC0415 - as above

    stored = storage.connect(settings.resolve().storage)
    uvicorn.run(WSGIMiddleware(optuna_dashboard.wsgi(stored), workers=4), uds=socket, log_level="warning")  # pyright: ignore[reportArgumentType] - ASGI's types have two spellings
    return 1


def _mlflow(socket: str) -> int:
    options = ("--static-prefix", PREFIX, "--uvicorn-opts", f"--uds {socket}")
    tracking.prepare(places := settings.resolve())
    command, environment = tracking.server(places, *options)
    return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603 - MLflow's own program


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
