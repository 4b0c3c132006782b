//! Method: real images behind a real `qemu-nbd`. Skipped, with a word, where QEMU's tools are not
//! installed.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use model::units::{KIB, MIB};

use super::*;

fn tool(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).status().expect("installed");
    assert!(done.success(), "{program} {arguments:?}");
}

fn tools_are_there() -> bool {
    let there = ["qemu-nbd", "qemu-img", "qemu-io"]
        .iter()
        .all(|tool| Command::new(tool).arg("--version").output().is_ok());
    if !there {
        eprintln!("skipped: QEMU's tools are not installed");
    }
    there
}

fn content(reader: &mut dyn DiskReader, ranges: &[Extent]) -> Vec<(u64, Vec<u8>)> {
    let mut pieces = Vec::new();
    let _ = reader
        .read(ranges, &mut |offset, bytes| {
            pieces.push((offset, bytes.to_vec()));
            ControlFlow::Continue(())
        })
        .expect("readable");
    pieces
}

#[test]
fn a_sparse_raw_image_of_odd_size_is_read_where_it_holds_data() {
    if !tools_are_there() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("disk.raw");
    let size = 3 * MIB + 512;
    let file = File::create(&path).expect("a file");
    file.set_len(size).expect("sparse");
    let data: Vec<u8> = (0..700 * KIB).map(|at| (at % 251) as u8 | 1).collect();
    std::os::unix::fs::FileExt::write_all_at(&file, &data, MIB).expect("written");
    std::os::unix::fs::FileExt::write_all_at(&file, &[7; 512], size - 512).expect("written");

    let mut reader = open(&path, DiskFormat::Raw, dir.path()).expect("opened");
    assert_eq!(reader.size(), size);
    let extents = reader.extents().expect("mapped");
    let covers = |at: u64| extents.iter().any(|it| it.start <= at && at < it.end());
    assert!(covers(MIB) && covers(MIB + 700 * KIB - 1) && covers(size - 1));
    assert!(!covers(0) && !covers(2 * MIB));
    let mut image = vec![0; usize::try_from(size).expect("small")];
    for (offset, bytes) in content(&mut reader, &[Extent::new(0, size)]) {
        let offset = usize::try_from(offset).expect("small");
        image[offset..offset + bytes.len()].copy_from_slice(&bytes);
    }
    assert_eq!(image, std::fs::read(&path).expect("readable"));
    assert_eq!(reader.counters(), Counters { bytes: size, requests: 13 });
}

#[test]
fn pieces_come_in_order_and_a_break_ends_the_read() {
    if !tools_are_there() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("disk.raw");
    std::fs::write(&path, vec![5; 8 << 20]).expect("written");
    let mut reader = open(&path, DiskFormat::Raw, dir.path()).expect("opened");
    let ranges = [Extent::new(3, 5), Extent::new(100, 300 * KIB), Extent::new(MIB, 5 * MIB)];
    let offsets: Vec<(u64, usize)> =
        content(&mut reader, &ranges).iter().map(|(at, bytes)| (*at, bytes.len())).collect();
    assert_eq!(offsets[..3], [(3, 5), (100, 256 << 10), (100 + 256 * KIB, 44 << 10)]);
    assert!(offsets.is_sorted() && offsets.len() == 23);

    let mut taken = 0;
    let flow = reader.read(&ranges, &mut |_, _| {
        taken += 1;
        if taken == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(flow.expect("no failure").is_break() && taken == 2);
    assert_eq!(content(&mut reader, &ranges[..1]), [(3, vec![5; 5])], "still of use");
    let wrong = reader.read(&[Extent::new(8 * MIB, 1)], &mut |_, _| ControlFlow::Continue(()));
    assert!(matches!(wrong, Err(FabricError::Read { source: NbdError::Range { .. }, .. })));
}

#[test]
fn a_dirty_bitmap_of_a_qcow2_image_is_the_map() {
    if !tools_are_there() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("disk.qcow2");
    let name = path.to_str().expect("text");
    tool("qemu-img", &["create", "-q", "-f", "qcow2", name, "64M"]);
    tool("qemu-io", &["-f", "qcow2", "-c", "write -q -P 1 0 1M", name]);
    tool("qemu-img", &["bitmap", "--add", "-g", "65536", name, "b1"]);
    tool("qemu-io", &["-f", "qcow2", "-c", "write -q -P 2 512k 4k", name]);
    assert_eq!(probe(&path).expect("readable"), DiskFormat::Qcow2);

    let map = Map::Dirty(vec!["b1".into()]);
    let bitmaps = ["b1".to_owned()];
    let server = Server::start(&path, DiskFormat::Qcow2, &bitmaps, dir.path()).expect("serves");
    let mut disk = NbdDisk::connect(&server.socket, "", "vda".into(), &map).expect("connects");
    let dirty = disk.extents().expect("mapped");
    assert_eq!(dirty, [Extent::new(512 * KIB, 64 * KIB)]);
    let got = content(&mut disk, &dirty);
    assert!(got[0].1[..4096] == [2; 4096] && got[0].1[4096..] == [1; 60 << 10]);

    let missing = Map::Dirty(vec!["b2".into()]);
    let error = NbdDisk::connect(&server.socket, "", "vda".into(), &missing).expect_err("none");
    assert!(matches!(error, FabricError::ChainBroken { disk: Some(_), .. }), "{error}");
    let pid = server.child.id();
    drop((disk, server));
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "the server ends with its reader");
}

#[test]
fn a_converted_image_reads_the_same_and_is_small() {
    if !tools_are_there() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let (raw, qcow2) = (dir.path().join("a.raw"), dir.path().join("a.qcow2"));
    let mut file = File::create(&raw).expect("a file");
    file.write_all(&[9; 4096]).expect("written");
    file.set_len(256 * MIB).expect("sparse");
    convert_raw_to_qcow2(&raw, &qcow2).expect("converted");
    assert!(qcow2.metadata().expect("there").len() < MIB);
    let mut reader = open(&qcow2, DiskFormat::Qcow2, dir.path()).expect("opened");
    assert_eq!(reader.size(), 256 * MIB);
    assert_eq!(content(&mut reader, &[Extent::new(0, 4096)]), [(0, vec![9; 4096])]);
    let holes = content(&mut reader, &[Extent::new(MIB, 100 * MIB)]);
    assert!(holes.is_empty(), "holes are left out");
}

#[test]
fn what_is_no_image_is_told_in_the_tools_words() {
    if !tools_are_there() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("disk.qcow2");
    std::fs::write(&path, b"no image at all").expect("written");
    let error = open(&path, DiskFormat::Qcow2, dir.path()).expect_err("no image").to_string();
    assert!(error.contains("qcow2"), "{error}");
    assert!(matches!(probe(&dir.path().join("x")), Err(FabricError::File { .. })));
}
