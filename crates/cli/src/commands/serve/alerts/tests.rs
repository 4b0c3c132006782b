//! Method: a file of settings is read, and what the engine would get of it is asked.

use model::alert::{Alert, Condition, Event, Notice, Told};
use uuid::Uuid;

use super::*;

/// A notice about a failed backup.
pub fn notice() -> Notice {
    let raised_at = Timestamp::from_second(1_780_000_000).expect("in range");
    let condition = Condition {
        key: "BackupFailed:1".to_owned(),
        kind: Kind::BackupFailed,
        vault: "v1".to_owned(),
        resource_group: "holdfast".to_owned(),
        item: "web".to_owned(),
        title: "Backup of 'web' failed".to_owned(),
        text: "UserErrorFsFreezeFailed: It did not freeze.".to_owned(),
        action: "Look into the guest.".to_owned(),
    };
    let (id, told) = (Uuid::from_u128(7), Told::Raised);
    let alert = Alert { id, condition, raised_at, resolved_at: None, told };
    let (event, target) = (Event::Raised, "ops".to_owned());
    Notice { number: 1, alert, event, target, tries: 0, next_at: raised_at }
}

fn alerting(text: &str) -> Result<Alerting, String> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let file: AlertsFile = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    file.alerting()
}

#[test]
fn a_file_names_targets_and_silences() {
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(secret.path(), "s3cret\n").expect("written");
    let path = secret.path().display();
    let text = format!(
        r#"
        source = "kvm1"
        [[webhook]]
        name = "ops"
        url = "https://hooks.example.com/holdfast"
        secret-file = "{path}"
        [[mail]]
        name = "mail"
        server = "smtp.example.com"
        security = "starttls"
        user = "holdfast"
        password-file = "{path}"
        from = "Holdfast <holdfast@example.com>"
        to = ["ops@example.com"]
        kinds = ["DamageFound"]
        [[suppress]]
        from = "22:00"
        until = "06:00"
        days = ["Saturday"]
        time-zone = "W. Europe Standard Time"
        kinds = ["backupfailed"]
        [[suppress]]
        from = "2026-12-24T00:00:00Z"
        until = "2026-12-27T00:00:00Z"
        vaults = ["lab"]
        "#
    );
    let alerting = alerting(&text).expect("valid");
    let names: Vec<&str> = alerting.targets.iter().map(|target| target.name()).collect();
    assert_eq!(names, ["ops", "mail"]);
    assert!(alerting.targets[0].wants(Kind::JobFailed));
    assert!(!alerting.targets[1].wants(Kind::JobFailed));
    let [nights, holidays] = &alerting.suppressions[..] else { panic!("two silences") };
    assert_eq!((&nights.kinds[..], &nights.vaults[..]), (&[Kind::BackupFailed][..], &[][..]));
    let night = "2026-06-06T21:00:00Z".parse().expect("a timestamp");
    assert!(nights.window.holds(night), "Saturday, 23:00 in Berlin");
    assert_eq!(holidays.vaults, ["lab"]);
}

#[test]
fn what_cannot_be_used_is_refused_with_its_reason() {
    for (text, told) in [
        ("[[webhook]]\nname = \"a\"\nurl = \"http://example.com/\"", "must begin with https://"),
        ("[[webhook]]\nname = \"a\"\nurl = \"x\"", "its url"),
        (
            "[[webhook]]\nname = \"a\"\nurl = \"https://e.com\"\nsecret-file = \"/nowhere\"",
            "/nowhere cannot be used",
        ),
        ("[[webhook]]\nname = \"a\"\nurl = \"https://e.com\"\nkinds = [\"x\"]", "no kind is 'x'"),
        ("[[webhook]]\nname = \"a\"\nurl = \"https://e.com\"\nsecret = \"x\"", "unknown field"),
        (
            "[[mail]]\nname = \"m\"\nserver = \"s\"\nsecurity = \"none\"\nfrom = \"a@e.com\"\nto = []",
            "goes to nobody",
        ),
        (
            "[[mail]]\nname = \"m\"\nserver = \"s\"\nsecurity = \"none\"\nfrom = \"a\"\n\
             to = [\"a@e.com\"]",
            "the address 'a'",
        ),
        ("[[suppress]]\nfrom = \"22:00\"\nuntil = \"soon\"", "'soon' is neither"),
        ("[[suppress]]\nfrom = \"22:00\"\nuntil = \"22:00\"", "no length"),
        ("[[suppress]]\nfrom = \"01:00\"\nuntil = \"02:00\"\ntime-zone = \"Mars\"", "'Mars'"),
        ("[[suppress]]\nfrom = \"01:00\"\nuntil = \"02:00\"\ndays = [\"X\"]", "no day"),
        (
            "[[suppress]]\nfrom = \"2026-12-24T00:00:00Z\"\nuntil = \"2026-12-23T00:00:00Z\"",
            "ends behind its begin",
        ),
    ] {
        let why = alerting(text).err().unwrap_or_default();
        assert!(why.contains(told), "{text}: {why}");
    }
}

#[test]
fn two_targets_cannot_have_one_name() {
    let one = "[[webhook]]\nname = \"a\"\nurl = \"https://e.com\"\n";
    let why = alerting(&format!("{one}{one}")).err().unwrap_or_default();
    assert!(why.contains("called 'a'"), "{why}");
}

#[test]
fn a_password_does_not_go_over_an_open_line() {
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(secret.path(), "s3cret").expect("written");
    let text = format!(
        "[[mail]]\nname = \"m\"\nserver = \"s\"\nsecurity = \"none\"\nfrom = \"a@e.com\"\n\
         to = [\"a@e.com\"]\nuser = \"u\"\npassword-file = \"{}\"",
        secret.path().display()
    );
    let why = alerting(&text).err().unwrap_or_default();
    assert!(why.contains("needs security"), "{why}");
}
