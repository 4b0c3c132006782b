//! `docs/troubleshooting.md` is the table of error codes, for people.

use std::fmt::Write as _;

use expect_test::expect_file;
use model::fault::Code;
use rules::retry;

const HEAD: &str = "\
# Troubleshooting

Every failure has a code. It is in the `error.code` of an API answer, in the error of a job that
failed (`holdfast job show`, `errorDetails` in the API), and in the warnings of one that got through.
Beside it is a message with the facts of the case. Codes that Azure Backup has are Azure's.

A scheduled backup that fails for something that may pass by itself is tried again: its job says when,
as *Next Attempt in UTC*, and each attempt is a job of its own. What is below marked as tried again
needs nobody, unless it stays.

A test makes this page of the table in `crates/model/src/fault.rs`, and fails where they differ: to
write it anew, run `UPDATE_EXPECT=1 cargo test --release --locked -p engine --test troubleshooting`.
";

#[test]
fn the_page_says_what_the_table_says() {
    let mut codes = Code::ALL.to_vec();
    codes.sort_by_key(|code| code.name());
    let mut page = HEAD.to_owned();
    for code in codes {
        let (name, meaning) = (code.name(), code.meaning());
        let (cause, action) = (code.cause(), code.action());
        write!(page, "\n## {name}\n\n{meaning}\n\n- Cause: {cause}\n- What to do: {action}\n")
            .expect("a string takes everything");
        match (retry::may_pass(code, false), retry::may_pass(code, true)) {
            (true, _) => page.push_str("- Scheduled backups: tried again\n"),
            (false, true) => {
                page.push_str("- Scheduled backups: tried again if the snapshot had been taken\n")
            }
            (false, false) => {}
        }
    }
    expect_file!["../../../docs/troubleshooting.md"].assert_eq(&page);
}
