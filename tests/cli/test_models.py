"""From a confirmed winner to a prediction, as typed."""

from __future__ import annotations

import csv
import io

import pytest
from PIL import Image

from study.data import packed
from study.engine.sources import ensure

pytestmark = pytest.mark.usefixtures("registry_home")


@pytest.fixture
def digit(tmp_path):
    """A picture of a three, from the test split."""
    arrays = packed.read(ensure("digits"))
    number = arrays["test_y"].tolist().index(3)
    Image.fromarray(arrays["test_x"][number, ..., 0]).save(tmp_path / "three.png")
    return tmp_path / "three.png"


def test_a_winner_is_registered_promoted_used_and_taken_back(study, digit):
    registered = study("register", "little")
    assert registered.code == 0, registered.err
    assert registered.out.startswith("Registered little version 1: ")
    assert "on the test split, mean of 2 fresh seeds (95 % interval" in registered.out
    assert "study promote little" in registered.err
    again = study("register", "little")
    assert (again.code, again.out.split(":")[0]) == (0, "Registered already, the same weights of the same training")
    assert study("register", "little", "--trial", "0").out.count("unconfirmed") == 1

    assert study("predict", "little", digit).err.startswith(
        "error: little: there is no champion. `study promote little`"
    )
    assert "version 1 is the champion, the first" in study("promote", "little", "1").out
    assert "is the champion already" in study("promote", "little", "1").out
    refused = study("promote", "little")
    assert refused.code == 1
    assert "version 2 is worse than the champion, version 1: of 360 test examples" in refused.err
    assert study("promote", "little", "--force", "--reason", "a try").out.endswith("forced, without a test\n")
    listed = study("models", "--json").json
    assert [(each["version"], each["aliases"], each["confirmed"]) for each in listed] == [
        (1, [], True), (2, ["champion"], False),
    ]  # fmt: skip
    assert study("rollback", "little").out == "little: version 1 is the champion again, no longer version 2\n"
    assert study("rollback", "little").code == 2

    predicted = study("predict", "little", digit)
    assert predicted.code == 0, predicted.err
    assert predicted.out.splitlines()[1].split()[:2] == [str(digit), "3"]
    table = study("models", "little").out.splitlines()
    assert table[0].split() == [
        "Model", "Version", "Aliases", "Confirmed", "Score", "On", "this", "test", "set", "On", "new", "examples",
        "Seeds", "Age", "Made", "by",
    ]  # fmt: skip
    assert table[1].split()[:4] == ["little", "1", "champion", "yes"]


def test_predictions_are_given_as_json_and_as_csv(study, digit):
    study("register", "little", "--trial", "1", "--name", "other")
    study("promote", "other")
    answer = study("predict", "other", digit, "--json").json
    assert (answer["model"], answer["version"]) == ("other", 1)
    (row,) = answer["predictions"]
    assert row["label"] == "3"
    assert sum(row["probabilities"].values()) == pytest.approx(1)
    (line,) = csv.DictReader(io.StringIO(study("predict", "other", digit, "--version", "1", "--csv").out))
    assert (line["example"], line["label"]) == (str(digit), "3")
    assert float(line["probability_3"]) == row["probabilities"]["3"]


def test_a_table_is_judged_row_by_row(study, tmp_path):
    study("register", "cells", "--trial", "0")
    study("promote", "cells")
    pack = ensure("breast_cancer")
    rows = [",".join(pack.columns), *(",".join(map(str, row)) for row in packed.read(pack)["test_x"][:3].tolist())]
    (tmp_path / "cells.csv").write_text("\n".join(rows))
    lines = study("predict", "cells", tmp_path / "cells.csv").out.splitlines()
    assert lines[0].split() == ["Example", "Label", "benign", "malignant"]
    assert len(lines) == 4
    (tmp_path / "cells.csv").write_text("mean radius\n1\n")
    assert study("predict", "cells", tmp_path / "cells.csv").err.count("lacks the columns mean texture") == 1


WRONG = {
    "no such study": (["register", "nope"], "no results of a study 'nope'"),
    "not confirmed": (["register", "cells"], "its winner is not confirmed yet. `study confirm cells` does it"),
    "no such trial": (["register", "little", "--trial", "9"], "there is no trial 9"),
    "a name for no model": (["register", "little", "--name", "a:b"], "not a name for a model"),
    "a name with a quote": (["models", "it's"], 'not a name for a model: "it\'s". Use letters'),
    "of a promotion": (["promote", "it's"], "not a name for a model"),
    "of a rollback": (["rollback", "it's"], "not a name for a model"),
    "of a prediction": (["predict", "it's", "x.png"], "not a name for a model"),
    "no such model": (["promote", "nope"], "no registered model 'nope'. There are: none"),
    "force alone": (["promote", "little", "--force"], "--force needs a reason"),
    "an empty reason": (["promote", "little", "--force", "--reason", " "], "--force needs a reason"),
    "a reason alone": (["promote", "little", "--reason", "x"], "--reason is only for --force"),
    "json and csv": (["predict", "little", "x.png", "--json", "--csv"], "exclude each other"),
    "away": (["models", "--tracking-uri", "http://127.0.0.1:9"], "MLflow at http://127.0.0.1:9: nothing answers there"),
}


@pytest.mark.parametrize(("words", "complaint"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_one_line_and_exit_code_2(study, words, complaint):
    answer = study(*words)
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert complaint in answer.err
    assert answer.out == ""


def test_without_any_model_the_list_says_how_to_make_one(study):
    answer = study("models", "--home", "nothing")
    assert (answer.code, answer.out) == (0, "")
    assert "`study register NAME` makes one" in answer.err
