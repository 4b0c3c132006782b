//! Nouns to write into ledgers, each told apart by a number.

#![allow(dead_code, reason = "not every test program that shares these nouns uses all")]

use jiff::Timestamp;
use jiff::civil::Weekday;
use model::fault::{Code, Fault};
use model::host::Host;
use model::item::{Chain, ChainDisk, DiskSelection, Item, ProtectionState};
use model::job::{DiskProgress, Job, JobId, Operation, Status, TAKE_SNAPSHOT, Task};
use model::point::{Consistency, Point, PointDisk, PointId};
use model::policy::{
    DEFAULT_POLICY, DaylightSaving, Instant, Keep, LongTerm, MonthDay, MonthDays, MonthlyRetention,
    Policy, Retention, Schedule, Tiering, Unit, WeekOfMonth, WeeklyRetention, YearlyRetention,
};
use model::tags::Tags;
use model::vault::{
    Alert, Alerts, CostGranularity, CrossSubscriptionRestore, Immutability, PublicNetworkAccess,
    Redundancy, SoftDelete, SoftDeleteState, Vault, VaultName, VaultSettings,
};
use uuid::Uuid;

/// A moment with all nine decimals in use, `number` seconds after some night of 2026.
pub fn moment(number: u128) -> Timestamp {
    let second = 1_780_000_000 + i64::try_from(number).expect("small");
    Timestamp::new(second, 123_456_789).expect("in range")
}

pub fn host(number: u128, uri: &str) -> Host {
    Host {
        id: Uuid::from_u128(number),
        uri: uri.to_owned(),
        region: "north".to_owned(),
        resource_group: "group".to_owned(),
    }
}

pub fn vault(number: u128) -> Vault {
    Vault {
        id: Uuid::from_u128(number),
        name: VaultName::new(&format!("vault-{number}")).expect("valid"),
        resource_group: "group".to_owned(),
        region: "north".to_owned(),
        redundancy: Redundancy::GeoRedundant,
        settings: VaultSettings::default(),
        tags: Tags::from([("env".to_owned(), "\"prod\"".to_owned())]),
        created_at: moment(number),
        changed_at: moment(number),
    }
}

/// Settings of which none is the default.
pub fn other_settings() -> VaultSettings {
    let (state, enhanced) = (SoftDeleteState::Disabled, SoftDeleteState::Enabled);
    VaultSettings {
        soft_delete: SoftDelete { state, enhanced, days: 180 },
        immutability: Immutability::Unlocked,
        alerts: Alerts {
            job_failures: Alert::Disabled,
            replication_issues: Alert::Disabled,
            failover_issues: Alert::Disabled,
            critical_operations: Alert::Disabled,
            site_recovery_mail: Alert::Disabled,
        },
        cost_granularity: CostGranularity::ItemWithTags,
        public_network_access: PublicNetworkAccess::Disabled,
        cross_subscription_restore: CrossSubscriptionRestore::PermanentlyDisabled,
    }
}

pub fn item(number: u128, vault: &Vault) -> Item {
    Item {
        id: Uuid::from_u128(number),
        vault: vault.id,
        vm: Uuid::from_u128(1_000 + number),
        vm_name: format!("vm-{number}"),
        vm_resource_group: "Machines".to_owned(),
        policy: Some(DEFAULT_POLICY.to_owned()),
        state: ProtectionState::IrPending,
        deletion: None,
        disks: DiskSelection::All,
        last_backup: None,
        chain: None,
        created_at: moment(number),
    }
}

pub fn chain(number: u64) -> Chain {
    let disk = |target: &str, serial: Option<&str>| ChainDisk {
        target: target.to_owned(),
        size: u64::MAX,
        source: format!("/images/{target} with \"quotes\".qcow2"),
        serial: serial.map(str::to_owned),
    };
    Chain {
        point: point_id(number),
        checkpoint: format!("holdfast-{number}"),
        disks: vec![disk("vda", None), disk("vdb", Some("S-1"))],
    }
}

/// A running backup job with nothing optional in it.
pub fn job(number: u128, item: &Item) -> Job {
    Job {
        id: JobId(Uuid::from_u128(number)),
        vault: item.vault,
        item: item.id,
        operation: Operation::Backup,
        status: Status::InProgress,
        started_at: moment(number),
        ended_at: None,
        point: None,
        retain_until: None,
        tasks: Vec::new(),
        disks: Vec::new(),
        properties: Vec::new(),
        warnings: Vec::new(),
        error: None,
    }
}

