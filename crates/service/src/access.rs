//! Whether a caller may do what it asks: from URLs and ids to places, from verdicts to faults.

use engine::Access as Caller;
use engine::access::Denied;
use model::fault::{Code, Fault};
use model::principal::Tenancy;
use model::role::Scope;

use crate::call::Call;
use crate::routes::Access;

/// Fails where this caller may not use a route with this access.
pub(crate) fn authorise(access: Access, call: &Call, caller: &Caller) -> Result<(), Fault> {
    let subscription = call.engine().tenancy().subscription;
    // What is in no subscription is the installation's.
    let place = || Scope::holding(&call.path, subscription).unwrap_or(Scope::Subscription);
    match access {
        Access::Open | Access::Login | Access::Token => Ok(()),
        Access::Member(action) => judged(caller, action, &call.path, |caller| {
            if caller.holds_any() { Ok(()) } else { Err(Denied::NoRoleHere) }
        }),
        Access::Needs(action) | Access::Plain(action) => {
            judged(caller, action, scope(call, action), |caller| caller.judge(action, &place()))
        }
        Access::Sees(action) => {
            judged(caller, action, &call.path, |caller| caller.judge_list(action, &place()))
        }
    }
}

/// The resource that an action is on. The URL of an action that is not reading, writing or deleting
/// ends with the action's name.
fn scope<'a>(call: &'a Call, action: &str) -> &'a str {
    match call.path.rsplit_once('/') {
        Some((resource, _)) if action.ends_with("/action") => resource,
        _ => &call.path,
    }
}

/// The place that an id in a body names.
pub(crate) fn place(tenancy: Tenancy, id: &str) -> Result<Scope, Fault> {
    if let Some(place) = Scope::holding(id, tenancy.subscription) {
        return Ok(place);
    }
    let mut segments = id.split('/').filter(|segment| !segment.is_empty());
    let first = segments.next().unwrap_or_default();
    match segments.next() {
        Some(other) if first.eq_ignore_ascii_case("subscriptions") => {
            let message = format!("The subscription '{other}' could not be found.");
            Err(Fault::new(Code::SubscriptionNotFound, message))
        }
        _ => {
            let message = format!(
                "'{id}' is not the id of a resource: it begins with no \
                                   subscription."
            );
            Err(Fault::new(Code::BadRequest, message))
        }
    }
}

/// Turns a verdict into Azure's answer; why it is so goes to the log only.
pub(crate) fn judged(
    caller: &Caller,
    action: &str,
    scope: &str,
    verdict: impl FnOnce(&Caller) -> Result<(), Denied>,
) -> Result<(), Fault> {
    verdict(caller).map_err(|why| {
        let principal = caller.principal();
        let (client, object) = (principal.client_id, principal.object_id);
        tracing::debug!(%client, action, scope, ?why, "not allowed");
        let message = format!(
            "The client '{client}' with object id '{object}' does not have authorization to \
             perform action '{action}' over scope '{scope}' or the scope is invalid. If access was \
             recently granted, please refresh your credentials."
        );
        Fault::new(Code::AuthorizationFailed, message)
    })
}
