//! Losses with planted causes: the diagnosis must find them, and the docs say how often it does.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The matrix of a suite, as the program prints it.
fn matrix(suite: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_runner"))
        .args(["diagnose", "--suite"])
        .arg(root().join(format!("crates/runner/tests/planted/{suite}.toml")))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The number before a text in a matrix's summary.
fn before(matrix: &str, text: &str) -> f64 {
    let (head, _) = matrix.split_once(text).unwrap_or_else(|| panic!("no `{text}` in {matrix}"));
    head.rsplit([' ', '\n']).next().unwrap().parse().unwrap()
}

/// Over all of these suites, the share of right main causes must be at least this; there is no false alarm, and nine
/// in ten slow cases are mended.
fn check(suites: &[&str], least: f64) {
    let docs = std::fs::read_to_string(root().join("docs/diagnosis.md")).unwrap();
    let (mut cases, mut right, mut slow, mut mended) = (0.0, 0.0, 0.0, 0.0);
    for suite in suites {
        let matrix = matrix(suite);
        let own = before(&matrix, " main causes right");
        cases += own;
        right += before(&matrix, &format!(" of {own} main causes right"));
        assert_eq!(before(&matrix, " false alarms"), 0.0, "{matrix}");
        slow += before(&matrix, " slow cases");
        let (_, rest) = matrix.split_once("author's steps in ").unwrap();
        mended += before(&format!(" {rest}"), "; the one listed first");
        assert!(
            docs.contains(matrix.trim()),
            "docs/diagnosis.md has another matrix than this; put it there:\n{matrix}"
        );
    }
    assert!(right >= least * cases, "{right} of {cases} right");
    assert!(mended >= 0.9 * slow, "{mended} of {slow} mended");
}

#[test]
fn causes_that_the_rules_were_tuned_on_are_found() {
    check(&["tuned"], 0.95);
}

#[test]
fn causes_in_losses_from_pytorch_are_found() {
    check(&["torchscript"], 0.95);
}

#[test]
fn causes_that_the_rules_were_not_tuned_on_are_found() {
    check(&["held-out", "held-out-2"], 0.95);
}
