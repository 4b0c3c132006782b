//! Restores over a host in memory: what lies where afterwards, what the job says of it, and what is
//! refused before anything is written.

mod house;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use engine::{ImageFormat, NewStore, RestoreForm, RestoreRequest};
use fabric::{Host as _, Network as HostNetwork};
use jiff::SignedDuration;
use model::fault::{Code, Fault};
use model::item::Deletion;
use model::job::{Job, Status};
use model::network::Network;
use model::store::Store;
use model::vault::Vault;
use model::vm::DiskFormat;
use serde_json::Value;
use uuid::Uuid;

use house::{House, NAME, OTHER_URI};

/// A house with a point of a virtual machine of two disks.
fn backed_up() -> (House, Vault) {
    let house = House::new(&[("vda", DiskFormat::Qcow2), ("vdb", DiskFormat::Raw)]);
    house.host.add_network(HostNetwork {
        uuid: Uuid::from_u128(0x77),
        name: "lab".to_owned(),
        active: true,
        bridge: Some("virbr7".to_owned()),
        prefixes: vec!["10.7.0.0/24".to_owned()],
    });
    let (vault, _) = house.protected();
    house.backup(&vault);
    (house, vault)
}

fn begin(house: &House, wanted: RestoreRequest) -> Result<Job, Fault> {
    let vault = house.engine.vault("holdfast", "v1")?;
    let item = house.item(&vault);
    let point = house.points(&vault)[0].id;
    let job = house.engine.restore(&item, point, wanted)?;
    Ok(house.ended(&vault, job))
}

#[track_caller]
fn done(house: &House, wanted: RestoreRequest) -> Job {
    let job = begin(house, wanted).expect("begun");
    assert_eq!(job.status, Status::Completed, "{:?}", job.error);
    job
}

#[track_caller]
fn refused(house: &House, wanted: RestoreRequest) -> Fault {
    let fault = begin(house, wanted).expect_err("refused");
    assert_eq!(fault.code, Code::RestoreTargetInvalid, "{fault}");
    fault
}

fn staging(house: &House) -> Store {
    house.engine.store("HOLDFAST", "Staging").expect("the region's own")
}

fn disks(store: &Store) -> RestoreRequest {
    RestoreRequest {
        store: Some(store.clone()),
        directory: None,
        ..RestoreRequest::to_directory("", ImageFormat::Raw)
    }
}

fn new_vm(name: &str) -> RestoreRequest {
    RestoreRequest {
        form: RestoreForm::NewVm { name: name.to_owned(), network: None },
        directory: None,
        ..RestoreRequest::to_directory("", ImageFormat::Raw)
    }
}

fn property<'a>(job: &'a Job, name: &str) -> &'a str {
    let found = job.properties.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str()).unwrap_or_else(|| panic!("no '{name}': {job:?}"))
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("there");
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries.map(|entry| name(entry.expect("read"))).collect();
    names.sort();
    names
}

/// The JSON file that a `file` URL of the job names.
fn document(job: &Job, name: &str) -> Value {
    let path = property(job, name).strip_prefix("file://").expect("a file URL");
    let mode = fs::metadata(path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "for its owner only");
    serde_json::from_slice(&fs::read(path).expect("there")).expect("JSON")
}

#[test]
fn disks_go_into_the_staging_store_with_their_description() {
    let (house, _) = backed_up();
    let store = staging(&house);
    let job = done(&house, disks(&store));
    let id = job.id.to_string();
    let directory = store.directory.join(format!("web-{id}"));
    let expected = [
        format!("azuredeploy-{id}.json"),
        format!("config-web-{id}.json"),
        format!("domain-{id}.xml"),
        "web-vda.raw".to_owned(),
        "web-vdb.raw".to_owned(),
    ];
    assert_eq!(names(&directory), expected);
    for target in ["vda", "vdb"] {
        let restored = fs::read(directory.join(format!("web-{target}.raw"))).expect("restored");
        assert!(restored == house.content(target), "{target} differs");
    }
    assert_eq!(property(&job, "Job Type"), "Recover disks");
    assert_eq!(property(&job, "Target Storage Account Name"), "staging");
    assert_eq!(property(&job, "Target resource group"), "holdfast");
    assert_eq!(property(&job, "Config Blob Container Name"), format!("web-{id}"));
    assert_eq!(property(&job, "Config Blob Name"), expected[1]);
    let config = document(&job, "Config Blob Uri");
    assert_eq!(config["disks"][1]["lun"], 0);
    assert_eq!(config["disks"][0]["isOsDisk"], true);
    for disk in config["disks"].as_array().expect("a list") {
        assert!(Path::new(disk["path"].as_str().expect("a path")).is_file(), "{disk}");
    }
    let template = document(&job, "Template Blob Uri");
    let machine = &template["resources"][0];
    assert_eq!(machine["type"], "Microsoft.Compute/virtualMachines");
    assert_eq!(machine["properties"]["storageProfile"]["dataDisks"][0]["lun"], 0);
    let xml = fs::read_to_string(directory.join(&expected[2])).expect("there");
    let domain = fabric::xml::domain::read(&xml, model::vm::PowerState::Off).expect("a domain");
    assert_eq!(domain.name, property(&job, "Target VM Name"));
    assert!(domain.disks.iter().all(|disk| Path::new(&disk.source).is_file()), "{xml}");
    // A second one has a directory of its own.
    done(&house, disks(&store));
}

