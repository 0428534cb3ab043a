"""Places as URLs: a path's signs are no signs of a URL, and no part of a password is shown."""

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy

from study import formatting, settings
from study.errors import InputError
from study.sampling import storage


@pytest.mark.parametrize("folder", ["what?now=1", "50%20off", "a#b", "with blanks", "ümlaut", "plain"])
def test_databases_are_in_the_results_folder_whatever_its_name(tmp_path, folder):
    places = settings.resolve(tmp_path / folder)
    storage.connect(places.storage).engine.dispose()
    assert settings.sqlite_file(places.storage) == tmp_path / folder / "optuna.db"
    assert settings.sqlite_file(places.tracking_uri) == tmp_path / folder / "mlflow.db"
    assert sqlite3.connect(tmp_path / folder / "optuna.db").execute("SELECT count(*) FROM studies").fetchone() == (0,)
    assert {each.name for each in tmp_path.iterdir()} - {"work", "home"} == {folder}


@pytest.mark.parametrize("password", ["p@ss", "p:w", "a@b:c/d", "100%", "p%40ss", "plain"])
def test_passwords_may_hold_the_signs_of_a_url(password):
    for database in ("", "/db", "/db?sslmode=require", "/db?a=b@c"):
        url = settings.resolve("x", f"postgresql://me:{password}@host:5432{database}").storage
        parts = sqlalchemy.make_url(url)
        assert parts.password == password.replace("%40", "@")
        assert (parts.username, parts.host, parts.port) == ("me", "host", 5432)
        assert password not in formatting.without_password(url)
        assert formatting.without_password(f"postgresql://me:{password}@host") == "postgresql://me:***@host"


@pytest.mark.parametrize("port", ["54x2", "", "-1", "5432a"])
def test_a_port_that_is_no_number_is_refused_without_the_password(port):
    for option, place in (("--storage", 1), ("--tracking-uri", 2)):
        places = ["x", None, None]
        places[place] = f"postgresql://me:se@cr:et@host:{port}/db"
        with pytest.raises(InputError, match=f"^{option}: postgresql://me:.*@host:.*the port '{port}'") as caught:
            settings.resolve(*places)
        assert "se@" not in str(caught.value)
        assert "et@" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["sqlite:///a.db", "sqlite://", "http://127.0.0.1:5000", "https://host/path", "databricks", "file:///tmp/x",
     "postgresql://host/db", "mysql+pymysql://u@h/d", "http://[::1]:5000"],
)  # fmt: skip
def test_other_urls_stay_as_they_are(url):
    assert settings.resolve("x", url, url).storage == url
    assert formatting.without_password(url) == url


def test_the_file_of_a_url_is_found():
    assert settings.sqlite_file("sqlite:////tmp/a%3Fb.db") == Path("/tmp/a?b.db")
    assert settings.sqlite_file("sqlite:///a.db?mode=ro") is None
    assert settings.sqlite_file("sqlite:///:memory:") is None
    assert settings.sqlite_file("postgresql://host/db") is None
