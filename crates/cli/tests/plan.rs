//! Whoever follows the plan of a vault's deletion gets rid of the vault.
//!
//! Method: a service in this process over an engine without hosts, items as the engine would have
//! left them, and the real program: each command of a plan is given to a shell as it is printed.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use engine::{Config, Engine, NewVault, VaultChange};
use jiff::Timestamp;
use model::item::{Deletion, DiskSelection, Item, ProtectionState};
use model::job::JobId;
use model::point::{Consistency, Point, PointId};
use model::vault::{Immutability, SoftDeleteState, Vault};
use serde_json::Value;
use service::{Options, Running};
use tempfile::TempDir;
use uuid::Uuid;

/// How often a plan is made anew before it is taken for endless.
const ROUNDS_MAX: usize = 5;

struct House {
    engine: Arc<Engine>,
    dir: TempDir,
    _running: Running,
}

impl House {
    fn new() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let dir = tempfile::tempdir().expect("a directory");
        let mut config = Config::new(dir.path().join("data"));
        config.local_host = false;
        config.run_dir = Some(dir.path().join("run"));
        config.scratch_dir = dir.path().join("scratch");
        let data_dir = config.data_dir.clone();
        let engine = Engine::start(config).expect("the engine starts");
        let listen = "127.0.0.1:0".parse().expect("an address");
        let running = service::run(Arc::clone(&engine), Options { listen, data_dir });
        Self { engine, dir, _running: running.expect("the service starts") }
    }

    /// A vault with one item that has a point, and one that is soft-deleted.
    fn vault(&self, wanted: VaultChange) -> Vault {
        self.engine.create_resource_group("Back(ups)", "local", None).expect("made");
        let new = NewVault {
            name: "v1".to_owned(),
            resource_group: "Back(ups)".to_owned(),
            region: "local".to_owned(),
            wanted,
        };
        let (vault, _) = self.engine.create_vault(new).expect("made");
        let (at, until) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
        let deletion = Some(Deletion { at, until, purging: false });
        let ledger = self.engine.ledger();
        let (live, deleted) = (item(&vault, 1), Item { deletion, ..item(&vault, 2) });
        ledger.create_item(&live).expect("new");
        ledger.put_point(&point(&live)).expect("new");
        ledger.create_item(&deleted).expect("new");
        vault
    }

    /// Runs a command line as a person would type it.
    fn shell(&self, line: &str) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_holdfast"));
        let path = program.parent().expect("a directory").display();
        let data = self.dir.path().join("data");
        Command::new("sh")
            .args(["-c", &format!("{line} --data '{}' --json", data.display())])
            .env("PATH", format!("{path}:/usr/bin:/bin"))
            .env("HOLDFAST_CACHE_DIR", "")
            .output()
            .expect("runs")
    }

    #[track_caller]
    fn run(&self, line: &str) -> Value {
        let output = self.shell(line);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {text}");
        serde_json::from_slice(&output.stdout).expect("one document")
    }

    /// Follows plans until nothing is in the way; the kinds of all that was.
    #[track_caller]
    fn follow_the_plan(&self) -> Vec<String> {
        let mut kinds = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let plan = self.run("holdfast vault delete v1 --plan");
            let blockers = plan["properties"]["blockers"].as_array().expect("a list");
            if blockers.is_empty() {
                self.run(plan["properties"]["command"].as_str().expect("a command"));
                return kinds;
            }
            for blocker in blockers {
                kinds.push(blocker["kind"].as_str().expect("a kind").to_owned());
                for command in blocker["commands"].as_array().expect("a list") {
                    self.run(command.as_str().expect("a command"));
                }
            }
        }
        panic!("something is always in the way: {kinds:?}");
    }
}

fn item(vault: &Vault, number: u128) -> Item {
    Item {
        id: Uuid::from_u128(number),
        vault: vault.id,
        vm: Uuid::from_u128(100 + number),
        vm_name: format!("web{number}"),
        vm_resource_group: "Machines(x)".to_owned(),
        policy: None,
        state: ProtectionState::ProtectionStopped,
        deletion: None,
        disks: DiskSelection::All,
        last_backup: None,
        chain: None,
        created_at: Timestamp::UNIX_EPOCH,
    }
}

fn point(item: &Item) -> Point {
    Point {
        id: PointId::new(7).expect("not zero"),
        vault: item.vault,
        item: item.id,
        job: JobId(Uuid::from_u128(9)),
        taken_at: Timestamp::UNIX_EPOCH,
        consistency: Consistency::Crash,
        retain_until: None,
        logical_bytes: 1,
        read_bytes: 1,
        stored_bytes: 1,
        disks: Vec::new(),
    }
}

#[test]
fn a_vault_without_soft_delete_is_gone_for_good_with_immutability_and_items_in_the_way() {
    let house = House::new();
    house.vault(VaultChange {
        soft_delete: Some(SoftDeleteState::Disabled),
        immutability: Some(Immutability::Unlocked),
        ..VaultChange::default()
    });
    let refused = house.shell("holdfast vault delete v1");
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("there are existing resources within the vault"), "{text}");

    let kinds = house.follow_the_plan();
    assert_eq!(kinds, ["Immutability", "ProtectedItem", "SoftDeletedItem"]);
    assert_eq!(house.run("holdfast vault list"), Value::Array(Vec::new()));
    assert_eq!(house.run("holdfast vault list --deleted"), Value::Array(Vec::new()));
    assert_eq!(house.engine.ledger().items(None).expect("readable"), []);
}

#[test]
fn a_vault_with_soft_delete_goes_out_of_sight_and_can_be_had_back() {
    let house = House::new();
    let vault = house.vault(VaultChange::default());
    assert_eq!(house.follow_the_plan(), ["ProtectedItem"]);
    assert_eq!(house.run("holdfast vault list"), Value::Array(Vec::new()));
    let deleted = house.run("holdfast vault list --deleted");
    assert_eq!(deleted[0]["name"], "v1");
    let purge = house.shell("holdfast vault purge v1");
    let text = String::from_utf8_lossy(&purge.stderr).into_owned();
    assert!(text.contains("backup items in soft deleted state in the vault"), "{text}");

    let back = house.run("holdfast vault undelete v1");
    assert_eq!(back["properties"]["holdfast"]["vaultUuid"], vault.id.to_string());
    house.run("holdfast item undelete --vault v1 --item web1");
    assert_eq!(house.engine.items(&vault).expect("listed").len(), 2);
}

#[test]
fn points_that_no_item_accounts_for_are_given_up_one_by_one() {
    let house = House::new();
    let new = NewVault {
        name: "v1".to_owned(),
        resource_group: "holdfast".to_owned(),
        region: "local".to_owned(),
        wanted: VaultChange::default(),
    };
    let (vault, _) = house.engine.create_vault(new).expect("made");
    let image = house.dir.path().join("disk.raw");
    std::fs::write(&image, vec![7; 1 << 20]).expect("written");
    let data = house.dir.path().join("data");
    let repository = data.join("stores/local").join(vault.id.to_string());
    let key = data.join(format!("keys/{}.key", vault.id));
    for item in ["a", "b"] {
        house.run(&format!(
            "holdfast repo backup --repo '{}' --key-file '{}' --item {item} '{}'",
            repository.display(),
            key.display(),
            image.display()
        ));
    }
    assert_eq!(house.follow_the_plan(), ["RecoveryPoint", "RecoveryPoint"]);
    assert_eq!(house.run("holdfast vault list"), Value::Array(Vec::new()));
    assert!(!repository.exists());
}
