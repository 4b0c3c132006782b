"""Policies, by az."""

import json

import pytest

from conftest import GROUP
from harness.expect import holds
from harness.protection import Protection


@pytest.fixture
def of_vault(vault):
    return {"v": vault, "g": GROUP}


def create(az, of_vault, name, policy):
    kind = {"backup_management_type": "AzureIaasVM"}
    text = json.dumps(policy)
    return az("backup policy create", **of_vault, n=name, policy=text, **kind)


def stored(arm, vault, name):
    return arm.get(arm.vault(GROUP, vault, f"/backupPolicies/{name}"))["properties"]


def daily(days=30, time="2026-01-01T22:00:00Z", **properties):
    return {
        "properties": {
            "backupManagementType": "AzureIaasVM",
            "policyType": "V1",
            "instantRpRetentionRangeInDays": 2,
            "timeZone": "UTC",
            "schedulePolicy": {
                "schedulePolicyType": "SimpleSchedulePolicy",
                "scheduleRunFrequency": "Daily",
                "scheduleRunTimes": [time],
                "scheduleWeeklyFrequency": 0,
            },
            "retentionPolicy": {
                "retentionPolicyType": "LongTermRetentionPolicy",
                "dailySchedule": {
                    "retentionTimes": [time],
                    "retentionDuration": {"count": days, "durationType": "Days"},
                },
            },
            **properties,
        }
    }


def weekly():
    time = ["2026-01-01T02:00:00+00:00"]
    first_sunday = {"daysOfTheWeek": ["Sunday"], "weeksOfTheMonth": ["First"]}
    by_week = {
        "retentionScheduleFormatType": "Weekly",
        "retentionScheduleWeekly": first_sunday,
        "retentionScheduleDaily": None,
        "retentionTimes": time,
    }
    duration = lambda count, kind: {"retentionDuration": {"count": count, "durationType": kind}}
    return daily(
        instantRpRetentionRangeInDays=5,
        schedulePolicy={
            "schedulePolicyType": "SimpleSchedulePolicy",
            "scheduleRunFrequency": "Weekly",
            "scheduleRunDays": ["Sunday"],
            "scheduleRunTimes": time,
            "scheduleWeeklyFrequency": 0,
        },
        retentionPolicy={
            "retentionPolicyType": "LongTermRetentionPolicy",
            "weeklySchedule": {
                "daysOfTheWeek": ["Sunday"],
                "retentionTimes": time,
                **duration(12, "Weeks"),
            },
            "monthlySchedule": {**by_week, **duration(12, "Months")},
            "yearlySchedule": {**by_week, "monthsOfYear": ["January"], **duration(1, "Years")},
        },
        tieringPolicy={
            "ArchivedRP": {"tieringMode": "DoNotTier", "duration": 0, "durationType": "Invalid"}
        },
    )


def hourly():
    return daily(
        time="2026-01-01T08:00:00Z",
        policyType="V2",
        schedulePolicy={
            "schedulePolicyType": "SimpleSchedulePolicyV2",
            "scheduleRunFrequency": "Hourly",
            "hourlySchedule": {
                "interval": 4,
                "scheduleWindowStartTime": "2026-01-01T08:00:00Z",
                "scheduleWindowDuration": 12,
            },
        },
    )


def test_a_new_vault_has_azures_policies(az, of_vault):
    policies = {policy["name"]: policy["properties"] for policy in az.ok(
        "backup policy list --backup-management-type AzureIaasVM", **of_vault
    )}
    assert sorted(policies) == ["DefaultPolicy", "EnhancedPolicy"]
    holds(policies["DefaultPolicy"], {"policyType": "V1", "instantRpRetentionRangeInDays": 2})
    duration = {"count": 30, "durationType": "Days"}
    for policy in policies.values():
        assert policy["retentionPolicy"]["dailySchedule"]["retentionDuration"] == duration
        assert policy["protectedItemsCount"] == 0
    schedule = policies["EnhancedPolicy"]["schedulePolicy"]
    assert schedule["scheduleRunFrequency"] == "Hourly"
    assert schedule["hourlySchedule"]["interval"] == 4


