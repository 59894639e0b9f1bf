//! The scores for people.

use std::collections::HashMap;

use records::number::{NONE, short, steps};
use unicode_width::UnicodeWidthStr;

use super::sheet::Sheet;
use super::{Pair, RowScore, Scores};
use crate::table::{Row, Table, printable, workload};
use crate::text_table::WIDTH;

/// In what form scores are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Columns, at most 100 characters wide.
    #[default]
    Text,
    /// Tables of Markdown.
    Markdown,
}

/// What is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RenderOptions {
    /// The form.
    pub format: Format,
    /// At most so many rows of each problem and loss, so many solvers and three times as many pairs.
    pub top: Option<usize>,
}

/// Columns of steps that fit beside a solver's name.
const WORKLOADS_A_SHEET: usize = 8;

impl Scores {
    /// The scores of the rows, of the solvers with their steps on each workload, and of the pairs.
    ///
    /// `table` is the one that they were made with. Ends with a line feed; empty without rows.
    #[must_use]
    pub fn render(&self, table: &Table, options: &RenderOptions) -> String {
        let mut sheets = self.row_sheets(table, options.top);
        let order = self.by_score();
        let shown = &order[..order.len().min(options.top.map_or(usize::MAX, |top| top.max(10)))];
        if !shown.is_empty() {
            sheets.push(self.solver_sheet(shown, order.len() - shown.len()));
            sheets.extend(self.step_sheets(table, shown));
        }
        if !self.pairs.is_empty() {
            sheets.push(self.pair_sheet(options.top.map_or(usize::MAX, |top| 3 * top)));
        }
        let text = sheets.iter().map(|sheet| match options.format {
            Format::Text => sheet.text(),
            Format::Markdown => sheet.markdown(),
        });
        text.collect::<Vec<_>>().join("\n")
    }

    fn row_sheets(&self, table: &Table, top: Option<usize>) -> Vec<Sheet> {
        let places: HashMap<*const Row, usize> =
            table.rows.iter().enumerate().map(|(at, row)| (std::ptr::from_ref(row), at)).collect();
        let place = |row: &Row| places.get(&std::ptr::from_ref(row)).copied();
        let sheets =
            table.best(top).into_iter().filter(|(_, rows)| !rows.is_empty()).map(|(problem, rows)| {
                let scores: Vec<&RowScore> =
                    rows.iter().filter_map(|row| place(row)).map(|at| &self.rows[at]).collect();
                let trials = shown_trials(&scores);
                let mut header = ["loss", "solver", "success", "steps", "ERT"].map(str::to_owned).to_vec();
                if !trials.is_empty() {
                    header.push("sens.".to_owned());
                    header.extend(trials.iter().map(|k| format!("E{k}")));
                }
                let line = |(row, score): (&&Row, &&RowScore)| {
                    let mut line = vec![
                        printable(&row.loss),
                        printable(&self.solvers[score.solver].name()),
                        spaced(&percent(row.success_rate), &between(score.success, percent)),
                        spaced(&steps(row.steps_median), &between(score.steps, steps)),
                        spaced(&steps(row.ert), &between(score.ert, steps)),
                    ];
                    if !trials.is_empty() {
                        line.push(short(score.sensitivity));
                    }
                    let best_of = |k| score.best_of.iter().find(|(trials, _)| trials == k);
                    let shown = |k| best_of(k).map_or(NONE.to_owned(), |&(_, value)| steps(value));
                    line.extend(trials.iter().map(shown));
                    line
                };
                Sheet {
                    heading: format!("{}: how sure, and how well tuned", printable(&problem[0].problem)),
                    header,
                    labels: 2,
                    rows: rows.iter().zip(&scores).map(line).collect(),
                    notes: Vec::new(),
                }
            });
        let mut sheets: Vec<Sheet> = sheets.collect();
        if let Some(last) = sheets.last_mut() {
            last.notes = [
                "[95 % intervals]: success in % (Wilson); median steps and ERT (bootstrap over seeds)",
                "sens.: share of the start error that a rate of the grid leaves on average, above the best rate",
                "E1, E2, …: expected steps with the best of so many random rates of the grid, capped at the budget",
            ]
            .map(str::to_owned)
            .to_vec();
            last.notes.extend(self.left_out_note());
        }
        sheets
    }

    /// Which workloads solvers aren't scored on.
    fn left_out_note(&self) -> Option<String> {
        let name = |&at: &usize| printable(&workload(&self.workloads[at].problem, &self.workloads[at].loss));
        let names: Vec<String> = self.left_out.iter().map(name).collect();
        (!names.is_empty()).then(|| {
            format!(
                "scores, ranks and pairs of solvers leave out, since their runs differ in budget or targets: {}",
                names.join(", ")
            )
        })
    }

    /// Solvers with something to report: those on most workloads first, then the highest score.
    fn by_score(&self) -> Vec<usize> {
        let mut order: Vec<usize> =
            (0..self.solvers.len()).filter(|&at| self.solvers[at].workloads > 0).collect();
        let key = |at: usize| (self.solvers[at].workloads, self.solvers[at].score);
        order.sort_by(|&a, &b| key(b).0.cmp(&key(a).0).then(key(b).1.total_cmp(&key(a).1)));
        order
    }

