"""The pages of OpenID Connect: to the provider, and back with a code."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import RedirectResponse, Response

from study.service.errors import Forbidden, NoSuch
from study.service.pages_people import inside, logged_in
from study.service.web import ANYONE, LONGEST_WAY, Service, role, router, service

routes = router(include_in_schema=False)
OPEN = role(ANYONE)
SECONDS = 600  # for a login at the provider
Text = Annotated[str, Query(max_length=4000)]


@routes.get("/sso", openapi_extra=OPEN)
def begin(request: Request, to: Annotated[str, Query(max_length=LONGEST_WAY)] = "/") -> Response:
    """Lead to the provider; what has to fit afterwards is kept in a cookie of ten minutes."""
    here = _here(request)
    begun = here.sign_on.begin(_back(here))
    kept = {name: begun[name] for name in ("state", "nonce", "code_verifier")} | {"to": to}
    answer = RedirectResponse(begun["url"], 303)
    secure = request.url.scheme == "https"
    value = base64.urlsafe_b64encode(json.dumps(kept).encode()).decode()
    answer.set_cookie(_cookie(request), value, SECONDS, httponly=True, samesite="lax", secure=secure)
    return answer


@routes.get("/sso/callback", openapi_extra=OPEN)
def back(request: Request, code: Text = "", state: Text = "", error: Text = "") -> Response:
    """Begin a session for whom the provider has logged in."""
    here = _here(request)
    try:
        kept = json.loads(base64.urlsafe_b64decode(request.cookies.get(_cookie(request), "")))
        fits = bool(code) and hmac.compare_digest(str(kept["state"]).encode(), state.encode())
    except (ValueError, KeyError, TypeError):
        kept, fits = {}, False
    if not fits:
        what = f"the provider refused: {error[:100]}" if error else "this login was begun elsewhere, or too long ago"
        raise Forbidden(what, fix="Begin at the login page.")
    who = here.sign_on.admit(here.database, here.sign_on.identity(code, _back(here), kept))
    answer = logged_in(request, who, inside(str(kept.get("to", "/"))))
    answer.delete_cookie(_cookie(request), secure=request.url.scheme == "https", httponly=True, samesite="lax")
    return answer


def _here(request: Request) -> Service:
    here = service(request)
    if here.sign_on.provider is None:
        raise NoSuch("this server has no provider of logins", fix="`study serve --oidc-issuer` adds one.")
    return here


def _back(here: Service) -> str:
    return f"{here.public}/sso/callback"


def _cookie(request: Request) -> str:
    return "__Host-study-sso" if request.url.scheme == "https" else "study_sso"
