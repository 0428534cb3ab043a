"""The command line itself: help, options everywhere, files of variables, errors in one line, exit codes."""

import errno
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from study import cli, template
from study.service import kept_tokens

STUDY = [sys.executable, "-m", "study"]
TOY = Path(__file__).parents[1] / "toy.py"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["shwo"], "study: no such command 'shwo'. Did you mean 'show'? See `study --help`."),
        (["run", "x", "--trails", "3"], "study run: no such option: --trails (Possible options: --trials)"),
        (["run", "x", "--trials", "0"], "study run: invalid value for '--trials' / '-n': Input should be greater"),
        (["run", "x", "--trials", "-3"], "study run: invalid value for '--trials' / '-n': Input should be greater"),
        (["run", "x", "--trials", "x"], "study run: invalid value for '--trials' / '-n': Input should be a valid int"),
        (["run", "x", "--sampler", "best"], "'best' is not one of 'tpe', 'random'"),
        (["run", "x", "--timeout"], "'--timeout' requires an argument"),
        (["data", "remove", "x", "--yes", "--log-file"], "study: option '--log-file' requires an argument"),
        (["data", "list", "-C"], "study: option '-C' requires an argument"),
        (["show"], "study show: missing argument 'NAME'"),
        (["run", "cifar_trick"], "no study 'cifar_trick'. Did you mean 'cifar_tricks'?"),
        (
            ["run", "cifar_tricks", "--timeout", "soon"],
            "'--timeout': not a duration: 'soon'. Write it as 2h",
        ),
        (["run", "cifar_tricks", "-S", "lr=1", "-S", "lr=2"], "--set: 'lr' is given twice"),
        (["run", "cifar_tricks", "--epochs", "2", "--set", "epochs=3"], "--set: 'epochs' is given twice"),
        (["run", "cifar_tricks", "--set", "lr=0"], "--set: lr=0: input should be greater than 0"),
        (["run", "x", "--address", "auto"], "--address: has no effect with --executor local. Add --executor ray."),
        (
            ["run", "x", "--executor", "ray", "--device", "cpu", "--gpus-per-trial", "auto"],
            "--gpus-per-trial: has no effect with --device cpu. Leave one of them out.",
        ),
        (["run", "x", "--executor", "ray", "--device", "cuda:1"], "--device cuda:1: Ray chooses the GPU of each trial"),
        (["run", "x", "--executor", "ray", "--gpus-per-trial", "all"], "not a number: 'all'. Write it as 1, 0.25 or"),
        (["confirm", "x", "--executor", "inline", "-j", "2"], "--workers: has no effect with --executor inline."),
        (["ablate", "x", "--executor", "inline", "--hang", "3"], "--hang: has no effect with --executor inline."),
        (["run", "x", "--server", "http://a", "--address", "auto"], "--address is about this machine"),
        (["show", "x", "--server", "http://host:80x"], "not the address of a server: 'http://host:80x'. Write it as"),
        (["queue", "--server", "http://host:99999"], "not the address of a server: 'http://host:99999'"),
        (["login", "http://["], "not the address of a server: 'http://['"),
        (["login", f"http://{'a' * 70}"], "not the address of a server"),
        (["models", "--server", "http://h/\u00fc"], "not the address of a server"),
        (["queue"], "no server given. `study login URL` first, or give --server URL."),
        (["login", "http://127.0.0.1:9", "--name", ""], "study login: no user name. Say --name NAME."),
        (["-C", "nowhere", "list"], "nowhere: cannot go there: No such file or directory"),
        (["--env-file", "nowhere", "list"], "--env-file: cannot be read"),
        (["--log-file", "no/where", "list"], "no/where: cannot be written"),
        (["new", "two words"], "study new: not a name for a study: 'two words'"),
        (["new", "class"], "study new: not a name for a study: 'class'"),
        (["new", "gr\u00f6\u00dfe"], "study new: not a name for a study: 'gr\u00f6\u00dfe'. Use up to 200 letters"),
        (["new", "a" * 201], "study new: not a name for a study"),
        (["new", "_x"], "study new: not a name for a study: '_x'"),
    ],
)
def test_bad_input_is_one_clear_line_and_nothing_is_written(study, arguments, complaint, tmp_path):
    answer = study(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert answer.complaint.startswith("error: ")
    assert complaint in answer.complaint
    assert answer.complaint.count("\n") == 1
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [["run", "x"], ["show", "x"], ["register", "x"], ["promote", "x"], ["rollback", "x"], ["models"]]
)
def test_with_a_server_only_what_was_typed_about_this_machine_is_refused(study, monkeypatch, arguments):
    server = ["--server", "http://127.0.0.1:9"]
    for name in ("STUDY_HOME", "STUDY_STORAGE", "OPTUNA_STORAGE", "MLFLOW_TRACKING_URI", "RAY_ADDRESS"):
        monkeypatch.setenv(name, "sqlite:///there.db")  # for other commands
    assert "http://127.0.0.1:9: does not answer" in study(*arguments, *server).err
    assert "--home is about this machine" in study(*arguments, *server, "--home", "here").err


