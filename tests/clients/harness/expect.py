"""What several tests expect of the same kinds of answers."""

JOB_ENDED = ("Completed", "CompletedWithWarnings", "Failed", "Cancelled")


def holds(document, expected, where=""):
    """An error that names the place unless the document has all that is expected, and those
    values; it may have more."""
    for name, value in expected.items():
        place = f"{where}.{name}"
        assert name in document, f"{place} is missing in {document}"
        if isinstance(value, dict):
            holds(document[name], value, place)
        else:
            assert document[name] == value, f"{place}: {document[name]!r}, not {value!r}"


def job(document, operation, status="Completed", vm=None):
    """A job of this operation with this status."""
    expected = {"operation": operation, "status": status, "backupManagementType": "AzureIaasVM"}
    if vm is not None:
        expected["entityFriendlyName"] = vm
    holds(document["properties"], expected)
    return document


def short(resource_id):
    """The last part of an id."""
    return resource_id.rsplit("/", 1)[-1]
