//! Recovery points, and their restore.

use std::path::PathBuf;

use api::arm::point as shape;
use api::arm::restore::{
    ALTERNATE_LOCATION, HoldfastTarget, ORIGINAL_LOCATION, RESTORE_DISKS, RestoreRequest,
    RestoreRequestProperties,
};
use engine::{ImageFormat, PointQuery, RestoreTarget};
use model::arm_id;
use model::fault::{Code, Fault};
use model::item::Item;
use model::point::{Point, PointId};

use super::items::vault_id;
use super::{accepted, bad_request, pages};
use crate::call::{Call, Reply};

const KIND: &str = "points";

/// `GET ITEM/recoveryPoints`
pub(crate) fn list_all(call: &Call) -> Result<Reply, Fault> {
    let (vault, item) = call.item()?;
    let filter = call.filter()?;
    let part = pages::part(call, KIND)?;
    let points = call.engine().find_points(PointQuery {
        item: item.id,
        from: filter.moment("startDate")?,
        to: filter.moment("endDate")?,
        after: pages::parsed(&part, |place| {
            let (at, id) = place.split_once(' ')?;
            Some((at.parse().ok()?, id.parse().ok()?))
        })?,
        limit: Some(part.fetch),
    })?;
    let place = |point: &Point| format!("{} {}", point.taken_at, point.id);
    let item_id = arm_id::item(&vault_id(call, &vault), &item);
    pages::page(call, KIND, &part, points, place, |points| {
        Ok(points.iter().map(|point| shape::render(&item_id, point)).collect())
    })
}

/// `GET ITEM/recoveryPoints/P`
pub(crate) fn get(call: &Call) -> Result<Reply, Fault> {
    let (vault, item) = call.item()?;
    let point = call.engine().point(&item, point_id(call, &item)?)?;
    let item_id = arm_id::item(&vault_id(call, &vault), &item);
    Ok(Reply::ok(&shape::render(&item_id, &point)))
}

/// `POST ITEM/recoveryPoints/P/restore`
pub(crate) fn restore(call: &Call) -> Result<Reply, Fault> {
    let (vault, item) = call.item()?;
    let point = point_id(call, &item)?;
    let request: RestoreRequest = call.body()?;
    let job = call.engine().restore(&item, point, target(&item, &request.properties)?)?;
    Ok(accepted(call, &arm_id::item(&vault_id(call, &vault), &item), &job.to_string()))
}

/// The id in the URL; text that is none is as good as an id that does not exist.
fn point_id(call: &Call, item: &Item) -> Result<PointId, Fault> {
    call.name("point").parse().map_err(|error| {
        let name = call.name("point");
        let message =
            format!("Virtual machine '{}' has no recovery point '{name}': {error}.", item.vm_name);
        Fault::new(Code::ResourceNotFound, message)
    })
}

/// Where the request wants the point restored to. What cannot be done yet is refused.
fn target(item: &Item, wanted: &RestoreRequestProperties) -> Result<RestoreTarget, Fault> {
    let refused = |message: &str| Fault::new(Code::RestoreTargetInvalid, message);
    if wanted.restore_disk_lun_list.is_some() {
        return Err(refused("Restoring only some disks is not supported yet."));
    }
    let Some(target) = &wanted.holdfast_target else {
        return Err(refused(
            "The request names no properties.holdfastTarget.directory. Restoring to a storage \
             account or over the original disks is not supported yet.",
        ));
    };
    let directory = PathBuf::from(&target.directory);
    match wanted.recovery_type.as_str() {
        RESTORE_DISKS => Ok(RestoreTarget::Disks { directory, format: format(target)? }),
        ALTERNATE_LOCATION => {
            let name = wanted.target_vm_name().unwrap_or_default().to_owned();
            let group = wanted.target_group().unwrap_or(&item.vm_resource_group);
            if name.is_empty() {
                return Err(refused("The request names no virtual machine to create."));
            }
            if !group.eq_ignore_ascii_case(&item.vm_resource_group) {
                return Err(refused(
                    "Creating the virtual machine in another resource group is not supported yet.",
                ));
            }
            Ok(RestoreTarget::NewVm { name, directory })
        }
        ORIGINAL_LOCATION => {
            Err(refused("Restoring over the original disks is not supported yet."))
        }
        other => Err(bad_request(format!(
            "recoveryType '{other}' is neither {RESTORE_DISKS} nor {ALTERNATE_LOCATION}."
        ))),
    }
}

fn format(target: &HoldfastTarget) -> Result<ImageFormat, Fault> {
    match target.format.as_deref() {
        None | Some("qcow2") => Ok(ImageFormat::Qcow2),
        Some("raw") => Ok(ImageFormat::Raw),
        Some(other) => Err(bad_request(format!("format '{other}' is neither raw nor qcow2."))),
    }
}
