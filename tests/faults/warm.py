"""A process that has imported everything: it forks one for each search, so that thousands of kills take minutes.

    python warm.py [FILE]    reads {"home", "trials", "track"} as a line of JSON, answers with the exit code

FILE is made: MLflow's database, with its tables and nothing in them.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from pathlib import Path

STUDY = Path(__file__).with_name("small.py")


def main() -> None:
    import optuna
    import torch

    import study
    from study import settings, tracking

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)  # so that a search in here starts none, which a fork would lose
    with tempfile.TemporaryDirectory() as folder:
        search(study, {"home": f"{folder}/home", "trials": 2})
        if sys.argv[1:]:
            tracking.prepare(settings.resolve(Path(sys.argv[1]).parent, None, f"sqlite:///{sys.argv[1]}"))
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.setpgid(0, 0)
                search(study, order)
                code = 0
            except study.StudyError as error:
                print(f"error: {error}", file=sys.stderr, flush=True)
                code = error.exit_code
            except BaseException:
                traceback.print_exc()
                code = 99  # what the command line calls a bug
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def search(study, order) -> None:
    """Run the small study to its end."""
    small = study.load(str(STUDY)).fix({"epochs": order.get("epochs", 2)})
    study.run(
        small, order["trials"], home=order["home"], executor="inline", track=order.get("track", False), seed=1
    )  # fmt: skip


if __name__ == "__main__":
    main()
