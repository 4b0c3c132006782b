//! Method: one healthy disk and chain; each example spoils one fact and names the verdict.

use model::point::PointId;

use super::*;

fn disk() -> DiskFacts {
    DiskFacts {
        target: "vda".to_owned(),
        format: DiskFormat::Qcow2,
        source: "/images/web1.qcow2".to_owned(),
        size: Some(20 << 30),
        serial: Some("root".to_owned()),
    }
}

fn chain() -> Chain {
    Chain {
        point: PointId::new(7).expect("valid id"),
        checkpoint: "holdfast-7".to_owned(),
        disks: vec![ChainDisk {
            target: "vda".to_owned(),
            size: 20 << 30,
            source: "/images/web1.qcow2".to_owned(),
            serial: Some("root".to_owned()),
        }],
    }
}

struct Case {
    disk: DiskFacts,
    chain: Option<Chain>,
    point_present: bool,
    refused: bool,
}

#[track_caller]
fn check(spoil: impl FnOnce(&mut Case), expected: Option<FullReason>) {
    let mut case = Case { disk: disk(), chain: Some(chain()), point_present: true, refused: false };
    spoil(&mut case);
    let facts = ChainFacts {
        chain: case.chain.as_ref(),
        point_present: case.point_present,
        refused: case.refused,
    };
    let expected = match expected {
        Some(because) => Read::Full { because },
        None => Read::Incremental { since: "holdfast-7".to_owned() },
    };
    assert_eq!(decide(&case.disk, facts), expected);
}

#[test]
fn the_same_disk_with_a_whole_record_is_read_incrementally() {
    check(|_| {}, None);
}

#[test]
fn the_first_backup_is_full() {
    check(|case| case.chain = None, Some(FullReason::First));
}

#[test]
fn a_raw_disk_is_always_full() {
    check(|case| case.disk.format = DiskFormat::Raw, Some(FullReason::FormatKeepsNoRecord));
}

#[test]
fn a_deleted_recovery_point_is_never_built_upon() {
    check(|case| case.point_present = false, Some(FullReason::PointGone));
}

#[test]
fn a_checkpoint_that_the_hypervisor_refuses_means_full() {
    check(|case| case.refused = true, Some(FullReason::RecordBroken));
}

#[test]
fn a_disk_that_the_checkpoint_does_not_cover_is_full() {
    check(|case| case.disk.target = "vdb".to_owned(), Some(FullReason::NewDisk));
}

#[test]
fn a_resized_disk_is_full() {
    check(|case| case.disk.size = Some(40 << 30), Some(FullReason::Resized));
    check(|case| case.disk.size = None, Some(FullReason::SizeUnknown));
}

#[test]
fn another_image_in_its_place_is_full_even_at_the_same_size() {
    check(|case| case.disk.source = "/images/other.qcow2".to_owned(), Some(FullReason::Replaced));
    check(|case| case.disk.serial = Some("other".to_owned()), Some(FullReason::Replaced));
    check(|case| case.disk.serial = None, Some(FullReason::Replaced));
}
