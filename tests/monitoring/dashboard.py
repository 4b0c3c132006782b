"""What docs/grafana/holdfast.json asks Prometheus for."""

import json

from harness.lab import REPOSITORY

DASHBOARD = json.loads((REPOSITORY / "docs/grafana/holdfast.json").read_text())


def panels(entries):
    """All panels, those in collapsed rows too."""
    for panel in entries:
        yield panel
        yield from panels(panel.get("panels", []))


PANELS = list(panels(DASHBOARD["panels"]))
# As Grafana sends them while all vaults are chosen.
EXPRESSIONS = [
    target["expr"].replace("$vault", ".*")
    for panel in PANELS
    for target in panel.get("targets", [])
]
