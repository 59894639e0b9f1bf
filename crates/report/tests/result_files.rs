//! The dictionary in docs/src/result-files.md is that of the types.

use std::path::PathBuf;
use std::{env, fs};

use analysis::compare::{
    ComparisonJson, GroupJson, InputJson, OutcomeJson, ReportedJson, RowJson, SidesJson,
};
use analysis::scores::{ADDED, BEST_OF, Pair, RowScore, Scores, Solver, Workload};
use analysis::table::Row;
use causes::{Diagnosis, Finding, FixResult, LineFit};
use documented::DocumentedFields;
use records::{
    Cell, Conditions, DiagnosisManifest, Hit, MAP_COLUMNS, Manifest, MapAxes, MapAxis, MapManifest,
    PROFILE_COLUMNS, PROFILE_PLACES, Point, RENAMED_COLUMNS, RunTiming, Status, Term,
};

/// What begins what is made here; all before it is written by hand.
const DICTIONARY: &str = "## Dictionary\n";

fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/result-files.md"))
}

/// Names, and what they stand for.
type Fields = Vec<(String, String)>;

fn fields<T: DocumentedFields>() -> Fields {
    let docs = T::FIELD_NAMES.iter().zip(T::FIELD_DOCS);
    docs.map(|(name, text)| ((*name).to_owned(), plain(text))).collect()
}

