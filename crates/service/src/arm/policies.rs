//! `vaults/backupPolicies`, to be read.

use api::arm::policy as shape;
use model::fault::Fault;
use model::item::Item;
use model::policy::Policy;
use model::vault::Vault;

use super::list;
use crate::call::{Call, Reply};

/// `GET V/backupPolicies`
pub(crate) fn list_all(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    if !call.filter()?.passes_vms() {
        return list::<shape::Policy>(call, []);
    }
    let items = call.engine().items(&vault)?;
    let policies = call.engine().policies(&vault)?;
    list(call, policies.iter().map(|policy| render(call, &vault, policy, &items)))
}

/// `GET V/backupPolicies/P`
pub(crate) fn get(call: &Call) -> Result<Reply, Fault> {
    let vault = call.vault()?;
    let policy = call.engine().policy(&vault, call.name("policy"))?;
    let items = call.engine().items(&vault)?;
    Ok(Reply::ok(&render(call, &vault, &policy, &items)))
}

fn render(call: &Call, vault: &Vault, policy: &Policy, items: &[Item]) -> shape::Policy {
    let follows = |item: &&Item| {
        item.policy.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(&policy.name))
    };
    let count = items.iter().filter(follows).count();
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    shape::render(&call.subscription(), vault, policy, count)
}
