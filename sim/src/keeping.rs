//! What operators do about points that are to go, and about vaults as a whole.

use engine::{NewVault, Strictness, VaultChange, Wish};
use model::retention::PlanState;
use model::vault::{Immutability, Vault};

use crate::policies;
use crate::run::Sim;
use crate::town::lock;

/// How many policies of its own each vault has.
const POLICIES: u64 = 4;

impl Sim {
    /// Makes a vault of this number, with its policies.
    pub fn create_vault(&mut self, number: usize) {
        let wanted = VaultChange {
            immutability: self.chance.once_in(3).then_some(Immutability::Unlocked),
            ..VaultChange::default()
        };
        let new = NewVault {
            name: format!("vault{number}"),
            resource_group: "holdfast".to_owned(),
            region: "local".to_owned(),
            wanted,
        };
        let what = format!("vault{number} is made");
        let made = self.ask(&what, |engine| engine.create_vault(new));
        if let Some((vault, true)) = made {
            for number in 0..POLICIES {
                let name = format!("policy{number}");
                let times = self.town.scenario.times_of_day;
                let policy = policies::any(&mut self.chance, times, vault.id, &name);
                self.ask(&name, |engine| engine.put_policy(&vault, policy));
            }
        }
        self.see_vaults();
    }

    /// Reads again which vaults there are, and what is due when in them.
    pub fn see_vaults(&mut self) {
        self.vaults = self.town.ledger.vaults().expect("the ledger itself is well");
        self.read_calendars();
    }

    /// Vaults that went are made anew, after a while in which they may be brought back.
    pub fn replace_vaults(&mut self) {
        for number in 0..self.town.scenario.vaults {
            let name = format!("vault{number}");
            let is_there = self.vaults.iter().any(|vault| vault.name.as_str() == name);
            if !is_there && self.chance.once_in(8) {
                self.create_vault(number);
            }
        }
    }

    /// An operator looks at what waits for one, and says that it is right: plans of retention, and
    /// the clock.
    pub fn confirm(&mut self) {
        for vault in self.vaults.clone() {
            let plans = self.town.ledger.retention_plans(vault.id);
            let plans = plans.expect("the ledger itself is well");
            if let Some(plan) = plans.iter().find(|plan| plan.state == PlanState::Waiting) {
                let what = format!("plan {} of {} is confirmed", plan.id, vault.name);
                self.ask(&what, |engine| engine.confirm_retention(&vault, Some(plan.id)));
            }
        }
        let sight = self.town.ledger.clock_sight().expect("the ledger itself is well");
        if sight.doubt.is_some() {
            lock(&self.town.watch).clock_is_confirmed = true;
            self.ask("the clock is confirmed", |engine| engine.confirm_clock());
            lock(&self.town.watch).clock_is_confirmed = false;
        }
    }

    /// A vault becomes immutable, or is it no longer; for ever, now and then.
    pub fn change_immutability(&mut self) {
        let Some(vault) = self.vault() else { return };
        let wanted = match (vault.settings.immutability, self.chance.below(8)) {
            (Immutability::Unlocked, 0) => Immutability::Locked,
            (Immutability::Unlocked, _) => Immutability::Disabled,
            _ => Immutability::Unlocked,
        };
        let change = VaultChange { immutability: Some(wanted), ..VaultChange::default() };
        let what = format!("the immutability of {} becomes {wanted:?}", vault.name);
        self.ask(&what, |engine| engine.change_vault(&vault, None, &change, Strictness::Any));
        self.see_vaults();
    }

    /// A vault is deleted with all that is in it, or cannot be.
    pub fn delete_vault(&mut self) {
        let Some(vault) = self.vault() else { return };
        let items = self.town.ledger.items(Some(vault.id)).expect("the ledger itself is well");
        let live: Vec<_> = items.into_iter().filter(|item| item.deletion.is_none()).collect();
        if !live.is_empty() && !self.chance.once_in(3) {
            return;
        }
        for item in live {
            self.change("delete", &vault, item, &Wish::Delete);
        }
        if self.chance.once_in(2) {
            self.step();
        }
        let what = format!("vault {} ({}) is deleted", vault.name, vault.id);
        self.ask(&what, |engine| engine.delete_vault(&vault));
        self.see_vaults();
    }

    /// A deleted vault is brought back, most times with what is in it; or is to go at once.
    pub fn undelete_vault(&mut self) {
        let hidden = self.ask("deleted vaults are listed", |engine| engine.vaults_out_of_sight());
        let hidden = hidden.unwrap_or_default();
        let Some(hidden) = self.chance.one_of(&hidden).cloned() else { return };
        let name = hidden.name.clone();
        if self.chance.once_in(4) {
            self.ask(&format!("purge vault {name}"), |engine| engine.purge_vault(&hidden));
        } else {
            let what = format!("undelete vault {name}");
            let back = self.ask(&what, |engine| engine.undelete_vault(&hidden, "holdfast"));
            if let Some(vault) = back {
                self.undelete_items(&vault);
            }
        }
        self.see_vaults();
    }

    fn undelete_items(&mut self, vault: &Vault) {
        let items = self.town.ledger.items(Some(vault.id)).expect("the ledger itself is well");
        for item in items {
            if self.chance.below(4) > 0 {
                self.change("undelete", vault, item, &Wish::Undelete);
            }
        }
    }
}
