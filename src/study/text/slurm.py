"""The Slurm batch file of a search on the nodes of an allocation."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = """#!/bin/bash
#SBATCH --job-name=study --nodes={nodes} --ntasks-per-node=1 --cpus-per-task={cpus}{more}
#SBATCH --time={limit} --requeue --open-mode=append --signal=B:USR1@120
# USR1 comes two minutes before the time is up: running trials save their epoch, and the job is queued again, until
# the search has all of its trials. `study cluster token` has made the token, in a home that all nodes see.
set -uo pipefail
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0 RAY_ENABLE_UV_RUN_RUNTIME_ENV=0
HEAD=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
PORT=$((20000 + SLURM_JOB_ID % 20000))
requeue() {{
    touch "$MARK"
    scancel --signal=INT "$SLURM_JOB_ID.$STEP" # the search, which saves and ends
}}
MARK=$(mktemp) && rm "$MARK"
STEP=0
trap requeue USR1
srun --kill-on-bad-exit=0 ray symmetric-run --address "$HEAD:$PORT" --min-nodes {nodes}{ray} -- \\
    study {command} --executor ray --address "$HEAD:$PORT" &
SEARCH=$!
while true; do # a signal ends `wait`, not the search
    wait "$SEARCH"
    CODE=$?
    kill -0 "$SEARCH" 2>/dev/null || break
done
if [ -e "$MARK" ]; then
    rm "$MARK"
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$CODE"
"""


def batch_file(words: Sequence[str], *, nodes: int, cpus: int, gpus: int, limit: str, partition: str) -> str:
    """Write the file.

    Args:
        words: of the command, without `study`.
        nodes: of the allocation, 1 or more.
        cpus: of each node.
        gpus: of each node; 0 asks for none.
        limit: of its time, as Slurm reads it.
        partition: Slurm's own if empty.

    """
    more = (f" --gpus-per-node={gpus}" if gpus else "") + (
        f" --partition={shlex.quote(partition)}" if partition else ""
    )
    ray = f" --num-cpus {cpus}" + (f" --num-gpus {gpus}" if gpus else "")
    return FILE.format(nodes=nodes, cpus=cpus, more=more, limit=shlex.quote(limit), ray=ray, command=shlex.join(words))