#[test]
fn a_restore_counts_what_it_writes_and_no_holes() {
    let (house, _) = backed_up();
    let job = done(&house, disks(&staging(&house)));
    for disk in &job.disks {
        let size = house.content(&disk.target).len() as u64;
        assert!(disk.total_bytes < size, "{disk:?}: of {size} bytes");
        assert_eq!(disk.done_bytes, disk.total_bytes, "{disk:?}");
    }
}

#[test]
fn only_the_disks_that_are_wanted_are_restored() {
    let (house, _) = backed_up();
    let store = staging(&house);
    for (luns, expected) in [
        (vec![], &["web-vda.raw"][..]),
        (vec![0], &["web-vdb.raw"]),
        (vec![0, 0], &["web-vdb.raw"]),
    ] {
        let job = done(&house, RestoreRequest { luns: Some(luns), ..disks(&store) });
        let restored = names(&store.directory.join(format!("web-{}", job.id)));
        let restored: Vec<&String> = restored.iter().filter(|it| it.ends_with(".raw")).collect();
        assert_eq!(restored, expected);
        assert_eq!(document(&job, "Config Blob Uri")["disks"].as_array().map(Vec::len), Some(1));
    }
    refused(&house, RestoreRequest { luns: Some(vec![1]), ..disks(&store) });
}

#[test]
fn a_created_machine_is_in_its_group_and_on_its_network() {
    let (house, _) = backed_up();
    house.engine.create_resource_group("Branch", "local", None).expect("made");
    let network = house.engine.network("holdfast", "LAB").expect("seen");
    let form = RestoreForm::NewVm { name: "again".to_owned(), network: Some(Box::new(network)) };
    let wanted = RestoreRequest {
        form,
        store: Some(staging(&house)),
        resource_group: Some("branch".to_owned()),
        ..new_vm("")
    };
    let job = done(&house, wanted);
    let vm = house.engine.vm("branch", "again").expect("in its group");
    assert_eq!(vm.resource_group, "Branch");
    assert_eq!(vm.interfaces.len(), 1);
    assert_eq!(vm.interfaces[0].network.as_deref(), Some("lab"));
    let images = house.dir().join("images").join(format!("again-{}", job.id));
    assert_eq!(names(&images), ["again-vda.qcow2", "again-vdb.qcow2"]);
    let mode = fs::metadata(&images).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o711, "QEMU's user comes through");
    let config = document(&job, "Config Blob Uri");
    assert_eq!(config["virtualMachine"]["network"], "lab");
    assert_eq!(config["virtualMachine"]["domainUuid"], vm.uuid.to_string());
    assert!(house.host.domain(vm.uuid).is_ok());
}

#[test]
fn a_machine_is_created_only_where_and_as_it_may_be() {
    let (house, _) = backed_up();
    for name in [NAME, "WEB", "", "../x", "a/b", "-x", &"n".repeat(65)] {
        refused(&house, new_vm(name));
    }
    let lab = house.engine.network("holdfast", "lab").expect("seen");
    for network in
        [Network { region: "south".to_owned(), ..lab.clone() }, Network { active: false, ..lab }]
    {
        let form =
            RestoreForm::NewVm { name: "again".to_owned(), network: Some(Box::new(network)) };
        refused(&house, RestoreRequest { form, ..new_vm("") });
    }
    let nowhere = RestoreRequest { resource_group: Some("nowhere".to_owned()), ..new_vm("again") };
    let fault = begin(&house, nowhere).expect_err("no such group");
    assert_eq!(fault.code, Code::ResourceGroupNotFound);
    assert!(!house.dir().join("images").exists(), "nothing was written");
}

#[test]
fn a_store_of_another_region_and_a_deleted_item_are_refused() {
    let (house, vault) = backed_up();
    house.engine.add_host(OTHER_URI, "South", "holdfast").expect("registered");
    let south = house.engine.store("holdfast", "stagingsouth").expect("the region's own");
    assert_eq!(south.directory, house.data().join("staging/south"));
    refused(&house, disks(&south));
    refused(&house, RestoreRequest { store: None, ..disks(&south) });

    let now = house.engine.clock().now();
    let deletion =
        Some(Deletion { at: now, until: now + SignedDuration::from_hours(24), purging: false });
    let item = model::item::Item { deletion, ..house.item(&vault) };
    let point = house.points(&vault)[0].id;
    let fault = house.engine.restore(&item, point, disks(&staging(&house)));
    assert_eq!(fault.expect_err("deleted").code, Code::ItemSoftDeleted);
}

