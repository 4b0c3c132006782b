//! `Holdfast.Fabric/retention` of a vault.

use api::arm::retention::{self as shape, ConfirmRequest, PointVerdict, Told};
use engine::ItemVerdicts;
use jiff::Timestamp;
use model::fault::Fault;
use model::point::PointId;
use uuid::Uuid;

use super::items::vault_id;
use super::{bad_request, pages, pending};
use crate::call::{Call, Reply};

const KIND: &str = "retention";

/// `GET V/providers/Holdfast.Fabric/retention/default`
pub(crate) fn get(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let status = call.engine().retention_status(&vault)?;
    let id = vault_id(call, &vault);
    let waiting = status.waiting.as_ref();
    Ok(Reply::ok(&shape::render(&id, &status.upkeep, waiting, &status.clock)))
}

/// Where an entry is in the list: its item, the moment it was taken, its id.
type Place = (Uuid, Timestamp, PointId);

/// `GET V/providers/Holdfast.Fabric/retention/default/points`: a dry run. Only the items on the
/// page are judged.
pub(crate) fn points(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let filter = call.filter()?;
    let part = pages::part(call, KIND)?;
    let after: Option<Place> = pages::parsed(&part, |place| {
        let mut words = place.split(' ');
        let mut word = || words.next();
        Some((word()?.parse().ok()?, word()?.parse().ok()?, word()?.parse().ok()?))
    })?;
    let mut items = call.engine().items(&vault)?;
    items.retain(|item| filter.passes_vms() && filter.passes("friendlyName", &item.vm_name));
    items.sort_by_key(|item| item.id);
    items.retain(|item| after.is_none_or(|(last, ..)| item.id >= last));
    let mut entries: Vec<(Place, PointVerdict)> = Vec::new();
    for item in items {
        if entries.len() >= part.fetch {
            break;
        }
        let judged = call.engine().retention_of_item(&vault, &item)?;
        entries.extend(entries_of(&vault_id(call, &vault), judged, after));
    }
    entries.truncate(part.fetch);
    let place = |((item, at, id), _): &(Place, PointVerdict)| format!("{item} {at} {id}");
    pages::page(call, KIND, &part, entries, place, |entries| {
        Ok(entries.iter().map(|(_, verdict)| verdict.clone()).collect::<Vec<_>>())
    })
}

fn entries_of(
    vault_id: &str,
    judged: ItemVerdicts,
    after: Option<Place>,
) -> Vec<(Place, PointVerdict)> {
    let ItemVerdicts { item, points } = judged;
    let entry = |judged: engine::PointVerdict| {
        let place = (item.id, judged.taken_at, judged.point);
        let told = Told {
            point: judged.point,
            taken_at: judged.taken_at,
            vm_name: &item.vm_name,
            released: judged.verdict.released,
            rule: judged.verdict.rule.name(),
            reason: judged.verdict.to_string(),
            until: judged.verdict.until,
        };
        (place, shape::render_point(vault_id, told))
    };
    points
        .into_iter()
        .filter(|judged| after.is_none_or(|last| (item.id, judged.taken_at, judged.point) > last))
        .map(entry)
        .collect()
}

/// `POST V/providers/Holdfast.Fabric/retention/default/run`: a turn in the background.
pub(crate) fn run(call: &Call) -> Result<Reply, Fault> {
    call.engine().ask_for_retention(&call.vault()?);
    Ok(pending())
}

/// `POST V/providers/Holdfast.Fabric/retention/default/confirm`
pub(crate) fn confirm(call: &Call) -> Result<Reply, Fault> {
    let request = if call.body.is_empty() { ConfirmRequest::default() } else { call.body()? };
    let parse = |text: &String| {
        Uuid::parse_str(text).map_err(|_| bad_request(format!("planId '{text}' is no plan's id.")))
    };
    let seen = request.plan_id.as_ref().map(parse).transpose()?;
    let vault = call.vault()?;
    call.engine().confirm_retention(&vault, seen)?;
    get(call)
}

/// `POST …/providers/Holdfast.Fabric/retention/default/confirmClock`
pub(crate) fn confirm_clock(call: &Call) -> Result<Reply, Fault> {
    Ok(Reply::ok(&shape::render_clock(&call.engine().confirm_clock()?)))
}
