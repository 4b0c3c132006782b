//! Who may use the API: principals, the roles they hold, and what those allow.

use ledger::LedgerError;
use model::fault::{Code, Fault};
use model::principal::Principal;
use model::role::{Assignment, Role, Scope};
use model::seed::new_uuid;
use rules::access;
use uuid::Uuid;

pub use rules::access::{Denied, Reach};

use crate::Engine;
use crate::faults::OrFault;

/// A principal and what it holds, as they were when they were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    principal: Principal,
    held: Vec<Assignment>,
}

impl Access {
    /// The principal.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Whether it holds any role at all, wherever.
    pub fn holds_any(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether it may do this on this place; see [`rules::access::judge`].
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn judge(&self, action: &str, place: &Scope) -> Result<(), Denied> {
        access::judge(&self.held, action, place).map(drop)
    }

    /// Whether it may ask for a list there; see [`rules::access::judge_list`].
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn judge_list(&self, action: &str, place: &Scope) -> Result<(), Denied> {
        access::judge_list(&self.held, action, place).map(drop)
    }

    /// Where it may do this.
    pub fn reach(&self, action: &str) -> Reach<'_> {
        access::reach(&self.held, action)
    }
}

/// A role assignment to be made.
#[derive(Debug, Clone)]
pub struct NewAssignment {
    /// Its name.
    pub name: Uuid,
    /// The principal's object id.
    pub principal: Uuid,
    /// The role.
    pub role: &'static Role,
    /// Where.
    pub scope: Scope,
}

impl Engine {
    /// What the principal with this client id may do now; `None` where there is none.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn access(&self, client_id: Uuid) -> Result<Option<Access>, Fault> {
        let found = self.world.ledger.access(client_id).or_fault()?;
        Ok(found.map(|(principal, held)| Access { principal, held }))
    }

    /// All principals, by name.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn principals(&self) -> Result<Vec<Principal>, Fault> {
        self.world.ledger.principals().or_fault()
    }

    /// The principal with this client id, object id or name.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`, or the ledger failed.
    pub fn principal(&self, key: &str) -> Result<Principal, Fault> {
        let id = Uuid::parse_str(key).ok();
        let is_it = |principal: &Principal| match id {
            Some(id) => principal.client_id == id || principal.object_id == id,
            None => principal.name.eq_ignore_ascii_case(key),
        };
        self.principals()?.into_iter().find(is_it).ok_or_else(|| {
            Fault::new(Code::ResourceNotFound, format!("There is no principal '{key}'."))
        })
    }

    /// Makes a principal that holds no role yet. The hash is its secret's.
    ///
    /// # Errors
    ///
    /// `InvalidResourceName`, `PrincipalNameTaken`, or the ledger failed.
    pub fn create_principal(&self, name: &str, secret_hash: String) -> Result<Principal, Fault> {
        check_principal_name(name)?;
        let seed = self.seed();
        let principal = Principal {
            client_id: new_uuid(seed),
            object_id: new_uuid(seed),
            name: name.to_owned(),
            secret_hash,
        };
        self.world.ledger.create_principal(&principal).or_fault()?;
        tracing::info!(name, client = %principal.client_id, "principal created");
        Ok(principal)
    }

    /// Gives a principal the secret with this hash; the old secret is of no use at once.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`, or the ledger failed.
    pub fn replace_secret(&self, key: &str, secret_hash: String) -> Result<Principal, Fault> {
        let principal = Principal { secret_hash, ..self.principal(key)? };
        self.world.ledger.put_principal(&principal).or_fault()?;
        tracing::info!(name = principal.name, client = %principal.client_id, "secret replaced");
        Ok(principal)
    }

    /// Deletes a principal with its role assignments.
    ///
    /// # Errors
    ///
    /// `ResourceNotFound`, `LastOwner`, or the ledger failed.
    pub fn delete_principal(&self, key: &str) -> Result<(), Fault> {
        let principal = self.principal(key)?;
        kept(self.world.ledger.delete_principal(principal.client_id))?;
        tracing::info!(name = principal.name, client = %principal.client_id, "principal deleted");
        Ok(())
    }

    /// All role assignments, oldest first.
    ///
    /// # Errors
    ///
    /// The ledger failed.
    pub fn assignments(&self) -> Result<Vec<Assignment>, Fault> {
        self.world.ledger.assignments().or_fault()
    }

    /// The role assignment of this name.
    ///
    /// # Errors
    ///
    /// `RoleAssignmentNotFound`, or the ledger failed.
    pub fn assignment(&self, name: Uuid) -> Result<Assignment, Fault> {
        self.world.ledger.assignment(name).or_fault()?.ok_or_else(|| {
            let message = format!("The role assignment '{name}' is not found.");
            Fault::new(Code::RoleAssignmentNotFound, message)
        })
    }

    /// Gives a principal a role. Doing the same again under the same name changes nothing.
    ///
    /// # Errors
    ///
    /// `ResourceGroupNotFound` or `ResourceNotFound` where the scope does not exist,
    /// `PrincipalNotFound`, `RoleAssignmentExists`, `RoleAssignmentCannotChange`; the ledger
    /// failed.
    pub fn assign(&self, new: NewAssignment) -> Result<Assignment, Fault> {
        let assignment = Assignment {
            name: new.name,
            principal: new.principal,
            role: new.role,
            scope: self.existing(&new.scope)?,
            created_at: self.world.clock.now(),
        };
        match self.world.ledger.create_assignment(&assignment) {
            Ok(()) => {
                let Assignment { principal, role, scope, .. } = &assignment;
                tracing::info!(%principal, role = role.name, ?scope, "role assigned");
                Ok(assignment)
            }
            Err(LedgerError::Missing) => Err(Fault::new(
                Code::PrincipalNotFound,
                format!("Principal {} does not exist in the directory.", new.principal),
            )),
            Err(LedgerError::AssignmentNameTaken) => self.same_as(assignment),
            Err(LedgerError::AssignmentExists { name }) => Err(Fault::new(
                Code::RoleAssignmentExists,
                format!(
                    "The role assignment already exists. The ID of the conflicting role assignment \
                     is {}.",
                    name.simple()
                ),
            )),
            Err(error) => Err(error).or_fault(),
        }
    }

    /// The assignment of the same name, if it says the same.
    fn same_as(&self, wanted: Assignment) -> Result<Assignment, Fault> {
        let held = self.assignment(wanted.name)?;
        if held == (Assignment { created_at: held.created_at, ..wanted }) {
            return Ok(held);
        }
        let message = "Tenant ID, application ID, principal ID, and scope are not allowed to be \
                       updated.";
        Err(Fault::new(Code::RoleAssignmentCannotChange, message))
    }

    /// Takes a role assignment away.
    ///
    /// # Errors
    ///
    /// `RoleAssignmentNotFound`, `LastOwner`, or the ledger failed.
    pub fn unassign(&self, name: Uuid) -> Result<Assignment, Fault> {
        let held = self.assignment(name)?;
        kept(self.world.ledger.delete_assignment(name))?;
        let Assignment { principal, role, scope, .. } = &held;
        tracing::info!(%principal, role = role.name, ?scope, "role taken away");
        Ok(held)
    }

    /// The scope, with its names as they were created.
    fn existing(&self, scope: &Scope) -> Result<Scope, Fault> {
        Ok(match scope {
            Scope::Subscription => Scope::Subscription,
            Scope::Group(group) => Scope::Group(self.resource_group(group)?.name),
            Scope::Vault { group, vault } => {
                let found = self.vault(group, vault)?;
                let vault = found.name.to_string();
                Scope::Vault { group: found.resource_group, vault }
            }
        })
    }
}

