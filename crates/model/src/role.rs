//! Roles, and where a principal holds them.

use jiff::Timestamp;
use uuid::Uuid;

use crate::arm_id;

pub mod built_in;

/// A built-in role: what its holder may do, in Azure's names of actions.
#[derive(Debug, PartialEq, Eq)]
pub struct Role {
    /// Its id, the same in every Azure tenant.
    pub id: Uuid,
    /// Its name, such as `Backup Operator`.
    pub name: &'static str,
    /// What Azure says of it.
    pub description: &'static str,
    /// The actions it allows; `*` stands for any text.
    pub actions: &'static [&'static str],
    /// The actions that it does not allow all the same.
    pub not_actions: &'static [&'static str],
}

impl Role {
    /// Every role there is.
    pub const ALL: [&'static Self; 6] = [
        &built_in::OWNER,
        &built_in::CONTRIBUTOR,
        &built_in::READER,
        &built_in::BACKUP_CONTRIBUTOR,
        &built_in::BACKUP_OPERATOR,
        &built_in::BACKUP_READER,
    ];

    /// The role with this id.
    pub fn by_id(id: Uuid) -> Option<&'static Self> {
        Self::ALL.into_iter().find(|role| role.id == id)
    }

    /// The role with this name, in any case of letters.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        Self::ALL.into_iter().find(|role| role.name.eq_ignore_ascii_case(name))
    }

    /// Whether its holder may give access to others: whoever holds it everywhere can mend what
    /// others did to the assignments.
    pub fn is_owner(&self) -> bool {
        self.id == built_in::OWNER.id
    }
}

/// A part of the subscription that a role can be held on. Each contains what lies under it.
///
/// Names are compared without regard to the case of ASCII letters, as everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    Subscription,
    /// A resource group.
    Group(String),
    /// A vault.
    Vault {
        /// Its resource group.
        group: String,
        /// Its name.
        vault: String,
    },
}

impl Scope {
    /// The smallest scope that holds what has this ARM id; `None` where it is not in this
    /// subscription.
    ///
    /// Only the beginning of the id counts, segment by segment: an id that names a group or a vault
    /// twice is where its beginning says.
    pub fn holding(id: &str, subscription: Uuid) -> Option<Self> {
        Self::read(id, subscription).map(|(scope, _)| scope)
    }

    /// The scope whose ARM id this is; `None` where it is something else's.
    pub fn of_id(id: &str, subscription: Uuid) -> Option<Self> {
        Self::read(id, subscription).filter(|(_, is_whole)| *is_whole).map(|(scope, _)| scope)
    }

    /// The scope that holds what has this id, and whether it is the scope's own id.
    fn read(id: &str, subscription: Uuid) -> Option<(Self, bool)> {
        let segments: Vec<&str> = id.split('/').filter(|segment| !segment.is_empty()).collect();
        let is = |at: usize, key: &str| {
            segments.get(at).is_some_and(|segment| segment.eq_ignore_ascii_case(key))
        };
        let in_it = is(0, "subscriptions")
            && segments.get(1).is_some_and(|id| Uuid::parse_str(id) == Ok(subscription));
        if !in_it {
            return None;
        }
        let group = segments.get(3).filter(|_| is(2, "resourceGroups"));
        let Some(&group) = group else {
            return Some((Self::Subscription, segments.len() == 2));
        };
        let in_vaults = is(4, "providers") && is(5, arm_id::RECOVERY_SERVICES) && is(6, "vaults");
        let vault = segments.get(7).filter(|_| in_vaults);
        Some(match vault {
            None => (Self::Group(group.to_owned()), segments.len() == 4),
            Some(&vault) => {
                let scope = Self::Vault { group: group.to_owned(), vault: vault.to_owned() };
                (scope, segments.len() == 8)
            }
        })
    }

    /// Its ARM id.
    pub fn id(&self, subscription: &str) -> String {
        match self {
            Self::Subscription => arm_id::subscription(subscription),
            Self::Group(group) => arm_id::resource_group(subscription, group),
            Self::Vault { group, vault } => arm_id::vault(subscription, group, vault),
        }
    }

    /// Its resource group, if it is in one.
    pub fn group(&self) -> Option<&str> {
        match self {
            Self::Subscription => None,
            Self::Group(group) | Self::Vault { group, .. } => Some(group),
        }
    }

    /// Its vault's name, if it is one.
    pub fn vault(&self) -> Option<&str> {
        match self {
            Self::Subscription | Self::Group(_) => None,
            Self::Vault { vault, .. } => Some(vault),
        }
    }

    /// Whether `inner` is this scope or lies under it.
    pub fn holds(&self, inner: &Self) -> bool {
        let same = |own: Option<&str>, inner: Option<&str>| match (own, inner) {
            (None, _) => true,
            (Some(own), Some(inner)) => own.eq_ignore_ascii_case(inner),
            (Some(_), None) => false,
        };
        same(self.group(), inner.group()) && same(self.vault(), inner.vault())
    }
}

/// That a principal holds a role on a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Its name.
    pub name: Uuid,
    /// The principal's object id.
    pub principal: Uuid,
    /// The role.
    pub role: &'static Role,
    /// Where it holds, and under it.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests;
