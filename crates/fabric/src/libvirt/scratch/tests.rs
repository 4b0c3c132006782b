//! Method: configuration files as distributions ship them, and the numbers they mean.

use super::*;

const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nlibvirt-qemu:x:64055:993::/:/bin/false\n";
const GROUPS: &str = "root:x:0:\nkvm:x:993:\nlibvirt-qemu:x:64055:libvirt-qemu\n";

#[track_caller]
fn check(conf: &str, expect: Option<(u32, u32)>) {
    assert_eq!(user_from(conf, PASSWD, GROUPS), expect, "{conf:?}");
}

#[test]
fn without_a_word_the_distributions_user_is_meant() {
    check("", Some((64055, 993)));
    check("#user = \"root\"\n", Some((64055, 993)));
}

#[test]
fn what_is_configured_wins_by_name_or_number() {
    check("user = \"root\"\ngroup = \"root\"\n", Some((0, 0)));
    check("user = \"+64055\"\n", Some((64055, 993)));
    check("group=\"libvirt-qemu\"", Some((64055, 64055)));
    check("user = \"+77\"\ngroup = \"+78\"", Some((77, 78)));
}

#[test]
fn an_unknown_user_is_nobody() {
    check("user = \"nobody-here\"", None);
}

#[test]
fn small_disks_are_reserved_whole_and_large_ones_by_a_tenth() {
    assert_eq!(needed(100 * MIB), 100 * MIB);
    assert_eq!(needed(5 * GIB), GIB);
    assert_eq!(needed(100 * GIB), 10 * GIB);
}
