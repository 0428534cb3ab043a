"""An OpenID Connect provider, as a program: `python provider.py` prints its address. It logs in whom one asks it to.

An authorization's address has two more parameters here: `who`, the e-mail address, and `wrong`, what to lie about.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "study", "a secret of the client"
KEY, OTHER = (RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"}) for _ in range(2))
CODES = {}


class Provider(BaseHTTPRequestHandler):
    """Discovery, keys, authorization and tokens."""

    def do_GET(self):
        path, query = urlsplit(self.path).path, {n: v[0] for n, v in parse_qs(urlsplit(self.path).query).items()}
        issuer = f"http://{self.headers['Host']}"
        if path == "/.well-known/openid-configuration":
            names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            self.answer({"issuer": issuer, **{name: f"{issuer}/{at}" for name, at in names.items()}})
        elif path == "/keys":
            self.answer({"keys": [KEY.as_dict(private=False)]})
        elif path == "/authorize" and (query["client_id"], query["code_challenge_method"]) == (CLIENT, "S256"):
            code = secrets.token_hex(8)
            CODES[code] = query
            self.send_response(302)
            self.send_header(
                "Location", f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"
            )
            self.end_headers()
        else:
            self.send_error(404)

    def do_POST(self):
        form = {n: v[0] for n, v in parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()).items()}
        asked = CODES.pop(form.get("code", ""), None)
        known = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        proof = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if (
            asked is None
            or self.headers["Authorization"] != f"Basic {known}"
            or base64.urlsafe_b64encode(proof).rstrip(b"=").decode() != asked["code_challenge"]
            or form["redirect_uri"] != asked["redirect_uri"]
        ):
            self.answer({"error": "invalid_grant"}, 400)
            return
        wrong, now = asked.get("wrong"), int(time.time())
        claims = {
            "iss": "http://another" if wrong == "iss" else f"http://{self.headers['Host']}",
            "aud": "another" if wrong == "aud" else CLIENT,
            "nonce": "another" if wrong == "nonce" else asked["nonce"],
            "exp": now - 3600 if wrong == "exp" else now + 60,
            "email_verified": wrong != "email_verified",
            "sub": "1", "iat": now, "email": asked["who"],
        }  # fmt: skip
        key = OTHER if wrong == "signature" else KEY
        made = jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)
        self.answer({"access_token": "x", "token_type": "Bearer", "expires_in": 60, "id_token": made})

    def answer(self, what, status=200):
        content = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
