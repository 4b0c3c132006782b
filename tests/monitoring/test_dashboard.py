"""The Grafana dashboard as a file: what Grafana wants of one, as far as that shows without Grafana,
which Debian does not have."""

import itertools
import re

from dashboard import DASHBOARD, PANELS

ROWS = [panel for panel in PANELS if panel["type"] == "row"]
GRAPHS = [panel for panel in PANELS if panel["type"] != "row"]


def test_it_is_of_a_version_that_grafana_10_reads():
    assert isinstance(DASHBOARD["schemaVersion"], int)
    assert 36 <= DASHBOARD["schemaVersion"] <= 39, "36 came with Grafana 9, 39 with 10.2"
    assert DASHBOARD["title"] and DASHBOARD["uid"]
    assert DASHBOARD.get("id") is None, "an id belongs to one Grafana"


def test_whoever_imports_it_chooses_the_prometheus():
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    users = GRAPHS + [target for panel in GRAPHS for target in panel["targets"]]
    users += [one for one in variables.values() if one["type"] == "query"]
    for user in users:
        named = user.get("datasource")
        assert named in (None, {"type": "prometheus", "uid": "${datasource}"}), user
    assert all("datasource" in panel for panel in GRAPHS)


def test_every_panel_has_its_own_number_and_place():
    numbers = [panel["id"] for panel in PANELS]
    assert len(set(numbers)) == len(numbers)
    for panel in PANELS:
        place = panel["gridPos"]
        assert 0 <= place["x"] and place["x"] + place["w"] <= 24, panel["title"]
    for one, other in itertools.combinations(PANELS, 2):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def overlap(one, other):
    def cross(start, length):
        return one[start] < other[start] + other[length] and other[start] < one[start] + one[length]

    return cross("x", "w") and cross("y", "h")


def unit_of(expression):
    """Of the last figure in it: a share of bytes is none."""
    names = [word for word in re.findall(r"holdfast_\w+", expression)]
    ends = {"bytes": "bytes", "seconds": "s"}
    units = [ends.get(re.sub("(_total|_bucket|_timestamp)", "", n).split("_")[-1]) for n in names]
    return None if " / " in expression else units[0]


def test_every_panel_says_what_it_shows_and_in_which_unit():
    assert ROWS and all(row["title"] for row in ROWS)
    for panel in GRAPHS:
        assert panel["type"] in ("stat", "timeseries", "table"), panel["type"]
        assert panel["title"] and panel["targets"]
        unit = panel["fieldConfig"]["defaults"].get("unit")
        for target in panel["targets"]:
            assert unit_of(target["expr"]) in (None, unit), (panel["title"], unit)
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references), panel["title"]
        assert all(target["expr"].strip() for target in panel["targets"])
