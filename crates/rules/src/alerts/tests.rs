//! Method: a story is a list of moments, each with the keys of what is wrong then; what is told at
//! each is compared as text.

use jiff::civil::time;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

fn condition(key: &str, kind: Kind) -> Condition {
    Condition {
        key: key.to_owned(),
        kind,
        vault: "V1".to_owned(),
        resource_group: "g".to_owned(),
        item: String::new(),
        title: key.to_owned(),
        text: String::new(),
        action: String::new(),
    }
}

/// Tells the story from 1 June 2026 on: each moment is a time of that day and what is wrong then.
/// What is over and told is forgotten, as the engine does.
fn told(kind: Kind, suppressions: &[Suppression], story: &[(&str, &[&str])]) -> Vec<String> {
    let mut alerts: Vec<Alert> = Vec::new();
    let mut told = Vec::new();
    let mut number = 0;
    for (time, wrong) in story {
        let now = at(&format!("2026-06-01T{time}:00Z"));
        let conditions = wrong.iter().map(|key| condition(key, kind)).collect();
        let new_id = || {
            number += 1;
            Uuid::from_u128(number)
        };
        for step in steps(alerts.clone(), conditions, suppressions, now, new_id) {
            if let Some(event) = step.tell {
                told.push(format!("{time} {} {}", step.alert.condition.key, event.name()));
            }
            alerts.retain(|alert| alert.id != step.alert.id);
            if step.alert.told != Told::Resolved {
                alerts.push(step.alert);
            }
        }
    }
    told
}

fn during(from: &str, until: &str) -> Suppression {
    let moment = |time: &str| at(&format!("2026-06-01T{time}:00Z"));
    let window = Window::Once { from: moment(from), until: moment(until) };
    Suppression { kinds: Vec::new(), vaults: Vec::new(), window }
}

#[test]
fn a_condition_is_told_once_while_it_lasts_and_once_when_it_is_over() {
    let story: &[(&str, &[&str])] = &[
        ("01:00", &["a"]),
        ("02:00", &["a", "b"]),
        ("03:00", &["b"]),
        ("04:00", &[]),
        ("05:00", &["a"]),
    ];
    assert_eq!(
        told(Kind::BackupFailed, &[], story),
        [
            "01:00 a raised",
            "02:00 b raised",
            "03:00 a resolved",
            "04:00 b resolved",
            "05:00 a raised"
        ]
    );
}

#[test]
fn that_a_failed_job_grew_old_is_told_to_nobody() {
    let story: &[(&str, &[&str])] = &[("01:00", &["a"]), ("02:00", &[]), ("03:00", &[])];
    assert_eq!(told(Kind::JobFailed, &[], story), ["01:00 a raised"]);
}

#[test]
fn what_still_stands_when_the_silence_ends_is_told_then() {
    let silence = [during("02:00", "04:00")];
    let story: &[(&str, &[&str])] =
        &[("02:00", &["a"]), ("03:59", &["a"]), ("04:00", &["a"]), ("05:00", &[])];
    let expected = ["04:00 a raised", "05:00 a resolved"];
    assert_eq!(told(Kind::BackupFailed, &silence, story), expected);
}

#[test]
fn what_came_and_went_in_the_silence_is_never_told() {
    let silence = [during("02:00", "04:00")];
    let story: &[(&str, &[&str])] = &[("02:00", &["a"]), ("03:00", &[]), ("05:00", &[])];
    assert_eq!(told(Kind::BackupFailed, &silence, story), [""; 0]);
}

#[test]
fn an_end_in_the_silence_is_told_behind_it() {
    let silence = [during("02:00", "04:00")];
    let story: &[(&str, &[&str])] = &[("01:00", &["a"]), ("03:00", &[]), ("04:00", &[])];
    let expected = ["01:00 a raised", "04:00 a resolved"];
    assert_eq!(told(Kind::BackupFailed, &silence, story), expected);
}

#[test]
fn a_suppression_silences_its_kinds_and_vaults_only() {
    let all = during("00:00", "23:00");
    let of = |kinds: &[Kind], vaults: &[&str]| Suppression {
        kinds: kinds.to_vec(),
        vaults: vaults.iter().map(|name| (*name).to_owned()).collect(),
        ..all.clone()
    };
    for (suppression, silent) in [
        (of(&[], &[]), true),
        (of(&[Kind::BackupFailed], &["v2", "v1"]), true),
        (of(&[Kind::DamageFound], &[]), false),
        (of(&[], &["v2"]), false),
    ] {
        let story: &[(&str, &[&str])] = &[("01:00", &["a"])];
        let told = told(Kind::BackupFailed, std::slice::from_ref(&suppression), story);
        assert_eq!(told.is_empty(), silent, "{suppression:?}");
    }
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
    let zone = TimeZone::get("Europe/Berlin").expect("known");
    let window = Window::Weekly {
        days: vec![Weekday::Friday],
        from: time(22, 0, 0, 0),
        until: time(6, 0, 0, 0),
        zone,
    };
    // 5 June 2026 is a Friday; Berlin is two hours ahead of UTC.
    for (now, holds) in [
        ("2026-06-05T19:59:59Z", false),
        ("2026-06-05T20:00:00Z", true),
        ("2026-06-06T03:59:59Z", true),
        ("2026-06-06T04:00:00Z", false),
        ("2026-06-06T20:00:00Z", false),
        ("2026-06-05T01:00:00Z", false),
    ] {
        assert_eq!(window.holds(at(now)), holds, "{now}");
    }
}

#[test]
fn a_window_without_days_is_there_every_day() {
    let window = Window::Weekly {
        days: Vec::new(),
        from: time(1, 0, 0, 0),
        until: time(2, 0, 0, 0),
        zone: TimeZone::UTC,
    };
    assert!(window.holds(at("2026-06-05T01:00:00Z")) && window.holds(at("2026-06-06T01:59:59Z")));
    assert!(!window.holds(at("2026-06-05T02:00:00Z")));
}

#[test]
fn a_message_is_tried_ever_more_rarely_for_a_week() {
    let since = at("2026-06-01T00:00:00Z");
    let pause = |tries| match retry(tries, since, since) {
        Retry::At(at) => at.duration_since(since).as_secs(),
        Retry::GiveUp => panic!("given up"),
    };
    assert_eq!([1, 2, 3, 7, 8, u32::MAX].map(pause), [30, 60, 120, 1920, 3600, 3600]);
    assert_eq!(retry(1, since, at("2026-06-08T00:00:00Z")), Retry::GiveUp);
}
