"""Makes the bucket and the container that scripts/stores.sh promises, on its two servers."""

import base64
import email.utils
import hashlib
import hmac
import os
import urllib.parse
import urllib.request


def request(url, headers):
    """Creates what the URL names; any answer but success raises."""
    call = urllib.request.Request(url, data=b"", method="PUT", headers=headers)
    with urllib.request.urlopen(call, timeout=60) as answer:
        assert answer.status in (200, 201), answer.status


def shared_key(url, account, key, headers):
    """The Authorization header of Azure's Shared Key scheme, for a PUT without a body."""
    parts = urllib.parse.urlsplit(url)
    query = sorted(urllib.parse.parse_qsl(parts.query))
    named = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
    resource = f"/{account}{parts.path}" + "".join(f"\n{name}:{value}" for name, value in query)
    # Eleven standard headers, all empty but the content's type.
    text = "PUT\n\n\n\n\napplication/octet-stream\n\n\n\n\n\n\n" + named + resource
    digest = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    return f"SharedKey {account}:{base64.b64encode(digest).decode()}"


name = os.environ["HOLDFAST_STORES"]
request(f"{os.environ['AWS_ENDPOINT_URL']}/{name}", {"Host": "s3.amazonaws.com"})

account = os.environ["AZURE_STORAGE_ACCOUNT"]
url = f"{os.environ['AZURE_STORAGE_ENDPOINT']}/{name}?restype=container"
headers = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
authorization = shared_key(url, account, os.environ["AZURE_STORAGE_KEY"], headers)
request(
    url,
    headers
    | {"Authorization": authorization, "Content-Type": "application/octet-stream"},
)
