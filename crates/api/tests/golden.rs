//! Real Azure bodies are the measure: whatever clients read of them, ours has too.
//!
//! Each example renders the same facts as a body that Azure's own service once answered (shortened
//! to what clients read, names replaced). [`check`] walks that body: every field must be in ours,
//! with the same JSON type and the same value, except where the example says that ours differs and
//! why. Ours may have more.

use jiff::Timestamp;
use model::fault::{Code, Fault};
use model::item::{Deletion, DiskSelection, Item, LastBackup, ProtectionState};
use model::job::{self, Job, JobId, Operation, Status, Task};
use model::network::Network;
use model::point::{Consistency, Point, PointId};
use model::policy::{Kind, Policy};
use model::principal::Tenancy;
use model::store::Store;
use model::tags::Tags;
use model::vault::{Redundancy, SoftDeleteState, Vault, VaultName, VaultSettings};
use model::vm::{AgentState, Disk, DiskFormat, DiskKind, Interface, OsType, PowerState, Vm};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use api::arm::{self, cloud, container, operation, policy, restore, tenancy, vault, vault_config};

const JOB: &str = "69211027-0000-4000-8000-000000000000";

macro_rules! golden {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("golden/", $name, ".json")))
            .expect("a golden body is JSON")
    };
}

/// Asserts that `ours` has all of `golden`. `differs` names the fields whose values are ours to
/// choose; each must really differ, so that the list stays true.
#[track_caller]
fn check(golden: &Value, ours: &impl Serialize, differs: &[&str]) {
    let ours = serde_json::to_value(ours).expect("JSON");
    let mut told = Vec::new();
    compare("", golden, &ours, &mut told);
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    assert_eq!(told, differs, "fields that differ\n{ours:#}");
}

fn compare(path: &str, golden: &Value, ours: &Value, told: &mut Vec<String>) {
    match (golden, ours) {
        (Value::Object(golden), Value::Object(ours)) => {
            for (key, value) in golden {
                let path = format!("{path}/{key}");
                match ours.get(key) {
                    Some(ours) => compare(&path, value, ours, told),
                    None => panic!("{path} is missing"),
                }
            }
        }
        (Value::Array(golden), Value::Array(ours)) => {
            assert_eq!(golden.len(), ours.len(), "length of {path}");
            for (at, (golden, ours)) in golden.iter().zip(ours).enumerate() {
                compare(&format!("{path}/{at}"), golden, ours, told);
            }
        }
        _ => {
            let kind = std::mem::discriminant::<Value>;
            assert_eq!(kind(golden), kind(ours), "type of {path}: {ours}");
            if golden != ours {
                told.push(path.to_owned());
            }
        }
    }
}

