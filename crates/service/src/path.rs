//! URLs as clients really send them: paths in any case of letters, with doubled and trailing
//! slashes, with `;` written `%3B`; and the pairs of queries and forms.
//!
//! A path becomes its segments, decoded, in the letters the client chose: names are told back as
//! they were sent. Matching disregards case, in ASCII only, as Azure's names are.

/// The most segments of a path. The longest route has 17.
const MAX_SEGMENTS: usize = 40;

/// The most pairs of a query or a form.
const MAX_PAIRS: usize = 100;

/// The path, query or form cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// The segments of a path, decoded, without empty ones.
pub(crate) fn segments(path: &str) -> Result<Vec<String>, Malformed> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.len() > MAX_SEGMENTS {
        return Err(Malformed("the path has too many segments"));
    }
    parts.into_iter().map(segment).collect()
}

fn segment(part: &str) -> Result<String, Malformed> {
    let text = decoded(part)?;
    let forbidden = |c: char| c.is_control() || c == '/' || c == '\\';
    if text.contains(forbidden) || text == "." || text == ".." {
        return Err(Malformed("a segment holds a control character, a slash, or only dots"));
    }
    Ok(text)
}

/// The pairs of a query or a form, decoded.
pub(crate) fn pairs(text: &str) -> Result<Vec<(String, String)>, Malformed> {
    let parts: Vec<&str> = text.split('&').filter(|part| !part.is_empty()).collect();
    if parts.len() > MAX_PAIRS {
        return Err(Malformed("there are too many parameters"));
    }
    let pair = |part: &str| {
        let part = part.replace('+', " ");
        let (key, value) = part.split_once('=').unwrap_or((&part, ""));
        Ok((decoded(key)?, decoded(value)?))
    };
    parts.into_iter().map(pair).collect()
}

/// `text` as it can stand in a URL's path: everything but letters, digits and a few marks escaped.
pub(crate) fn encoded(text: &str) -> String {
    let mut url = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/;-_.~()".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}

fn decoded(part: &str) -> Result<String, Malformed> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(Malformed("a % is not followed by two hexadecimal digits"));
        };
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).map_err(|_| Malformed("it is not UTF-8"))
}

/// The values of a pattern's names in these segments, or `None` where they do not match. A pattern
/// is a path whose segments in braces match anything.
pub(crate) fn captures(
    pattern: &'static str,
    segments: &[String],
) -> Option<Vec<(&'static str, String)>> {
    let mut names = Vec::new();
    let mut segments = segments.iter();
    for expected in pattern.split('/').filter(|part| !part.is_empty()) {
        let segment = segments.next()?;
        match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => names.push((name, segment.clone())),
            None if expected.eq_ignore_ascii_case(segment) => {}
            None => return None,
        }
    }
    segments.next().is_none().then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Vec<String> {
        segments(path).expect("readable")
    }

    #[test]
    fn doubled_and_trailing_slashes_are_nothing() {
        let plain = read("/subscriptions/S/resourceGroups/G");
        for path in ["//subscriptions/S//resourceGroups/G", "/subscriptions/S/resourceGroups/G/"] {
            assert_eq!(read(path), plain, "{path}");
        }
    }

    #[test]
    fn semicolons_arrive_in_both_spellings() {
        let path = "/VM%3Biaasvmcontainerv2%3brg;vm";
        assert_eq!(read(path), ["VM;iaasvmcontainerv2;rg;vm"]);
    }

    #[test]
    fn what_could_mean_another_path_is_refused() {
        for path in ["/a%2fb", "/a%5Cb", "/..", "/a/%2e%2E/b", "/.", "/a%00", "/a%0d%0a"] {
            assert!(segments(path).is_err(), "{path}");
        }
        for path in ["/%", "/%4", "/%zz", "/%ff", &"/a".repeat(MAX_SEGMENTS + 1)] {
            assert!(segments(path).is_err(), "{path}");
        }
    }

    #[test]
    fn pairs_are_read_as_forms_write_them() {
        let read = pairs("api-version=2026-08-01&%24filter=status+eq+%27x%27&flag&&a=b=c");
        let expected = [
            ("api-version", "2026-08-01"),
            ("$filter", "status eq 'x'"),
            ("flag", ""),
            ("a", "b=c"),
        ];
        let expected: Vec<_> =
            expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!(read, Ok(expected));
        assert!(pairs(&"a=b&".repeat(MAX_PAIRS + 1)).is_err());
        assert!(pairs("a=%f").is_err());
    }

    #[test]
    fn an_encoded_id_reads_back() {
        let id = "/subscriptions/s/resourceGroups/Über (1)/x;y";
        assert_eq!(encoded(id), "/subscriptions/s/resourceGroups/%C3%9Cber%20(1)/x;y");
        assert_eq!(read(&encoded(id)).join("/"), id[1..]);
    }

    #[test]
    fn a_pattern_matches_in_any_case_and_keeps_the_names_letters() {
        let pattern = "/subscriptions/{subscription}/resourceGroups/{group}";
        let found = captures(pattern, &read("/SUBSCRIPTIONS/s/resourcegroups/MyGroup"));
        let expected = vec![("subscription", "s".to_owned()), ("group", "MyGroup".to_owned())];
        assert_eq!(found, Some(expected));
        for path in ["/subscriptions/s", "/subscriptions/s/resourceGroups/g/x", "/x/s/y/g"] {
            assert_eq!(captures(pattern, &read(path)), None, "{path}");
        }
    }
}
