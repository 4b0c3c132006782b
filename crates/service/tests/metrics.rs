//! The figures for Prometheus, read as strictly as its own parser does, and the dashboard that is
//! drawn from them.

mod house;
mod records;

use std::collections::{BTreeMap, BTreeSet};

use model::item::Item;
use model::role::Scope;
use reqwest::blocking::RequestBuilder;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use house::{House, check_error};
use records::{item, protected};

const DASHBOARD: &str = include_str!("../../../docs/grafana/holdfast.json");

/// A family of samples, as it was read.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    samples: Vec<Sample>,
}

#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

type Families = BTreeMap<String, Family>;

fn is_name(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(first) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Reads the labels of a sample: what stands between its braces.
fn labels(line: &str, text: &str) -> (BTreeMap<String, String>, usize) {
    let mut labels = BTreeMap::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let (name, behind) = rest.split_once("=\"").expect(line);
        assert!(is_name(name), "{line}");
        let (mut value, mut end) = (String::new(), None);
        let mut chars = behind.char_indices();
        while let Some((place, c)) = chars.next() {
            match c {
                '"' => {
                    end = Some(place + 1);
                    break;
                }
                '\\' => value.push(match chars.next().expect(line).1 {
                    'n' => '\n',
                    same @ ('\\' | '"') => same,
                    other => panic!("no such escape: \\{other} in {line}"),
                }),
                c => value.push(c),
            }
        }
        at += name.len() + 2 + end.expect(line);
        let twice = labels.insert(name.to_owned(), value);
        assert_eq!(twice, None, "{line}");
        match text.as_bytes()[at] {
            b',' => at += 1,
            b'}' => return (labels, at + 1),
            _ => panic!("neither a comma nor the end: {line}"),
        }
    }
}

fn sample(line: &str) -> Sample {
    let split = line.find(['{', ' ']).expect(line);
    let (name, rest) = line.split_at(split);
    assert!(is_name(name), "{line}");
    let (labels, value) = match rest.strip_prefix('{') {
        Some(text) => {
            let (labels, end) = labels(line, text);
            (labels, &text[end..])
        }
        None => (BTreeMap::new(), rest),
    };
    let value = value.strip_prefix(' ').expect(line).parse().expect(line);
    Sample { name: name.to_owned(), labels, value }
}

/// Reads an exposition, and panics where it is not exactly what the format asks for.
fn read(text: &str) -> Families {
    assert!(text.ends_with('\n'), "the last line has an end");
    let mut families = Families::new();
    let mut seen = BTreeSet::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let (name, help) =
            line.strip_prefix("# HELP ").and_then(|line| line.split_once(' ')).expect(line);
        assert!(is_name(name) && name.starts_with("holdfast_") && !help.is_empty(), "{line}");
        let line = lines.next().expect("a type behind the help");
        let kind = line.strip_prefix(&format!("# TYPE {name} ")).expect(line);
        assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        let mut family = Family { kind: kind.to_owned(), samples: Vec::new() };
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let sample = sample(line);
            let suffix = sample.name.strip_prefix(name).expect(line);
            let suffixes: &[&str] = match kind {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            assert!(suffixes.contains(&suffix), "{line}");
            assert!(seen.insert((sample.name.clone(), sample.labels.clone())), "twice: {line}");
            family.samples.push(sample);
        }
        assert!(families.insert(name.to_owned(), family).is_none(), "twice: {name}");
    }
    families
}

fn scrape(request: RequestBuilder) -> (StatusCode, String, String) {
    let answer = request.send().expect("an answer");
    let media_type = answer.headers()["content-type"].to_str().expect("text").to_owned();
    (answer.status(), media_type, answer.text().expect("text"))
}

/// As Prometheus asks: with a token, without a version.
fn metrics(house: &House, token: &str) -> (StatusCode, String, String) {
    scrape(house.client.get(house.url("/metrics")).bearer_auth(token))
}

fn families(house: &House) -> Families {
    let (status, media_type, text) = metrics(house, house.token());
    assert_eq!(status, StatusCode::OK, "{text}");
    assert_eq!(media_type, "text/plain; version=0.0.4; charset=utf-8");
    read(&text)
}

fn of_item<'a>(families: &'a Families, family: &str, item: &str) -> Option<&'a Sample> {
    families[family].samples.iter().find(|sample| sample.labels["item"] == item)
}

