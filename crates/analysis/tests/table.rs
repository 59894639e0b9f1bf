//! Rows of the convergence table, worked out by hand.

mod common;

use analysis::table::{Builder, Edge, Mixed, RenderOptions, Row, Table, Trouble};
use common::End::{Budget, Diverged, Failed, Reached};
use common::{End, cell, seeds, table};
use records::{Cell, Hit, Outcome, Role};

const FIT: [&str; 4] = ["fit", "mse", "sgd", "constant"];
const ADAM: [&str; 4] = ["fit", "mse", "adam(beta1=0.95, eps=1e-6)", "constant"];
const INF: f64 = f64::INFINITY;

/// Tuning runs at each rate, and reporting runs at each rate.
fn runs(tuning: &[(f64, &[End])], reporting: &[(f64, &[End])]) -> Vec<Cell> {
    let of = |role, grid: &[(f64, &[End])]| -> Vec<Cell> {
        grid.iter().flat_map(|(lr, ends)| seeds(FIT, *lr, role, ends)).collect()
    };
    [of(Role::Tuning, tuning), of(Role::Reporting, reporting)].concat()
}

fn row(tuning: &[(f64, &[End])], reporting: &[(f64, &[End])]) -> Row {
    let mut rows = table(&runs(tuning, reporting)).rows;
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

/// A target and the step that it was reached at.
fn hit(target: f64, step: u64) -> Hit {
    Hit { target, step: Some(step), evaluations: Some(step) }
}

#[test]
fn a_row_by_hand() {
    let row = row(
        &[
            (0.01, &[Budget(0.5), Budget(0.7)]),
            (0.1, &[Reached(40), Reached(60)]),
            (1.0, &[Diverged(3), Reached(10)]),
        ],
        &[
            (0.01, &[Reached(1)]),
            (0.1, &[Reached(30), Reached(50), Budget(0.02), Diverged(20), Reached(70)]),
            (1.0, &[Reached(1)]),
        ],
    );
    // At 0.1: (40 + 60) / 2 = 50. At 1: (1000 + 10) / 1, though but 13 steps were made.
    assert_eq!((row.lr, row.edge, row.rates, row.tuned_on), (0.1, Edge::Inside, 3, Role::Tuning));
    assert_eq!((row.seeds, row.ert), (5, f64::from(30 + 50 + 1000 + 1000 + 70) / 3.0));
    assert_eq!(row.tuning_evaluations, 1000 + 1000 + 40 + 60 + 3 + 10);
    assert_eq!((row.target, row.budget), (Some(0.01), 1000));
    // Median errors by tuning: 0.6, 0.009 and (0.009 + inf) / 2.
    assert_eq!(row.basin_decades, 0.0);
}

#[test]
fn what_is_reported_by_hand() {
    let row = row(
        &[(0.1, &[Reached(40)]), (1.0, &[Diverged(3)])],
        &[(0.1, &[Reached(30), Reached(50), Budget(0.02), Diverged(20), Reached(70)])],
    );
    assert_eq!((row.lr, row.edge, row.seeds), (0.1, Edge::Low, 5));
    // 30, 50, 70, inf, inf.
    assert_eq!((row.steps_q25, row.steps_median, row.steps_q75), (50.0, 70.0, INF));
    assert_eq!(row.success_rate, 0.6);
    assert_eq!(row.ert, f64::from(30 + 50 + 1000 + 1000 + 70) / 3.0);
    // 0.009, 0.009, 0.009, 0.02, inf.
    assert_eq!(row.final_error_median, 0.009);
    assert_eq!((row.diverged_rate, row.failed), (0.2, 0));
}

#[test]
fn a_run_that_reached_its_target_and_then_diverged_is_no_success() {
    let mut run = cell(FIT, 0.1, Role::Reporting, 1, Reached(30));
    run.outcome = Outcome::Diverged;
    run.steps = 90;
    let row = table(&[run, cell(FIT, 0.1, Role::Reporting, 2, Reached(50))]).rows.remove(0);
    assert_eq!((row.success_rate, row.ert), (0.5, 1050.0));
    assert_eq!((row.steps_median, row.final_error_median, row.diverged_rate), (INF, INF, 0.5));
}

#[test]
fn a_run_that_goes_on_after_its_target_counts_to_the_target() {
    let mut run = cell(FIT, 0.1, Role::Reporting, 1, Reached(30));
    run.outcome = Outcome::Budget;
    run.steps = 1000;
    let row = table(&[run]).rows.remove(0);
    assert_eq!((row.success_rate, row.ert, row.budget), (1.0, 30.0, 1000));
}

#[test]
fn without_a_success_the_nearest_end_is_chosen() {
    let row = row(
        &[(0.01, &[Budget(0.5)]), (0.1, &[Budget(0.3)]), (1.0, &[Diverged(9)]), (10.0, &[Failed])],
        &[(0.1, &[Budget(0.2), Failed])],
    );
    assert_eq!((row.lr, row.edge), (0.1, Edge::Inside));
    assert_eq!((row.success_rate, row.ert, row.steps_median), (0.0, INF, INF));
    assert_eq!((row.final_error_median, row.failed), (INF, 1));
    // 0.5 is within twice 0.3.
    assert_eq!(row.basin_decades, 1.0);
}

#[test]
fn an_error_that_is_no_number_is_the_worst() {
    let nan = row(&[(0.1, &[Budget(f64::NAN)]), (1.0, &[Budget(50.0)])], &[(1.0, &[Budget(f64::NAN)])]);
    assert_eq!((nan.lr, nan.final_error_median, nan.best), (1.0, INF, false));
}

#[test]
fn all_diverged() {
    let row = row(&[(0.1, &[Diverged(5)]), (1.0, &[Diverged(2)])], &[(0.1, &[Diverged(4), Diverged(6)])]);
    assert_eq!((row.lr, row.edge, row.basin_decades), (0.1, Edge::Low, 0.0));
    assert_eq!((row.ert, row.final_error_median, row.diverged_rate), (INF, INF, 1.0));
    assert_eq!((row.budget, row.best), (1000, false));
}

#[test]
fn without_tuning_seeds_it_is_tuned_on_the_reporting_seeds() {
    let row = row(&[], &[(0.1, &[Reached(40)]), (1.0, &[Reached(20)]), (10.0, &[Diverged(2)])]);
    assert_eq!((row.tuned_on, row.tuning_evaluations), (Role::Reporting, 0));
    assert_eq!((row.lr, row.edge, row.seeds, row.ert), (1.0, Edge::Inside, 1, 20.0));
    assert_eq!(row.basin_decades, 1.0);
}

#[test]
fn without_reporting_seeds_nothing_is_reported() {
    let row = row(&[(0.1, &[Reached(40)])], &[(1.0, &[Reached(40)])]);
    assert_eq!((row.lr, row.seeds, row.ert, row.best), (0.1, 0, INF, false));
    assert!(row.success_rate.is_nan() && row.steps_median.is_nan() && row.final_error_median.is_nan());
}

#[test]
fn one_rate_has_no_edge_and_no_basin() {
    let row = row(&[(0.1, &[Reached(40)])], &[(0.1, &[Reached(44)])]);
    assert_eq!((row.edge, row.rates, row.basin_decades), (Edge::Inside, 1, 0.0));
}

#[test]
fn the_hardest_target_counts() {
    let mut run = cell(FIT, 0.1, Role::Reporting, 1, Budget(0.02));
    run.hits = vec![hit(1.0, 3), hit(0.03, 80)];
    let mut easier = cell(FIT, 0.1, Role::Reporting, 2, Budget(0.5));
    easier.hits = vec![hit(1.0, 3)];
    let row = table(&[run.clone(), easier]).rows.remove(0);
    assert_eq!((row.target, row.success_rate, row.ert), (Some(0.03), 0.5, 1080.0));

    run.hits.clear();
    let row = table(&[run]).rows.remove(0);
    assert_eq!((row.target, row.success_rate, row.ert, row.best), (None, 0.0, INF, true));
}

#[test]
fn the_best_of_each_problem_is_marked() {
    let best = |cells: &[Cell]| table(cells).rows.iter().map(|row| row.best).collect::<Vec<_>>();
    let one = |labels, end| cell(labels, 0.1, Role::Reporting, 1, end);
    let other = ["saddle", "-", "sgd", "constant"];
    assert_eq!(
        best(&[one(FIT, Reached(50)), one(ADAM, Reached(20)), one(other, Reached(90))]),
        [false, true, true]
    );
    assert_eq!(best(&[one(FIT, Budget(0.1)), one(ADAM, Reached(999))]), [false, true]);
    assert_eq!(best(&[one(FIT, Budget(0.1)), one(ADAM, Budget(0.2))]), [true, false]);
    assert_eq!(best(&[one(FIT, Diverged(5)), one(ADAM, Budget(0.2))]), [false, true]);
    assert_eq!(best(&[one(FIT, Reached(20)), one(ADAM, Reached(20))]), [true, true]);
    assert_eq!(best(&[one(FIT, Diverged(5)), one(ADAM, Failed)]), [false, false]);
}

#[test]
fn labels_are_kept_apart() {
    let one = |labels| cell(labels, 0.1, Role::Reporting, 1, Reached(5));
    let cells = [one(["a", "b1:c", "", ""]), one(["a1:b", "c", "", ""]), one(["a", "b1:c", "", ""])];
    let rows = table(&cells).rows;
    assert_eq!(rows.iter().map(|row| row.seeds).collect::<Vec<_>>(), [2, 1]);
}

/// The file of a table, its rows sorted: the rows' order is that of the runs.
fn sorted_lines(table: &Table) -> Vec<String> {
    let mut out = Vec::new();
    table.write_csv(&mut out).unwrap();
    let mut lines: Vec<String> = String::from_utf8(out).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// A hundred thousand runs: every outcome, some NaN, in an order that `stride` decides.
fn many(stride: usize) -> Table {
    const COUNT: usize = 100_000;
    let mut builder = Builder::new();
    let optimizers: Vec<String> = (0..50).map(|index| format!("adam(beta1=0.{index}, eps=1e-6)")).collect();
    for index in 0..COUNT {
        let id = index * stride % COUNT;
        let (optimizer, rest) = (id % 50, id / 50);
        let (problem, rest) = (rest % 4, rest / 4);
        let (lr, seed) = (rest % 25, rest / 25);
        let end = match (id * 7919) % 11 {
            0 => Diverged(id as u64 % 90),
            1 => Failed,
            2 => Budget(f64::NAN),
            3..6 => Budget(0.011 + (id % 37) as f64),
            _ => Reached((id * 31) as u64 % 1000),
        };
        let role = if seed % 2 == 0 { Role::Tuning } else { Role::Reporting };
        let labels = [["a", "b", "c", "d"][problem], "mse", &optimizers[optimizer], "constant"];
        builder.add(&cell(labels, 10_f64.powf(lr as f64 / 5.0 - 4.0), role, seed as u64, end));
    }
    builder.finish()
}

#[test]
fn the_order_of_the_runs_changes_no_value() {
    let table = many(1);
    assert_eq!(table.rows.len(), 200);
    assert!(table.rows.iter().all(|row| row.rates == 25 && row.seeds == 10));
    assert_eq!(sorted_lines(&table), sorted_lines(&many(7919)));
}

#[test]
fn the_file_is_read_back() {
    let mut cells =
        runs(&[(0.1, &[Reached(40)]), (1.0, &[Reached(39)])], &[(1.0, &[Reached(30), Diverged(7)])]);
    cells.push(cell(ADAM, 0.1, Role::Tuning, 1, Budget(0.3)));
    let mut free = cell(["say \"x\"", "", "a\nb", "c"], 1e-5, Role::Reporting, 1, Failed);
    free.hits.clear();
    cells.push(free);
    let table = table(&cells);
    let mut out = Vec::new();
    table.write_csv(&mut out).unwrap();
    let read = Table::read_csv("table.csv", out.as_slice()).unwrap();
    // Debug forms, since NaN isn't equal to itself.
    assert_eq!(format!("{read:?}"), format!("{table:?}"));
    insta::assert_snapshot!(String::from_utf8(out.clone()).unwrap());

    let complaint = |text: String| Table::read_csv("table.csv", text.as_bytes()).unwrap_err().to_string();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(
        complaint(text.replacen("edge", "border", 1)),
        "table.csv:1: the column `edge` of table.csv of schemas 3 to 4 is missing: run its config again"
    );
    assert_eq!(
        complaint(text.replacen("high", "steep", 1)),
        "table.csv:2: edge is `steep`, which is not one of ``, `low`, `high`"
    );
    assert_eq!(
        complaint(text.replacen("true\n", "yes\n", 1)),
        "table.csv:2: best is `yes`, which is not `true` or `false`"
    );
    assert!(complaint(text.trim_end().to_owned()).contains("the file ends within this row"));
    // Of schema 3.
    let old = text.replacen(",final_error_median,", ",final_error,", 1);
    let read = Table::read_csv("table.csv", old.as_bytes()).unwrap();
    assert_eq!(format!("{read:?}"), format!("{table:?}"));
}

/// A run that never reached its target, by its loss and error at the start, at its end, and at its best.
fn missed(loss: [f64; 3], error: [f64; 3]) -> Trouble {
    let mut run = cell(FIT, 0.1, Role::Reporting, 1, Budget(error[1]));
    [run.start_loss, run.final_loss, run.best_loss] = loss;
    [run.start_error, run.final_error, run.best_error] = error;
    table(&[run]).rows.remove(0).trouble
}

#[test]
fn what_kept_runs_from_their_target_is_named() {
    assert_eq!(missed([1.0, 0.9, 0.9], [2.0, 1.9, 1.9]), Trouble::Stalls);
    assert_eq!(missed([1.0, 0.5, 0.1], [2.0, 1.0, 0.2]), Trouble::Oscillates);
    // The loss is at its lowest, and the error was lower before.
    assert_eq!(missed([1.0, -25.0, -25.0], [2.0, 50.0, 0.1]), Trouble::Drifts);
    assert_eq!(missed([1.0, 0.01, 0.01], [2.0, 0.1, 0.1]), Trouble::None);
    let diverged = cell(FIT, 0.1, Role::Reporting, 1, Diverged(7));
    assert_eq!(table(&[diverged]).rows[0].trouble, Trouble::Diverges);
    let reached = cell(FIT, 0.1, Role::Reporting, 1, Reached(7));
    assert_eq!(table(&[reached]).rows[0].trouble, Trouble::None);
}

#[test]
fn a_loss_that_is_slow_everywhere_is_named() {
    let one = |problem, loss, end| cell([problem, loss, "sgd", "constant"], 0.1, Role::Reporting, 1, end);
    let slow =
        [one("fit", "plateau", Reached(500)), one("fit", "mse", Reached(9)), one("line", "mse", Reached(9))];
    assert_eq!(table(&slow).slow_losses(), ["plateau"]);
    let elsewhere = [&slow[..], &[one("line", "plateau", Reached(20))]].concat();
    assert_eq!(table(&elsewhere).slow_losses(), [""; 0]);
    assert_eq!(table(&[one("fit", "plateau", Reached(500))]).slow_losses(), [""; 0]);
}

#[test]
fn a_loss_that_is_not_finite_at_the_start_is_not_slow() {
    let one = |loss, end| cell(["fit", loss, "sgd", "constant"], 0.1, Role::Reporting, 1, end);
    let broken = Cell { start_loss: f64::NAN, ..one("log", Diverged(0)) };
    let table = table(&[one("mse", Reached(10)), one("plateau", Reached(500)), broken]);
    assert_eq!(table.rows[2].trouble, Trouble::NotFinite);
    assert_eq!(table.slow_losses(), ["plateau"]);
    assert_eq!(table.undefined_losses(), [("fit", "log")]);
}

/// Runs of two problems, of which `fit` is run with two budgets, or two sets of targets.
fn two_blocks(budget: u64, targets: &[f64]) -> Vec<Cell> {
    let run = |problem: &str, optimizer: &str, step| {
        [Role::Tuning, Role::Reporting]
            .map(|role| cell([problem, "mse", optimizer, "constant"], 0.1, role, 1, Reached(step)))
    };
    let mut other = run("fit", "adam", 9);
    for run in &mut other {
        run.budget = budget;
        run.hits = targets.iter().map(|target| hit(*target, 9)).collect();
    }
    [run("fit", "sgd", 30), other, run("line", "sgd", 30), run("line", "adam", 20)].concat()
}

#[test]
fn workloads_of_unlike_budgets_or_targets_are_named() {
    let notes = |cells: &[Cell]| table(cells).mixed.iter().map(Mixed::note).collect::<Vec<_>>();
    assert_eq!(notes(&two_blocks(1000, &[0.01])), [""; 0]);
    assert_eq!(
        notes(&two_blocks(200, &[0.01])),
        ["rows of fit with mse differ in budget (200, 1000): their ranks compare unlike things"]
    );
    assert_eq!(
        notes(&two_blocks(200, &[1.0, 0.1])),
        [
            "rows of fit with mse differ in budget (200, 1000) and targets (1, 0.1 or 0.01): their ranks compare \
          unlike things"
        ]
    );
    // The order of the runs changes no word.
    let mut cells = two_blocks(200, &[1.0, 0.1]);
    cells.reverse();
    assert_eq!(notes(&cells), notes(&two_blocks(200, &[1.0, 0.1])));
    let mut one_row = two_blocks(1000, &[0.01]);
    one_row[0].budget = 50;
    assert_eq!(
        notes(&one_row),
        ["runs of fit with mse differ in budget (50, 1000): their ranks compare unlike things"]
    );

    let table = table(&two_blocks(200, &[0.01]));
    for text in [table.render(&RenderOptions::default()), table.markdown(None)] {
        assert_eq!(text.matches("differ in budget (200, 1000)").count(), 1, "{text}");
    }
}

/// What the thresholds say of runs close to them: the loss at the end and at its best, of 1 at the start; the error at the
/// end and at its best, of 2.
#[test]
fn troubles_turn_where_their_numbers_are() {
    use Trouble::{Drifts, None, Oscillates, Stalls};
    let cases = [
        // Half of the error at the start is left.
        ([0.5, 0.5], [0.98, 0.98], None),
        ([0.5, 0.5], [1.0, 1.0], None),
        ([0.5, 0.5], [1.02, 1.02], Stalls),
        // Twice the best error, while the loss was lower.
        ([0.5, 0.0], [0.196, 0.1], None),
        ([0.5, 0.0], [0.2, 0.1], None),
        ([0.5, 0.0], [0.204, 0.1], Oscillates),
        // The same, while the loss is within a hundredth of its fall from its lowest.
        ([0.0098, 0.0], [0.204, 0.1], Drifts),
        ([0.0102, 0.0], [0.204, 0.1], Oscillates),
        // A loss that never fell isn't at the end of its fall, and to go up again is said before to stall.
        ([1.0, 1.0], [1.5, 0.1], Oscillates),
    ];
    for (loss, error, expected) in cases {
        assert_eq!(
            missed([1.0, loss[0], loss[1]], [2.0, error[0], error[1]]),
            expected,
            "{loss:?} {error:?}"
        );
    }
    // A fall of 4 leaves 0.04.
    assert_eq!(missed([1.0, -2.961, -3.0], [2.0, 0.3, 0.1]), Drifts);
    assert_eq!(missed([1.0, -2.959, -3.0], [2.0, 0.3, 0.1]), Oscillates);
}

#[test]
fn half_of_the_reported_runs_at_the_chosen_rate_make_a_trouble() {
    // Its best error is 0, from which it went up again.
    let swinging = Budget(1.5);
    let ended = |ends: &[End]| {
        row(&[(0.1, &[Reached(9)]), (1.0, &[swinging; 9])], &[(0.1, ends), (1.0, &[swinging])])
    };
    assert_eq!(ended(&[swinging, Reached(5)]).trouble, Trouble::Oscillates);
    assert_eq!(ended(&[swinging, swinging, Reached(5), Reached(5), Failed]).trouble, Trouble::None);
    let close = |error: f64| Cell { best_error: error, ..cell(FIT, 0.1, Role::Reporting, 1, Budget(error)) };
    let broken = Cell { start_loss: f64::NAN, ..cell(FIT, 0.1, Role::Reporting, 2, Diverged(0)) };
    let drifting = Cell { final_loss: 0.0, ..cell(FIT, 0.1, Role::Reporting, 3, Budget(0.3)) };
    let swinging = cell(FIT, 0.1, Role::Reporting, 4, Budget(0.3));
    let diverged = cell(FIT, 0.1, Role::Reporting, 5, Diverged(9));
    // Of two that are as many, in this order.
    let order = [broken, close(1.5), swinging, drifting, diverged];
    let names =
        [Trouble::NotFinite, Trouble::Stalls, Trouble::Oscillates, Trouble::Drifts, Trouble::Diverges];
    for (first, name) in names.iter().enumerate() {
        for second in first..order.len() {
            assert_eq!(table([&order[second], &order[first]]).rows[0].trouble, *name, "{first} {second}");
        }
    }
    // The hardest target tells who got there, and who was asked for none has no trouble.
    let mut halfway = close(1.5);
    halfway.hits.insert(0, hit(1.9, 3));
    assert_eq!(table([&halfway]).rows[0].trouble, Trouble::Stalls);
    halfway.hits[1] = hit(0.01, 30);
    assert_eq!(table([&halfway]).rows[0].trouble, Trouble::None);
    halfway.hits.clear();
    assert_eq!(table([&halfway]).rows[0].trouble, Trouble::None);
}

#[test]
fn a_loss_is_slow_from_five_times_the_steps_on() {
    let one = |loss, step| cell(["fit", loss, "sgd", "constant"], 0.1, Role::Reporting, 1, Reached(step));
    let slow = |step| table(&[one("mse", 100), one("plateau", step)]).slow_losses().len();
    assert_eq!([490, 500, 510].map(slow), [0, 0, 1]);
}

/// What is left of the error at the start, of which more than all is all.
#[test]
fn an_error_that_rose_leaves_all_of_it() {
    let mut builder = Builder::new();
    let tuning = |lr, ends: &[End]| seeds(FIT, lr, Role::Tuning, ends);
    let mut cells =
        [tuning(0.1, &[Budget(1.0), Budget(6.0)]), tuning(1.0, &[Budget(0.5), Diverged(3)])].concat();
    let from_zero = Cell { start_error: 0.0, ..cell(FIT, 10.0, Role::Tuning, 0, Budget(0.0)) };
    cells.push(from_zero);
    for cell in &cells {
        builder.add(cell);
    }
    let remaining: Vec<f64> = builder.finish_tuned().grids[0].iter().map(|rate| rate.remaining).collect();
    // Of the 2 at the start: a half and all; a quarter and all; and of nothing nothing fell.
    assert_eq!(remaining, [0.75, 0.625, 1.0]);
}

/// A decade from one rate to the next.
#[test]
fn a_basin_ends_at_twice_the_least_error() {
    let width = |low: f64, high: f64| {
        let rates = [(0.1, low), (1.0, 0.2), (10.0, high)].map(|(lr, error)| (lr, [Budget(error)]));
        let tuning: Vec<(f64, &[End])> = rates.iter().map(|(lr, ends)| (*lr, &ends[..])).collect();
        row(&tuning, &[(1.0, &[Budget(0.2)])]).basin_decades
    };
    assert_eq!(
        [(0.41, 0.41), (0.4, 0.41), (0.41, 0.4), (0.4, 0.4)].map(|(a, b)| width(a, b)),
        [0.0, 1.0, 1.0, 2.0]
    );
    // Beyond one that isn't good no rate counts.
    assert_eq!([INF, f64::NAN].map(|error| width(error, 0.3)), [1.0, 1.0]);
}

/// Equal expected running times go to the lower error, then the smaller rate; equal rows stay in their order.
#[test]
fn ties_are_broken_one_way() {
    let at = |step, error| {
        move |lr: f64| Cell { final_error: error, ..cell(FIT, lr, Role::Tuning, 1, Reached(step)) }
    };
    let chosen =
        |low: &dyn Fn(f64) -> Cell, high: &dyn Fn(f64) -> Cell| table([&high(1.0), &low(0.1)]).rows[0].lr;
    assert_eq!(chosen(&at(20, 0.009), &at(20, 0.009)), 0.1);
    assert_eq!(chosen(&at(20, 0.009), &at(20, 0.008)), 1.0);
    assert_eq!(chosen(&at(21, 0.001), &at(20, 0.009)), 1.0);
    assert_eq!(chosen(&at(20, 0.009), &at(21, 0.001)), 0.1);

    let row = |optimizer, error| {
        let labels = ["fit", "mse", optimizer, "constant"];
        Cell { final_error: error, ..cell(labels, 0.1, Role::Reporting, 1, Reached(20)) }
    };
    let text = |rows: &[Cell]| table(rows).render(&RenderOptions::default());
    let order = |text: &str| {
        let mut names = ["a_one", "b_two", "c_three"];
        names.sort_by_key(|name| text.find(name));
        names
    };
    let tied = [row("c_three", 0.009), row("b_two", 0.009), row("a_one", 0.008)];
    assert_eq!(order(&text(&tied)), ["a_one", "c_three", "b_two"]);
    assert_eq!(table(&tied).rows.iter().map(|row| row.best).collect::<Vec<_>>(), [false, false, true]);
}

/// Every column holds its own field: no two of them are alike here.
#[test]
fn each_column_is_its_field() {
    let row = Row {
        problem: "p".into(),
        loss: "l".into(),
        optimizer: "o".into(),
        schedule: "s".into(),
        target: Some(0.01),
        budget: 1000,
        lr: 0.3,
        edge: Edge::High,
        rates: 7,
        tuned_on: Role::Tuning,
        tuning_evaluations: 12_345,
        seeds: 5,
        success_rate: 0.8,
        steps_q25: 20.0,
        steps_median: 30.5,
        steps_q75: INF,
        evaluations_median: 61.0,
        ert: 1.0 / 3.0,
        final_error_median: 1.25e-5,
        diverged_rate: 0.2,
        failed: 3,
        basin_decades: 1.5,
        trouble: Trouble::Drifts,
        best: true,
    };
    let table = Table { rows: vec![row], mixed: Vec::new() };
    let mut out = Vec::new();
    table.write_csv(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let json = serde_json::to_value(&table.rows[0]).unwrap();
    let fields = json.as_object().unwrap();
    assert_eq!(names.len(), fields.len());
    for (name, value) in names.into_iter().zip(values) {
        let expected = match &fields[name] {
            serde_json::Value::String(text) => text.clone(),
            // JSON has no infinities.
            serde_json::Value::Null => "inf".to_owned(),
            serde_json::Value::Number(number) => number.as_f64().unwrap().to_string(),
            other => other.to_string(),
        };
        let same = value == expected || value.parse::<f64>().ok() == expected.parse().ok();
        assert!(same, "{name} is {value}, and not {expected}");
    }
    assert_eq!(Table::read_csv("table.csv", text.as_bytes()).unwrap(), table);
}

#[test]
fn at_most_four_of_what_differs_are_named() {
    let run = |seed: u64, budget: u64| Cell { budget, ..cell(FIT, 0.1, Role::Reporting, seed, Reached(9)) };
    let note = |count: u64| {
        let cells: Vec<Cell> = (0..count).rev().map(|k| run(k, 100 * (k + 1))).collect();
        table(&cells).mixed[0].note()
    };
    let said = |list: &str| {
        format!("runs of fit with mse differ in budget ({list}): their ranks compare unlike things")
    };
    assert_eq!(note(4), said("100, 200, 300, 400"));
    assert_eq!(note(5), said("100, 200, 300, 400, …"));
    // Sets of targets with the easiest first, and those that have none.
    let asked = |target: f64| Cell { hits: vec![hit(target, 9)], ..run(1, 1000) };
    let mut cells: Vec<Cell> = [1.0, 0.5, 0.25, 0.125].map(asked).to_vec();
    cells[0].hits.clear();
    assert_eq!(
        table(&cells).mixed[0].note(),
        "runs of fit with mse differ in targets (0.5 or 0.25 or 0.125 or none): their ranks compare unlike things"
    );
    cells.push(asked(2.0));
    let note = table(&cells).mixed[0].note();
    assert!(note.contains("targets (2 or 0.5 or 0.25 or 0.125 or others)"), "{note}");
    // A landscape is its own loss.
    let own = ["saddle", "-", "sgd", "constant"];
    let landscape = |seed, budget| Cell { budget, ..cell(own, 0.1, Role::Reporting, seed, Reached(9)) };
    assert!(
        table(&[landscape(1, 50), landscape(2, 60)]).mixed[0].note().starts_with("runs of saddle differ")
    );
}
