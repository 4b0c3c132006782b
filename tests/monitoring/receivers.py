"""Who takes alerts: a mail server (aiosmtpd) and a webhook's receiver, both over TLS."""

import hashlib
import hmac
import json
import ssl
import threading
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from harness.lab import run
from prometheus import free_port


def certificate(lab):
    """An authority of the lab's own, and what a server for `localhost` needs that it trusts."""
    key, cert, ca = lab.path("receivers.key"), lab.path("receivers.pem"), lab.path("ca.pem")
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    new += ["-nodes", "-days", "2"]
    run(*new, "-keyout", lab.path("ca.key"), "-out", ca, "-subj", "/CN=authority")
    words = ["-CA", ca, "-CAkey", lab.path("ca.key"), "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=DNS:localhost"]
    run(*new, *words, "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", cert)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, ca


class MailServer:
    """Takes mail of one user only, after STARTTLS."""

    def __init__(self, context, user, password):
        self.mails = []
        self._login = user.encode(), password.encode()
        self._controller = Controller(
            self,
            hostname="localhost",
            port=free_port(),
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            authenticator=self._authenticate,
        )
        self._controller.start()
        self.port = self._controller.port

    def _authenticate(self, server, session, envelope, mechanism, data):
        return AuthResult(success=(data.login, data.password) == self._login)

    async def handle_DATA(self, server, session, envelope):
        self.mails.append((envelope, message_from_bytes(envelope.content, policy=policy.default)))
        return "250 OK"

    def stop(self):
        self._controller.stop()


class WebhookReceiver:
    """Takes what is signed with its secret."""

    def __init__(self, context, secret):
        self.alerts, self.refused = [], []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                good = signed(secret, self.headers.get("Holdfast-Signature", ""), body)
                (receiver.alerts if good else receiver.refused).append(json.loads(body))
                self.send_response(204 if good else 403)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("localhost", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


def signed(secret, header, body):
    """Whether the signature is right, as docs/monitoring.md explains it."""
    fields = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    what = fields.get("t", "").encode() + b"." + body
    right = hmac.new(secret.encode(), what, hashlib.sha256).hexdigest()
    return hmac.compare_digest(right, fields.get("v1", ""))
