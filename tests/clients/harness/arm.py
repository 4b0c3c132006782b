"""A plain HTTP client of the API: reads back what other clients did, and replays sequences."""

import time

import requests

from .lab import until

VERSION = "2025-08-01"


class Arm:
    def __init__(self, service, client=None):
        """A client for the service's own principal, or for another `(id, secret)`."""
        told = service.credentials
        self.subscription, self.tenant = told["subscriptionId"], told["tenantId"]
        self.endpoint = service.endpoint
        self.client_id, self.client_secret = client or (told["clientId"], told["clientSecret"])
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(service.ca)
        self._session.headers["Authorization"] = f"Bearer {self.token()}"

    def token(self, path="/adfs/oauth2/token", scope=None):
        """A token as MSAL asks for one."""
        form = {
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "grant_type": "client_credentials",
            "scope": scope or f"{self.endpoint}/.default",
        }
        answer = self._session.post(self.endpoint + path, data=form)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def call(self, method, path, body=None, version=VERSION, **query):
        """One request; the answer as it comes. A path may be a whole URL."""
        url = path if path.startswith("https://") else self.endpoint + path
        if "api-version=" not in url:
            query["api-version"] = version
        return self._session.request(method, url, json=body, params=query, timeout=60)

    def get(self, path, **query):
        """The document at a path; an error unless it is there."""
        answer = self.call("GET", path, **query)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def entries(self, path, **query):
        """All entries of a list, whatever number of pages it has."""
        page, found = self.get(path, **query), []
        while True:
            found += page["value"]
            if not page.get("nextLink"):
                return found
            page = self.get(page["nextLink"])

    def ended(self, answer, seconds=180):
        """The last document of the long-running operation that this answer began."""
        assert answer.status_code in (200, 201, 202), f"{answer.status_code} {answer.text}"
        url = answer.headers.get("Azure-AsyncOperation")
        assert url, answer.headers
        end = time.monotonic() + seconds
        while True:
            status = self.get(url)
            if status["status"] != "InProgress":
                return status
            assert time.monotonic() < end, f"{url} has not ended within {seconds} s"
            time.sleep(0.2)

    def refused(self, status, code, method, path, body=None, **query):
        """An error unless a request is answered with this status and this error code."""
        answer = self.call(method, path, body, **query)
        told = f"{method} {path}: {answer.status_code} {answer.text}"
        assert answer.status_code == status, told
        assert answer.json()["error"]["code"] == code, told
        return answer.json()["error"]["message"]

    def wait_for_vm(self, group, name):
        """The virtual machine, once the service knows it and its power state."""
        path = self.vm(group, name)

        def known():
            answer = self.call("GET", path)
            vm = answer.json() if answer.status_code == 200 else None
            facts = vm["properties"]["holdfast"] if vm else {}
            ready = facts.get("powerState") == "Off" or (
                facts.get("agent", {}).get("state") == "Connected"
            )
            return vm if ready else None

        return until(f"the service knows {name}", 60, known)

    # ── paths ────────────────────────────────────────────────────────────────────────────────────
    def group(self, name, rest=""):
        return f"/subscriptions/{self.subscription}/resourceGroups/{name}{rest}"

    def vault(self, group, name, rest=""):
        return self.group(group, f"/providers/Microsoft.RecoveryServices/vaults/{name}{rest}")

    def out_of_sight(self):
        """The path of the soft-deleted vaults of the region `local`."""
        provider = "/providers/Microsoft.RecoveryServices"
        return f"/subscriptions/{self.subscription}{provider}/locations/local/deletedVaults"

    def vm(self, group, name):
        return self.group(group, f"/providers/Microsoft.Compute/virtualMachines/{name}")

    def item(self, group, vault, vm_group, vm, rest=""):
        """The path of a VM's protected item, with names as az makes them."""
        name = f"iaasvmcontainerv2;{vm_group};{vm}".lower()
        place = f"/backupFabrics/Azure/protectionContainers/IaasVMContainer;{name}"
        return self.vault(group, vault, f"{place}/protectedItems/VM;{name}{rest}")