    fn solver_sheet(&self, shown: &[usize], more: usize) -> Sheet {
        let rows = shown.iter().map(|&at| {
            let solver = &self.solvers[at];
            let mut line = vec![printable(&solver.name()), fixed(solver.score, 3)];
            line.push(format!("{}/{}", solver.solved, solver.workloads));
            line.push(fixed(solver.mean_rank, 2));
            line.extend([1.0, 2.0, 4.0].map(|tau| fixed(solver.profile.share(tau), 2)));
            line.extend([0.01, 0.1, 1.0].map(|share| fixed(solver.ecdf.share(share), 2)));
            line
        });
        let mut notes = vec![
            "score: AlgoPerf's, the mean of ρ(τ) for τ from 1 to 4   ρ(τ): share of workloads within τ times the \
             fastest's steps"
                .to_owned(),
            "F(x): share of all (run, target) pairs reached within x of the budget   rank: mean over workloads"
                .to_owned(),
            "Score, ρ and rank depend on which solvers take part, and compare only those with as many workloads."
                .to_owned(),
        ];
        if more > 0 {
            notes.push(format!("{more} more in scores.json"));
        }
        let workloads = self.workloads.len() - self.left_out.len();
        let on_all = shown.iter().all(|&at| self.solvers[at].workloads == workloads as u64);
        Sheet {
            heading: match workloads {
                1 => "solvers over 1 workload".to_owned(),
                _ if on_all => format!("solvers over {workloads} workloads"),
                _ => format!("solvers, each over its own of {workloads} workloads"),
            },
            header: [
                "solver", "score", "solved", "rank", "ρ(1)", "ρ(2)", "ρ(4)", "F(1%)", "F(10%)", "F(100%)",
            ]
            .map(str::to_owned)
            .to_vec(),
            labels: 1,
            rows: rows.collect(),
            notes,
        }
    }

    /// t itself, beside what is only relative.
    fn step_sheets(&self, table: &Table, shown: &[usize]) -> Vec<Sheet> {
        let mut times = HashMap::new();
        for (row, score) in table.rows.iter().zip(&self.rows).filter(|(row, _)| row.seeds > 0) {
            times.insert((score.solver, score.workload), row.steps_median);
        }
        let time = |solver, workload| match times.get(&(solver, workload)) {
            None => String::new(),
            Some(time) => steps(*time),
        };
        let workloads: Vec<usize> = (0..self.workloads.len()).collect();
        let sheets = workloads.chunks(WORKLOADS_A_SHEET).map(|workloads| {
            let line = |&solver: &usize| {
                let name = printable(&self.solvers[solver].name());
                std::iter::once(name)
                    .chain(workloads.iter().map(|&workload| time(solver, workload)))
                    .collect()
            };
            let name = |&at: &usize| {
                let workload = &self.workloads[at];
                format!("[{}] {}, {}", at + 1, printable(&workload.problem), printable(&workload.loss))
            };
            let numbers = workloads.iter().map(|at| format!("[{}]", at + 1));
            Sheet {
                heading: "t: median steps to the target".to_owned(),
                header: std::iter::once("solver".to_owned()).chain(numbers).collect(),
                labels: 1,
                rows: shown.iter().map(line).collect(),
                notes: filled(workloads.iter().map(name)),
            }
        });
        sheets.collect()
    }

    fn pair_sheet(&self, most: usize) -> Sheet {
        let mut pairs: Vec<&Pair> = self.pairs.iter().collect();
        pairs.sort_by(|a, b| a.p.total_cmp(&b.p));
        let line = |pair: &&Pair| {
            let name = |at: usize| printable(&self.solvers[at].name());
            vec![
                name(pair.faster),
                name(pair.slower),
                pair.workloads.to_string(),
                format!("{}–{}", pair.wins, pair.losses),
                short(pair.p),
                short(pair.p_holm),
            ]
        };
        let shown = pairs.len().min(most);
        let mut notes = vec![
            "p: Wilcoxon's signed ranks of ln t over the workloads that both ran; Holm: corrected over all \
                  pairs"
                .to_owned(),
        ];
        if shown < pairs.len() {
            notes.push(format!("{} more in scores.json", pairs.len() - shown));
        }
        Sheet {
            heading: "pairs of solvers".to_owned(),
            header: ["faster", "slower", "workloads", "wins", "p", "p (Holm)"].map(str::to_owned).to_vec(),
            labels: 2,
            rows: pairs[..shown].iter().map(line).collect(),
            notes,
        }
    }
}

/// The first numbers of random rates, where there is a grid to choose from.
fn shown_trials(rows: &[&RowScore]) -> Vec<usize> {
    let all = rows.iter().filter(|row| row.best_of.len() > 1).flat_map(|row| &row.best_of);
    let mut trials: Vec<usize> = all.map(|&(k, _)| k).collect();
    trials.sort_unstable();
    trials.dedup();
    trials.truncate(3);
    trials
}

fn percent(share: f64) -> String {
    if share.is_nan() { NONE.to_owned() } else { format!("{:.0}", 100.0 * share) }
}

fn spaced(value: &str, interval: &str) -> String {
    if interval.is_empty() { value.to_owned() } else { format!("{value} {interval}") }
}

/// As many texts on each line as fit, none of them broken.
fn filled(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for text in texts {
        match lines.last_mut() {
            Some(line) if line.width() + 3 + text.width() <= usize::from(WIDTH) => {
                line.push_str("   ");
                line.push_str(&text);
            }
            _ => lines.push(text),
        }
    }
    lines
}

/// `[low..high]`, or nothing where there is none.
fn between((low, high): (f64, f64), show: impl Fn(f64) -> String) -> String {
    if low.is_nan() || low == f64::INFINITY {
        String::new()
    } else {
        format!("[{}..{}]", show(low), show(high))
    }
}

fn fixed(value: f64, places: usize) -> String {
    if value.is_nan() { NONE.to_owned() } else { format!("{value:.places$}") }
}
