//! Recovery points.

use api::arm::point as shape;
use engine::PointQuery;
use model::arm_id;
use model::fault::{Code, Fault};
use model::item::Item;
use model::point::{Point, PointId};

use super::items::vault_id;
use super::pages;
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
        let expiries = call.engine().expiries(&vault, &item)?;
        let expiry = |point: &Point| expiries.get(&point.id).copied();
        Ok(points.iter().map(|point| shape::render(&item_id, point, expiry(point))).collect())
    })
}

/// `GET ITEM/recoveryPoints/P`
pub(crate) fn get(call: &Call) -> Result<Reply, Fault> {
    let (vault, item) = call.item()?;
    let point = call.engine().point(&item, point_id(call, &item)?)?;
    let item_id = arm_id::item(&vault_id(call, &vault), &item);
    let expiry = call.engine().expiries(&vault, &item)?.get(&point.id).copied();
    Ok(Reply::ok(&shape::render(&item_id, &point, expiry)))
}

/// The id in the URL; text that is none is as good as an id that does not exist.
pub(super) fn point_id(call: &Call, item: &Item) -> Result<PointId, Fault> {
    call.name("point").parse().map_err(|error| {
        let name = call.name("point");
        let message =
            format!("Virtual machine '{}' has no recovery point '{name}': {error}.", item.vm_name);
        Fault::new(Code::ResourceNotFound, message)
    })
}
