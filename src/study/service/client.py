"""A client of `study serve` for programs and for the command line: the standard library alone, no part of the server.

>>> from study import Client  # doctest: +SKIP
>>> client = Client("https://study.example.org")  # with the token of `study login` # doctest: +SKIP
>>> client.wait(client.submit("mnist_cnn", trials=20).id).answer  # doctest: +SKIP

"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import time
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from study.errors import InputError, PlaceError, StudyError, Undecided
from study.schemas.models import ModelVersion, Promotion, RegisteredVersion
from study.schemas.search import Overview
from study.schemas.service import Event, MadeToken, Page, Run, Submitted
from study.schemas.trial import TrialDetails
from study.service import kept_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from urllib.parse import SplitResult

TIMEOUT = 30.0  # seconds for an answer; the server sends a line each 15 s while nothing happens
LONG = 660.0  # seconds for an answer about models, which are loaded for it
PATIENCE = 120.0  # seconds for which a server that has answered before is tried again
ENDED = {"done", "failed", "cancelled", "paused"}
PING = b":"  # begins the line that a server sends while there is no event


class Client:
    """A server, and the person as whom it is asked.

    Args:
        server: address, such as https://study.example.org; `STUDY_SERVER` if None.
        token: `STUDY_TOKEN`, else that of `study login`, if None.
        patience: seconds for which a server that has answered before, and does no more, is tried again.

    """

    def __init__(self, server: str | None = None, token: str | None = None, patience: float = PATIENCE) -> None:  # noqa: D107
        self.server = checked(server or os.environ.get("STUDY_SERVER") or "")
        self._token = token or os.environ.get("STUDY_TOKEN") or kept_tokens.known().get(self.server)
        self._patience, self._reached = patience, False

    def submit(self, study: str, question: str = "run", *, key: str | None = None, **asked: Any) -> Run:
        """Queue a run; sent again after a lost answer, it is the same run.

        Args:
            study: name of an installed study.
            question: run, compare, confirm or ablate.
            key: idempotency key; a new one if None.
            asked: further fields of `study.schemas.service.Submitted`, such as `trials=20`, `fixed={"epochs": 3}` or
                `data="wine,iris"`, which compares on both.

        Raises:
            InputError: the server refuses it, and why.
            PlaceError: the server does not answer.

        """
        wanted = Submitted(study=study, question=question, key=key or uuid.uuid4().hex, **asked)  # pyright: ignore[reportArgumentType] - pydantic checks it
        return Run.model_validate(self._json("POST", "/runs", wanted.model_dump(exclude_unset=True)))

    def run(self, run: str) -> Run:
        """Give a run by its id, or the newest one of a study by the study's name.

        Raises:
            InputError: there is none.

        """
        found = self._json("GET", f"/runs?{urlencode({'study': run, 'limit': 1})}")["items"]
        return Run.model_validate(found[0] if found else self._json("GET", f"/runs/{quote(run, safe='')}"))

    def queue(self) -> list[Run]:
        """List the runs that have not ended, paused ones last, the others in the order in which they get slots."""
        waiting = Page[Run].model_validate(self._json("GET", "/queue")).items
        live = Page[Run].model_validate(self._json("GET", "/runs?live=true&limit=500")).items
        return [*waiting, *(each for each in live if each.status == "paused")]

    def stop(self, run: str) -> Run:
        """Pause a run after its current epochs."""
        return self._move(run, "stop")

    def resume(self, run: str) -> Run:
        """Let a paused, failed or cancelled run go on."""
        return self._move(run, "resume")

    def cancel(self, run: str) -> Run:
        """End a run; what it has trained is kept."""
        return self._move(run, "cancel")

    def priority(self, run: str, priority: int) -> Run:
        """Change a run's priority in the queue; higher ones go first."""
        identity = quote(self.run(run).id, safe="")
        return Run.model_validate(self._json("PUT", f"/runs/{identity}/priority", {"priority": priority}))

    def wait(self, run: str) -> Run:
        """Wait until a run has ended or is paused.

        Args:
            run: its id, or a study's name for the study's newest run.

        Raises:
            InputError: there is none.
            PlaceError: the server does not answer any more.

        """
        found = self.run(run)
        if found.status in ENDED:
            return found
        for event in self.events(found.id):
            if event.kind == "run" and event.run == found.id and event.data["status"] in ENDED:
                latest = self.run(found.id)
                if latest.status in ENDED:
                    return latest
        return self.run(found.id)

    def show(self, study: str) -> Overview:
        """Give a study with its trials."""
        return Overview.model_validate(self._json("GET", f"/studies/{quote(study, safe='')}"))

    def show_trial(self, study: str, trial: int) -> TrialDetails:
        """Give a trial with all its epochs."""
        return TrialDetails.model_validate(self._json("GET", f"/studies/{quote(study, safe='')}/trials/{trial}"))

    def standing(self, study: str) -> dict[str, Any]:
        """Give a search's `target` and the `epochs` of a full-length trial; null where it is not known."""
        return self._json("GET", f"/studies/{quote(study, safe='')}/standing")

    def report(self, study: str) -> bytes:
        """Give a study's report as one HTML page."""
        return self._ask("GET", f"/studies/{quote(study, safe='')}/report")

    def models(self, model: str | None = None) -> list[ModelVersion]:
        """List the versions of a model, or of all models, oldest first."""
        chosen = f"?{urlencode({'model': model})}" if model else ""
        return Page[ModelVersion].model_validate(self._json("GET", f"/models{chosen}")).items

    def register(self, study: str, trial: int | None = None, model: str | None = None) -> RegisteredVersion:
        """Register a study's confirmed winner, or a trial, as a version of a model."""
        return RegisteredVersion.model_validate(self._once("/models", {"study": study, "trial": trial, "model": model}))

    def promote(
        self, model: str, version: int | None = None, *, margin: float | None = None, force: bool = False,
        reason: str | None = None,
    ) -> Promotion:  # fmt: skip
        """Make a version the champion, as `study.promote`.

        Raises:
            Undecided: there are too few test examples to tell.
            StudyError: it is worse; says by how much.

        """
        wanted = {"version": version, "margin": margin, "force": force, "reason": reason}
        return Promotion.model_validate(self._once(f"/models/{quote(model, safe='')}/promote", wanted))

    def rollback(self, model: str) -> Promotion:
        """Make the previous champion the champion again."""
        return Promotion.model_validate(self._once(f"/models/{quote(model, safe='')}/rollback", {}))

    def _once(self, path: str, body: Any) -> Any:
        """Ask for something that takes long and is not sent twice."""
        return _read(self.server, _answer(self.server, "POST", path, body, self._token, LONG))

    def events(self, run: str, after: int = 0) -> Iterator[Event]:
        """Follow a run and its trials, old events first; a lost connection is made again and loses none.

        It ends some seconds after the last event of a run that has ended or is paused.

        Args:
            run: its id, or a study's name for the study's newest run.
            after: id of the event after which to begin.

        Raises:
            InputError: there is none.
            PlaceError: the server does not answer, for as long as `patience`.

        """
        found = self.run(run)
        over, lost = found.status in ENDED, 0.0
        while True:
            ended = PlaceError("ends every connection without a word", where=self.server)
            try:
                for line in self._stream(f"/runs/{found.id}/events", after):
                    lost = 0.0
                    if line.startswith(PING) and over:
                        return
                    if line.startswith(b"data: "):
                        event = Event.model_validate_json(line[6:])
                        if event.kind == "run" and event.run == found.id:
                            over = event.data["status"] in ENDED
                        after = event.id
                        yield event
            except PlaceError as error:
                ended = error
            lost = lost or time.monotonic()
            if time.monotonic() - lost > self._patience:
                raise ended
            time.sleep(0.5)

    def _move(self, run: str, verb: str) -> Run:
        return Run.model_validate(self._json("POST", f"/runs/{quote(self.run(run).id, safe='')}/{verb}"))

    def _json(self, method: str, path: str, body: Any = None) -> Any:
        return _read(self.server, self._ask(method, path, body))

    def _ask(self, method: str, path: str, body: Any = None) -> bytes:
        """Ask once, and again while a server that answered before does not: our requests may be sent twice."""
        since = time.monotonic()
        while True:
            try:
                found = _answer(self.server, method, path, body, self._token)
            except PlaceError:
                if not self._reached or time.monotonic() - since > self._patience:
                    raise
            else:
                self._reached = True
                return found
            time.sleep(1)

    def _stream(self, path: str, after: int) -> Iterator[bytes]:
        """Give the lines of one connection."""
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after), **_bearer(self._token)}
        try:
            with closing(_connect(self.server)) as connection:
                connection.request("GET", _path(self.server, path), headers=headers)
                answer = connection.getresponse()
                said = b"" if answer.status == 200 else answer.read()
                _require_fine(self.server, answer.status, said, answer.getheader("location"))
                if answer.headers.get_content_type() != "text/event-stream":
                    raise _another(self.server)
                while line := answer.readline():
                    yield line
        except (OSError, http.client.HTTPException) as error:
            raise _away(self.server, error) from error


