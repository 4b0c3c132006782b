//! What a webhook gets: one alert, as it was raised or is over.

use model::alert::Notice;
use serde::{Deserialize, Serialize};

/// Names the shape of the message. One that a reader could misunderstand gets another number.
pub const SCHEMA: &str = "holdfast.alert/1";

/// A message about an alert. Fields may be added; times are RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertMessage {
    /// [`SCHEMA`].
    pub schema: String,
    /// Which installation speaks.
    pub source: String,
    /// The alert's id. A message that comes twice has the same id and event.
    pub id: String,
    /// `raised` or `resolved`.
    pub event: String,
    /// What is wrong, such as `BackupFailed`.
    pub kind: String,
    /// The vault; empty where it is about the installation.
    pub vault: String,
    /// The vault's resource group; empty where it is about the installation.
    pub resource_group: String,
    /// The virtual machine; empty where it is about more than one.
    pub item: String,
    /// One line.
    pub title: String,
    /// What happened.
    pub text: String,
    /// What to do.
    pub action: String,
    /// When it was found.
    pub raised_at: String,
    /// When it was found to be over; `null` while it lasts.
    pub resolved_at: Option<String>,
}

/// The message of a notice, from an installation of this name.
pub fn render(source: &str, notice: &Notice) -> AlertMessage {
    let (alert, condition) = (&notice.alert, &notice.alert.condition);
    AlertMessage {
        schema: SCHEMA.to_owned(),
        source: source.to_owned(),
        id: alert.id.to_string(),
        event: notice.event.name().to_owned(),
        kind: condition.kind.name().to_owned(),
        vault: condition.vault.clone(),
        resource_group: condition.resource_group.clone(),
        item: condition.item.clone(),
        title: condition.title.clone(),
        text: condition.text.clone(),
        action: condition.action.clone(),
        raised_at: alert.raised_at.to_string(),
        resolved_at: alert.resolved_at.map(|at| at.to_string()),
    }
}
