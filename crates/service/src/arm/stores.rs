//! Staging stores: `Holdfast.Fabric/stores`, and the same as `Microsoft.Storage/storageAccounts`.

use std::path::PathBuf;

use api::arm::store::{self, StoreRequest};
use axum::http::StatusCode;
use engine::NewStore;
use model::fault::{Code, Fault};
use model::role::Scope;
use model::store::Store;

use super::{list, tenancy};
use crate::call::{Call, Reply};
use crate::routes::fabric::STORE_READ;
use crate::routes::storage;

/// `GET …/providers/Holdfast.Fabric/stores`
pub(crate) fn list_all(call: &Call) -> Result<Reply, Fault> {
    let subscription = call.subscription();
    let stores = visible(call, STORE_READ)?;
    list(call, stores.iter().map(|store| store::render(&subscription, store)))
}

/// `GET …/resourceGroups/G/providers/Holdfast.Fabric/stores/N`
pub(crate) fn get(call: &Call) -> Result<Reply, Fault> {
    Ok(Reply::ok(&store::render(&call.subscription(), &named(call)?)))
}

/// `PUT …/resourceGroups/G/providers/Holdfast.Fabric/stores/N`
pub(crate) fn put(call: &Call) -> Result<Reply, Fault> {
    let request: StoreRequest = call.body()?;
    let (store, is_new) = call.engine().add_store(NewStore {
        name: call.name("store").to_owned(),
        resource_group: call.name("group").to_owned(),
        region: request.location,
        directory: PathBuf::from(request.properties.directory),
    })?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Reply::json(status, &store::render(&call.subscription(), &store)))
}

/// `DELETE …/resourceGroups/G/providers/Holdfast.Fabric/stores/N`
pub(crate) fn delete(call: &Call) -> Result<Reply, Fault> {
    match call.engine().remove_store(call.name("group"), call.name("store")) {
        Err(fault) if fault.code == Code::ResourceNotFound => {
            Ok(Reply::empty(StatusCode::NO_CONTENT))
        }
        other => other.map(|()| Reply::empty(StatusCode::OK)),
    }
}

/// `GET …/providers/Microsoft.Storage/storageAccounts`
pub(crate) fn accounts(call: &Call) -> Result<Reply, Fault> {
    render_accounts(call, &visible(call, storage::READ)?)
}

/// `GET …/resourceGroups/G/providers/Microsoft.Storage/storageAccounts`
pub(crate) fn accounts_of_group(call: &Call) -> Result<Reply, Fault> {
    let group = tenancy::find_group(call)?.name;
    let mut stores = call.engine().stores()?;
    stores.retain(|store| store.resource_group.eq_ignore_ascii_case(&group));
    render_accounts(call, &stores)
}

/// `GET …/resourceGroups/G/providers/Microsoft.Storage/storageAccounts/N`
pub(crate) fn account(call: &Call) -> Result<Reply, Fault> {
    Ok(Reply::ok(&store::render_account(&call.subscription(), &named(call)?)))
}

/// `GET …/resourceGroups/G/providers/Microsoft.ClassicStorage/storageAccounts/N`: there are none,
/// and clients ask for one of them first.
pub(crate) fn classic(call: &Call) -> Result<Reply, Fault> {
    let (group, name) = (call.name("group"), call.name("store"));
    let message = format!(
        "The Resource 'Microsoft.ClassicStorage/storageAccounts/{name}' under resource group \
         '{group}' was not found."
    );
    Err(Fault::new(Code::ResourceNotFound, message))
}

/// The stores that the caller may read.
fn visible(call: &Call, action: &str) -> Result<Vec<Store>, Fault> {
    let mut stores = call.engine().stores()?;
    let reach = call.reach(action)?;
    stores.retain(|store| reach.holds(&Scope::Group(store.resource_group.clone())));
    Ok(stores)
}

fn named(call: &Call) -> Result<Store, Fault> {
    call.engine().store(call.name("group"), call.name("store"))
}

fn render_accounts(call: &Call, stores: &[Store]) -> Result<Reply, Fault> {
    let subscription = call.subscription();
    list(call, stores.iter().map(|store| store::render_account(&subscription, store)))
}