/// Reads a request as the service does and writes it again.
fn read<T: DeserializeOwned>(golden: &Value) -> T {
    serde_json::from_value(golden.clone()).expect("clients send this")
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

fn id(first: u32) -> uuid::Uuid {
    uuid::Uuid::from_u128((u128::from(first) << 96) | 0x4000_8000_0000_0000_0000)
}

fn a_vault() -> Vault {
    Vault {
        id: id(0x1111_1111),
        name: VaultName::new("v1").expect("valid"),
        resource_group: "rg1".to_owned(),
        region: "onprem1".to_owned(),
        redundancy: Redundancy::GeoRedundant,
        settings: VaultSettings::default(),
        tags: Tags::new(),
        created_at: at("2026-09-11T07:00:00Z"),
        changed_at: at("2026-09-09T13:19:04.2158692Z"),
    }
}

fn an_item() -> Item {
    Item {
        id: id(0x2222_2222),
        vault: a_vault().id,
        vm: id(0x5555_5555),
        vm_name: "VM1".to_owned(),
        vm_resource_group: "RG1".to_owned(),
        policy: Some("EnhancedPolicy".to_owned()),
        state: ProtectionState::Protected,
        deletion: None,
        disks: DiskSelection::All,
        last_backup: Some(LastBackup {
            status: Status::Completed,
            at: at("2026-09-14T08:05:53.4341049Z"),
            error: None,
        }),
        chain: None,
        created_at: at("2026-09-13T00:00:00Z"),
    }
}

fn facts<'a>(vault: &'a Vault, item: &'a Item) -> arm::item::Facts<'a> {
    arm::item::Facts {
        subscription: "S",
        base: "https://HOST",
        vault,
        item,
        newest_point: Some(at("2026-09-14T08:08:04.5606237Z")),
        policy_kind: Some(Kind::V2),
        next_run: None,
        warnings: &[],
        now: at("2026-09-15T00:00:00Z"),
    }
}

fn a_job() -> Job {
    let task = |name: &str, status| Task { status, ..Task::new(name) };
    Job {
        id: JOB.parse::<JobId>().expect("a UUID"),
        vault: a_vault().id,
        item: an_item().id,
        operation: Operation::Backup,
        status: Status::InProgress,
        started_at: at("2022-05-16T14:29:08.1609837Z"),
        ended_at: None,
        point: None,
        retain_until: Some(at("2022-06-15T00:00:00Z")),
        tasks: vec![
            task(job::TAKE_SNAPSHOT, Status::Completed),
            task(job::TRANSFER_TO_VAULT, Status::InProgress),
        ],
        disks: Vec::new(),
        properties: Vec::new(),
        warnings: Vec::new(),
        error: None,
    }
}

#[test]
fn a_vault_has_what_azures_has() {
    let mut ours = a_vault();
    ours.region = "eastasia".to_owned();
    // Ours tells nanoseconds.
    check(&golden!("vault"), &vault::render("S", &ours, Vec::new()), &["/etag"]);
}

#[test]
fn what_hangs_on_a_vault_has_what_azures_has() {
    let id = vault::id("S", &a_vault());
    let mut ours = a_vault();
    ours.settings.soft_delete.state = SoftDeleteState::Enabled;
    check(&golden!("vault-config"), &vault_config::vault_config(&id, &ours, false), &[]);
    ours.redundancy = Redundancy::LocallyRedundant;
    check(&golden!("storage-config"), &vault_config::storage_config(&id, &ours, false), &[]);
    check(&golden!("encryption-config"), &vault_config::encryption_config(&id), &[]);
    check(&golden!("replication-settings"), &vault_config::replication_settings(&id), &[]);

    // What can be changed no more is told as such.
    ours.settings.soft_delete.state = SoftDeleteState::AlwaysOn;
    let locked = vault_config::vault_config(&id, &ours, true).properties;
    assert_eq!(locked.is_soft_delete_feature_state_editable, Some(false));
    assert_eq!(locked.storage_type_state.as_deref(), Some("Locked"));
}

#[test]
fn another_version_of_a_vault_has_another_etag() {
    let (first, mut second) = (a_vault(), a_vault());
    second.changed_at += jiff::SignedDuration::from_nanos(1);
    assert_ne!(vault::etag(&first), vault::etag(&second));
    let expected = "W/\"datetime'2026-09-09T13%3A19%3A04.215869200Z'\"";
    assert_eq!(vault::etag(&first), expected);
}

#[test]
fn a_vaults_request_is_read_past_all_that_it_also_says() {
    let request: vault::VaultRequest = read(&golden!("vault-request"));
    assert_eq!(request.location.as_deref(), Some("onprem1"));
    let sent = request.properties.expect("sent");
    assert_eq!(sent.redundancy_settings, None);
    assert_eq!(sent.public_network_access.as_deref(), Some("Enabled"));
    let soft_delete = sent.security_settings.and_then(|it| it.soft_delete_settings).expect("sent");
    assert_eq!(soft_delete.soft_delete_state.as_deref(), Some("AlwaysOn"));
    assert_eq!(soft_delete.soft_delete_retention_period_in_days, Some(14));

    let azures_own: vault::VaultRequest = read(&golden!("vault"));
    let redundancy = azures_own.properties.and_then(|it| it.redundancy_settings).expect("sent");
    let expected = Some("GeoRedundant");
    assert_eq!(redundancy.standard_tier_storage_redundancy.as_deref(), expected);

    let terraforms: vault::VaultRequest = read(&golden!("vault-request-terraform"));
    assert_eq!(terraforms.identity.and_then(|it| it.kind).as_deref(), Some("None"));
    assert_eq!(terraforms.tags, Some(Default::default()));
}

fn policy_facts<'a>(vault: &'a Vault, policy: &'a Policy) -> policy::Facts<'a> {
    policy::Facts {
        subscription: "S",
        vault,
        policy,
        items: 0,
        next_run: None,
        local_time: None,
        warning: None,
    }
}

#[test]
fn a_new_vaults_policies_have_what_azures_have() {
    let vault = a_vault();
    let [default, enhanced] = Policy::first_of(&vault);
    for (golden, ours) in
        [(golden!("policy-v1-daily"), default), (golden!("policy-v2-hourly"), enhanced)]
    {
        check(&golden, &policy::render(policy_facts(&vault, &ours)), &[]);
    }
}

#[test]
fn a_policy_that_is_written_is_read_back() {
    let vault = a_vault();
    let today = jiff::civil::date(2026, 11, 23);
    for golden in
        [golden!("policy-v1-daily"), golden!("policy-v1-weekly"), golden!("policy-v2-hourly")]
    {
        let sent: policy::PolicyRequest = read(&golden);
        let model = policy::parse(&vault, "a-name", &sent.properties, today).expect("it is one");
        let ours = policy::render(policy_facts(&vault, &model));
        let mut sent = serde_json::to_value(sent.properties).expect("JSON");
        // Both say UTC.
        replace(&mut sent, "+00:00", "Z");
        check(&sent, &ours.properties, &[]);
    }
}

/// Replaces a part of all texts in `value`.
fn replace(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::String(text) => *text = text.replace(from, to),
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, from, to)),
        Value::Object(map) => map.values_mut().for_each(|value| replace(value, from, to)),
        _ => {}
    }
}

