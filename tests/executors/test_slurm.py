"""The batch file for Slurm: bash reads it, the words of the search come through as they were given."""

from __future__ import annotations

import subprocess

import pytest


def test_the_batch_file_runs_the_search_with_its_words_and_gives_way_on_a_warning(study, tmp_path):
    answer = study("cluster", "slurm", "--nodes", 2, "--gpus", 4, "--", "mine", "--set", "model=my net:Net")
    assert answer.code == 0
    assert "#SBATCH --nodes=2 --ntasks-per-node=1 --cpus-per-task=1 --gpus-per-node=4\n" in answer.out
    (tmp_path / "bin").mkdir()
    for name, body in {
        "study": 'printf "%s|" "$@" >> said; [ "$2" = token ] || { kill -USR1 $JOB; exec sleep 60; }',
        "srun": 'shift; while [ $1 != -- ]; do shift; done; shift; exec env --default-signal=INT "$@"',
        "scontrol": 'printf "%s|" "$@" >> said',
    }.items():
        place = tmp_path / "bin" / name
        place.write_text(f"#!/bin/bash\n{body}\n")
        place.chmod(0o755)
    (tmp_path / "job").write_text(answer.out.replace("export RAY", "export JOB=$$ RAY"))
    variables = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "SLURM_JOB_ID": "7", "TMPDIR": str(tmp_path)}
    subprocess.run(["bash", tmp_path / "job"], cwd=tmp_path, env=variables, timeout=30, check=True)
    said = (tmp_path / "said").read_text()
    assert said.startswith("cluster|token|run|mine|--set|model=my net:Net|--executor|ray|--address|")
    assert said.endswith("requeue|7|")


def test_the_name_of_the_job_is_one_word(study):
    assert "#SBATCH --job-name=study-my_study.py\n" in study("cluster", "slurm", "--", "of mine/my study.py").out


@pytest.mark.parametrize("option", ["--address", "--executor"])
def test_where_the_search_runs_is_in_the_file_already(study, option):
    answer = study("cluster", "slurm", "--", "mine", f"{option}=x")
    assert (answer.code, answer.out) == (2, "")
    assert f"{option} is in the file already" in answer.err
