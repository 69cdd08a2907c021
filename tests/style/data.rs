//! Binary files exist only where data belongs: remains of a test or a build are not committed.

use super::project::{File, Violation, expect_none, files};

const PLACES: [&str; 2] = ["data/", "tests/fixtures/"];

/// A text contains no zero byte, and a binary file nearly always does.
fn strays(files: &[File]) -> Vec<Violation> {
    let is_stray = |file: &&File| file.text.contains('\0') && !file.is_in(&PLACES);
    let violation = |file| Violation::new(file, 1, "a file of bytes outside of the places for data");
    files.iter().filter(is_stray).map(violation).collect()
}

#[test]
fn bytes_are_where_data_is() {
    expect_none("files of bytes", &strays(&files()));
}

#[test]
fn bytes_elsewhere_fail() {
    let strays = |path: &str, text: &str| strays(&[File::example(path, text)]).len();
    assert_eq!(strays("pkg/places/1/m_0", "\u{93}thm\0\0"), 1);
    assert_eq!(strays("tests/fixtures/v1/place/m_0", "\u{93}thm\0\0") + strays("src/a.rs", "fn a() {}\n"), 0);
}
