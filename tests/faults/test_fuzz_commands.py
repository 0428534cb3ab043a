"""Any words on the command line, any knobs, any URL, any study file: a line and exit code 2, or an answer; no crash."""

from __future__ import annotations

import contextlib
import io
import json
from contextlib import suppress

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

import study
from study import Recipe, cli, formatting
from study.definition import override
from study.errors import InputError, PlaceError, StudyError
from study.recipe import fingerprint, to_json
from study.sampling import storage
from study.template import TEMPLATE
from tests.faults.fuzz import NUMBERS, TEXTS, VALUES, bytes_like, fuzzed

CHOICES = [
    "digits",
    "cifar10",
    "mlp",
    "cnn3",
    "adam",
    "sgd",
    "relu",
    "tanh",
    "full",
    "os:path",
    "no.such:Thing",
    "cosine",
]
KNOBS = st.dictionaries(
    st.sampled_from(sorted(Recipe.model_fields)) | TEXTS, VALUES | NUMBERS | st.sampled_from(CHOICES), max_size=4
)


@fuzzed
@given(KNOBS)
def test_a_recipe_of_any_knobs(knobs):
    with suppress(InputError):
        recipe = override(Recipe(dataset="digits", model="mlp"), knobs)
        assert Recipe.model_validate(json.loads(to_json(recipe))) == recipe
        fingerprint(recipe)


WORDS = st.one_of(
    st.sampled_from([
        "run", "show", "check", "compare", "confirm", "ablate", "report", "export", "sync", "remove", "doctor", "list",
        "best", "new", "data", "import", "verify", "register", "promote", "rollback", "predict", "--trials", "--seed",
        "--set", "--home", "--epochs", "--trial", "--top", "--json", "--workers", "--sampler", "--pruner", "--data",
        "--storage", "--tracking-uri", "--recipe", "-o", "--", "-h", "--timeout", "--yes", "--sort", "lr=x", "=",
        "a=b=c", "nosuch", "no/such.py", ".", "/", "*", "-1", "1e9", "0", "made",
    ]),
    TEXTS,
)  # fmt: skip
HARMLESS = {"ui", "--help", "--install-completion", "--show-completion"}  # would serve, or change the shell


def answer(arguments) -> tuple[int, str]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), contextlib.suppress(SystemExit):
        return cli.exit_code(arguments), said.getvalue()
    return 0, said.getvalue()


@fuzzed
@given(st.lists(WORDS, max_size=6))
@example(["run", "\0"])
@example(["show", "a" * 300])
@example(["show", "\ud800"])
@example(["data", "import", "x", "\0"])
def test_a_command_line_of_any_words(arguments):
    assume(not HARMLESS & set(arguments))
    code, said = answer(arguments)
    assert "This is a bug" not in said
    assert code in {0, 1, 2}


URLS = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(
        ["sqlite", "sqlite+x", "postgresql", "postgres", "postgresql+psycopg", "mysql", "oracle", "redis", "", "x"]
    ),
    st.sampled_from(["://", ":///", ":////", ":", ""]),
    st.sampled_from(["", "u:p@", "u:@", "@", ":p@", "u:p%@", "u:\0@"]),
    st.sampled_from(
        ["127.0.0.1:9", "127.0.0.1:x", "127.0.0.1:99999", "[::1]:9", "[", "here.db", "no/such/here.db", ".", "\0"]
    ),
    st.sampled_from(["", "/", "/db", "?x=1", "?timeout=x", "?connect_timeout=1", "#", "%", "/%zz", "/\ud800"]),
)


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # an argument that the driver does not know
@fuzzed
@given(URLS | TEXTS)
def test_a_storage_url_of_any_text(url):
    with suppress(PlaceError), storage.opened(url):
        pass
    assert isinstance(formatting.without_password(url), str)


LINES = TEMPLATE.replace("NAME", "mine").encode()


@fuzzed
@given(bytes_like(LINES))
@example(b"\0")
@example(b"study = 1")
@example(b"import sys; sys.exit(3)")
@example(b"# coding: nonsense\n")
def test_a_study_file_of_any_bytes(tmp_path, content):
    file = tmp_path / "mine.py"
    file.write_bytes(content)
    with suppress(StudyError):
        study.load(str(file))


@pytest.mark.parametrize("name", ["\0", "a" * 300, "\ud800", "", ".", "..", "a/b", "é" * 200])
@pytest.mark.parametrize(
    "command", ["run", "show", "check", "report", "sync", "remove", "best", "export", "new", "compare"]
)
def test_a_name_that_no_file_can_have_is_one_line(command, name):
    code, said = answer([command, name, *(["--yes"] if command == "remove" else [])])
    assert "This is a bug" not in said
    assert code in {0, 1, 2}, said


@pytest.mark.parametrize("file", ["\0", "\ud800", "a" * 300, "", ".", "..", "/", "mlruns"])
def test_a_file_that_cannot_be_written_is_one_line(made, file):
    code, said = answer(["export", "made", "-o", file])
    assert (code, said.count("\n")) == (2, 1), said
    assert "This is a bug" not in said
