"""A search as a Slurm job: the batch file that starts Ray in the allocation, and gives way before the time limit."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from study.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

WARNING = 120  # seconds before the time limit in which running epochs end and are saved
SCRIPT = """#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --nodes={nodes} --ntasks-per-node=1 --cpus-per-task={cpus}{gpus}
#SBATCH --time={time} --signal=B:USR1@{warning} --requeue --open-mode=append --exclusive
# Submit it where `study` is on the PATH: sbatch FILE. The home folder and ~/.ray must be on all nodes.
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
study cluster token > /dev/null || exit
address=$(hostname -I | cut -d' ' -f1):$((20000 + SLURM_JOB_ID % 10000))
pid=${{TMPDIR:-/tmp}}/study-$SLURM_JOB_ID.pid

handed_back=
trap 'handed_back=1; kill -INT "$(cat "$pid")"' USR1 # as Ctrl-C: running epochs end and are saved
srun ray symmetric-run --address "$address" --num-cpus={cpus}{ray_gpus} -- \\
    bash -c 'echo $$ > "$0"; exec "$@"' "$pid" \\
    study run {words} --executor ray --address "$address" &
step=$!
while kill -0 $step 2> /dev/null; do # a signal ends a `wait`, too
    wait $step
    code=$?
done
rm -f "$pid"
if [ "$handed_back" ] && [ $code -ne 0 ]; then
    exec scontrol requeue "$SLURM_JOB_ID" # the same command goes on
fi
exit $code
"""


def script(words: Sequence[str], *, nodes: int, cpus: int, gpus: int, time: str) -> str:
    """Write the batch file.

    Args:
        words: of `study run`, the study first.
        nodes: of the job, 1 or more.
        cpus: of each node, 1 or more.
        gpus: of each node, 0 or more.
        time: limit of the job, as Slurm reads it, such as 04:00:00.

    Raises:
        InputError: the words say where the search runs, which the file does.

    """
    for option in ("--executor", "--address"):
        if any(word.partition("=")[0] == option for word in words):
            raise InputError(f"{option} is in the file already", fix="Leave it out.")
    return SCRIPT.format(
        name=re.sub(r"[^\w.@+-]", "_", f"study-{words[0].rpartition('/')[2]}"),
        nodes=nodes,
        cpus=cpus,
        gpus=f" --gpus-per-node={gpus}" if gpus else "",
        ray_gpus=f" --num-gpus={gpus}" if gpus else "",
        time=time,
        warning=WARNING,
        words=shlex.join(words),
    )
