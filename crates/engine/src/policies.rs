//! Backup policies of a vault.

use jiff::Timestamp;
use jiff::civil::Time;
use ledger::LedgerError;
use model::fault::{Code, Fault};
use model::item::Item;
use model::policy::{Kind, Policy};
use model::vault::Vault;
use rules::schedule::{self, Calendar, ClockChange};

use crate::Engine;
use crate::faults::OrFault;

/// What an item gets from its policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Following {
    /// The policy's kind.
    pub kind: Kind,
    /// When the item is backed up next; never, where it is not backed up any more.
    pub next_run: Option<Timestamp>,
}

/// What comes of a policy's schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRuns {
    /// When its next run is.
    pub next: Option<Timestamp>,
    /// The time of day on the clocks of its zone, where it follows them.
    pub local_time: Option<Time>,
    /// A change of these clocks within 14 days, where it does not follow them.
    pub warning: Option<ClockChange>,
}

impl Engine {
    /// A vault's policies, by name.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn policies(&self, vault: &Vault) -> Result<Vec<Policy>, Fault> {
        self.world.ledger.policies(vault.id).or_fault()
    }

    /// The vault's policy of this name, in any case of letters.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`, or the ledger failed.
    pub fn policy(&self, vault: &Vault, name: &str) -> Result<Policy, Fault> {
        self.world.ledger.policy(vault.id, name).or_fault()?.ok_or_else(|| {
            let message = format!("Vault '{}' has no backup policy '{name}'.", vault.name);
            Fault::new(Code::ResourceNotFound, message)
        })
    }

    /// Makes a policy, or changes the one of its name. Items that follow it do so at once: they
    /// are backed up at its next run from now on.
    ///
    /// # Errors
    ///
    /// `InvalidPolicyInput`, `InstantExceedsVaulted` or, in an immutable vault,
    /// `DeniedOnImmutableItem` for a shorter retention, and the policy is as it was;
    /// `QuotaExceeded` where the vault has too many; the ledger failed.
    pub fn put_policy(&self, vault: &Vault, policy: Policy) -> Result<Policy, Fault> {
        rules::policy::check(&policy)?;
        match self.world.ledger.policy(vault.id, &policy.name).or_fault()? {
            None => rules::policy::check_room(vault, self.policies(vault)?.len())?,
            Some(before) if vault.settings.immutability.is_on() => {
                rules::policy::check_immutable(&before, &policy)?;
            }
            Some(_) => {}
        }
        let policy = Policy { vault: vault.id, ..policy };
        self.world.ledger.put_policy(&policy).or_fault()?;
        self.world.scheduler.changed();
        tracing::info!(vault = %vault.name, policy = policy.name, "policy written");
        self.policy(vault, &policy.name)
    }

    /// Deletes a policy. Whether it was there.
    ///
    /// # Errors
    ///
    /// `PolicyInUse` where items follow it; the ledger failed.
    pub fn delete_policy(&self, vault: &Vault, name: &str) -> Result<bool, Fault> {
        match self.world.ledger.delete_policy(vault.id, name) {
            Err(LedgerError::PolicyInUse { items }) => {
                let message = format!(
                    "Policy '{name}' cannot be deleted: {items} protected items of vault '{}' \
                     follow it.",
                    vault.name
                );
                Err(Fault::new(Code::PolicyInUse, message))
            }
            other => other.or_fault(),
        }
    }

    /// How many items follow the policy.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn policy_users(&self, policy: &Policy) -> Result<usize, Fault> {
        self.world.ledger.policy_users(policy.vault, &policy.name).or_fault()
    }

    /// When the policy's next run is.
    pub fn next_run(&self, policy: &Policy) -> Option<Timestamp> {
        Calendar::of(policy).next_after(self.world.clock.now())
    }

    /// What comes of a policy's schedule from now on.
    pub fn policy_runs(&self, policy: &Policy) -> PolicyRuns {
        let (calendar, now) = (Calendar::of(policy), self.world.clock.now());
        PolicyRuns {
            next: calendar.next_after(now),
            local_time: calendar.wall_time(),
            warning: schedule::coming_change(policy, now),
        }
    }

    /// What items of this vault get from their policies, if they have one; in the items' order.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn following(
        &self,
        vault: &Vault,
        items: &[Item],
    ) -> Result<Vec<Option<Following>>, Fault> {
        let policies = self.policies(vault)?;
        let runs: Vec<_> = policies.iter().map(|policy| self.next_run(policy)).collect();
        let follows = |item: &Item| {
            let name = item.policy.as_ref()?;
            let named = |policy: &Policy| policy.name.eq_ignore_ascii_case(name);
            let at = policies.iter().position(named)?;
            let is_run = schedule::policy_of(item).is_ok();
            Some(Following { kind: policies[at].kind, next_run: runs[at].filter(|_| is_run) })
        };
        Ok(items.iter().map(follows).collect())
    }
}
