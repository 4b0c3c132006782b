//! `Microsoft.RecoveryServices/locations/deletedVaults`: vaults that are out of sight, but not
//! gone. And the way there: what keeps a vault from being deleted.

use api::arm::deleted_vault::{self as shape, Blocker, DeletionPlanProperties, UndeleteRequest};
use api::arm::{time, vault};
use axum::http::StatusCode;
use engine::{DeletionPlan, VaultEnding, VaultOutOfSight};
use model::arm_id;
use model::fault::{Code, Fault};
use model::role::Scope;

use super::list;
use crate::call::{Call, Reply};
use crate::routes::vaults::{DELETED_READ, VAULT_WRITE};

/// `GET …/locations/L/deletedVaults`
pub(crate) fn list_all(call: &Call) -> Result<Reply, Fault> {
    let region = call.name("location");
    let mut found = call.engine().vaults_out_of_sight()?;
    let reach = call.reach(DELETED_READ)?;
    found.retain(|it| {
        let (group, vault) = (it.vault.resource_group.clone(), it.vault.name.to_string());
        it.vault.region.eq_ignore_ascii_case(region) && reach.holds(&Scope::Vault { group, vault })
    });
    list(call, found.iter().map(|it| render(call, it)))
}

/// `GET …/locations/L/deletedVaults/N`
pub(crate) fn get(call: &Call) -> Result<Reply, Fault> {
    Ok(Reply::ok(&render(call, &found(call)?)))
}

/// `POST …/locations/L/deletedVaults/N/undelete`. The vault is back when this answers, so there is
/// no operation to look at.
pub(crate) fn undelete(call: &Call) -> Result<Reply, Fault> {
    let request: UndeleteRequest = call.body()?;
    let deleted = found(call)?;
    let group = request.properties.group();
    let place = arm_id::vault(&call.subscription(), group, deleted.vault.name.as_str());
    call.require(VAULT_WRITE, &place)?;
    call.engine().undelete_vault(&deleted, group)?;
    Ok(Reply::ok(&render(call, &deleted)))
}

/// `DELETE …/locations/L/deletedVaults/N`: at once, if nothing is in it.
pub(crate) fn purge(call: &Call) -> Result<Reply, Fault> {
    match found(call) {
        Ok(deleted) => call.engine().purge_vault(&deleted).map(|_| Reply::done()),
        Err(fault) if fault.code == Code::ResourceNotFound => {
            Ok(Reply::empty(StatusCode::NO_CONTENT))
        }
        Err(fault) => Err(fault),
    }
}

fn found(call: &Call) -> Result<VaultOutOfSight, Fault> {
    call.engine().vault_out_of_sight(call.name("location"), call.name("vault"))
}

fn render(call: &Call, it: &VaultOutOfSight) -> shape::DeletedVault {
    shape::render(&call.subscription(), &it.name, &it.vault, it.deleted_at, it.purge_at)
}

/// `GET V/providers/Holdfast.Fabric/deletionPlans/default`
pub(crate) fn plan(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let DeletionPlan { blockers, command, ending, gone_at } =
        call.engine().deletion_plan(&vault)?;
    let blocker = |it: engine::Blocker| Blocker {
        kind: it.kind.name().to_owned(),
        name: it.name,
        reason: it.reason,
        commands: it.commands.iter().map(|words| shape::command_line(words)).collect(),
    };
    let outcome = match ending {
        VaultEnding::ForGood => "Deleted",
        VaultEnding::SoftDeleted => "SoftDeleted",
    };
    let properties = DeletionPlanProperties {
        blockers: blockers.into_iter().map(blocker).collect(),
        command: shape::command_line(&command),
        outcome: outcome.to_owned(),
        gone_at: time::moment(gone_at),
    };
    let id = vault::id(&call.subscription(), &vault);
    Ok(Reply::ok(&shape::render_plan(&id, properties)))
}
