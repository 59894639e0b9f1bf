//! Criterion's saved estimates.

use std::fs;

use crate::compare::compare;

use crate::sandbox::Sandbox;

fn bench(sandbox: &Sandbox, side: &str, name: &str, estimates: &str) {
    let folder = sandbox.path().join(side).join(name).join("new");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("benchmark.json"), format!(r#"{{"full_id":"{name}","throughput":null}}"#)).unwrap();
    fs::write(folder.join("estimates.json"), estimates).unwrap();
}

fn estimates(time: f64, error: f64) -> String {
    format!(
        r#"{{"mean":{{"point_estimate":{time},"standard_error":{error},"confidence_interval":null}},"slope":null}}"#
    )
}

#[test]
fn changes_have_intervals_and_are_no_regressions() {
    let sandbox = Sandbox::new();
    bench(&sandbox, "a", "steps/adam", &estimates(100.0, 1.0));
    bench(&sandbox, "b", "steps/adam", &estimates(120.0, 1.2));
    bench(&sandbox, "a", "steps/sgd", &estimates(50.0, 1.0));
    bench(&sandbox, "b", "steps/sgd", &estimates(50.5, 1.0));
    bench(&sandbox, "a", "steps/gone", &estimates(50.0, 1.0));
    // What criterion keeps beside: the run before, the change against it, and a run that was cut off.
    for folder in ["a/steps/adam/base", "b/steps/adam/change"] {
        fs::create_dir_all(sandbox.path().join(folder)).unwrap();
        fs::write(sandbox.path().join(folder).join("estimates.json"), estimates(900.0, 1.0)).unwrap();
    }
    fs::create_dir_all(sandbox.path().join("b/steps/cut/new")).unwrap();
    compare(&sandbox, "--bench a b")
        .works()
        .prints("slower")
        // 1.2·exp(±1.96·√2·0.01)
        .prints("1.200   1.167..1.234")
        .prints("no clear change")
        .prints("vanished: steps/gone")
        .prints("Times are of the machines that made them: run both sides on one");
    let answer = compare(&sandbox, "--bench a b --format json").json();
    assert_eq!(answer["rows"][0]["bench"], "steps/adam");
    assert_eq!(answer["rows"].as_array().unwrap().len(), 2);
}

#[test]
fn what_is_not_there_or_broken() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path().join("a")).unwrap();
    compare(&sandbox, "--bench a b").fails(2).says("holds no saved estimates").says("cargo bench");
    bench(&sandbox, "a", "x", &estimates(1.0, 0.1));
    for broken in ["{", "{}", &estimates(0.0, 0.1)] {
        bench(&sandbox, "b", "x", broken);
        compare(&sandbox, "--bench a b").fails(2).says("not what criterion writes");
    }
}