#[test]
fn a_protectable_item_and_a_container_have_what_azures_have() {
    let vault_id = vault::id("S", &a_vault());
    let ours = container::render_protectable("S", &vault_id, &a_vm());
    check(&golden!("protectable-item"), &ours, &[]);
    check(&golden!("container"), &container::render("S", &vault_id, &an_item()), &[]);
    let fault = Fault::new(Code::StoreFull, "no space left");
    let last =
        LastBackup { status: Status::Failed, at: at("2026-09-14T08:05:53Z"), error: Some(fault) };
    let failed = Item { last_backup: Some(last), ..an_item() };
    let told = container::render("S", &vault_id, &failed).properties.health_status;
    assert_eq!(told, "Unhealthy", "as its item");
}

#[test]
fn a_deleted_item_tells_for_how_long_it_is_kept() {
    let vault = a_vault();
    let (from, until) = (at("2026-09-14T08:00:00Z"), at("2026-09-28T08:00:00Z"));
    let deleted =
        Item { deletion: Some(Deletion { at: from, until, purging: false }), ..an_item() };
    let ours = arm::item::render(facts(&vault, &deleted));
    assert_eq!(ours.properties.soft_delete_retention_period, 14);
}

#[test]
fn a_protected_item_has_what_azures_has() {
    let (vault, item) = (a_vault(), an_item());
    check(
        &golden!("item"),
        &arm::item::render(facts(&vault, &item)),
        // The number is derived from the item's id.
        &["/properties/protectedItemDataId"],
    );
}

#[test]
fn an_item_without_a_backup_is_pending_and_its_last_point_is_null() {
    let vault = a_vault();
    let fresh = Item { state: ProtectionState::IrPending, last_backup: None, ..an_item() };
    let facts = arm::item::Facts { newest_point: None, ..facts(&vault, &fresh) };
    let ours = serde_json::to_value(arm::item::render(facts)).expect("JSON");
    let properties = &ours["properties"];
    assert_eq!(properties["protectionState"], "IRPending");
    assert_eq!(properties["healthStatus"], "Passed");
    assert_eq!(properties["lastBackupStatus"], "");
    assert_eq!(properties["lastBackupTime"], "2001-01-01T00:00:00Z");
    assert!(properties.as_object().expect("an object").contains_key("lastRecoveryPoint"));
    assert_eq!(properties["lastRecoveryPoint"], Value::Null);
    assert_eq!(properties.get("healthDetails"), None);
}

