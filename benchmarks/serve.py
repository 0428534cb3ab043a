"""Load on `study serve`: clients that follow events, requests a second, and the time of the pages.

`uv run --extra serve python benchmarks/serve.py --clients 200 --rate 50 --seconds 30 --runs 10000 --epochs 1000000`
starts a server in an empty folder, fills its database with runs and events, and measures from outside. There are no
trial folders: the time of a study's page, which reads them, is not in it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import sqlalchemy as sa

from study.formatting import to_json
from study.service import people, store, tables

PASSWORD = "correct horse battery"  # noqa: S105 - of a database that is deleted again
PATHS = ("/", "/queue", "/studies", "/api/v1/runs?limit=50", "/api/v1/queue", "/readyz")


def fill(url: str, runs: int, epochs: int) -> str:
    """Fill a new database with ended runs and their events; give an admin's token."""
    made = store.opened(url)
    people.accept(made, people.invite(made, "serve"), "ann", PASSWORD)
    now = time.time()
    with made.write() as connection:
        ended = {"person": "ann", "question": "run", "status": "done", "submitted": now, "ended": now}
        rows = [
            ended
            | {"id": f"{number:08x}", "key": str(number), "study": f"s{number % 50}"}
            | {"asked": to_json({"study": f"s{number % 50}", "file": None})}
            for number in range(runs)
        ]
        connection.execute(sa.insert(tables.runs), rows)
        data = to_json({"number": 1, "metrics": {"val_accuracy": 0.5}, "seconds": 1.0})
        for start in range(0, epochs, 50_000):
            many = [
                {"time": now, "kind": "epoch", "study": f"s{n % 50}", "trial": n % 1000, "data": data}
                for n in range(start, min(start + 50_000, epochs))
            ]
            connection.execute(sa.insert(tables.events), many)
    _, token = people.make_token(made, "ann", "benchmark")
    made.close()
    return token


def ask(port: int, path: str, token: str) -> float:
    """Ask once; give the seconds until the whole answer."""
    since = time.perf_counter()
    connection = http.client.HTTPConnection("localhost", port, timeout=60)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}", "Accept": "text/html"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status == 200, (path, answer.status)
    return time.perf_counter() - since


def follow(port: int, token: str, newest: int, over: threading.Event) -> None:
    """Follow all events from the newest one on."""
    connection = http.client.HTTPConnection("localhost", port, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Last-Event-ID": str(newest)}
    connection.request("GET", "/api/v1/events", headers=headers)
    answer = connection.getresponse()
    while not over.is_set() and answer.readline():
        pass


def percentile(values: list[float], share: float) -> float:
    """Give a percentile in milliseconds."""
    return 1000 * sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure(port: int, token: str, clients: int, rate: float, seconds: float, newest: int) -> dict[str, object]:
    """Ask each page alone, then all of them at a rate while clients follow the events."""
    alone = {path: round(1000 * statistics.median(ask(port, path, token) for _ in range(5)), 1) for path in PATHS}
    over, times = threading.Event(), list[float]()
    for _ in range(clients):
        threading.Thread(target=follow, args=(port, token, newest, over), daemon=True).start()
    time.sleep(2)
    began, threads = time.perf_counter(), list[threading.Thread]()
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, began + number / rate - time.perf_counter()))
        path = PATHS[number % len(PATHS)]
        threads.append(threading.Thread(target=lambda path=path: times.append(ask(port, path, token))))
        threads[-1].start()
    for each in threads:
        each.join()
    over.set()
    return {
        "alone_ms": alone, "requests": len(times), "lost": len(threads) - len(times),
        "p50_ms": round(percentile(times, 0.5), 1), "p99_ms": round(percentile(times, 0.99), 1),
    }  # fmt: skip


def main() -> None:
    """Start, fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "mlruns")
        home.mkdir()
        token = fill(f"sqlite:///{home}/service.db", given.runs, given.epochs)
        command = [sys.executable, "-m", "study", "serve", "--port", "0", "--home", str(home)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as server:
            assert server.stdout
            found = re.search(r"localhost:(\d+)", server.stdout.readline())
            assert found
            try:
                measured = measure(
                    int(found[1]), token, given.clients, given.rate, given.seconds, given.runs + given.epochs
                )
            finally:
                server.terminate()
    print(json.dumps({**vars(given), "cores": len(os.sched_getaffinity(0)), **measured}, indent=2))


if __name__ == "__main__":
    main()