/// A backup job with everything optional in it.
pub fn full_job(number: u128, item: &Item) -> Job {
    let progress = DiskProgress {
        target: "vda".to_owned(),
        method: "dirty bitmap: 3 extents".to_owned(),
        total_bytes: u64::MAX,
        done_bytes: 2,
        scanned_bytes: 4,
        changed_bytes: 3,
        new_bytes: 1,
        stored_bytes: 0,
    };
    Job {
        ended_at: Some(moment(number + 60)),
        point: Some(point_id(1 + u64::try_from(number).expect("small"))),
        retain_until: Some(Timestamp::MAX),
        tasks: vec![Task {
            status: Status::Completed,
            begun_at: Some(moment(number + 1)),
            ..Task::new(TAKE_SNAPSHOT)
        }],
        disks: vec![progress],
        properties: vec![("VM Name".to_owned(), "vm-1".to_owned())],
        warnings: vec![Fault::new(Code::ChangeTrackingReset, "the bitmap was inconsistent")],
        error: Some(Fault::new(Code::StoreFull, "no space left")),
        ..job(number, item)
    }
}

pub fn point_id(number: u64) -> PointId {
    PointId::new(number).expect("not zero")
}

pub fn point(number: u64, item: &Item) -> Point {
    Point {
        id: point_id(number),
        vault: item.vault,
        item: item.id,
        job: JobId(Uuid::from_u128(u128::from(number))),
        taken_at: moment(u128::from(number)),
        consistency: Consistency::FileSystem,
        retain_until: Some(moment(99)),
        logical_bytes: i64::MAX as u64,
        read_bytes: 1 << 40,
        stored_bytes: 4096,
        disks: vec![PointDisk { target: "vda".to_owned(), size: 20 << 30 }],
    }
}

/// A weekly policy with all that a weekly one can have.
pub fn weekly_policy(vault: &Vault) -> Policy {
    let days = vec![Weekday::Sunday, Weekday::Wednesday];
    let keep = |count, unit| Keep { count, unit };
    let weeks = vec![WeekOfMonth::First, WeekOfMonth::Last];
    let on = || MonthDays::ByWeek { days: vec![Weekday::Sunday], weeks: weeks.clone() };
    Policy {
        name: "weekly".to_owned(),
        schedule: Schedule::Weekly { days: days.clone(), at: vault.created_at },
        retention: Retention::LongTerm(LongTerm {
            daily: None,
            weekly: Some(WeeklyRetention { days, keep: keep(12, Unit::Weeks) }),
            monthly: Some(MonthlyRetention { on: on(), keep: keep(60, Unit::Months) }),
            yearly: Some(YearlyRetention {
                months: vec![1, 12],
                on: on(),
                keep: keep(99, Unit::Years),
            }),
        }),
        time_zone: "W. Europe Standard Time".to_owned(),
        ..Policy::default_of(vault.id, vault.created_at)
    }
}

/// A policy with what the others have not.
pub fn odd_policy(vault: &Vault) -> Policy {
    let on = MonthDays::ByDate(vec![MonthDay::Date(1), MonthDay::Date(31), MonthDay::Last]);
    let mut policy = Policy::enhanced_of(vault.id, vault.created_at);
    if let Schedule::Hourly { interval_minutes, .. } = &mut policy.schedule {
        *interval_minutes = 15;
    }
    if let Retention::LongTerm(long) = &mut policy.retention {
        let keep = Keep { count: u16::MAX, unit: Unit::Months };
        long.monthly = Some(MonthlyRetention { on, keep });
    }
    Policy {
        name: "odd".to_owned(),
        instant: Instant {
            days: 30,
            group_prefix: Some("a".to_owned()),
            group_suffix: Some("z".to_owned()),
        },
        daylight_saving: DaylightSaving::Adjust,
        only_crash_consistent: true,
        tiering: vec![Tiering {
            tier: "ArchivedRP".to_owned(),
            mode: "TierAfter".to_owned(),
            duration: 3,
            duration_type: "Months".to_owned(),
        }],
        ..policy
    }
}