def log_in(server: str, name: str, password: str) -> MadeToken:
    """Get a token for a name and a password, and keep it for `Client`, readable by oneself alone.

    Raises:
        InputError: the name or the password is wrong.
        PlaceError: the server does not answer, or the file of tokens cannot be written.

    """
    server = checked(server)
    label = f"study login, {os.uname().nodename}"[:100]
    given = {"name": name, "password": password, "label": label}
    made = MadeToken.model_validate(_read(server, _answer(server, "POST", "/login", given, None)))
    kept_tokens.keep(server, made.token)
    return made


def checked(server: str) -> str:
    """Check a server's address; without a path at its end.

    Raises:
        InputError: it is none.

    """
    parts = split(server)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or "@" in parts.netloc:
        raise InputError(f"not the address of a server: {server!r}", fix="Write it as https://HOST (or STUDY_SERVER).")
    return server.rstrip("/")


def split(address: str) -> SplitResult:
    """Split a URL into its parts; they are empty if its host, port or path cannot be."""
    try:
        parts = urlsplit(address)
        _ = parts.port, (parts.hostname or "").encode("idna"), parts.path.encode("ascii")
    except ValueError:
        return urlsplit("")
    return parts


def _answer(server: str, method: str, path: str, body: Any, token: str | None, timeout: float = TIMEOUT) -> bytes:
    content = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Accept": "application/json", **_bearer(token)}
    try:
        with closing(_connect(server, timeout)) as connection:
            connection.request(method, _path(server, path), content, headers)
            answer = connection.getresponse()
            found = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise _away(server, error) from error
    _require_fine(server, answer.status, found, answer.getheader("location"))
    return found