#[test]
fn an_item_whose_backup_failed_says_why() {
    let vault = a_vault();
    let error = Some(Fault::new(Code::FreezeFailed, "The guest did not freeze."));
    let mut item = an_item();
    item.last_backup = Some(LastBackup { status: Status::Failed, at: vault.created_at, error });
    let ours = arm::item::render(facts(&vault, &item)).properties;
    assert_eq!(ours.health_status, "ActionRequired");
    assert_eq!(ours.health_details[0].title, "UserErrorFsFreezeFailed");
    assert_eq!(ours.health_details[0].message, "The guest did not freeze.");
}

#[test]
fn a_recovery_point_has_what_azures_has() {
    let ours = Point {
        id: PointId::new(17_523_471_602_712).expect("63 bits"),
        vault: a_vault().id,
        item: an_item().id,
        job: a_job().id,
        taken_at: at("2026-09-14T08:08:04.5606237Z"),
        consistency: Consistency::Application,
        retain_until: Some(at("2026-10-14T08:08:04.5606237Z")),
        logical_bytes: 1,
        read_bytes: 1,
        stored_bytes: 1,
        disks: Vec::new(),
    };
    let differs = ["/properties/sourceVMStorageType"];
    let fate = arm::point::Fate { expiry: ours.retain_until, is_soft_deleted: false };
    check(&golden!("point"), &arm::point::render("/item", &ours, fate), &differs);
}

#[test]
fn a_job_has_what_azures_has() {
    let now = at("2022-05-16T14:53:15.1326683Z");
    check(
        &golden!("job"),
        &arm::job::render("/v", Some(&an_item()), &a_job(), now),
        // There is no instant tier.
        &["/properties/extendedInfo/internalPropertyBag/IsInstantRpJob"],
    );

    let mut ended = a_job();
    ended.status = Status::Cancelled;
    ended.ended_at = Some(now);
    ended.error = Some(Fault::new(Code::JobCancelled, "Job is cancelled."));
    check(&golden!("job-failed"), &arm::job::render("/v", Some(&an_item()), &ended, now), &[]);
}

#[test]
fn an_operation_has_what_azures_has() {
    let stage = operation::Stage::Succeeded { at: at("2026-09-09T13:20:15.3509918Z") };
    let ours = operation::render("ff96512d", JOB, at("2026-09-09T13:20:14.3509918Z"), stage);
    check(&golden!("operation"), &ours, &[]);
}

#[test]
fn a_cloud_is_described_as_clients_need_it() {
    check(&golden!("metadata"), &cloud::Metadata::at("https://HOST"), &["/name"]);
    let ours = cloud::OpenIdConfig::at("https://HOST", "RS256");
    check(&golden!("openid"), &ours, &[]);
    let tenancy = Tenancy { subscription: id(0x3333_3333), tenant: id(0x4444_4444) };
    let policies = "/subscriptionPolicies";
    check(
        &golden!("subscription"),
        &tenancy::subscription(&tenancy),
        &[
            "/displayName",
            &format!("{policies}/locationPlacementId"),
            &format!("{policies}/quotaId"),
        ],
    );
}

fn a_vm() -> Vm {
    let disk = |target: &str| Disk {
        target: target.to_owned(),
        kind: DiskKind::File,
        format: DiskFormat::Qcow2,
        source: format!("/images/{target}.qcow2"),
        size: Some(3 << 30),
        serial: None,
    };
    Vm {
        uuid: id(0x5555_5555),
        name: "VM1".to_owned(),
        domain: "VM1".to_owned(),
        host: id(0x6666_6666),
        region: "onprem1".to_owned(),
        resource_group: "RG1".to_owned(),
        power: PowerState::Running,
        disks: vec![disk("vda"), disk("vdb")],
        agent: AgentState::Connected { version: Some("8.2.0".to_owned()) },
        vcpus: 2,
        memory_bytes: 4 << 30,
        interfaces: vec![Interface {
            mac: Some("00:0d:3a:1b:c7:21".to_owned()),
            network: Some("lab".to_owned()),
            bridge: None,
            address: Some("10.0.0.4".to_owned()),
        }],
        os: Some(OsType::Linux),
    }
}

