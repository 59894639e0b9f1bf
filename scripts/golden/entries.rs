//! What the golden tests of all crates share: which options two cases show by themselves, and the table of
//! `docs/src/entries.md`, which they measure.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::{env, fs};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The names of an entry's options, those without a value too: what serde says of one that there isn't.
pub fn option_names<T: DeserializeOwned>(entry: &str) -> Vec<String> {
    let refused = serde_json::from_value::<T>(json!({ entry: { "?": 0 } })).err().expect("no such option");
    refused.to_string().split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

/// The options that no two cases show by themselves. `cases` are the options of each; `effect` is how far the
/// references of two are apart, in tolerances, and 0 where they can't be compared.
pub fn unseen(names: &[String], cases: &[Value], effect: impl Fn(usize, usize) -> f64) -> Vec<String> {
    let differs = |a: &Value, b: &Value, option: &String| a.get(option) != b.get(option);
    let alone = |a: &Value, b: &Value, option: &String| {
        names.iter().all(|name| differs(a, b, name) == (name == option))
    };
    let seen = |option: &&String| {
        let mut pairs = (0..cases.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
        pairs.any(|(a, b)| alone(&cases[a], &cases[b], option) && effect(a, b) >= 100.0)
    };
    names.iter().filter(|name| !seen(name)).cloned().collect()
}

/// An entry's line of the table.
pub struct Row {
    pub entry: &'static str,
    /// What its references are.
    pub references: BTreeSet<String>,
    pub cases: usize,
    /// Steps or points that were compared.
    pub compared: String,
    /// The largest difference.
    pub difference: f64,
    pub options: Vec<String>,
}

impl Row {
    /// The cells, but for the difference.
    fn cells(&self) -> [String; 5] {
        let options: Vec<String> = self.options.iter().map(|name| format!("`{name}`")).collect();
        let options = if options.is_empty() { "it has none".into() } else { options.join(", ") };
        let references = self.references.iter().map(String::as_str).collect::<Vec<_>>().join("; ");
        [format!("`{}`", self.entry), references, self.cases.to_string(), self.compared.clone(), options]
    }
}

/// Rounded up to one digit.
fn rounded_up(x: f64) -> String {
    // A number that is rounded down becomes the next one by half of the digit more.
    let digit = 10.0_f64.powf(x.log10().floor());
    let nearest = format!("{x:.0e}");
    match nearest.parse::<f64>() {
        _ if x == 0.0 => "0".into(),
        Ok(down) if down < x => format!("{:.0e}", x + digit / 2.0),
        _ => nearest,
    }
}

/// Holds a section of `docs/src/entries.md` to what was measured: all cells must be the same, but a difference may be up to
/// ten times what is written, or `rounding`, since CPUs round differently. With `OPTBENCH_UPDATE=1` it is written.
pub fn hold(title: &str, rows: &[Row], rounding: f64) {
    // Tests of one program each write a section of the file.
    static FILE: Mutex<()> = Mutex::new(());
    let _alone = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/entries.md");
    let text = fs::read_to_string(path).expect("docs/src/entries.md");
    let start = format!("## {title}\n");
    let from = text.find(&start).unwrap_or_else(|| panic!("docs/src/entries.md has no section {title}"));
    let table = from + text[from..].find("\n| `").expect("a table") + 1;
    let end = text[table..].find("\n\n").map_or(text.len(), |end| table + end + 1);
    let line = |row: &Row| {
        let [entry, references, cases, compared, options] = row.cells();
        let difference = rounded_up(row.difference);
        format!("| {entry} | {references} | {cases} | {compared} | {difference} | {options} |\n")
    };
    if env::var_os("OPTBENCH_UPDATE").is_some() {
        let lines: String = rows.iter().map(line).collect();
        fs::write(path, [&text[..table], &lines, &text[end..]].concat())
            .expect("docs/src/entries.md is written");
        return;
    }
    let written: Vec<Vec<&str>> =
        text[table..end].lines().map(|line| line.trim_matches(['|', ' ']).split(" | ").collect()).collect();
    let remedy = "OPTBENCH_UPDATE=1 writes the table anew";
    assert_eq!(written.len(), rows.len(), "rows of {title} in docs/src/entries.md; {remedy}");
    for (written, row) in written.iter().zip(rows) {
        let [entry, references, cases, compared, difference, options] = written[..] else {
            panic!("six cells, not {written:?}")
        };
        assert_eq!(
            [entry, references, cases, compared, options],
            row.cells().each_ref().map(|cell| &**cell),
            "{remedy}"
        );
        let stated: f64 = difference.parse().expect("a number");
        let near = row.difference <= (10.0 * stated).max(rounding);
        assert!(
            near,
            "{entry}: {:e} off, and docs/src/entries.md says {difference}; {remedy}",
            row.difference
        );
    }
}
