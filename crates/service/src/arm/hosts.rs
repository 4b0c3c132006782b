//! `Holdfast.Fabric/hosts`.

use api::arm::host::{self, Condition, HostRequest};
use axum::http::StatusCode;
use engine::HostStatus;
use model::fault::Fault;
use model::role::Scope;

use super::list;
use crate::call::{Call, Reply};
use crate::routes::fabric::HOST_READ;

/// `GET …/providers/Holdfast.Fabric/hosts`
pub(crate) fn list_all(call: &Call) -> Result<Reply, Fault> {
    let subscription = call.subscription();
    let mut hosts = call.engine().hosts()?;
    let reach = call.reach(HOST_READ)?;
    hosts.retain(|status| reach.holds(&Scope::Group(status.host.resource_group.clone())));
    list(call, hosts.iter().map(|status| render(&subscription, status)))
}

/// `PUT …/providers/Holdfast.Fabric/hosts/{name}`: registers a connection. The host gets a name of
/// its own, whatever the URL says.
pub(crate) fn put(call: &Call) -> Result<Reply, Fault> {
    let request: HostRequest = call.body()?;
    let uri = &request.properties.uri;
    let host = call.engine().add_host(uri, &request.location, call.name("group"))?;
    let hosts = call.engine().hosts()?;
    let status = hosts.into_iter().find(|status| status.host.id == host.id);
    let status = status.unwrap_or(HostStatus { host, problem: None, vms: 0 });
    Ok(Reply::json(StatusCode::CREATED, &render(&call.subscription(), &status)))
}

/// Renders a host.
pub(super) fn render(subscription: &str, status: &HostStatus) -> host::Host {
    let condition = Condition {
        connected: status.problem.is_none(),
        vms: status.vms,
        problem: status.problem.as_ref(),
    };
    host::render(subscription, &status.host, condition)
}
