"""Schemathesis hooks: the token, real names in most requests, and what no request may touch.

What a hook changes depends on the generated request alone, so that a failure can be found again.
"""

import atexit
import json
import os
import random
from collections import defaultdict
from pathlib import Path
from zlib import crc32

import schemathesis

TOLD = json.loads(Path(os.environ["HOLDFAST_CONTRACT"]).read_text())
MAIN, SPARE = TOLD["vms"]
# Never touched, whatever a request says: virtual machines that are not ours.
OTHERS = {name.lower() for name in TOLD["others"]} - {MAIN, SPARE}
# What may be destroyed, by the name of the path's last parameter.
SPARES = {"vault": "spare", "group": "spare-group", "policy": "spare-policy"}
COUNTS = defaultdict(lambda: defaultdict(int))


@schemathesis.auth()
class Token:
    def get(self, case, context):
        return TOLD["token"]

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


def examples(operation):
    """The examples of an operation's path parameters and bodies."""
    raw = operation.definition.raw
    names = {}
    for parameter in raw.get("parameters", []):
        if "$ref" in parameter:
            name = parameter["$ref"].rsplit("/", 1)[1]
            parameter = operation.schema.raw_schema["components"]["parameters"][name]
        names[parameter["name"]] = parameter["schema"]["examples"][0]
    bodies = []
    for content in raw.get("requestBody", {}).get("content", {}).values():
        bodies += [example["value"] for example in content.get("examples", {}).values()]
    return names, bodies


def destroys(case):
    """Whether a request may take away what other requests need."""
    body = json.dumps(case.body) if isinstance(case.body, dict) else ""
    return case.method.upper() == "DELETE" or "Stopped" in body or "Suspended" in body


@schemathesis.hook
def before_call(context, case, kwargs):
    chance = random.Random(f"{case.method} {case.path_parameters!r} {case.body!r}")
    names, bodies = examples(case.operation)
    parameters = case.path_parameters or {}
    for name in parameters:
        likely = 0.97 if name in ("subscription", "group") else 0.85
        if name in names and chance.random() < likely:
            parameters[name] = names[name]
    if isinstance(case.body, dict) and bodies and chance.random() < 0.7:
        case.body = towards(chance, case.body, chance.choice(bodies))
    if isinstance(case.body, (dict, list)):
        case.body = guarded(case.body)
    for name, value in parameters.items():
        if isinstance(value, str) and is_others(value):
            parameters[name] = names[name]
    if destroys(case):
        spare(case, parameters)
    elif chance.random() < 0.1:
        to_spare_vm(parameters)


def spare(case, parameters):
    """Turns a request that destroys to what is there to be destroyed."""
    last = case.operation.path.rsplit("/", 1)[-1].strip("{}")
    if last in SPARES:
        parameters[last] = SPARES[last]
    to_spare_vm(parameters)


def to_spare_vm(parameters):
    for name, value in parameters.items():
        if isinstance(value, str):
            parameters[name] = value.replace(MAIN, SPARE)


def is_others(value):
    return value.lower().rsplit(";", 1)[-1].rsplit("/", 1)[-1] in OTHERS


def towards(chance, body, example):
    """A random body with parts of the example in it."""
    mixed = dict(body)
    for key, value in example.items():
        if isinstance(value, dict) and isinstance(mixed.get(key), dict):
            mixed[key] = towards(chance, mixed[key], value)
        elif chance.random() < 0.85:
            mixed[key] = value
    return mixed


def guarded(value, key=""):
    """A body that touches nothing outside: paths lie in the lab, virtual machines are ours."""
    if isinstance(value, dict):
        return {key: guarded(part, key) for key, part in value.items()}
    if isinstance(value, list):
        return [guarded(part, key) for part in value]
    if isinstance(value, str):
        if key == "directory" and value.startswith("/") and not value.startswith(TOLD["lab"]):
            return f"{TOLD['lab']}/restored/{crc32(value.encode(errors='replace')) % 100}"
        if is_others(value):
            return MAIN
    return value


@schemathesis.hook
def filter_failure(context, failure, case, response):
    # What is open to everybody has no api-version to send, which all else is asked for first.
    is_open = not case.operation.definition.raw.get("security")
    return not (is_open and type(failure).__name__ == "UnsupportedMethodResponse")


@schemathesis.hook
def after_call(context, case, response):
    operation = case.operation.definition.raw.get("operationId", case.operation.label)
    same = case.method.upper() == case.operation.method.upper()
    COUNTS[operation if same else "other methods"][str(response.status_code)] += 1


@atexit.register
def write_counts():
    Path(TOLD["counts"]).write_text(json.dumps(COUNTS))
