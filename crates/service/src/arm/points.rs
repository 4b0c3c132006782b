//! Recovery points.

use api::arm::point::{self as shape, Fate};
use engine::PointQuery;
use model::arm_id;
use model::fault::{Code, Fault};
use model::item::Item;
use model::point::{Point, PointId};
use model::vault::Vault;

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
        let fate = fates(call, &vault, &item)?;
        Ok(points.iter().map(|point| shape::render(&item_id, point, fate(point))).collect())
    })
}

/// `GET ITEM/recoveryPoints/P`
pub(crate) fn get(call: &Call) -> Result<Reply, Fault> {
    let (vault, item) = call.item()?;
    let point = call.engine().point(&item, point_id(call, &item)?)?;
    let item_id = arm_id::item(&vault_id(call, &vault), &item);
    let fate = fates(call, &vault, &item)?(&point);
    Ok(Reply::ok(&shape::render(&item_id, &point, fate)))
}

/// What becomes of each point of an item.
fn fates(
    call: &Call,
    vault: &Vault,
    item: &Item,
) -> Result<impl Fn(&Point) -> Fate + use<>, Fault> {
    let expiries = call.engine().expiries(vault, item)?;
    let is_soft_deleted = item.deletion.is_some();
    let expiry = move |point: &Point| expiries.get(&point.id).copied();
    Ok(move |point: &Point| Fate { expiry: expiry(point), is_soft_deleted })
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
