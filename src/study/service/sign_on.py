"""Single sign-on: people whom a proxy before the server, or an OpenID Connect provider, has found out."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authlib.integrations.base_client import OAuthError
from authlib.integrations.base_client.sync_app import BaseApp, OAuth2Mixin
from authlib.integrations.base_client.sync_openid import OpenIDMixin
from authlib.integrations.requests_client import OAuth2Session
from joserfc.errors import JoseError
from requests import RequestException

from study.errors import InputError
from study.service import identities, people
from study.service.client import split
from study.service.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import Mapping

    from study.service.people import Person
    from study.service.store import Database

SECRET_HEADER = "X-Study-Proxy-Secret"  # noqa: S105 - the header's name
SHORTEST_SECRET = 16  # characters
TIMEOUT = 10.0  # seconds for an answer of the provider


class Provider(OAuth2Mixin, OpenIDMixin, BaseApp):
    """An OpenID Connect provider, asked with the authorization code flow and PKCE."""

    client_cls = OAuth2Session

    @classmethod
    def of(cls, issuer: str, client: str, secret: str) -> Provider:
        """Make it of the issuer's address; its metadata is asked for with the first login.

        Raises:
            InputError: not an address, or something is missing.

        """
        if split(issuer).scheme not in {"http", "https"} or not client or not secret:
            fix = "Give the issuer's address, --oidc-client, and the client's secret in STUDY_OIDC_SECRET."
            raise InputError("OpenID Connect needs an issuer, a client and its secret", where="--oidc-issuer", fix=fix)
        more = {"scope": "openid email profile", "code_challenge_method": "S256", "default_timeout": TIMEOUT}
        metadata = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        return cls(
            None, "oidc", client_id=client, client_secret=secret, client_kwargs=more, server_metadata_url=metadata
        )


@dataclass(frozen=True, slots=True)
class SignOn:
    """How people are known without a password of ours.

    Args:
        header: in which a proxy says who is logged in; empty for none.
        secret: that the proxy sends in `SECRET_HEADER`, without which the header is that of a stranger.
        provider: of OpenID Connect; None for none.
        claim: of the provider that is a person's identity.
        role: of people who are not known yet; empty refuses them.

    """

    header: str = ""
    secret: str = ""
    provider: Provider | None = None
    claim: str = "email"
    role: str = ""

    def check(self) -> None:
        """Refuse settings that would let strangers in.

        Raises:
            InputError: which of them.

        """
        if self.header and len(self.secret) < SHORTEST_SECRET:
            fix = (
                f"Set STUDY_SSO_SECRET to {SHORTEST_SECRET} characters or more; the proxy sends it as {SECRET_HEADER}."
            )
            raise InputError("whoever can reach the server could write this header", where="--sso-header", fix=fix)
        if self.role and self.role not in people.ROLES:
            raise InputError(f"no role {self.role!r}", where="--sso-role", fix=f"There are {', '.join(people.ROLES)}.")

    def by_header(self, database: Database, headers: Mapping[str, str]) -> Person | None:
        """Find whom the proxy names; None without a proxy's header or with another secret.

        Raises:
            Forbidden: nobody here is known by this identity.

        """
        if not self.header or not (identity := headers.get(self.header, "").strip()):
            return None
        if not hmac.compare_digest(headers.get(SECRET_HEADER, "").encode(), self.secret.encode()):
            return None
        return self.admit(database, identity)

    def admit(self, database: Database, identity: str) -> Person:
        """Find a person by their identity, or make one where that is allowed.

        Raises:
            Forbidden: there is none, or they may not log in.

        """
        identity = identity.lower()[:255]
        found = identities.find(database, identity)
        if found is None and self.role and not identities.is_known(database, identity):
            wanted = re.sub(r"[^a-z0-9._-]", "-", identity.partition("@")[0]).lstrip("._-")[:40] or "person"
            identities.make(database, wanted, self.role, identity)
            found = identities.find(database, identity)
        if found is None:
            raise Forbidden(f"nobody here is known as {identity}", fix="Ask an admin to write it beside your name.")
        return found

    def begin(self, back: str) -> dict[str, Any]:
        """Begin a login at the provider.

        Args:
            back: our address to which it leads back.

        Returns:
            The `url` to go to, and what has to be kept until then: `state`, `nonce`, `code_verifier`.

        Raises:
            Forbidden: there is no provider, or it does not answer.

        """
        assert self.provider
        try:
            return self.provider.create_authorization_url(back)
        except (RequestException, OAuthError, RuntimeError, ValueError) as error:
            raise Forbidden(f"the provider of logins does not answer: {type(error).__name__}") from error

    def identity(self, code: str, back: str, kept: Mapping[str, str]) -> str:
        """Exchange the provider's code for who somebody is; the signature, audience and nonce are checked.

        Raises:
            Forbidden: it says something else than was asked for, or nothing that identifies somebody.

        """
        assert self.provider
        try:
            token = self.provider.fetch_access_token(back, code=code, code_verifier=kept["code_verifier"])
            told = self.provider.parse_id_token(token, kept["nonce"])
        except (RequestException, OAuthError, JoseError, RuntimeError, ValueError, KeyError) as error:
            raise Forbidden(
                f"the provider's answer was refused: {type(error).__name__}", fix="Log in again."
            ) from error
        identity = (told or {}).get(self.claim)
        if not isinstance(identity, str) or not identity:
            raise Forbidden(f"the provider tells no {self.claim!r}", fix="An admin chooses another --oidc-claim.")
        if self.claim == "email" and (told or {}).get("email_verified") is not True:
            raise Forbidden("the provider has not verified this e-mail address")
        return identity