/// The outcome of a change that may not take the last Owner away, in Azure's words.
fn kept(changed: Result<(), LedgerError>) -> Result<(), Fault> {
    match changed {
        Err(LedgerError::LastOwner) => {
            let message = "Cannot delete the last RBAC admin assignment: nobody else is Owner of \
                           the subscription.";
            Err(Fault::new(Code::LastOwner, message))
        }
        changed => changed.or_fault(),
    }
}

/// 1 to 64 letters, digits, hyphens, underscores and dots, beginning with a letter or digit, and no
/// UUID: principals are found by their ids too.
fn check_principal_name(name: &str) -> Result<(), Fault> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let good = (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(allowed)
        && Uuid::parse_str(name).is_err();
    if good {
        return Ok(());
    }
    let message = format!(
        "'{name}' cannot be a principal's name: it takes 1 to 64 letters, digits, '-', '_' and \
         '.', beginning with a letter or digit, and is no UUID."
    );
    Err(Fault::new(Code::InvalidResourceName, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principals_name_is_plain_and_no_id() {
        for good in ["terraform", "ci.1", "A_b-c", "7", &"x".repeat(64)] {
            assert!(check_principal_name(good).is_ok(), "{good}");
        }
        let id = Uuid::from_u128(1);
        let ids = [id.to_string(), id.simple().to_string()];
        for bad in ["", "-x", "a b", "a/b", "ä", &"x".repeat(65), &ids[0], &ids[1]] {
            assert!(check_principal_name(bad).is_err(), "{bad}");
        }
    }
}
