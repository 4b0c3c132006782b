//! What a restore leaves in its staging store beside the disks: which disks came from what, a
//! deployment template, and a domain that `virsh define` takes.

use std::path::Path;

use api::arm::restored::{self, Facts, File};
use api::record::PointRecord;
use fabric::NewDomain;
use fabric::xml::{domain, rebuild};
use model::fault::Fault;
use model::item::Item;
use model::job::JobId;
use model::point::Point;
use model::vault::Vault;
use model::vm::PowerState;
use uuid::Uuid;

use crate::faults::OrFault;

/// The names of the files.
pub(super) struct Names {
    pub(super) config: String,
    pub(super) template: String,
    pub(super) domain: String,
}

impl Names {
    pub(super) fn of(vm: &str, job: JobId) -> Self {
        Self {
            config: format!("config-{vm}-{job}.json"),
            template: format!("azuredeploy-{job}.json"),
            domain: format!("domain-{job}.xml"),
        }
    }
}

/// What is described.
pub(super) struct Description<'a> {
    pub(super) subscription: Uuid,
    pub(super) vault: &'a Vault,
    pub(super) item: &'a Item,
    pub(super) point: &'a Point,
    pub(super) record: &'a PointRecord,
    pub(super) new: &'a NewDomain,
    pub(super) domain_file: &'a Path,
}

impl Description<'_> {
    /// The files, by name.
    pub(super) fn files(&self, names: &Names) -> Result<[(String, String); 3], Fault> {
        let Self { vault, item, point, record, new, .. } = self;
        let (domain_xml, left_out) = rebuild::rebuild(&record.domain_xml, new).or_fault()?;
        let source = domain::read(&record.domain_xml, PowerState::Off).or_fault()?;
        let file = |disk: &fabric::RestoredDisk| {
            let at = source.disks.iter().position(|other| other.target == disk.target);
            let held = point.disks.iter().find(|held| held.target == disk.target);
            File {
                lun: at.and_then(|at| at.checked_sub(1)).and_then(|lun| u32::try_from(lun).ok()),
                target: disk.target.clone(),
                path: disk.path.clone(),
                format: disk.format.name(),
                size: held.map_or(0, |held| held.size),
            }
        };
        let disks: Vec<File> = new.disks.iter().map(file).collect();
        let uuid = new.uuid.to_string();
        let subscription = self.subscription.to_string();
        let facts = Facts {
            subscription: &subscription,
            vault,
            item,
            point,
            name: &new.name,
            uuid: &uuid,
            resource_group: new.resource_group.as_deref().unwrap_or_default(),
            network: new.network.as_deref(),
            vcpus: source.vcpus,
            memory_bytes: source.memory_bytes,
            disks: &disks,
            left_out: &left_out,
            domain_file: self.domain_file,
        };
        Ok([
            (names.config.clone(), restored::config(&facts)),
            (names.template.clone(), restored::template(&facts)),
            (names.domain.clone(), domain_xml),
        ])
    }
}