def test_without_a_command_the_help_is_shown_on_stderr(study):
    answer = study()
    assert (answer.code, answer.out) == (2, "")
    assert "Usage: study" in answer.err


def test_a_variable_with_a_bad_value_is_named(study, monkeypatch):
    monkeypatch.setenv("STUDY_TRIALS", "x")
    assert "(env var: 'STUDY_TRIALS')" in study("run", "cifar_tricks").err


@pytest.mark.parametrize(
    ("given", "hoisted"),
    [
        (["show", "x", "-v", "--top", "3"], ["-v", "show", "x", "--top", "3"]),
        (["run", "--log-file", "f", "x", "-C", "d"], ["--log-file", "f", "-C", "d", "run", "x"]),
        (["run", "--env-file=f", "x"], ["--env-file=f", "run", "x"]),
        (["run", "--", "-v"], ["run", "--", "-v"]),
        (["run", "x", "--log-file"], ["--log-file"]),
        (["run", "x", "--set", "a=b"], ["run", "x", "--set", "a=b"]),
    ],
)
def test_options_of_all_commands_may_stand_anywhere(given, hoisted):
    assert cli.hoist(given) == hoisted


def test_another_folder_is_worked_in(study, made, tmp_path, monkeypatch):
    folder = tmp_path / "work"
    monkeypatch.chdir(tmp_path)
    assert study("show", "made").code == 2
    assert study("show", "made", "-C", folder).code == 0


def test_an_env_file_sets_what_is_not_set(study, made, tmp_path, monkeypatch):
    (tmp_path / "work" / "mlruns").rename(tmp_path / "results")
    file = tmp_path / "my.env"
    file.write_text(f"# places\nexport STUDY_HOME='{tmp_path / 'results'}'  # where\n\nSTUDY_TOP=1\n")
    monkeypatch.setenv("STUDY_TOP", "2")
    answer = study("show", "made", "-f", "json", "--env-file", file)
    assert len(answer.json["trials"]) == 2


@pytest.mark.parametrize("line", ["NOT A VARIABLE", "A='open", "1A=b"])
def test_an_env_file_with_a_bad_line_is_refused_by_line(study, tmp_path, line):
    file = tmp_path / "my.env"
    file.write_text(f"\n{line}\n")
    answer = study("list", "--env-file", file)
    assert answer.code == 2
    assert f"{file}, line 2" in answer.err


def test_an_argument_wins_over_its_variable(study, made, monkeypatch):
    monkeypatch.setenv("STUDY_TOP", "1")
    assert len(study("show", "made", "-f", "json", "--top", "3").json["trials"]) == 3
    assert len(study("show", "made", "-f", "json").json["trials"]) == 1


def test_an_unexpected_error_is_one_line_that_names_debug(study, monkeypatch):
    monkeypatch.setattr("study.record.family.studies", lambda home: 1 / 0)
    answer = study("list")
    assert answer.code == 1
    assert answer.err == (
        "error: ZeroDivisionError: division by zero. This is a bug; run with --debug for the traceback.\n"
    )


