//! How vaults and resource groups are deleted, and what a killed engine leaves of it.

mod house;

use std::fs;
use std::path::{Path, PathBuf};

use fabric::{Host as _, NewDomain};
use jiff::Timestamp;
use ledger::Ledger as _;
use ledger::port::JobQuery;
use model::fault::Code;
use model::item::Item;
use model::job::{Job, JobId, Status};
use model::vault::{DeletedVault, Vault};
use uuid::Uuid;

use house::{House, copy_ledger, ledger};

/// Where everything of a vault lies.
struct Places {
    store: PathBuf,
    aside: PathBuf,
    key: PathBuf,
    retired: PathBuf,
}

impl Places {
    fn of(data: &Path, vault: &Vault) -> Self {
        let (store, keys) = (data.join("stores").join(&vault.region), data.join("keys"));
        Self {
            aside: store.join(format!("{}.deleted", vault.id)),
            store: store.join(vault.id.to_string()),
            key: keys.join(format!("{}.key", vault.id)),
            retired: keys.join(format!("{}.key.deleted", vault.id)),
        }
    }

    /// Which of them are there: the store, the store put aside, the key, the key put aside.
    fn there(&self) -> [bool; 4] {
        [&self.store, &self.aside, &self.key, &self.retired].map(|path| path.exists())
    }
}

const WHOLE: [bool; 4] = [true, false, true, false];
const GONE: [bool; 4] = [false, false, false, true];

fn record(vault: &Vault) -> DeletedVault {
    DeletedVault {
        id: vault.id,
        name: vault.name.clone(),
        resource_group: vault.resource_group.clone(),
        region: vault.region.clone(),
        deleted_at: Timestamp::UNIX_EPOCH,
        cleared_at: None,
    }
}

#[test]
fn an_empty_vault_goes_for_good_and_leaves_its_key() {
    let house = House::with_one_disk();
    let (vault, other) = (house.vault("v1", "local"), house.vault("v2", "local"));
    let places = Places::of(&house.data(), &vault);
    let key = fs::read(&places.key).expect("there");
    let line = |_: &Job, _: Option<&Item>| String::new();
    let export = house.engine.export_jobs(&vault, JobQuery::default(), "JobId", &line);
    let export = house.engine.exported_jobs(&vault, export.expect("written")).expect("there");
    let cache = house.data().join("cache").join(vault.id.to_string());
    fs::create_dir_all(&cache).expect("made");
    let deleted = house.engine.delete_vault(&vault).expect("deleted").id();
    assert_eq!(places.there(), GONE);
    assert!(!cache.exists(), "the cache of its index goes with it");
    assert_eq!(fs::read(&places.retired).expect("there"), key);
    assert!(!export.parent().is_some_and(Path::exists), "its exports go with it");
    assert_eq!(Places::of(&house.data(), &other).there(), WHOLE);
    assert_eq!(house.engine.vaults().expect("listed"), [other]);
    let known = house.engine.deleted_vault(deleted).expect("read").expect("known");
    assert!(known.cleared_at.is_some());
    let again = house.engine.delete_vault(&vault).expect_err("it is gone");
    assert_eq!(again.code, Code::ResourceNotFound);
    // A new vault of the name is another one.
    assert_ne!(house.vault("v1", "local").id, vault.id);
}

#[test]
fn a_vault_with_an_item_stays_as_it_is() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    for backed_up in [false, true] {
        if backed_up {
            house.backup(&vault);
        }
        let fault = house.engine.delete_vault(&vault).expect_err("it protects something");
        assert_eq!(fault.code, Code::VaultNotEmpty);
        assert!(fault.message.contains("'web'"), "{fault}");
        assert_eq!(Places::of(&house.data(), &vault).there(), WHOLE);
    }
    assert_eq!(house.backup(&vault).status, Status::Completed);
}

/// A house whose vault holds a point in its repository, and whose ledger is a copy from before the
/// virtual machine was protected.
fn with_a_lost_ledger() -> (House, Vault) {
    let house = House::with_one_disk();
    let vault = house.vault("v1", "local");
    let aside = house.dir().join("aside");
    let house = house.restart(|data| copy_ledger(data, &aside));
    house.engine.enable(&vault, "holdfast", house::NAME, "DefaultPolicy").expect("enabled");
    house.backup(&vault);
    let house = house.restart(|data| copy_ledger(&aside, data));
    assert!(house.engine.items(&vault).expect("listed").is_empty());
    (house, vault)
}

#[test]
fn a_vault_whose_repository_holds_points_of_nobody_stays() {
    let (house, vault) = with_a_lost_ledger();
    let fault = house.engine.delete_vault(&vault).expect_err("it holds a point");
    assert_eq!(fault.code, Code::VaultHoldsData);
    assert!(fault.message.contains("1 recovery points"), "{fault}");
    assert_eq!(Places::of(&house.data(), &vault).there(), WHOLE);
    assert_eq!(house.engine.vaults().expect("listed"), [vault]);
}

