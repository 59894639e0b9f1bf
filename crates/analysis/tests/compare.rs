//! What is said of two sides: verdicts, refusals, order, and how often it is wrong.

#[expect(dead_code, reason = "other tests need the rest")]
mod common;

use std::hash::{DefaultHasher, Hash, Hasher};

use analysis::compare::{Comparison, Filter, Format, Grid, Mismatch, Names, Options, RowChange, Side};
use analysis::compare::{Verdict, compare};
use analysis::records::{
    Cell, Cells, Dtype, Key, Outcome, RecordError, Role, Targets, write_cell, write_cell_header,
};
use common::{End, cell};

use End::{Budget, Diverged, Failed, Reached};

const ADAM: [&str; 4] = ["fit", "mse", "adam", "constant"];
const SGD: [&str; 4] = ["fit", "mse", "sgd", "constant"];

/// Runs of the seeds 1, 2, … with these ends; keys as different as lr and seed are.
fn runs(labels: [&str; 4], lr: f64, role: Role, ends: impl IntoIterator<Item = End>) -> Vec<Cell> {
    let first = if role == Role::Tuning { 1 } else { 101 };
    let mut cells: Vec<Cell> =
        ends.into_iter().zip(first..).map(|(end, seed)| cell(labels, lr, role, seed, end)).collect();
    for cell in &mut cells {
        let mut hash = DefaultHasher::new();
        (labels, lr.to_bits(), cell.seed).hash(&mut hash);
        cell.key = Key(hash.finish());
    }
    cells
}

/// Ten reporting seeds around this step.
fn around(labels: [&str; 4], step: u64) -> Vec<Cell> {
    runs(labels, 0.1, Role::Reporting, (0..10).map(|seed| Reached(step + seed)))
}

fn read(cells: &[Cell], filter: &Filter) -> Result<Side, RecordError> {
    let targets = Targets::new(cells.iter().flat_map(|cell| &cell.hits).map(|hit| hit.target)).unwrap();
    let mut file = Vec::new();
    write_cell_header(&mut file, &targets);
    for cell in cells {
        write_cell(&mut file, cell, &targets).unwrap();
    }
    Side::read(Cells::new("cells.csv", file.as_slice())?, filter)
}

fn tried(left: &[Cell], right: &[Cell], options: &Options) -> Result<Comparison, Vec<Mismatch>> {
    let side = |cells| Some(read(cells, &Filter::default()).unwrap());
    compare(&[Grid { name: "grid".into(), left: side(left), right: side(right) }], options)
}

fn compared(left: &[Cell], right: &[Cell]) -> Comparison {
    tried(left, right, &Options::default()).unwrap()
}

/// The only row that changed.
fn only(left: &[Cell], right: &[Cell]) -> RowChange {
    let mut comparison = compared(left, right);
    assert_eq!(comparison.rows.len(), 1, "{comparison:?}");
    comparison.rows.remove(0)
}

#[test]
fn the_same_runs_in_another_order_are_identical() {
    let mut left = [around(ADAM, 50), around(SGD, 70)].concat();
    left[3].final_loss = f64::NAN;
    let right: Vec<Cell> = left.iter().rev().cloned().collect();
    let comparison = compared(&left, &right);
    assert_eq!((comparison.rows.len(), comparison.identical, comparison.tested), (0, 2, 0));
    assert_eq!(comparison.cells, [20, 20]);
}

#[test]
fn a_last_bit_is_no_change_of_convergence() {
    let left = around(ADAM, 50);
    let mut right = left.clone();
    right[0].final_loss = right[0].final_loss.next_up();
    let row = only(&left, &right);
    assert_eq!((row.verdict, row.changed, row.p), (Verdict::Bits, 1, None));
}

#[test]
fn slower_on_every_seed_is_a_regression_and_faster_is_none() {
    let (fast, slow) = (around(ADAM, 50), around(ADAM, 60));
    let row = only(&fast, &slow);
    assert_eq!((row.verdict, row.pairs), (Verdict::Slower, 10));
    // All ten signs alike: 2 of 2¹⁰.
    assert_eq!(row.p, Some(2.0 / 1024.0));
    // The geometric mean of 60/50, 61/51, … 69/59.
    let by_hand = ((0..10).map(|i| (f64::from(60 + i) / f64::from(50 + i)).ln()).sum::<f64>() / 10.0).exp();
    assert!((row.ratio - by_hand).abs() < 1e-12);
    let [low, high] = row.interval.unwrap();
    assert!(low < row.ratio && row.ratio < high && low > 1.16 && high < 1.2);
    assert_eq!(only(&slow, &fast).verdict, Verdict::Faster);
    assert_eq!(compared(&slow, &fast).regressions(), 0);
}