#[test]
fn every_item_tells_when_it_was_last_backed_up() {
    let house = protected();
    let families = families(&house);
    let last = of_item(&families, "holdfast_item_last_backup_timestamp_seconds", "web1");
    let last = last.expect("web1 has points");
    assert_eq!(last.value, records::at("2026-11-03T08:00:05Z").as_second() as f64);
    assert_eq!(last.labels["vault"], "v1");
    assert_eq!(last.labels["resource_group"], "holdfast");
    assert_eq!(last.labels["item_resource_group"], "Prod");
    let none = of_item(&families, "holdfast_item_last_backup_timestamp_seconds", "web2");
    assert!(none.is_none(), "web2 has no point, and 0 would be 1970");
    let next = of_item(&families, "holdfast_item_next_run_timestamp_seconds", "web2");
    assert!(next.expect("it is backed up").value > house.engine.clock().now().as_second() as f64);
}

#[test]
fn jobs_are_counted_as_they_end() {
    let house = protected();
    let vault = house.engine.vault("holdfast", "v1").expect("there");
    let web2 = house.engine.item(&vault, "Prod", "web2").expect("there");
    house.engine.change(&vault, web2, &engine::Wish::Stop).expect("stopped");
    let families = families(&house);
    let jobs = &families["holdfast_jobs_total"].samples;
    let ended = |operation: &str, status: &str| {
        let is_it = |sample: &&Sample| {
            sample.labels["operation"] == operation && sample.labels["status"] == status
        };
        jobs.iter().find(is_it).map(|sample| sample.value)
    };
    assert_eq!(ended("DisableBackup", "Completed"), Some(1.0), "nothing of earlier starts");
    let none = ended("Backup", "Failed");
    assert_eq!(none, Some(0.0), "growth from nothing to the first failure must show");
    let took = &families["holdfast_job_duration_seconds"];
    assert_eq!(took.kind, "histogram");
    let steps: Vec<f64> = took
        .samples
        .iter()
        .filter(|sample| sample.labels["operation"] == "DisableBackup")
        .filter(|sample| sample.name.ends_with("_bucket"))
        .map(|sample| sample.value)
        .collect();
    assert!(steps.len() > 2 && steps.iter().all(|count| *count == 1.0), "{steps:?}");
}

#[test]
fn names_from_guests_break_nothing() {
    let house = protected();
    let vault = house.engine.vault("holdfast", "v1").expect("there");
    let evil = "a\"} 1\n# HELP x \\";
    house.engine.ledger().create_item(&Item { ..item(vault.id, 3, evil) }).expect("new");
    let families = families(&house);
    assert!(of_item(&families, "holdfast_item_late", evil).is_some());
}

#[test]
fn only_who_may_read_the_whole_installation_gets_the_figures() {
    let house = House::new();
    let (status, _, _) = scrape(house.client.get(house.url("/metrics")));
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let group = Scope::Group("holdfast".to_owned());
    let narrow = house.principal("narrow", &[("Backup Reader", group)]);
    check_error(
        &house::answer(narrow.request(Method::GET, "/metrics")),
        StatusCode::FORBIDDEN,
        "AuthorizationFailed",
    );
    let wide = house.principal("wide", &[("Backup Reader", Scope::Subscription)]);
    let (status, _, text) = metrics(&house, wide.token());
    assert_eq!(status, StatusCode::OK, "{text}");
    assert!(text.contains("holdfast_build_info{version=\""), "{text}");
}

/// The names of families in an expression of Prometheus.
fn names_in(expression: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expression.split(|c: char| !is_part(c));
    words.filter(|word| word.starts_with("holdfast_")).map(str::to_owned).collect()
}

fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str().filter(|_| ["expr", "query", "definition"].contains(&&**key)) {
                    Some(text) => found.push(text.to_owned()),
                    None => expressions(value, found),
                }
            }
        }
        Value::Array(entries) => entries.iter().for_each(|entry| expressions(entry, found)),
        _ => {}
    }
}

#[test]
fn the_dashboard_and_the_figures_have_the_same_names() {
    let families = families(&protected());
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let mut found = Vec::new();
    expressions(&dashboard, &mut found);
    let used: BTreeSet<String> = found
        .iter()
        .flat_map(|expression| names_in(expression))
        .map(|name| {
            let stem = ["_bucket", "_sum", "_count"].into_iter().find_map(|suffix| {
                let stem = name.strip_suffix(suffix)?;
                families.get(stem).filter(|family| family.kind == "histogram").map(|_| stem)
            });
            stem.unwrap_or(&name).to_owned()
        })
        .collect();
    let exposed: BTreeSet<String> = families.into_keys().collect();
    let unknown: Vec<_> = used.difference(&exposed).collect();
    assert!(unknown.is_empty(), "the dashboard asks for what there is not: {unknown:?}");
    let unused: Vec<_> = exposed.difference(&used).collect();
    assert!(unused.is_empty(), "docs/grafana/holdfast.json does not show: {unused:?}");
}
