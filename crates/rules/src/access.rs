//! Who may do what: deny by default.
//!
//! Something is allowed where one of the assignments that the caller holds lies on the place or
//! above it, and its role allows the action: one of the role's actions matches, and none of its
//! notActions. Roles add up; a notAction takes away from its own role only. This is how Azure
//! decides, without deny assignments and conditions, which do not exist here.

use model::role::{Assignment, Role, Scope};

/// Why something is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// The caller holds no role on the place or above it.
    NoRoleHere,
    /// The caller holds roles there, but none of them allows the action.
    NotInRoles,
}

/// Whether what these assignments give allows `action` on `place`; the verdict is the assignment
/// that does.
///
/// # Errors
///
/// Why it is not allowed.
pub fn judge<'a>(
    held: &'a [Assignment],
    action: &str,
    place: &Scope,
) -> Result<&'a Assignment, Denied> {
    first_that_allows(held.iter().filter(|assignment| assignment.scope.holds(place)), action)
}

/// Whether these assignments allow `action` on `place` or on anything under it: then a list there
/// may be asked for, and shows what each entry's own judgement lets through.
///
/// # Errors
///
/// Why nothing under the place may be seen.
pub fn judge_list<'a>(
    held: &'a [Assignment],
    action: &str,
    place: &Scope,
) -> Result<&'a Assignment, Denied> {
    let reaches =
        |assignment: &&Assignment| assignment.scope.holds(place) || place.holds(&assignment.scope);
    first_that_allows(held.iter().filter(reaches), action)
}

/// The scopes on which these assignments allow `action`: for lists, whose entries are judged one by
/// one without looking at the roles again.
pub fn reach<'a>(held: &'a [Assignment], action: &str) -> Reach<'a> {
    let allowing = held.iter().filter(|assignment| allows(assignment.role, action));
    Reach(allowing.map(|assignment| &assignment.scope).collect())
}

/// How far an action is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach<'a>(Vec<&'a Scope>);

impl Reach<'_> {
    /// Whether it is allowed on this place.
    pub fn holds(&self, place: &Scope) -> bool {
        self.0.iter().any(|scope| scope.holds(place))
    }
}

fn first_that_allows<'a>(
    held: impl Iterator<Item = &'a Assignment>,
    action: &str,
) -> Result<&'a Assignment, Denied> {
    let mut denied = Denied::NoRoleHere;
    for assignment in held {
        if allows(assignment.role, action) {
            return Ok(assignment);
        }
        denied = Denied::NotInRoles;
    }
    Err(denied)
}

fn allows(role: &Role, action: &str) -> bool {
    let any = |patterns: &[&str]| patterns.iter().any(|pattern| matches(pattern, action));
    any(role.actions) && !any(role.not_actions)
}

/// Whether `action` is one that `pattern` means: the same text without regard to case, where each
/// `*` stands for any text, slashes and nothing included.
fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = action.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    // The leftmost place of each part leaves the most text for those behind it.
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests;
