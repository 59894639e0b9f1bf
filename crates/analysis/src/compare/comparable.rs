//! Whether two rows may be compared at all: the same budget, targets, rates, seeds, type and engine, and the same of
//! whatever else their manifests say that they ran under.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};

use super::side::{Facts, Group, Run};
use records::Role;

/// What a run has of something.
type Value = fn(&Run) -> Vec<String>;

/// At most so many values are named.
const NAMED: usize = 8;

/// What cells themselves tell, by the names that manifests have for it too.
const OF_CELLS: [(&str, Value); 7] = [
    ("budget", |run| vec![run.budget.to_string()]),
    ("targets", |run| run.hits.iter().map(|hit| hit.target.to_string()).collect()),
    ("type", |run| vec![run.dtype.to_string()]),
    ("engine", |run| vec![run.engine.to_string()]),
    ("learning rates", |run| vec![run.lr.to_string()]),
    ("tuning seeds", |run| seeds(run, Role::Tuning)),
    ("reporting seeds", |run| seeds(run, Role::Reporting)),
];

/// Something in which the sides differ before any run began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What differs, such as `budget`.
    pub what: String,
    /// What only the left side has; may be empty.
    pub left: String,
    /// What only the right side has; may be empty.
    pub right: String,
    /// In how many rows.
    pub rows: u64,
    /// The first of these rows.
    pub example: String,
}

impl Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{}: ", self.what)?;
        let sides = [("left", &self.left), ("right", &self.right)];
        let named: Vec<String> = sides
            .iter()
            .filter(|(_, values)| !values.is_empty())
            .map(|(side, values)| format!("only the {side} has {values}"))
            .collect();
        let rows = if self.rows == 1 { "row" } else { "rows" };
        write!(formatter, "{} ({} {rows}, first {})", named.join(", "), self.rows, self.example)
    }
}

/// Collects mismatches, those of many rows into one.
#[derive(Default)]
pub(super) struct Mismatches(BTreeMap<(String, String, String), (u64, String)>);

impl Mismatches {
    /// Checks a row that both sides have.
    pub(super) fn check(&mut self, left: &Group, right: &Group, name: &str) {
        let both = |value: Value| [values(left, value), values(right, value)];
        let mut same = true;
        for (what, value) in OF_CELLS {
            same &= self.look(what, both(value), name);
        }
        if same {
            // The same rates and seeds, so what is missing is single runs.
            self.look("cells", both(|run| vec![format!("lr {} seed {}", run.lr, run.seed)]), name);
        }
    }

    /// Checks what the manifests of both sides say about a row, as far as cells don't tell it.
    pub(super) fn check_facts(&mut self, sides: [&Facts; 2], [problem, loss, ..]: &[String; 4], name: &str) {
        let workload = [problem.clone(), loss.clone()];
        let [Some(left), Some(right)] = sides.map(|facts| facts.0.get(&workload)) else { return };
        for (what, fact) in left.iter() {
            if let Some(other) = right.get(what)
                && OF_CELLS.iter().all(|(known, _)| known != what)
            {
                self.look(what, [fact, other].map(|fact| vec![fact.to_string()]), name);
            }
        }
    }

    /// Whether both sides have the same of something.
    fn look(&mut self, what: &str, [left, right]: [Vec<String>; 2], name: &str) -> bool {
        let (only_left, only_right) = (beyond(&left, &right), beyond(&right, &left));
        if only_left.is_empty() && only_right.is_empty() {
            return true;
        }
        let key = (what.to_owned(), only_left, only_right);
        self.0.entry(key).or_insert_with(|| (0, name.to_owned())).0 += 1;
        false
    }

    pub(super) fn into_vec(self) -> Vec<Mismatch> {
        let mismatch = |((what, left, right), (rows, example))| Mismatch { what, left, right, rows, example };
        self.0.into_iter().map(mismatch).collect()
    }
}

fn seeds(run: &Run, role: Role) -> Vec<String> {
    (run.role == role).then(|| run.seed.to_string()).into_iter().collect()
}

/// The values of a row's runs, each once, in the order of first appearance.
fn values(group: &Group, value: Value) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    group.runs.iter().flat_map(value).filter(|value| seen.insert(value.clone())).collect()
}

/// What `these` have and `those` have not, as a text; empty if nothing.
fn beyond(these: &[String], those: &[String]) -> String {
    let known: std::collections::HashSet<&String> = those.iter().collect();
    let mut only: Vec<&str> =
        these.iter().filter(|value| !known.contains(value)).map(String::as_str).collect();
    only.sort_by(|a, b| {
        let number = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
        number(a).total_cmp(&number(b)).then_with(|| a.cmp(b))
    });
    let more = only.len().saturating_sub(NAMED);
    only.truncate(NAMED);
    let mut text = only.join(", ");
    if more > 0 {
        let _ = write!(text, " and {more} more");
    }
    text
}
