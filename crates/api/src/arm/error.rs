//! Error bodies: one fault, as an answer and inside other answers.

use model::fault::{Code, Fault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// The error.
    pub error: Error,
}

/// An error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Error {
    /// The code.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What it happened to; not used here, but clients know the field.
    #[serde(default)]
    pub target: Option<String>,
    /// More about it: here always the cause and the recommended action.
    #[serde(default)]
    pub details: Option<Vec<Detail>>,
}

/// One more thing about an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Detail {
    /// What this is: [`CAUSE`] or [`ACTION`].
    pub code: String,
    /// The text.
    pub message: String,
}

/// The detail that says what the error usually comes from.
pub const CAUSE: &str = "Cause";
/// The detail that says what to do.
pub const ACTION: &str = "RecommendedAction";

impl ErrorBody {
    /// The body for a fault.
    pub fn of(fault: &Fault) -> Self {
        Self { error: Error::of(fault) }
    }
}

impl Error {
    /// The error for a fault.
    pub fn of(fault: &Fault) -> Self {
        let detail =
            |code: &str, text: &str| Detail { code: code.to_owned(), message: text.to_owned() };
        Self {
            code: fault.code.name().to_owned(),
            message: fault.message.clone(),
            target: None,
            details: Some(vec![
                detail(CAUSE, fault.code.cause()),
                detail(ACTION, fault.code.action()),
            ]),
        }
    }

    /// The detail with this code.
    pub fn detail(&self, code: &str) -> Option<&str> {
        let details = self.details.as_deref().unwrap_or_default();
        details.iter().find(|detail| detail.code == code).map(|detail| detail.message.as_str())
    }
}

/// A fault within an answer: why a host is not connected, what a job got through with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The code.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What it usually comes from.
    pub cause: String,
    /// What to do.
    pub recommended_action: String,
}

impl Problem {
    /// The problem for a fault.
    pub fn of(fault: &Fault) -> Self {
        Self {
            code: fault.code.name().to_owned(),
            message: fault.message.clone(),
            cause: fault.code.cause().to_owned(),
            recommended_action: fault.code.action().to_owned(),
        }
    }
}

/// The number that a job's error details carry beside a code: Azure's own where it is known, else
/// one above a million that follows from the code's name alone, so that it never changes.
pub fn number(code: Code) -> u32 {
    match code {
        Code::JobCancelled => 400_158,
        Code::VmNotFound => 400_094,
        _ => {
            let fnv = code.name().bytes().fold(0x811c_9dc5_u32, |hash, byte| {
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            });
            1_000_000 + fnv % 1_000_000
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_number_of_its_own() {
        let mut numbers: Vec<u32> = Code::ALL.iter().copied().map(number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), Code::ALL.len());
    }

    #[test]
    fn an_error_says_what_happened_why_and_what_to_do() {
        let fault = Fault::new(Code::ItemNotFound, "The VM 'a' is not protected in vault 'v'.");
        let error = ErrorBody::of(&fault).error;
        assert_eq!(error.code, "BMSUserErrorContainerObjectNotFound");
        assert_eq!(error.message, fault.message);
        assert_eq!(error.detail(CAUSE), Some(Code::ItemNotFound.cause()));
        assert_eq!(error.detail(ACTION), Some(Code::ItemNotFound.action()));
    }
}
