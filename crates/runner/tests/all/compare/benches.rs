//! Criterion's saved estimates.

use std::fs;

use crate::compare::compare;

use crate::place::Place;

fn bench(place: &Place, side: &str, name: &str, estimates: &str) {
    let folder = place.path().join(side).join(name).join("new");
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
    let place = Place::new();
    bench(&place, "a", "steps/adam", &estimates(100.0, 1.0));
    bench(&place, "b", "steps/adam", &estimates(120.0, 1.2));
    bench(&place, "a", "steps/sgd", &estimates(50.0, 1.0));
    bench(&place, "b", "steps/sgd", &estimates(50.5, 1.0));
    bench(&place, "a", "steps/gone", &estimates(50.0, 1.0));
    // What criterion keeps beside: the run before, the change against it, and a run that was cut off.
    for folder in ["a/steps/adam/base", "b/steps/adam/change"] {
        fs::create_dir_all(place.path().join(folder)).unwrap();
        fs::write(place.path().join(folder).join("estimates.json"), estimates(900.0, 1.0)).unwrap();
    }
    fs::create_dir_all(place.path().join("b/steps/cut/new")).unwrap();
    let (code, answer, message) = compare(&place, &["--bench", "a", "b"]);
    assert_eq!(code, 0, "{message}");
    // 1.2·exp(±1.96·√2·0.01)
    assert!(answer.contains("slower") && answer.contains("1.200   1.167..1.234"), "{answer}");
    assert!(answer.contains("no clear change") && answer.contains("vanished: steps/gone"), "{answer}");
    assert!(answer.contains("Times are of the machines that made them: run both sides on one"), "{answer}");
    let (_, json, _) = compare(&place, &["--bench", "a", "b", "--format", "json"]);
    let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(answer["rows"][0]["bench"], "steps/adam");
    assert_eq!(answer["rows"].as_array().unwrap().len(), 2);
}

#[test]
fn what_is_not_there_or_broken() {
    let place = Place::new();
    fs::create_dir(place.path().join("a")).unwrap();
    let (code, _, message) = compare(&place, &["--bench", "a", "b"]);
    assert_eq!(code, 2);
    assert!(message.contains("holds no saved estimates") && message.contains("cargo bench"), "{message}");
    bench(&place, "a", "x", &estimates(1.0, 0.1));
    for broken in ["{", "{}", &estimates(0.0, 0.1)] {
        bench(&place, "b", "x", broken);
        let (code, _, message) = compare(&place, &["--bench", "a", "b"]);
        assert_eq!(code, 2, "{message}");
        assert!(message.contains("not what criterion writes"), "{message}");
    }
}