def test_a_full_disk_is_one_line_wherever_it_is_met(study, monkeypatch):
    def full(home):
        raise OSError(errno.ENOSPC, "No space left on device", "some/file")

    monkeypatch.setattr("study.record.family.studies", full)
    answer = study("list")
    assert answer.code == 2
    assert answer.err == "error: some/file: the disk is full. Free some space and run the same command again.\n"


AS_ANYBODY = ["setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search"]  # else root enters all


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root may enter every folder")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["list"], 2), (["show", "x"], 2), (["best", "x"], 2), (["run", TOY], 2), (["sync"], 2), (["doctor"], 1)],
)
def test_a_home_that_one_may_not_enter_is_named(arguments, code, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    command = [*(AS_ANYBODY if os.geteuid() == 0 else ()), *STUDY, *arguments, "--home", closed / "home"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert f"{closed}/home" in (said := done.stdout + done.stderr)
    assert "ermission denied" in said
    assert "bug" not in said
    assert done.stderr.count("\n") <= 2


def test_a_home_whose_name_is_too_long_is_named(study):
    answer = study("list", "--home", "a" * 300)
    assert answer.code == 2
    assert answer.complaint.endswith("aaa/studies: cannot be used: File name too long\n")


@pytest.mark.parametrize("arguments", [["list", "--debug"], ["--debug", "list"]])
def test_debug_shows_the_traceback(study, monkeypatch, arguments):
    monkeypatch.setattr("study.record.family.studies", lambda home: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        study(*arguments)


def test_the_log_file_gets_what_the_screen_gets(study, tmp_path):
    log = tmp_path / "log"
    answer = study("new", "mine", "--log-file", log)
    assert answer.out == "studies/mine.py\n"
    assert "try it: study check mine" in answer.err
    assert log.read_text() == answer.err


def test_quiet_shows_errors_only(study):
    assert study("new", "mine", "-q").err == ""
    assert "exists already" in study("new", "mine", "-q").err


def test_warnings_of_libraries_are_shown_only_when_asked_for(study, monkeypatch, capsys):
    study("list")
    logging.getLogger("some.library").warning("something experimental")
    assert capsys.readouterr().err == ""
    study("list", "-vv")
    logging.getLogger("some.library").warning("something experimental")
    assert "something experimental" in capsys.readouterr().err


def test_a_reader_that_leaves_ends_the_command_with_141(made, tmp_path):
    """`study show made | head -1`, with more than a pipe holds."""
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [*STUDY, "export", "made", "--format", "json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=tmp_path / "work"
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        complaint = process.stderr.read()
        assert process.wait(30) == 141
    assert complaint == b""


def test_a_new_study_of_the_longest_name_can_be_searched(study):
    name = "a" * template.LONGEST
    assert study("new", name).code == 0
    assert study("check", name).code == 0


def test_a_file_in_place_of_the_folder_of_studies_is_named(study, tmp_path):
    (tmp_path / "work" / "studies").write_text("")
    answer = study("new", "mine")
    assert answer.code == 2
    assert answer.err == "error: studies: is not a folder. Rename it, or choose another -C.\n"


def test_a_new_study_is_a_file_that_is_never_overwritten(study, tmp_path):
    assert study("new", "mine").code == 0
    file = tmp_path / "work" / "studies" / "mine.py"
    file.write_text("mine = 1\n")
    answer = study("new", "mine")
    assert answer.code == 2
    assert "studies/mine.py: exists already" in answer.err
    assert file.read_text() == "mine = 1\n"


def test_which_server_is_meant_is_asked_where_one_is_logged_in_to_two(study):
    for server in ("https://one", "https://two"):
        kept_tokens.keep(server, "x")
    assert study("stop", "made").err == "error: no server given. Give --server: https://one or https://two.\n"


def test_a_study_file_that_is_no_text_is_not_sent(study, tmp_path):
    file = tmp_path / "mine.py"
    file.write_bytes(b"# coding: latin-1\n# \xfc\n")
    answer = study("run", file, "--server", "http://127.0.0.1:9")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert f"{file}: cannot be sent: UnicodeDecodeError: 'utf-8' codec" in answer.err