def test_one_of_them_is_enhanced(az, of_vault):
    kind = "--backup-management-type AzureIaasVM --workload-type VM"
    enhanced = az.ok(f"backup policy list {kind} --policy-sub-type Enhanced", **of_vault)
    assert [policy["name"] for policy in enhanced] == ["EnhancedPolicy"]


def test_the_default_is_told(az, of_vault):
    assert az.ok("backup policy get-default-for-vm", **of_vault)["name"] == "DefaultPolicy"


@pytest.mark.parametrize("name, policy", [("daily", daily()), ("weekly", weekly()),
                                          ("hourly", hourly())])
def test_a_policy_is_stored_as_it_was_sent(az, arm, vault, of_vault, name, policy):
    create(az, of_vault, name, policy).ok()
    got = stored(arm, vault, name)
    wanted = policy["properties"]
    times = lambda text: json.loads(json.dumps(text).replace("+00:00", "Z"))
    assert times(got["schedulePolicy"]) == times(wanted["schedulePolicy"])
    for rule, schedule in wanted["retentionPolicy"].items():
        if isinstance(schedule, dict):
            told = times(got["retentionPolicy"][rule])
            holds(told, {k: v for k, v in times(schedule).items() if v is not None})
    assert got["policyType"] == wanted["policyType"]
    assert got["instantRpRetentionRangeInDays"] == wanted["instantRpRetentionRangeInDays"]


def test_a_copy_of_the_enhanced_policy_stays_hourly(az, arm, vault, of_vault):
    policy = az.ok("backup policy show -n EnhancedPolicy", **of_vault)
    create(az, of_vault, "copy", policy).ok()
    assert stored(arm, vault, "copy")["schedulePolicy"]["scheduleRunFrequency"] == "Hourly"


def test_a_policy_is_changed(az, arm, vault, of_vault):
    create(az, of_vault, "mine", daily()).ok()
    az.ok("backup policy set", **of_vault, n="mine", policy=json.dumps(daily(days=90)))
    got = stored(arm, vault, "mine")["retentionPolicy"]["dailySchedule"]["retentionDuration"]
    assert got["count"] == 90


def test_a_policy_goes_when_nothing_follows_it(az, arm, vault, of_vault, vm):
    create(az, of_vault, "mine", daily()).ok()
    guest = vm()
    Protection(az, arm, GROUP, vault, GROUP, guest.name).enable("mine")
    assert stored(arm, vault, "mine")["protectedItemsCount"] == 1
    az("backup policy delete -n mine", **of_vault).refused("BMSUserErrorPolicyObjectInUse")
    assert stored(arm, vault, "mine")["protectedItemsCount"] == 1

    create(az, of_vault, "other", daily()).ok()
    az.ok("backup policy delete -n other", **of_vault)
    path = arm.vault(GROUP, vault, "/backupPolicies/other")
    assert arm.call("GET", path).status_code == 404


REFUSED = {
    "no-days": daily(days=0),
    "six-days": daily(days=6),
    "quarter-past": daily(time="2026-01-01T22:15:00Z"),
    "no-such-zone": daily(timeZone="Middle Earth Standard Time"),
    "no-schedule": daily(schedulePolicy=None),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_policy_is_refused(az, arm, vault, of_vault, name):
    create(az, of_vault, name, REFUSED[name]).refused("BMSUserErrorInvalidPolicyInput")
    path = arm.vault(GROUP, vault, f"/backupPolicies/{name}")
    assert arm.call("GET", path).status_code == 404


def test_policies_of_other_workloads_are_refused(arm, vault):
    path = arm.vault(GROUP, vault, "/backupPolicies/sql")
    body = {"properties": {**daily()["properties"], "backupManagementType": "AzureWorkload"}}
    arm.refused(400, "BMSUserErrorInvalidPolicyInput", "PUT", path, body)
    assert arm.call("GET", path).status_code == 404


def test_an_unknown_policy_is_not_found(az, of_vault):
    told = az("backup policy show -n none", **of_vault)
    assert told.code == 3 and "NotFound" in told.err, told