def _connect(server: str, timeout: float = TIMEOUT) -> http.client.HTTPConnection:
    parts = urlsplit(server)
    assert parts.hostname
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)


def _path(server: str, path: str) -> str:
    return f"{urlsplit(server).path}/api/v1{path}"


def _bearer(token: str | None) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _away(server: str, error: Exception) -> PlaceError:
    what = f"does not answer: {error or type(error).__name__}"
    return PlaceError(what, where=server, fix="Is `study serve` running?")


def _another(server: str) -> PlaceError:
    return PlaceError("does not answer as `study serve` does", where=server, fix="Check the address.")


def _read(server: str, content: bytes) -> Any:
    """Read an answer's JSON."""
    try:
        return json.loads(content)
    except ValueError as error:
        raise _another(server) from error


def _require_fine(server: str, status: int, content: bytes, location: str | None = None) -> None:
    """Raise what a refusal says, or where the server is instead; http.client follows no redirect."""
    if 300 <= status < 400:
        place = urljoin(server, location or "").partition("/api/v1/")[0].rstrip("/")
        raise InputError(f"redirects to {place}", where=server, fix="Use that address.")
    if status < 400:
        return
    try:
        said = json.loads(content)
        what, fix, kind = str(said["what"]), str(said["fix"]), str(said["kind"])
    except (ValueError, KeyError, TypeError):  # of a proxy before the server
        what, fix, kind = f"answered with HTTP {status}", "", "fault" if status >= 500 else "mistake"
    if kind == "unavailable" or status in {429, 502, 503, 504}:
        raise PlaceError(what, where=server, fix=fix)
    if status == 401 and not fix.startswith("Ask"):
        fix = f"Log in: `study login {server}`."
    error = {"mistake": InputError, "undecided": Undecided}.get(kind, StudyError)
    raise error(what, where=server, fix=fix)