#[test]
fn a_virtual_machine_has_what_clients_need() {
    let mut ours = arm::vm::render("S", &a_vm(), "qemu:///system");
    ours.properties.instance_view = Some(arm::vm::instance_view(&a_vm()));
    check(&golden!("vm"), &ours, &["/properties/hardwareProfile/vmSize"]);
}

#[test]
fn networks_and_cards_have_what_clients_need() {
    let network = Network {
        uuid: id(0x7777_7777),
        name: "lab".to_owned(),
        libvirt_name: "lab".to_owned(),
        host: a_vm().host,
        region: "onprem1".to_owned(),
        resource_group: "RG1".to_owned(),
        active: true,
        bridge: Some("virbr7".to_owned()),
        prefixes: vec!["10.7.0.0/24".to_owned()],
    };
    let ours = arm::network::render("S", &network, "qemu:///system");
    check(&golden!("virtual-network"), &ours, &[]);
    let vm = a_vm();
    let card = (0, &vm.interfaces[0]);
    let ours = arm::network::interface("S", &vm, card, std::slice::from_ref(&network));
    check(&golden!("network-interface"), &ours, &[]);
    // On a bridge without a network of libvirt's, no subnet is told.
    let elsewhere = Interface { bridge: Some("br0".to_owned()), ..Interface::default() };
    let ours = arm::network::interface("S", &vm, (1, &elsewhere), &[network]);
    assert_eq!(ours.properties.ip_configurations[0].properties.subnet, None);
    assert!(!ours.properties.primary);
}

#[test]
fn a_storage_account_has_what_clients_need() {
    let store = Store {
        name: "staging".to_owned(),
        resource_group: "RG1".to_owned(),
        region: "onprem1".to_owned(),
        directory: "/data/staging/onprem1".into(),
        builtin: true,
    };
    let ours = arm::store::render_account("S", &store);
    check(&golden!("storage-account"), &ours, &["/properties/primaryEndpoints/blob"]);
    let url = &ours.resource.properties.primary_endpoints.blob;
    assert_eq!(url, "file:///data/staging/onprem1/");
}

#[test]
fn luns_are_read_from_numbers_and_from_text() {
    let luns = |list: Value| {
        let sent = serde_json::json!({"recoveryType": "RestoreDisks", "restoreDiskLunList": list});
        read::<restore::RestoreRequestProperties>(&sent).luns().ok()
    };
    let json = |text: &str| serde_json::from_str(text).expect("JSON");
    assert_eq!(luns(json("null")), Some(None));
    assert_eq!(luns(json("[]")), Some(Some(vec![])));
    assert_eq!(luns(json(r#"["0", 1, " 2 "]"#)), Some(Some(vec![0, 1, 2])));
    for bad in [r#"["x"]"#, "[-1]", "[1.5]", "[{}]", "[null]", "[4294967296]"] {
        assert_eq!(luns(json(bad)), None, "{bad}");
    }
}

#[test]
fn a_restore_request_names_the_new_vm_in_azures_way_or_in_ours() {
    let mut sent = golden!("restore-request");
    let azures: restore::RestoreRequest = read(&sent);
    assert_eq!(azures.properties.target_vm_name(), Some("newvm"));
    assert_eq!(azures.properties.target_group(), Some("rg2"));
    assert_eq!(azures.properties.restore_disk_lun_list.as_ref().map(Vec::len), Some(2));

    sent["properties"]["holdfastTarget"] =
        serde_json::json!({"directory": "/srv/r", "vmName": "other"});
    let ours: restore::RestoreRequest = read(&sent);
    assert_eq!(ours.properties.target_vm_name(), Some("other"));
    let directory = ours.properties.holdfast_target.and_then(|target| target.directory);
    assert_eq!(directory.as_deref(), Some("/srv/r"));
}
