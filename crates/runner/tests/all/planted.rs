//! Losses with planted causes: the diagnosis must find them, the docs say how often it does, and every answer is the
//! committed one.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What the program says of a suite.
fn run(suite: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_runner"))
        .args(["diagnose", "--json", "--suite"])
        .arg(root().join(format!("crates/runner/tests/planted/{suite}.toml")))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Numbers to four digits: the others are the CPU's, and hide what changes.
fn rounded(value: &Value) -> Value {
    match value {
        Value::Object(values) => values.iter().map(|(name, value)| (name.clone(), rounded(value))).collect(),
        Value::Number(number) if number.is_f64() => {
            json!(format!("{:.3e}", number.as_f64().unwrap()).parse::<f64>().unwrap())
        }
        other => other.clone(),
    }
}

/// What is kept of an answer: what was found with its values, and the steps of the author and of every fix, in their
/// order, in the free fit and in the line fit. Sentences are not.
fn kept(case: &Value) -> Value {
    let list = |part: &str| case["diagnosis"][part].as_array().cloned().unwrap_or_default();
    let findings: Vec<Value> = list("findings")
        .iter()
        .map(|finding| json!([finding["cause"], rounded(&finding["values"])]))
        .collect();
    let fix = |fix: &Value| {
        // A rate or a power is measured, too.
        let name = fix["name"].as_str().unwrap();
        let number = name.rsplit_once(' ').and_then(|(name, last)| Some((name, last.parse::<f64>().ok()?)));
        let (name, number) = number.map_or((name, None), |(name, number)| (name, Some(number)));
        json!([name, number, fix["steps"], fix["line_fit"]["steps"]])
    };
    let fixes: Vec<Value> = list("fixes").iter().map(fix).collect();
    json!({"name": case["name"], "steps": case["steps"], "slows": case["diagnosis"]["slows_descent"],
           "findings": findings, "fixes": fixes, "error": case["error"]})
}

/// Whether two answers are the same, but for digits that another CPU may round otherwise: on one a fix of the case "a
/// hidden layer that is saturated" takes 73 steps, on another 77.
fn is_same(ours: &Value, theirs: &Value) -> bool {
    let near =
        |a: f64, b: f64| (a - b).abs() <= 0.06 * a.abs().max(b.abs()) || (a - b).abs() <= 1.0 && a > 10.0;
    match (ours, theirs) {
        (Value::Number(a), Value::Number(b)) => near(a.as_f64().unwrap(), b.as_f64().unwrap()),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| is_same(a, &b[key]))
        }
        (a, b) => a == b,
    }
}

/// Every answer is the committed one: to accept others, run with `OPTBENCH_UPDATE=1` and look at the diff.
fn hold(suite: &str, cases: &[Value]) {
    let path = root().join(format!("crates/runner/tests/planted/{suite}.answers"));
    let kept: Vec<Value> = cases.iter().map(kept).collect();
    if env::var_os("OPTBENCH_UPDATE").is_some() {
        let lines = kept.iter().fold(String::new(), |mut text, case| {
            writeln!(text, "{case}").unwrap();
            text
        });
        fs::write(&path, lines).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap();
    let committed: Vec<Value> = committed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(kept.len(), committed.len(), "{suite}");
    let other: Vec<String> = kept
        .iter()
        .zip(&committed)
        .filter(|(ours, theirs)| !is_same(ours, theirs))
        .map(|(ours, theirs)| format!("now    {ours}\nbefore {theirs}"))
        .collect();
    assert!(other.is_empty(), "{} answers of {suite} are others:\n{}", other.len(), other.join("\n"));
}

/// The number before a text in a matrix's summary.
fn before(matrix: &str, text: &str) -> f64 {
    let (head, _) = matrix.split_once(text).unwrap_or_else(|| panic!("no `{text}` in {matrix}"));
    head.rsplit([' ', '\n']).next().unwrap().parse().unwrap()
}

/// Over all of these suites, the share of right main causes must be at least this; there is no false alarm, and nine
/// in ten slow cases are mended.
fn check(suites: &[&str], least: f64) {
    let docs = fs::read_to_string(root().join("docs/diagnosis.md")).unwrap();
    let (mut cases, mut right, mut slow, mut mended) = (0.0, 0.0, 0.0, 0.0);
    for suite in suites {
        let answer = run(suite);
        hold(suite, answer["cases"].as_array().unwrap());
        let matrix = answer["matrix"].as_str().unwrap();
        let own = before(matrix, " main causes right");
        cases += own;
        right += before(matrix, &format!(" of {own} main causes right"));
        assert_eq!(before(matrix, " false alarms"), 0.0, "{matrix}");
        slow += before(matrix, " slow cases");
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
fn answers_may_differ_in_the_last_digits() {
    let a = json!([{"x": 0.5, "y": "at the start"}, 100, null]);
    assert!(is_same(&a, &json!([{"x": 0.51, "y": "at the start"}, 103, null])));
    for other in [
        json!([{"x": 0.6, "y": "at the start"}, 100, null]),
        json!([{"x": 0.5, "y": "at the end"}, 100, null]),
        json!([{"x": 0.5}, 100, null]),
        json!([{"x": 0.5, "y": "at the start"}, 110, null]),
        json!([{"x": 0.5, "y": "at the start"}, 100, 1]),
        json!([{"x": 0.5, "y": "at the start"}, 100]),
    ] {
        assert!(!is_same(&a, &other), "{other}");
    }
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