#[test]
fn a_restore_goes_nowhere_near_the_engines_own_files_or_where_nobody_allowed() {
    let (house, _) = backed_up();
    let link = house.dir().join("link");
    symlink(house.data(), &link).expect("made");
    let to = |directory: &Path| RestoreRequest::to_directory(directory, ImageFormat::Raw);
    for directory in [
        house.data(),
        house.data().join("stores/x"),
        house.data().join("staging"),
        link.join("deep/er"),
        house.dir().join("out/../data/keys"),
        PathBuf::from("/etc/cron.d"),
        PathBuf::from("/"),
        PathBuf::from("out"),
        PathBuf::new(),
    ] {
        refused(&house, to(&directory));
    }
    let out = house.dir().join("out");
    done(&house, to(&out));
    refused(&house, to(&out));
    done(&house, to(&staging(&house).directory.join("mine")));
}

#[test]
fn what_a_cancelled_or_killed_job_left_in_a_store_is_gone() {
    let (house, vault) = backed_up();
    let store = staging(&house);
    let job = done(&house, disks(&store));
    let directory = store.directory.join(format!("web-{}", job.id));
    let house = house.restart(|data| {
        let ledger = house::ledger(data);
        let unfinished = Job { status: Status::InProgress, ended_at: None, ..job.clone() };
        ledger::Ledger::update_job(&ledger, &unfinished).expect("written");
        fs::remove_dir_all(&directory).expect("removed");
        fs::create_dir(&directory).expect("made");
        fs::write(directory.join(format!(".holdfast-{}-vda.raw", job.id)), "x").expect("made");
    });
    let ended = house.ended(&vault, job.id);
    assert_eq!(ended.status, Status::Failed);
    assert!(!directory.exists(), "its own directory, empty");
}

#[test]
fn operators_add_stores_where_nothing_else_is() {
    let (house, _) = backed_up();
    let new = |name: &str, directory: PathBuf| NewStore {
        name: name.to_owned(),
        resource_group: "HoldFast".to_owned(),
        region: "LOCAL".to_owned(),
        directory,
    };
    let here = house.dir().join("extra");
    let (store, is_new) = house.engine.add_store(new("extra", here.clone())).expect("added");
    assert!(is_new && here.is_dir());
    assert_eq!((store.resource_group.as_str(), store.region.as_str()), ("holdfast", "local"));
    let again = house.engine.add_store(new("extra", here.clone())).expect("as it is");
    assert_eq!(again, (store.clone(), false));
    done(&house, disks(&store));

    symlink(house.data(), house.dir().join("link")).expect("made");
    fs::write(house.dir().join("file"), "").expect("made");
    let within = |path: &str| house.dir().join(path);
    for (name, directory, code) in [
        ("Extra", within("other"), Code::InvalidResourceName),
        ("ab", within("other"), Code::InvalidResourceName),
        ("extra", within("other"), Code::StoreTaken),
        ("staging", within("other"), Code::StoreTaken),
        ("other", here.clone(), Code::StoreInvalid),
        ("other", here.join("deeper"), Code::StoreInvalid),
        ("other", house.data().join("keys"), Code::StoreInvalid),
        ("other", house.data().join("staging"), Code::StoreInvalid),
        ("other", house.dir().to_owned(), Code::StoreInvalid),
        ("other", within("link/x"), Code::StoreInvalid),
        ("other", within("a/../data"), Code::StoreInvalid),
        ("other", within("file/x"), Code::StoreInvalid),
        ("other", PathBuf::from("relative"), Code::StoreInvalid),
        ("other", PathBuf::from("/proc/nowhere"), Code::StoreInvalid),
    ] {
        let fault = house.engine.add_store(new(name, directory.clone())).expect_err(name);
        assert_eq!(fault.code, code, "{name} {}: {fault}", directory.display());
    }
    let elsewhere = NewStore { region: "south".to_owned(), ..new("other", within("other")) };
    let fault = house.engine.add_store(elsewhere).expect_err("no host there");
    assert_eq!(fault.code, Code::LocationNotAvailable);

    house.engine.remove_store("holdfast", "EXTRA").expect("removed");
    assert!(here.is_dir(), "its files stay");
    let fault = house.engine.remove_store("holdfast", "extra").expect_err("gone");
    assert_eq!(fault.code, Code::ResourceNotFound);
    let fault = house.engine.remove_store("holdfast", "staging").expect_err("the region's own");
    assert_eq!(fault.code, Code::StoreInUse);
}