#[test]
fn a_small_or_uncertain_change_is_no_regression() {
    // 2 % on every seed: certain, and below the threshold.
    let row = only(&around(ADAM, 500), &around(ADAM, 510));
    assert_eq!((row.verdict, row.p_holm), (Verdict::Drifted, Some(2.0 / 1024.0)));
    let strict = Options { threshold: 0.01, ..Options::default() };
    let comparison = tried(&around(ADAM, 500), &around(ADAM, 510), &strict).unwrap();
    assert_eq!(comparison.rows[0].verdict, Verdict::Slower);
    // Twice the steps on three seeds: p can't be below 1/4.
    let three = |step| runs(ADAM, 0.1, Role::Reporting, [Reached(step), Reached(step), Reached(step)]);
    let comparison = compared(&three(50), &three(100));
    assert_eq!((comparison.rows[0].verdict, comparison.rows[0].p), (Verdict::Drifted, Some(0.25)));
    assert_eq!(comparison.seeds_needed(), 6);
    let names = Names { left: "a".into(), right: "b".into() };
    let text = comparison.render(&names, Format::Terminal, None);
    assert!(text.contains("1 changed row has too few seeds") && text.contains("6 reporting seeds"), "{text}");
}

#[test]
fn holm_counts_the_rows_that_moved() {
    let left = [around(ADAM, 50), around(SGD, 50), around(["fit", "l1", "sgd", "constant"], 50)].concat();
    let right = [around(ADAM, 60), around(SGD, 70), left[20..].to_vec()].concat();
    let comparison = compared(&left, &right);
    assert_eq!((comparison.tested, comparison.identical), (2, 1));
    assert_eq!(comparison.rows[0].p_holm, Some(4.0 / 1024.0));
    // The larger effect comes first.
    assert_eq!(comparison.rows.iter().map(|row| row.labels[2].as_str()).collect::<Vec<_>>(), ["sgd", "adam"]);
}

#[test]
fn a_target_that_is_reached_on_one_side_only() {
    let lost = runs(ADAM, 0.1, Role::Reporting, [Budget(0.5); 10]);
    let row = only(&around(ADAM, 50), &lost);
    assert_eq!((row.verdict, row.ratio), (Verdict::Lost, f64::INFINITY));
    let gained = only(&lost, &around(ADAM, 50));
    assert_eq!((gained.verdict, gained.ratio), (Verdict::Gained, 0.0));
    // One lucky seed of ten is no target that was lost.
    let mut lucky = lost.clone();
    lucky[0] = around(ADAM, 50)[0].clone();
    assert_eq!(only(&lucky, &lost).verdict, Verdict::Outcome);
}

#[test]
fn fewer_successes_are_tested_by_gehans_score() {
    let left = around(ADAM, 50);
    let mut right = left.clone();
    right[..6].clone_from_slice(&runs(ADAM, 0.1, Role::Reporting, [Budget(0.5); 10])[..6]);
    let row = only(&left, &right);
    // Six pairs differ, all the same way: 2 of 2⁶.
    assert_eq!((row.verdict, row.p), (Verdict::Slower, Some(2.0 / 64.0)));
    // ERT: (56 + 57 + 58 + 59 + 6·1000) / 4 against 54.5.
    assert!((row.ratio - (230.0 + 6000.0) / 4.0 / 54.5).abs() < 1e-12);
    assert_eq!(row.outcomes, [(Outcome::Reached, Outcome::Budget, 6)]);
}

#[test]
fn new_divergences_and_failures_are_regressions_at_once() {
    let left = around(ADAM, 50);
    for (end, verdict) in [(Diverged(7), Verdict::Diverged), (Failed, Verdict::Failed)] {
        let mut right = left.clone();
        right[4] = runs(ADAM, 0.1, Role::Reporting, [end; 5])[4].clone();
        let row = only(&left, &right);
        assert_eq!(row.verdict, verdict);
        assert!(row.verdict.is_regression());
        assert_eq!(only(&right, &left).verdict, Verdict::Outcome);
    }
}

#[test]
fn each_side_is_judged_at_the_rate_it_chose() {
    let side = |ends: [(f64, u64); 2]| -> Vec<Cell> {
        ends.iter()
            .flat_map(|&(lr, step)| {
                let reached = |seed: u64| Reached(step + seed);
                let tuning = runs(ADAM, lr, Role::Tuning, (0..3).map(reached));
                [tuning, runs(ADAM, lr, Role::Reporting, (0..10).map(reached))].concat()
            })
            .collect()
    };
    // The best rate moves from 0.1 to 0.3 and is as good there.
    let row = only(&side([(0.1, 50), (0.3, 80)]), &side([(0.1, 80), (0.3, 50)]));
    assert_eq!((row.left.unwrap().lr, row.right.unwrap().lr, row.ratio), (0.1, 0.3, 1.0));
    assert_eq!((row.verdict, row.p), (Verdict::Drifted, None));
    // Another rate is slower, and nobody would choose it.
    let row = only(&side([(0.1, 50), (0.3, 80)]), &side([(0.1, 50), (0.3, 90)]));
    assert_eq!(row.verdict, Verdict::OtherRates);
}

