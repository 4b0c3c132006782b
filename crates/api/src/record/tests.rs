//! The record is a format: what was once written must be read for ever.

use expect_test::expect;

use super::*;

fn record() -> PointRecord {
    PointRecord {
        version: VERSION,
        vm_id: "/subscriptions/s/vm1".to_owned(),
        vm_uuid: "u".to_owned(),
        vm_name: "vm1".to_owned(),
        resource_group: "rg1".to_owned(),
        region: "local".to_owned(),
        vault_id: "/subscriptions/s/v1".to_owned(),
        vault_name: "v1".to_owned(),
        policy_name: "DefaultPolicy".to_owned(),
        taken_at: "2026-09-14T08:05:53Z".to_owned(),
        consistency: "FileSystemConsistent".to_owned(),
        retain_until: None,
        job_id: "j".to_owned(),
        domain_xml: "<domain/>".to_owned(),
        checkpoint: Some(CheckpointRecord {
            name: "holdfast-1".to_owned(),
            xml: "<domaincheckpoint/>".to_owned(),
        }),
        disks: vec![DiskRecord {
            target: "vda".to_owned(),
            size: 4096,
            serial: None,
            source: "/a.qcow2".to_owned(),
            format: "qcow2".to_owned(),
            tracked: true,
        }],
    }
}

#[test]
fn the_bytes_are_these() {
    let bytes = record().encode().expect("short");
    let text = String::from_utf8(bytes).expect("JSON is text");
    // One field a line, only to be readable here.
    expect![[r#"
        {"version":1,
        "vmId":"/subscriptions/s/vm1",
        "vmUuid":"u",
        "vmName":"vm1",
        "resourceGroup":"rg1",
        "region":"local",
        "vaultId":"/subscriptions/s/v1",
        "vaultName":"v1",
        "policyName":"DefaultPolicy",
        "takenAt":"2026-09-14T08:05:53Z",
        "consistency":"FileSystemConsistent",
        "retainUntil":null,
        "jobId":"j",
        "domainXml":"<domain/>",
        "checkpoint":{"name":"holdfast-1",
        "xml":"<domaincheckpoint/>"},
        "disks":[{"target":"vda",
        "size":4096,
        "serial":null,
        "source":"/a.qcow2",
        "format":"qcow2",
        "tracked":true}]}"#]]
    .assert_eq(&text.replace(",\"", ",\n\""));
    assert_eq!(PointRecord::decode(text.as_bytes()).expect("just written"), record());
}

#[test]
fn what_a_newer_version_added_is_ignored_and_a_newer_version_is_refused() {
    let mut text = serde_json::to_value(record()).expect("JSON");
    text["addedLater"] = "x".into();
    let read = PointRecord::decode(text.to_string().as_bytes());
    assert_eq!(read.expect("fields may be added"), record());

    let newer = br#"{"version":2}"#;
    assert!(matches!(PointRecord::decode(newer), Err(RecordError::UnknownVersion { found: 2 })));
}

#[test]
fn hostile_records_are_refused() {
    let long = vec![b'['; MAX_BYTES + 1];
    assert!(matches!(PointRecord::decode(&long), Err(RecordError::TooLong { .. })));

    let deep = [&br#"{"version":1,"vmId":"#[..], &vec![b'['; 100_000]].concat();
    assert!(matches!(PointRecord::decode(&deep), Err(RecordError::Malformed(_))));

    let mut many = record();
    many.disks = vec![many.disks[0].clone(); MAX_DISKS + 1];
    assert!(matches!(many.encode(), Err(RecordError::TooManyDisks { .. })));
    let bytes = serde_json::to_vec(&many).expect("JSON");
    assert!(matches!(PointRecord::decode(&bytes), Err(RecordError::TooManyDisks { .. })));

    for bytes in [&b""[..], b"null", b"{}", b"{\"version\":1}", b"\xff\xfe"] {
        assert!(PointRecord::decode(bytes).is_err());
    }
}