#[test]
fn a_repository_whose_log_is_damaged_stays() {
    let (house, vault) = with_a_lost_ledger();
    let places = Places::of(&house.data(), &vault);
    let log = fs::read_dir(places.store.join("log")).expect("there");
    let mut entries: Vec<PathBuf> = log.map(|entry| entry.expect("read").path()).collect();
    entries.retain(|path| path.is_file());
    entries.sort();
    assert!(!entries.is_empty());
    for entry in entries {
        let whole = fs::read(&entry).expect("read");
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 1;
        fs::write(&entry, damaged).expect("damaged");
        let told = house.engine.delete_vault(&vault);
        assert!(told.is_err(), "{}", entry.display());
        assert_eq!(places.there(), WHOLE);
        fs::write(&entry, whole).expect("repaired");
    }
}

#[test]
fn a_repository_that_no_key_opens_stays() {
    let house = House::with_one_disk();
    let vault = house.vault("v1", "local");
    let places = Places::of(&house.data(), &vault);
    let hidden = house.dir().join("key");
    fs::rename(&places.key, &hidden).expect("hidden");
    let fault = house.engine.delete_vault(&vault).expect_err("nobody knows what is in it");
    assert_eq!(fault.code, Code::WrongKey);
    assert!(places.store.exists());
    assert_eq!(house.engine.vaults().expect("listed").len(), 1);

    // Where there is nothing at all, nothing is lost.
    fs::remove_dir_all(&places.store).expect("removed");
    fs::rename(&hidden, &places.key).expect("back");
    house.engine.delete_vault(&vault).expect("deleted");
    assert_eq!(places.there(), GONE);
}

#[test]
fn a_job_that_runs_keeps_its_vault() {
    let house = House::with_one_disk();
    let (vault, _) = house.protected();
    let done = house.backup(&vault);
    let running =
        Job { id: JobId(Uuid::from_u128(7)), status: Status::InProgress, ended_at: None, ..done };
    let house = house.restart(|data| ledger(data).create_job(&running).expect("recorded"));
    // The restart has ended it; nothing of the vault went.
    assert!(house.engine.delete_vault(&vault).is_err());
    assert_eq!(house.points(&vault).len(), 1);
}

/// What is done by hand to a data directory, as if the process had died there.
type Killed = fn(&Path, &Vault);

/// Every place between two steps of a deletion.
const KILLED: &[(&str, Killed)] = &[
    ("after the ledger's record", |_, _| ()),
    ("after the repository was renamed", |data, vault| {
        let places = Places::of(data, vault);
        fs::rename(&places.store, &places.aside).expect("renamed");
    }),
    ("while the repository was removed", |data, vault| {
        let places = Places::of(data, vault);
        fs::rename(&places.store, &places.aside).expect("renamed");
        for object in fs::read_dir(places.aside.join("keys")).expect("there") {
            fs::remove_file(object.expect("read").path()).expect("removed");
        }
    }),
    ("after the repository was removed", |data, vault| {
        fs::remove_dir_all(Places::of(data, vault).store).expect("removed");
    }),
    ("after the key was renamed", |data, vault| {
        let places = Places::of(data, vault);
        fs::remove_dir_all(&places.store).expect("removed");
        fs::rename(&places.key, &places.retired).expect("renamed");
    }),
];

#[test]
fn the_next_start_finishes_a_deletion_wherever_it_was_killed() {
    for (place, killed) in KILLED {
        let house = House::with_one_disk();
        let (vault, other) = (house.vault("v1", "local"), house.vault("v2", "local"));
        let house = house.restart(|data| {
            ledger(data).delete_vault(&record(&vault)).expect("recorded");
            killed(data, &vault);
        });
        assert_eq!(Places::of(&house.data(), &vault).there(), GONE, "{place}");
        assert_eq!(Places::of(&house.data(), &other).there(), WHOLE, "{place}");
        let known = house.engine.deleted_vault(vault.id).expect("read").expect("known");
        assert!(known.cleared_at.is_some(), "{place}");
        let house = house.restart(|_| ());
        assert_eq!(house.engine.vaults().expect("listed"), [other], "{place}");
    }
}

#[test]
fn points_that_came_after_the_ledgers_record_are_kept_at_every_start() {
    let (house, vault) = with_a_lost_ledger();
    let mut house =
        house.restart(|data| ledger(data).delete_vault(&record(&vault)).expect("recorded"));
    for _ in 0..2 {
        assert_eq!(Places::of(&house.data(), &vault).there(), WHOLE);
        let known = house.engine.deleted_vault(vault.id).expect("read").expect("known");
        assert_eq!(known.cleared_at, None);
        house = house.restart(|_| ());
    }
}