#[test]
fn without_any_target_reached_the_error_at_the_end_is_compared() {
    let ends = |error: f64| runs(ADAM, 0.1, Role::Reporting, [Budget(error); 10]);
    let row = only(&ends(0.5), &ends(0.6));
    assert_eq!(row.verdict, Verdict::Slower);
    assert!((row.ratio - 1.2).abs() < 1e-12);
    // What is no more than rounding is none.
    assert_eq!(only(&ends(0.5), &ends(0.5_f64.next_up())).verdict, Verdict::Bits);
    // NaN is the worst of errors, not no error.
    let mut broken = ends(0.5);
    for cell in &mut broken {
        cell.final_error = f64::NAN;
    }
    let row = only(&ends(0.5), &broken);
    assert_eq!((row.verdict, row.ratio), (Verdict::Slower, f64::INFINITY));
}

#[test]
fn rows_of_one_side_appear_and_vanish() {
    let both = [around(ADAM, 50), around(SGD, 50)].concat();
    let row = only(&both, &both[..10]);
    assert_eq!((row.verdict, row.labels[2].as_str()), (Verdict::Vanished, "sgd"));
    assert_eq!(only(&both[10..], &both).verdict, Verdict::Appeared);
    let side = |cells: &[Cell]| Some(read(cells, &Filter::default()).unwrap());
    let gone = Grid { name: "a".into(), left: side(&both), right: None };
    let comparison = compare(&[gone], &Options::default()).unwrap();
    assert_eq!(comparison.rows.iter().map(|row| row.verdict).collect::<Vec<_>>(), [Verdict::Vanished; 2]);
}

#[test]
fn sides_that_ran_something_else_are_refused() {
    let left = [around(ADAM, 50), around(SGD, 50)].concat();
    let refused = |change: &dyn Fn(&mut Cell)| -> Vec<String> {
        let mut right = left.clone();
        right.iter_mut().for_each(change);
        let mismatches = tried(&left, &right, &Options::default()).unwrap_err();
        let forced = Options { force: true, ..Options::default() };
        assert_eq!(tried(&left, &right, &forced).unwrap().mismatches, mismatches);
        mismatches.iter().map(ToString::to_string).collect()
    };
    let rows = "(2 rows, first grid: fit, mse, adam, constant)";
    assert_eq!(
        refused(&|cell| cell.budget = 2000),
        [format!("budget: only the left has 1000, only the right has 2000 {rows}")]
    );
    assert_eq!(
        refused(&|cell| cell.hits[0].target = 0.02),
        [format!("targets: only the left has 0.01, only the right has 0.02 {rows}")]
    );
    assert_eq!(
        refused(&|cell| cell.dtype = Dtype::Float32),
        [format!("type: only the left has float64, only the right has float32 {rows}")]
    );
    assert_eq!(
        refused(&|cell| cell.lr = 0.2),
        [format!("learning rates: only the left has 0.1, only the right has 0.2 {rows}")]
    );
    let more = runs(ADAM, 0.1, Role::Reporting, [Reached(50); 12]);
    let mismatch = &tried(&left[..10], &more, &Options::default()).unwrap_err()[0];
    assert!(
        mismatch.to_string().starts_with("reporting seeds: only the right has 111, 112 (1 row"),
        "{mismatch}"
    );
    // A hole in the grid: the same rates and seeds, and a cell less.
    let grid = [around(ADAM, 50), runs(ADAM, 0.3, Role::Reporting, [Reached(50); 10])].concat();
    let mismatch = &tried(&grid, &grid[..19], &Options::default()).unwrap_err()[0];
    assert!(
        mismatch.to_string().starts_with("cells: only the left has lr 0.3 seed 110 (1 row"),
        "{mismatch}"
    );
}

#[test]
fn a_run_that_stands_twice_is_an_error() {
    let twice = [around(ADAM, 50), around(ADAM, 50)].concat();
    let error = read(&twice, &Filter::default()).unwrap_err().to_string();
    assert!(error.starts_with("cells.csv:") && error.contains("is there twice"), "{error}");
}

#[test]
fn filters_take_parts_of_labels() {
    let cells = [around(ADAM, 50), around(SGD, 50)].concat();
    let count = |optimizer: &str| {
        let filter = Filter { optimizer: Some(optimizer.into()), ..Filter::default() };
        read(&cells, &filter).unwrap().cells()
    };
    assert_eq!(["ada", "d", "rms"].map(count), [10, 20, 0]);
}

#[test]
fn a_comparison_for_people() {
    let labels = ["fit|2", "mse", "adam", "constant"];
    let left = [around(labels, 50), around(SGD, 50), around(ADAM, 100)].concat();
    let mut right = [around(labels, 60), around(SGD, 45), around(ADAM, 100)].concat();
    right[25].final_loss = 0.5;
    let comparison = compared(&left, &right);
    let names = Names { left: "v1 (0123456)".into(), right: "working tree".into() };
    insta::assert_snapshot!("compare_terminal", comparison.render(&names, Format::Terminal, None));
    insta::assert_snapshot!("compare_markdown", comparison.render(&names, Format::Markdown, Some(1)));
}
