//! Lists that are fetched by the page: each page costs what is on it.
//!
//! `$skipToken` is a place in the list, written so that nobody is tempted to read it: the last
//! entry of the page before. It is no secret and gives no access: whoever makes one up gets a part
//! of a list that they may read anyway, or a 400.

use api::arm::List;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use model::fault::Fault;
use serde::Serialize;

use super::{PAGE, bad_request, next_page};
use crate::call::{Call, Reply};

/// Which part of a list a request asks for.
pub(super) struct Part {
    /// The place behind which it begins; `None` at the beginning.
    pub(super) after: Option<String>,
    /// How many entries to fetch: one more than go on the page, to see whether there are more.
    pub(super) fetch: usize,
}

/// The part of the list of this kind that a request asks for.
pub(super) fn part(call: &Call, kind: &str) -> Result<Part, Fault> {
    let given = |name: &str| call.query(name).filter(|text| !text.is_empty());
    let top = match given("$top") {
        None => PAGE,
        Some(text) => text
            .parse::<usize>()
            .map_err(|_| bad_request(format!("$top '{text}' is not a number of entries.")))?,
    };
    let after = given("$skipToken").map(|token| {
        read(kind, token)
            .ok_or_else(|| bad_request(format!("$skipToken '{token}' is not of this list.")))
    });
    Ok(Part { after: after.transpose()?, fetch: top.clamp(1, PAGE) + 1 })
}

/// A place that was parsed, or the error that says that it is none.
pub(super) fn parsed<T>(
    part: &Part,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Fault> {
    let place = |text: &str| {
        parse(text).ok_or_else(|| bad_request("$skipToken is not of this list.".to_owned()))
    };
    part.after.as_deref().map(place).transpose()
}

/// 200 with a page of what was fetched for `part`. `place` names an entry's place in the list.
pub(super) fn page<T, S: Serialize>(
    call: &Call,
    kind: &str,
    part: &Part,
    mut fetched: Vec<T>,
    place: impl Fn(&T) -> String,
    render: impl FnOnce(&[T]) -> Result<Vec<S>, Fault>,
) -> Result<Reply, Fault> {
    let more = fetched.len() >= part.fetch;
    fetched.truncate(part.fetch - 1);
    let last = fetched.last().filter(|_| more);
    let next_link = last.map(|last| next_page(call, &written(kind, &place(last))));
    Ok(Reply::ok(&List { value: render(&fetched)?, next_link }))
}

fn written(kind: &str, place: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{kind} {place}"))
}

fn read(kind: &str, token: &str) -> Option<String> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    text.strip_prefix(kind)?.strip_prefix(' ').map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_only_by_the_list_that_wrote_it() {
        let token = written("jobs", "a place");
        assert_eq!(read("jobs", &token).as_deref(), Some("a place"));
        assert_eq!(read("points", &token), None);
        for wrong in ["", "200", "job", "%%%", &token[1..]] {
            assert_eq!(read("jobs", wrong), None, "{wrong}");
        }
    }
}
