//! Method: a list of checkpoints as libvirt gives it, and which of their bitmaps are needed.

use super::*;

#[track_caller]
fn check(all: &[(&str, Option<&str>)], checkpoint: &str, expect: &[&str]) {
    let owned =
        |(name, parent): &(&str, Option<&str>)| ((*name).to_owned(), parent.map(ToOwned::to_owned));
    let all: Vec<_> = all.iter().map(owned).collect();
    assert_eq!(since(&all, checkpoint), expect);
}

#[test]
fn changes_since_a_checkpoint_are_in_its_bitmap_and_all_later_ones() {
    let all = [("a", None), ("b", Some("a")), ("c", Some("b"))];
    check(&all, "a", &["a", "b", "c"]);
    check(&all, "c", &["c"]);
}

#[test]
fn a_checkpoint_that_is_not_there_has_none() {
    check(&[("a", None)], "z", &[]);
}
