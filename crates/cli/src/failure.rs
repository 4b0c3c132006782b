//! Why a command did not do what it was asked, as the operator and scripts see it.
//!
//! Everything that can go wrong ends here: a [`Failure`] has a code, a message, mostly a cause and
//! an action, and the exit code of the process. Codes of the service and of the engine come with
//! their texts; the few that only this program can meet are made below.

use std::path::Path;

use api::arm::error::{ACTION, CAUSE, Detail, Error, ErrorBody};
use model::fault::{Code, Fault};
use serde_json::Value;

/// How the process ends. The numbers are fixed: scripts rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// The command line cannot be understood.
    Usage = 2,
    /// What was asked for is not there.
    NotFound = 3,
    /// Stored data is damaged.
    Damaged = 4,
}

/// The code for a service that does not answer.
pub const SERVICE_UNREACHABLE: &str = "ServiceUnreachable";

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The code, as in Azure's error bodies.
    pub code: String,
    /// What happened, with names and numbers.
    pub message: String,
    /// What it usually comes from.
    pub cause: Option<String>,
    /// What to do.
    pub action: Option<String>,
    /// How the process ends.
    pub exit: Exit,
}

impl Failure {
    /// A failure that only this program can meet.
    pub fn new(code: &str, message: impl Into<String>, cause: &str, action: &str) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            cause: Some(cause.to_owned()),
            action: Some(action.to_owned()),
            exit: exit_of(code),
        }
    }

    /// A command line that cannot be understood.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            code: "Usage".to_owned(),
            message: message.into(),
            cause: None,
            action: Some("Run the command with --help.".to_owned()),
            exit: Exit::Usage,
        }
    }

    /// Something of this kind and name is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Fault::new(Code::ResourceNotFound, message).into()
    }

    /// The file cannot be read, written or made.
    pub fn file(what: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::new(
            "FileError",
            format!("{what} {}: {error}.", path.display()),
            "The path is wrong, or its permissions or its disk do not allow it.",
            "Check the path and who may use it.",
        )
    }

    /// The service's answer is not what this program expects.
    pub fn unexpected_answer(message: impl Into<String>) -> Self {
        Self::new(
            "UnexpectedAnswer",
            message,
            "Something else answers at the endpoint, or the service is of another version.",
            "Check the endpoint in credentials.json, and that both programs are of one version.",
        )
    }

    /// The failure in the body of an answer with this HTTP status.
    pub fn of_answer(status: u16, body: Value) -> Self {
        let by_status = if status == 404 { Exit::NotFound } else { Exit::Failed };
        let failure = match serde_json::from_value(body) {
            Ok(ErrorBody { error }) => Self::from(error),
            Err(_) => Self::unexpected_answer(format!("The service answered HTTP {status}.")),
        };
        match failure.exit {
            Exit::Failed => Self { exit: by_status, ..failure },
            _ => failure,
        }
    }

    /// The failure as an ARM error, for `--json`.
    pub fn to_error(&self) -> Error {
        let detail = |code: &str, text: &Option<String>| {
            text.as_ref().map(|text| Detail { code: code.to_owned(), message: text.clone() })
        };
        let details = [detail(CAUSE, &self.cause), detail(ACTION, &self.action)];
        Error {
            code: self.code.clone(),
            message: self.message.clone(),
            target: None,
            details: Some(details.into_iter().flatten().collect()),
        }
    }

    /// The failure in lines for people.
    pub fn to_text(&self) -> String {
        let line = |name: &str, text: &Option<String>| match text {
            Some(text) => format!("\n{name}: {text}"),
            None => String::new(),
        };
        let (cause, action) = (line("Cause", &self.cause), line("Do this", &self.action));
        format!("{}: {}{cause}{action}", self.code, self.message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            cause: error.detail(CAUSE).map(str::to_owned),
            action: error.detail(ACTION).map(str::to_owned),
            exit: exit_of(&error.code),
            code: error.code,
            message: error.message,
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::new(fault.code.name(), fault.message, fault.code.cause(), fault.code.action())
    }
}

/// An error and its sources as one sentence, each part told once.
pub fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let part = cause.to_string();
        if !text.ends_with(&part) {
            text = format!("{text}: {part}");
        }
        source = cause.source();
    }
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str().trim_end_matches('.'))
}

/// How the process ends for an error of this code.
fn exit_of(code: &str) -> Exit {
    match Code::from_name(code) {
        Some(
            Code::ResourceNotFound
            | Code::ResourceGroupNotFound
            | Code::ItemNotFound
            | Code::SubscriptionNotFound,
        ) => Exit::NotFound,
        Some(Code::StoreDamaged) => Exit::Damaged,
        _ => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(status: u16, body: Value, exit: Exit, text: &str) {
        let failure = Failure::of_answer(status, body);
        assert_eq!((failure.exit, failure.to_text().as_str()), (exit, text));
    }

    fn error(code: &str) -> Value {
        json!({"error": {"code": code, "message": "m"}})
    }

    #[test]
    fn an_error_body_is_told_in_lines() {
        let body = json!({"error": {"code": "UserErrorRepositoryFull", "message": "No space.",
            "details": [{"code": "Cause", "message": "Full."},
                        {"code": "RecommendedAction", "message": "Free some."}]}});
        let text = "UserErrorRepositoryFull: No space.\nCause: Full.\nDo this: Free some.";
        check(507, body, Exit::Failed, text);
    }

    #[test]
    fn what_is_not_found_has_its_own_exit_code_whatever_its_error_code() {
        check(404, error("Strange"), Exit::NotFound, "Strange: m");
        check(400, error("Strange"), Exit::Failed, "Strange: m");
        let code = "BMSUserErrorContainerObjectNotFound";
        check(400, error(code), Exit::NotFound, &format!("{code}: m"));
    }

    #[test]
    fn damage_has_its_own_exit_code() {
        let code = "UserErrorRepositoryDamaged";
        check(500, error(code), Exit::Damaged, &format!("{code}: m"));
    }

    #[test]
    fn a_body_without_an_error_is_still_a_failure() {
        for body in [Value::Null, json!([]), json!({"error": 7}), json!({"error": {"code": 7}})] {
            let failure = Failure::of_answer(502, body);
            assert_eq!((failure.code.as_str(), failure.exit), ("UnexpectedAnswer", Exit::Failed));
        }
    }

    #[test]
    fn an_error_is_told_with_its_sources_once() {
        let innermost = std::io::Error::other("no space left");
        let error = std::io::Error::other(Outer(innermost));
        assert_eq!(sentence(&error), "The disk failed: no space left.");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the disk failed")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_failure_survives_its_own_json() {
        let failure = Failure::not_found("There is no vault 'v'.");
        assert_eq!(Failure::from(failure.to_error()), failure);
    }
}