/// The fields of what is in a field, by the path to them.
fn within<T: DocumentedFields>(path: &str) -> Fields {
    fields::<T>().into_iter().map(|(name, text)| (format!("{path}.{name}"), text)).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn without(mut fields: Fields, name: &str) -> Fields {
    let before = fields.len();
    fields.retain(|(own, _)| own != name);
    assert_eq!(fields.len() + 1, before, "{name}");
    fields
}

/// A doc comment as text of a page: one line, links to items as their names.
fn plain(docs: &str) -> String {
    let docs = docs.split_whitespace().collect::<Vec<_>>().join(" ").replace("[`", "`").replace("`]", "`");
    let mut text = String::new();
    let mut rest = docs.as_str();
    while let Some(at) = rest.find("`(") {
        let (before, link) = rest.split_at(at + 1);
        let is_path =
            |link: &str| !link.is_empty() && link.chars().all(|c| c.is_alphanumeric() || "_:".contains(c));
        let end = link.find(')').filter(|end| is_path(&link[1..*end]));
        text += before;
        rest = &link[end.map_or(0, |end| end + 1)..];
        if end.is_none() {
            text.push('(');
            rest = &rest[1..];
        }
    }
    text + rest
}

/// A section with a table.
fn section(title: &str, intro: &str, column: &str, fields: &Fields) -> String {
    let row = |(name, text): &(String, String)| format!("| `{name}` | {} |\n", text.replace('|', "\\|"));
    let rows: String = fields.iter().map(row).collect();
    let intro = if intro.is_empty() { String::new() } else { format!("{intro}\n\n") };
    format!("\n### {title}\n\n{intro}| {column} | what it holds |\n|---|---|\n{rows}")
}

fn cells() -> Fields {
    let mut cells = Fields::new();
    for (name, text) in fields::<Cell>() {
        if name == "hits" {
            let to = |(name, text)| (format!("{name}_to_<target>"), text);
            cells.extend(
                without(fields::<Hit>(), "target")
                    .into_iter()
                    .map(|(name, text)| to((if name == "step" { "steps".to_owned() } else { name }, text))),
            );
        } else {
            cells.push((name, text));
        }
    }
    cells
}

fn scores_json() -> Fields {
    let mut all = pairs(&[
        (
            "table",
            "The rows of `table.csv`, by the names of its columns; `null` stands for what is infinite or not defined.",
        ),
        ("scores", "What the scores add."),
    ]);
    all.extend(within::<Scores>("scores"));
    all.extend(within::<RowScore>("scores.rows[]"));
    all.extend(within::<Workload>("scores.workloads[]"));
    all.extend(without(within::<Solver>("scores.solvers[]"), "scores.solvers[].ecdf"));
    all.extend(within::<Pair>("scores.pairs[]"));
    all
}

fn diagnosis_json() -> Fields {
    let mut all = fields::<Diagnosis>();
    all.extend(within::<Finding>("findings[]"));
    all.extend(without(within::<FixResult>("fixes[]"), "fixes[].addresses"));
    all.extend(within::<LineFit>("fixes[].line_fit"));
    all
}

fn comparison_json() -> Fields {
    let mut all = fields::<ComparisonJson>();
    all.extend(within::<SidesJson<u64>>("cells"));
    all.extend(within::<InputJson>("inputs_changed[]"));
    all.extend(within::<GroupJson>("together[]"));
    all.extend(within::<RowJson>("rows[]"));
    all.extend(within::<ReportedJson>("rows[].left"));
    all.extend(within::<OutcomeJson>("rows[].outcomes_changed[]"));
    all
}

fn dictionary() -> String {
    let grid_manifest = [fields::<Manifest>(), within::<Conditions>("conditions[]")].concat();
    let axes = [within::<MapAxes>("axes"), within::<MapAxis>("axes.x")].concat();
    let map_manifest = [fields::<MapManifest>(), axes].concat();
    let best_of = format!("{BEST_OF}<k>");
    let best_of = (
        best_of.as_str(),
        "The expected steps, capped at the budget, with the best of so many random rates of the grid; empty where the grid has no such k.",
    );
    let scores = [pairs(&ADDED), pairs(&[best_of])].concat();
    let renamed =
        RENAMED_COLUMNS.iter().map(|(file, old, new)| format!("| `{file}` | `{old}` | `{new}` |\n"));
    let entries =
        registry::RENAMED.iter().map(|(old, new)| format!("| an entry or key | `{old}` | `{new}` |\n"));
    let renamed: String = renamed.chain(entries).collect();
    [
        DICTIONARY.to_owned(),
        section("`cells.csv`", "One row for each training run.", "column", &cells()),
        section("`curves.csv`", "One row for each recorded step of a run.", "column", &fields::<Point>()),
        section(
            "`terms.csv`",
            "One row for each term at each recorded step, for losses of several terms; the file isn't there where none has.",
            "column",
            &fields::<Term>(),
        ),
        section(
            "`timings.csv`",
            "One row for each training run. It is not a result: it differs from run to run.",
            "column",
            &fields::<RunTiming>(),
        ),
        section(
            "`table.csv`",
            "One row for each problem, loss, optimizer and schedule, at the learning rate that was best on the tuning seeds.",
            "column",
            &fields::<Row>(),
        ),
        section("`scores.csv`", "The columns of `table.csv`, and behind them:", "column", &scores),
        section("`scores.json`", "", "field", &scores_json()),
        section("`manifest.json` of a grid", "", "field", &grid_manifest),
        section("`manifest.json` of a map", "`axes.y` has the fields of `axes.x`.", "field", &map_manifest),
        section(
            "`map.csv` and `.npy` files",
            "Each number of a pixel is a file `<name>.npy` (float32, the rows of pixels from the bottom), and with `csv = true` \
             a column of `map.csv`, which has one row a pixel, behind the values of the two axes: those columns have the \
             names of what varies, such as `lr` or `start.x1`.",
            "name",
            &pairs(&MAP_COLUMNS),
        ),
        section("`manifest.json` of a diagnosis", "", "field", &fields::<DiagnosisManifest>()),
        section("`diagnosis.json`", "", "field", &diagnosis_json()),
        section(
            "`profile.csv`",
            "The loss along a line. The first column is one of the first three.",
            "column",
            &[pairs(&PROFILE_PLACES), pairs(&PROFILE_COLUMNS)].concat(),
        ),
        section("`optbench status --format json`", "", "field", &fields::<Status>()),
        section(
            "`optbench compare --format json`",
            "`rows[].right` has the fields of `rows[].left`.",
            "field",
            &comparison_json(),
        ),
        format!(
            "\n### Other names in schema 3\n\nFiles of schema 3 are read by these; keys had no `k` there.\n\n\
             | where | schema 3 | today |\n|---|---|---|\n{renamed}"
        ),
    ]
    .concat()
}

#[test]
fn the_dictionary_is_that_of_the_types() {
    let text = fs::read_to_string(path()).unwrap();
    let start = text.find(DICTIONARY).expect("docs/src/result-files.md has a dictionary");
    let wanted = dictionary();
    if env::var_os("OPTBENCH_UPDATE").is_some() {
        fs::write(path(), text[..start].to_owned() + &wanted).unwrap();
        return;
    }
    assert!(text[start..] == wanted, "OPTBENCH_UPDATE=1 cargo test -p report writes the dictionary anew");
}

/// What serde writes are the documented fields.
#[test]
fn documented_fields_are_what_is_written() {
    fn names(value: &impl serde::Serialize) -> Vec<String> {
        let value = serde_json::to_value(value).unwrap();
        value.as_object().unwrap().keys().cloned().collect()
    }
    fn documented(fields: &Fields) -> Vec<String> {
        let mut names: Vec<String> = fields.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }
    let manifest = Manifest {
        source: Some(String::new()),
        inputs: vec![Default::default()],
        conditions: vec![Conditions::default()],
        ..Manifest::default()
    };
    assert_eq!(names(&manifest), documented(&fields::<Manifest>()));
    assert_eq!(names(&Conditions::default()), documented(&fields::<Conditions>()));
    assert_eq!(names(&Scores::default()), documented(&fields::<Scores>()));
    let fix = FixResult {
        name: String::new(),
        change: String::new(),
        steps: None,
        baseline_steps: None,
        speedup: None,
        reached: false,
        line_fit: None,
        addresses: Vec::new(),
    };
    assert_eq!(names(&fix), documented(&without(fields::<FixResult>(), "addresses")));
}

#[test]
fn links_to_items_are_names() {
    assert_eq!(
        plain("See [`Hit`], and\n[`x`](Self::x), `f`(of x) here."),
        "See `Hit`, and `x`, `f`(of x) here."
    );
}
