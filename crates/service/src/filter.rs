//! `$filter`: `key eq 'value'`, joined by `and`.
//!
//! Azure's backup lists know these keys and nothing more of OData. A key that is not known is
//! refused, because a filter that is not applied shows things that were not asked for.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use model::fault::{Code, Fault};

use api::arm::AZURE_IAAS_VM;

/// The keys that clients use, in the letters of the documentation.
const KEYS: [&str; 12] = [
    "backupManagementType",
    "endDate",
    "endTime",
    "friendlyName",
    "itemType",
    "jobId",
    "operation",
    "policyName",
    "startDate",
    "startTime",
    "status",
    "workloadType",
];

/// A filter that was understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    terms: Vec<(&'static str, String)>,
}

impl Filter {
    /// Reads a filter of a backup list; empty text filters nothing.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        Self::parse_by(text, &KEYS)
    }

    /// Reads a filter by these keys; empty text filters nothing.
    pub(crate) fn parse_by(text: &str, keys: &[&'static str]) -> Result<Self, Fault> {
        let mut terms = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (term, behind) = term(rest, keys).ok_or_else(|| refused(text))??;
            terms.push(term);
            rest = match behind.trim_start() {
                "" => "",
                more => after_word(more, "and").ok_or_else(|| refused(text))?,
            };
        }
        Ok(Self { terms })
    }

    /// The value of this key.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.terms.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str())
    }

    /// Whether a thing with this value for the key passes.
    pub(crate) fn passes(&self, key: &str, value: &str) -> bool {
        self.get(key).is_none_or(|wanted| wanted.eq_ignore_ascii_case(value))
    }

    /// Whether virtual machines pass: lists of other workloads are empty here.
    pub(crate) fn passes_vms(&self) -> bool {
        self.passes("backupManagementType", AZURE_IAAS_VM)
            && self.passes("itemType", "VM")
            && self.passes("workloadType", "VM")
    }

    /// The moment that this key names, as Azure's clients write it or in RFC 3339.
    pub(crate) fn moment(&self, key: &str) -> Result<Option<Timestamp>, Fault> {
        let Some(text) = self.get(key) else {
            return Ok(None);
        };
        let moment = text.parse().ok().or_else(|| {
            let civil = DateTime::strptime("%Y-%m-%d %I:%M:%S %p", text).ok()?;
            civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
        });
        moment.map(Some).ok_or_else(|| {
            let example = "2026-11-01 12:00:00 AM";
            let message =
                format!("$filter: '{text}' is not a time for {key}, such as '{example}'.");
            Fault::new(Code::BadRequest, message)
        })
    }
}

type Term = (&'static str, String);

/// Reads `key eq 'value'`; returns it and the rest. `None` where the text has another shape.
fn term<'a>(text: &'a str, keys: &[&'static str]) -> Option<Result<(Term, &'a str), Fault>> {
    let (word, rest) = text.split_once(char::is_whitespace)?;
    let (value, rest) = quoted(after_word(rest.trim_start(), "eq")?)?;
    let Some(key) = keys.iter().find(|key| key.eq_ignore_ascii_case(word)) else {
        let message = format!("$filter: '{word}' cannot be filtered by here.");
        return Some(Err(Fault::new(Code::BadRequest, message)));
    };
    Some(Ok(((key, value), rest)))
}

/// What stands behind this word, in any case of letters, and the space behind it.
fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (found, rest) = text.split_at_checked(word.len())?;
    let ends = rest.starts_with(char::is_whitespace) || rest.starts_with('\'');
    (found.eq_ignore_ascii_case(word) && ends).then(|| rest.trim_start())
}

/// The value of a quoted text, in which a doubled quote is one, and what stands behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('\'')?;
    let mut value = String::new();
    loop {
        let (part, behind) = rest.split_once('\'')?;
        value.push_str(part);
        match behind.strip_prefix('\'') {
            Some(behind) => {
                value.push('\'');
                rest = behind;
            }
            None => return Some((value, behind)),
        }
    }
}

fn refused(text: &str) -> Fault {
    let shape = "key eq 'value', joined by and";
    Fault::new(Code::BadRequest, format!("$filter: \"{text}\" is not of the form {shape}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let filter = Filter::parse(text).expect("understood");
        let terms: Vec<_> = filter.terms.iter().map(|(key, value)| (*key, &**value)).collect();
        assert_eq!(terms, expected, "{text}");
    }

    #[test]
    fn what_clients_send_is_understood() {
        check("", &[]);
        check("backupManagementType eq 'AzureIaasVM'", &[("backupManagementType", "AzureIaasVM")]);
        check(
            "backupManagementType eq 'AzureIaasVM' and friendlyName eq 'vm' and status eq 'Registered'",
            &[
                ("backupManagementType", "AzureIaasVM"),
                ("friendlyName", "vm"),
                ("status", "Registered"),
            ],
        );
        check(
            "STATUS  EQ 'a and b'  AND  operation eq'x'",
            &[("status", "a and b"), ("operation", "x")],
        );
        check("friendlyName eq 'it''s'", &[("friendlyName", "it's")]);
        check("friendlyName eq ''", &[("friendlyName", "")]);
        check("workloadType eq 'VM'", &[("workloadType", "VM")]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "status",
            "status eq",
            "status eq Failed",
            "status eq 'Failed",
            "status ne 'Failed'",
            "status eq 'Failed' or operation eq 'Backup'",
            "status eq 'Failed' and",
            "status eq 'Failed' operation eq 'Backup'",
            "secret eq 'x'",
            "eq eq 'x'",
            "' eq '",
        ] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_read_as_clients_write_them() {
        let moment = |text: &str| {
            Filter::parse(&format!("startTime eq '{text}'")).expect("read").moment("startTime")
        };
        let expected = "2025-11-01T00:30:00Z".parse().ok();
        assert_eq!(moment("2025-11-01 12:30:00 AM"), Ok(expected));
        assert_eq!(moment("2025-11-01T00:30:00Z"), Ok(expected));
        assert!(moment("yesterday").is_err());
    }
}
