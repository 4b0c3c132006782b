//! Map pages.

#![no_main]

use format::map::Page;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(level) = data.first() else { return };
    if let Ok(page) = Page::decode(data, *level) {
        assert_eq!(page.encode(), data, "two texts mean the same");
    }
});
