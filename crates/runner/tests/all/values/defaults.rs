//! Every default of a config, in one table: leaving a key out is writing its default, and writing another value is
//! something else.

use runner::config::{self, diagnose, map};
use runner::plan::Plan;

/// A key, its default as a config would write it (`None` where nothing stands for it), and another value.
type Key = (&'static str, Option<&'static str>, &'static str);

/// Of a whole file.
const HEAD: [Key; 5] = [
    ("jobs", None, "3"),
    ("engine", Some("'auto'"), "'libtorch'"),
    ("dtype", Some("'float32'"), "'float64'"),
    ("divergence", Some("1e6"), "1e5"),
    ("extend", Some("false"), "true"),
];

/// Of a file, and of each of its tables.
const EITHER: [Key; 6] = [
    ("steps", Some("1000"), "900"),
    ("lr", Some("[1e-4, 3.16e-4, 1e-3, 3.16e-3, 1e-2, 3.16e-2, 0.1, 0.316, 1]"), "[1e-4]"),
    ("targets", Some("[0.1, 0.01, 0.001]"), "[0.1]"),
    ("hold", Some("1"), "2"),
    (
        "seeds",
        Some("{ tuning = [1, 2, 3], reporting = [4, 5, 6, 7, 8] }"),
        "{ tuning = [1, 2], reporting = [4, 5, 6, 7, 8] }",
    ),
    ("record", Some("{ log = 50 }"), "{ log = 49 }"),
];

/// Of a table.
const TABLE: [Key; 1] = [("schedules", Some("['constant']"), "['cosine']")];

const MAP: [Key; 9] = [
    ("schedule", Some("'constant'"), "'cosine'"),
    ("steps", Some("500"), "501"),
    ("target", Some("0.001"), "0.002"),
    ("hold", Some("1"), "2"),
    ("divergence", Some("1e6"), "1e5"),
    ("dtype", Some("'float32'"), "'float64'"),
    ("seed", Some("0"), "1"),
    ("show", Some("'steps'"), "'error'"),
    ("csv", Some("false"), "true"),
];

const SIDE: [Key; 2] = [("scale", Some("'linear'"), "'log'"), ("pixels", Some("512"), "256")];

const DIAGNOSIS: [Key; 13] = [
    ("start", Some("{ offset = { normal = { mean = 0, std = 2 } } }"), "0.5"),
    ("target", Some("{ normal = { mean = 0, std = 1, shape = [16] } }"), "0.5"),
    ("readout", None, "'sigmoid'"),
    ("loss_input", None, "'readout'"),
    ("noise", Some("0.0"), "0.1"),
    ("optimizer", Some("'sgd'"), "'adam'"),
    ("schedule", Some("'constant'"), "'cosine'"),
    ("lr", Some("0.1"), "0.2"),
    ("steps", Some("2000"), "2001"),
    ("tolerance", None, "0.01"),
    ("dtype", Some("'float32'"), "'float64'"),
    ("seed", Some("0"), "1"),
    ("cause", None, "'plateau'"),
];

/// A config as it was read, without its own text.
type Read = fn(&str) -> Result<String, String>;

fn grid(text: &str) -> Result<String, String> {
    let config = config::parse("x.toml", text).map_err(|error| format!("{error:?}"))?;
    let plan = Plan::new(&config).map_err(|error| format!("{error:?}"))?;
    Ok(format!("{:?} {:?} {:?} {:?}", config.jobs, config.extend, config.engine, plan))
}

fn drawn(text: &str) -> Result<String, String> {
    let map = map::parse("x.toml", text.to_owned()).map_err(|error| format!("{error:?}"))?;
    Ok(format!("{:?}", map::Map { text: String::new(), ..map }))
}

fn diagnosed(text: &str) -> Result<String, String> {
    let case = diagnose::parse_case("x.toml", text).map_err(|error| format!("{error:?}"))?;
    Ok(format!("{:?}", diagnose::Case { text: String::new(), ..case }))
}

/// The keys that a config may have where a line stands, from what is said of one that it hasn't.
fn known(read: Read, text: &str) -> Vec<String> {
    let said = read(text).unwrap_err();
    let (_, list) = said.split_once("expected one of ").unwrap_or_else(|| panic!("{said}"));
    list.split('`').skip(1).step_by(2).take_while(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// `with` makes a config of a line; `others` are the keys that have no default, and stand there.
fn check(read: Read, keys: &[Key], others: &[&str], with: &dyn Fn(&str) -> String) {
    let without = read(&with("")).unwrap();
    for (key, default, other) in keys {
        if let Some(default) = default {
            assert_eq!(
                read(&with(&format!("{key} = {default}"))).unwrap(),
                without,
                "the default of `{key}`"
            );
        }
        let changed = read(&with(&format!("{key} = {other}")));
        assert_ne!(changed.unwrap(), without, "{key} = {other} changes nothing");
    }
    let mut all = known(read, &with("no_such_key = 1"));
    let mut ours: Vec<&str> = keys.iter().map(|key| key.0).chain(others.iter().copied()).collect();
    all.sort_unstable();
    ours.sort_unstable();
    assert_eq!(all, ours, "this table has other keys than the config");
}

#[test]
fn defaults_of_a_grid() {
    let table = "problems = ['line_fit']\nlosses = ['mse']\noptimizers = ['sgd']";
    let in_head = |line: &str| format!("name = 'x'\n{line}\n[[grid]]\n{table}\n");
    let in_table = |line: &str| format!("name = 'x'\n[[grid]]\n{table}\n{line}\n");
    check(grid, &[&HEAD[..], &EITHER].concat(), &["name", "grid"], &in_head);
    check(grid, &[&TABLE[..], &EITHER].concat(), &["problems", "losses", "optimizers"], &in_table);
    // Rates and targets are in order, whatever a list's is.
    for (key, one, other) in
        [("lr", "[0.1, 1e-3, 0.01]", "[1e-3, 0.01, 0.1]"), ("targets", "[0.1, 0.3, 0.2]", "[0.3, 0.2, 0.1]")]
    {
        let read = |list: &str| grid(&in_head(&format!("{key} = {list}"))).unwrap();
        assert_eq!(read(one), read(other));
    }
    for (key, _, other) in EITHER {
        let line = format!("{key} = {other}");
        assert_eq!(
            grid(&in_head(&line)).unwrap(),
            grid(&in_table(&line)).unwrap(),
            "{key} in the head and in a table"
        );
    }
}

#[test]
fn defaults_of_a_map() {
    let head = "name = 'm'\nproblem = 'line_fit'\nloss = 'mse'\noptimizer = 'sgd'\nlr = 0.1";
    let axes = |line: &str| {
        format!(
            "x = {{ vary = 'start.x1', from = 1, to = 2{line} }}\ny = {{ vary = 'start.x2', from = 1, to = 2 }}"
        )
    };
    let in_head = |line: &str| format!("{head}\n{line}\n{}\n", axes(""));
    let in_side = |line: &str| {
        let line = if line.is_empty() { String::new() } else { format!(", {line}") };
        format!("{head}\n{}\n", axes(&line))
    };
    check(drawn, &MAP, &["name", "problem", "loss", "optimizer", "lr", "x", "y"], &in_head);
    check(drawn, &SIDE, &["vary", "from", "to"], &in_side);
}

#[test]
fn defaults_of_a_diagnosis() {
    check(diagnosed, &DIAGNOSIS, &["name", "loss", "problem"], &|line| {
        format!("name = 'd'\nloss = 'mse'\n{line}\n")
    });
}