#[test]
fn a_vault_that_was_killed_while_it_was_made_harms_nobody() {
    let house = House::with_one_disk();
    let vault = house.vault("v1", "local");
    let stranger = house.data().join("stores/local").join(Uuid::from_u128(9).to_string());
    let house = house.restart(|_| fs::create_dir_all(&stranger).expect("made"));
    assert!(stranger.exists(), "what the ledger does not know is left alone");
    assert_eq!(house.engine.vaults().expect("listed"), [vault]);
}

#[test]
fn a_group_goes_with_its_empty_vaults_and_stays_with_anything_else() {
    let house = House::with_one_disk();
    let engine = &house.engine;
    engine.create_resource_group("Prod", "local", None).expect("made");
    let (vault, _) = house.protected();
    let fault = engine.delete_resource_group("holdfast").expect_err("it holds a host");
    assert_eq!(fault.code, Code::GroupNotEmpty);
    assert!(fault.message.contains("qemu:///system") && fault.message.contains("'web'"), "{fault}");
    let fault = engine.delete_resource_group("nobody").expect_err("unknown");
    assert_eq!(fault.code, Code::ResourceGroupNotFound);

    let new = |name: &str| engine::NewVault {
        name: name.to_owned(),
        resource_group: "prod".to_owned(),
        region: "local".to_owned(),
        wanted: engine::VaultChange::default(),
    };
    let (empty, _) = engine.create_vault(new("empty")).expect("made");
    let (taken, _) = engine.create_vault(new("taken")).expect("made");
    engine.enable(&taken, "holdfast", "web", "DefaultPolicy").expect_err("another vault has it");
    engine.delete_resource_group("PROD").expect("both are empty");
    for vault in [&empty, &taken] {
        assert_eq!(Places::of(&house.data(), vault).there(), GONE);
    }
    let groups = engine.resource_groups().expect("listed");
    assert_eq!(groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["holdfast"]);
    assert_eq!(engine.vaults().expect("listed"), [vault]);
    let fault = engine.create_vault(new("late")).expect_err("its group is gone");
    assert_eq!(fault.code, Code::ResourceGroupNotFound);
}

#[test]
fn a_group_with_a_vault_that_is_not_empty_keeps_all_its_vaults() {
    let house = House::with_one_disk();
    let engine = &house.engine;
    engine.create_resource_group("prod", "local", None).expect("made");
    let new = |name: &str| engine::NewVault {
        name: name.to_owned(),
        resource_group: "prod".to_owned(),
        region: "local".to_owned(),
        wanted: engine::VaultChange::default(),
    };
    engine.create_vault(new("a-empty")).expect("made");
    let (full, _) = engine.create_vault(new("z-full")).expect("made");
    engine.enable(&full, "holdfast", "web", "DefaultPolicy").expect("enabled");
    let fault = engine.delete_resource_group("prod").expect_err("one protects something");
    assert_eq!(fault.code, Code::GroupNotEmpty);
    assert!(fault.message.contains("'z-full'"), "{fault}");
    assert_eq!(engine.vaults().expect("listed").len(), 2);
}

#[test]
fn ended_jobs_and_policies_go_with_their_vault() {
    let house = House::with_one_disk();
    let vault = house.vault("v1", "local");
    house.engine.delete_vault(&vault).expect("deleted");
    house.restart(|data| {
        let ledger = ledger(data);
        assert_eq!(ledger.policies(vault.id).expect("read"), []);
        let query = JobQuery { vault: Some(vault.id), ..JobQuery::default() };
        assert_eq!(ledger.jobs(query).expect("read"), []);
    });
}

#[test]
fn a_group_that_a_machine_names_itself_is_there_and_stays_with_it() {
    let house = House::with_one_disk();
    let uuid = Uuid::from_u128(0x33);
    let xml = "<domain type='kvm'><name>a</name><uuid>00000000-0000-0000-0000-000000000001</uuid>\
               <memory unit='KiB'>1024</memory><vcpu>1</vcpu><os><type>hvm</type></os>\
               <devices/></domain>";
    let new = NewDomain {
        uuid,
        name: "own".to_owned(),
        resource_group: Some("Team-A".to_owned()),
        disks: Vec::new(),
        network: None,
    };
    house.host.define(xml, &new).expect("defined");
    let groups = || house.engine.resource_groups().expect("listed");
    let found = || groups().iter().any(|group| group.name == "Team-A" && group.region == "local");
    for _ in 0..2000 {
        if found() {
            let fault = house.engine.delete_resource_group("team-a").expect_err("it holds a VM");
            assert!(fault.message.contains("virtual machine 'own'"), "{fault}");
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("the group was never made: {:?}", groups());
}
