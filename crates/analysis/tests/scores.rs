//! Scores worked out by hand, a published leaderboard, and a hundred thousand runs.

mod common;

use std::time::Instant;

use analysis::scores::{Builder, Format, Profile, RenderOptions, Scores, ratios};
use analysis::table::{self, Table};
use common::End::{Budget, Diverged, Failed, Reached};
use common::{End, cell, seeds};
use records::{Cell, Hit, Outcome, Role};

const INF: f64 = f64::INFINITY;

fn scores<'a>(cells: impl IntoIterator<Item = &'a Cell> + Clone) -> (Table, Scores) {
    let mut first = table::Builder::new();
    cells.clone().into_iter().for_each(|cell| first.add(cell));
    let mut second = Builder::new(first.finish_tuned());
    cells.into_iter().for_each(|cell| second.add(cell));
    second.finish()
}

/// The same runs on tuning and on reporting seeds, at one rate.
fn both(problem: &str, optimizer: &str, ends: &[End]) -> Vec<Cell> {
    let labels = [problem, "mse", optimizer, "constant"];
    [seeds(labels, 0.1, Role::Tuning, ends), seeds(labels, 0.1, Role::Reporting, ends)].concat()
}

/// Times to target in steps and scores by steps that `MLCommons` published for its `AlgoPerf`
/// leaderboard, version 2: `artifacts/leaderboard_v2/time_to_targets_steps.csv` (commit 0b40d9c8) and
/// `scores_steps.csv` (commit 05f79672) of <https://github.com/mlcommons/submissions_algorithms>.
fn leaderboard() -> Vec<(String, Vec<f64>, f64)> {
    let rows = include_str!("golden/algoperf.csv").lines().skip(1).map(|line| {
        let mut columns = line.split(',');
        let name = columns.next().unwrap().to_owned();
        let mut numbers: Vec<f64> = columns.map(|number| number.parse().unwrap()).collect();
        let score = numbers.pop().unwrap();
        (name, numbers, score)
    });
    rows.collect()
}

#[test]
fn the_published_algoperf_leaderboard_is_reproduced() {
    let published = leaderboard();
    assert_eq!((published.len(), published[0].1.len()), (14, 9));
    let by_workload: Vec<Vec<f64>> = (0..9)
        .map(|workload| ratios(&published.iter().map(|row| row.1[workload]).collect::<Vec<_>>()))
        .collect();
    for (solver, (name, _, score)) in published.iter().enumerate() {
        let profile = Profile::new(by_workload.iter().map(|row| row[solver]).collect());
        // As they do it: the trapezoidal rule on 100 places between 1 and 4.
        let place = |index: i32| f64::from(index).mul_add(3.0 / 99.0, 1.0);
        let trapezoid =
            |index: i32| profile.share(place(index)).midpoint(profile.share(place(index + 1))) / 99.0;
        let sampled: f64 = (0..99).map(trapezoid).sum();
        assert!((sampled - score).abs() < 1e-12, "{name}: {sampled} is not {score}");
        // Exactly.
        assert!((profile.score(4.0) - score).abs() < 0.002, "{name}: {} is not {score}", profile.score(4.0));
    }
}

/// Three problems, of which `a` is solved by all, `b` by one and `c` by none.
fn small() -> Vec<Cell> {
    [
        both("a", "sgd", &[Reached(100), Reached(110), Reached(90)]),
        both("a", "adam", &[Reached(50), Reached(40), Reached(60)]),
        both("b", "sgd", &[Budget(0.1), Reached(500), Budget(0.2)]),
        both("b", "adam", &[Reached(300), Reached(310), Reached(290)]),
        both("c", "sgd", &[Budget(0.1), Diverged(5), Failed]),
        both("c", "adam", &[Budget(0.1); 3]),
    ]
    .concat()
}

#[test]
fn a_small_benchmark_by_hand() {
    let (table, scores) = scores(&small());
    assert_eq!((table.rows.len(), scores.rows.len(), scores.workloads.len()), (6, 6, 3));
    let [sgd, adam] = &scores.solvers[..] else { panic!("two solvers") };
    assert_eq!((sgd.name(), sgd.workloads, sgd.solved), ("sgd".to_owned(), 3, 1));
    assert_eq!((adam.name(), adam.workloads, adam.solved), ("adam".to_owned(), 3, 2));
    // t is 100, ∞, ∞ against 50, 300, ∞.
    assert_eq!(sgd.profile.ratios(), [2.0, INF, INF]);
    assert_eq!(adam.profile.ratios(), [1.0, 1.0, INF]);
    assert!((sgd.score - 2.0 / 9.0).abs() < 1e-15 && (adam.score - 2.0 / 3.0).abs() < 1e-15);
    assert_eq!(scores.rows.iter().map(|row| row.ratio).collect::<Vec<_>>(), [2.0, 1.0, INF, 1.0, INF, INF]);
    // Both are last on `c`.
    assert_eq!((sgd.mean_rank, adam.mean_rank), (5.5 / 3.0, 3.5 / 3.0));
    // Of nine pairs sgd reaches three within 110 of 1000 steps and one at 500.
    assert_eq!([0.1, 0.11, 1.0].map(|x| sgd.ecdf.share(x)), [2.0, 3.0, 4.0].map(|n| n / 9.0));
    assert_eq!(adam.ecdf_at[2], (0.1, 3.0 / 9.0));
    // Two workloads differ, both in favor of adam: p = 2 · ¼.
    let [pair] = &scores.pairs[..] else { panic!("one pair") };
    assert_eq!((pair.faster, pair.slower, pair.workloads, pair.wins, pair.losses), (1, 0, 3, 2, 0));
    assert_eq!((pair.p, pair.p_holm), (0.5, 0.5));
    // A success of three, with the steps it took.
    let b = &scores.rows[2];
    assert!((0.05..0.07).contains(&b.success.0) && (0.79..0.8).contains(&b.success.1), "{:?}", b.success);
    assert_eq!((b.ert.1, b.steps, b.steps_iqm), (INF, (500.0, INF), INF));
    // Three seeds: the samples' medians are 90, 100 or 110.
    assert_eq!((scores.rows[0].steps, scores.rows[0].steps_iqm), ((90.0, 110.0), 100.0));
    assert_eq!(scores.rows[5].success, analysis::statistics::wilson_interval(0, 3));
}

#[test]
fn a_run_that_died_early_costs_its_budget_in_the_interval_too() {
    let (_, scores) = scores(&both("a", "sgd", &[Reached(100), Reached(100), Reached(100), Diverged(5)]));
    // Of 256 samples 81 have no run that died, 1 nothing else, and 12 three: (100 + 3 · 1000) / 1.
    assert_eq!(scores.rows[0].ert, (100.0, 3100.0));
}

#[test]
fn rates_that_were_not_chosen_are_scored_but_not_reported() {
    let labels = ["a", "mse", "sgd", "constant"];
    let run = |lr, role, end| seeds(labels, lr, role, &[end]);
    let cells = [
        run(0.01, Role::Tuning, Budget(1.0)),
        run(0.1, Role::Tuning, Reached(200)),
        run(1.0, Role::Tuning, Diverged(3)),
        run(0.01, Role::Reporting, Reached(1)),
        run(0.1, Role::Reporting, Reached(220)),
        run(1.0, Role::Reporting, Reached(2)),
    ]
    .concat();
    let (table, scores) = scores(&cells);
    let row = &scores.rows[0];
    assert_eq!((table.rows[0].lr, row.steps, scores.solvers[0].ecdf_at[1].1), (0.1, (220.0, 220.0), 0.0));
    assert_eq!(scores.solvers[0].ecdf_at[3].1, 1.0);
    // Started at 2: a half, 0.0045 and all of it are left.
    assert!((row.sensitivity - ((0.5 + 0.0045 + 1.0) / 3.0 - 0.0045)).abs() < 1e-15, "{}", row.sensitivity);
    // One trial: (1000 + 200 + 1000) / 3. Two: 200 in two of three pairs.
    let [one, two, three] = row.best_of[..] else { panic!("three") };
    assert_eq!((one.0, two.0, three), (1, 2, (3, 200.0)));
    assert!((one.1 - 2200.0 / 3.0).abs() < 1e-9 && (two.1 - 1400.0 / 3.0).abs() < 1e-9);
}

#[test]
fn runs_that_diverged_after_a_target_have_not_reached_it() {
    let mut run = cell(["a", "mse", "sgd", "constant"], 0.1, Role::Reporting, 1, Reached(30));
    run.outcome = Outcome::Diverged;
    run.hits.insert(0, Hit { target: 1.0, step: Some(2), evaluations: Some(2) });
    let (_, scores) = scores([&run]);
    assert_eq!((scores.solvers[0].ecdf_at[4].1, scores.rows[0].steps), (0.0, (INF, INF)));
}

#[test]
fn without_targets_or_runs_nothing_is_scored() {
    let mut cells = small();
    for cell in &mut cells {
        cell.hits.clear();
    }
    let (table, free) = scores(&cells);
    assert!(free.rows.iter().all(|row| row.success.0.is_nan() && row.best_of[0].1.is_nan()));
    assert!(free.solvers.iter().all(|solver| solver.score == 0.0 && solver.ecdf_at[4].1.is_nan()));
    assert!(free.pairs.iter().all(|pair| pair.p == 1.0));
    assert!(!free.render(&table, &RenderOptions::default()).contains("NaN"));

    let (table, none) = scores(&[]);
    assert_eq!(none.render(&table, &RenderOptions::default()), "");

    // Tuned, and nothing reported.
    let tuned = seeds(["a", "mse", "sgd", "constant"], 0.1, Role::Tuning, &[Reached(4)]);
    let (table, tuned) = scores(&tuned);
    assert_eq!((tuned.solvers[0].workloads, tuned.pairs.len()), (0, 0));
    assert!(!tuned.render(&table, &RenderOptions::default()).contains("NaN"));
}

#[test]
fn the_scores_as_people_see_them() {
    let (table, scores) = scores(&small());
    assert_eq!(table, common::table(&small()));
    let text = scores.render(&table, &RenderOptions::default());
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    insta::assert_snapshot!(text);
    let markdown = scores.render(&table, &RenderOptions { format: Format::Markdown, top: Some(1) });
    insta::assert_snapshot!("markdown", table.markdown(Some(1)) + "\n" + &markdown);
    let mut csv = Vec::new();
    scores.write_csv(&table, &mut csv).unwrap();
    insta::assert_snapshot!("csv", String::from_utf8(csv).unwrap());
}

/// So many runs, with few rows of many runs, or many rows of few.
fn many(problems: usize, optimizers: usize, rates: usize, seeds: usize) -> Vec<Cell> {
    let mut cells = Vec::new();
    for id in 0..problems * optimizers * rates * seeds {
        let (problem, rest) = (id % problems, id / problems);
        let (optimizer, rest) = (rest % optimizers, rest / optimizers);
        let (lr, seed) = (rest % rates, rest / rates);
        let end = match id * 7919 % 11 {
            0 => Diverged(id as u64 % 90),
            1 => Failed,
            2 => Budget(f64::NAN),
            3..6 => Budget(0.011 + (id % 37) as f64),
            _ => Reached((id * 31) as u64 % 1000),
        };
        let role = if seed % 2 == 0 { Role::Tuning } else { Role::Reporting };
        let (problem, optimizer) = (format!("p{problem}"), format!("adam(beta1=0.{optimizer})"));
        let labels = [problem.as_str(), "mse", optimizer.as_str(), "constant"];
        cells.push(cell(labels, 10_f64.powf(lr as f64 / 5.0 - 4.0), role, seed as u64, end));
    }
    cells
}

#[test]
fn a_hundred_thousand_runs_are_scored_in_seconds() {
    // Fifty solvers; thousands of solvers on one problem; thousands of problems.
    for (problems, optimizers, rates, seeds) in [(4, 50, 25, 20), (1, 10_000, 1, 10), (10_000, 1, 1, 10)] {
        let cells = many(problems, optimizers, rates, seeds);
        assert_eq!(cells.len(), 100_000);
        let begin = Instant::now();
        let (table, all) = scores(&cells);
        let text = all.render(&table, &RenderOptions { format: Format::Text, top: Some(3) });
        let seconds = begin.elapsed().as_secs_f64();
        assert!(seconds < 20.0, "{problems} {optimizers}: {seconds} s");
        assert_eq!(all.rows.len(), problems * optimizers);
        assert!(text.lines().all(|line| line.chars().count() <= 100));
        // The runs in another order: another order of rows, the same values.
        let values = |all: &Scores, table: &Table| {
            let mut out = Vec::new();
            all.write_csv(table, &mut out).unwrap();
            let mut lines: Vec<String> = String::from_utf8(out).unwrap().lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        if problems == 4 {
            let (other_table, other) = scores(cells.iter().rev().collect::<Vec<_>>());
            assert_eq!(values(&all, &table), values(&other, &other_table));
        }
    }
}

#[test]
fn a_workload_of_unlike_budgets_scores_nobody() {
    let mut cells = small();
    // `a` is run by adam with half the budget.
    for cell in cells.iter_mut().filter(|cell| cell.problem == "a" && cell.optimizer == "adam") {
        cell.budget = 500;
    }
    let (table, scores) = scores(&cells);
    let [sgd, adam] = &scores.solvers[..] else { panic!("two solvers") };
    assert_eq!((&scores.left_out[..], sgd.workloads, adam.workloads), (&[0][..], 2, 2));
    assert_eq!((sgd.profile.ratios(), adam.profile.ratios()), (&[INF, INF][..], &[1.0, INF][..]));
    assert_eq!((sgd.mean_rank, scores.pairs[0].workloads), (1.75, 2));
    // Of `b` and `c` sgd reaches one of six pairs.
    assert_eq!(sgd.ecdf.share(1.0), 1.0 / 6.0);
    assert!(scores.rows[0].ratio.is_nan() && scores.rows[0].steps == (90.0, 110.0));
    let text = scores.render(&table, &RenderOptions::default());
    assert!(text.contains("solvers over 2 workloads"), "{text}");
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("leave out, since their runs differ in budget or targets: a with mse"), "{text}");
}

#[test]
fn the_heading_says_where_solvers_ran_on_other_workloads() {
    let cells = [small(), both("a", "lion", &[Reached(70)])].concat();
    let (table, scores) = scores(&cells);
    let text = scores.render(&table, &RenderOptions::default());
    assert!(text.contains("solvers, each over its own of 3 workloads"), "{text}");
}

/// On each of these problems the solvers need these steps.
fn solvers(problems: &[&str], steps: &[u64]) -> Vec<Cell> {
    let one = |problem: &str, (place, step): (usize, &u64)| {
        both(problem, &format!("o{place:02}"), &[Reached(*step)])
    };
    problems.iter().flat_map(|problem| steps.iter().enumerate().flat_map(|row| one(problem, row))).collect()
}

#[test]
fn up_to_forty_solvers_are_tested_by_pairs_and_more_against_the_best() {
    let pairs = |steps: Vec<u64>| -> Vec<[usize; 2]> {
        scores(&solvers(&["a"], &steps)).1.pairs.iter().map(|pair| [pair.faster, pair.slower]).collect()
    };
    assert_eq!(pairs((1..=40).collect()).len(), 40 * 39 / 2);
    // The last is the fastest.
    assert_eq!(pairs((1..=41).rev().collect()), (0..40).map(|other| [40, other]).collect::<Vec<_>>());
    // Of equal ones the first is the best, and the first of a pair.
    assert_eq!(pairs(vec![7; 41]), (1..41).map(|other| [0, other]).collect::<Vec<_>>());
    // Solvers that have nothing to report are none.
    let mut cells = solvers(&["a"], &(1..=41).collect::<Vec<_>>());
    cells.retain(|cell| cell.role == Role::Tuning || cell.optimizer != "o20");
    assert_eq!(scores(&cells).1.pairs.len(), 40 * 39 / 2);
}

/// By hand: t is 10, 20, 20 and never on `a`; 30, 10, never and never on `b`.
#[test]
fn ties_and_runs_that_never_arrive_share_ranks() {
    let never = |problem: &str, optimizer: &str| both(problem, optimizer, &[Budget(0.5)]);
    let cells = [
        solvers(&["a"], &[10, 20, 20]),
        never("a", "o03"),
        solvers(&["b"], &[30, 10]),
        never("b", "o02"),
        never("b", "o03"),
    ]
    .concat();
    let (_, all) = scores(&cells);
    let of = |value: fn(&analysis::scores::Solver) -> f64| all.solvers.iter().map(value).collect::<Vec<_>>();
    assert_eq!(of(|solver| solver.mean_rank), [1.5, 1.75, 3.0, 3.75]);
    assert_eq!(of(|solver| solver.solved as f64), [2.0, 2.0, 1.0, 0.0]);
    // r is 1, 3; 2, 1; 2, ∞; ∞, ∞.
    assert_eq!(of(|solver| solver.score), [2.0 / 3.0, 0.5 + 1.0 / 3.0, 1.0 / 3.0, 0.0]);
    let pair = |a, b| {
        let pair = all.pairs.iter().find(|pair| [pair.faster, pair.slower] == [a, b]).unwrap();
        (pair.wins, pair.losses, pair.p)
    };
    // One each: the first is named first, and of ranks 1 (twice the steps) and 2 (three times) one is below 0.
    assert_eq!(pair(0, 1), (1, 1, 1.0));
    // A tie says nothing, and never against 10 is a win.
    assert_eq!((pair(1, 2), pair(0, 2), pair(2, 3)), ((1, 0, 1.0), (2, 0, 0.5), (1, 0, 1.0)));
}

#[test]
fn solvers_without_a_common_workload_are_no_pair() {
    let cells =
        [both("a", "sgd", &[Reached(9)]), both("b", "adam", &[Reached(5)]), both("a", "lion", &[Reached(5)])];
    let (_, all) = scores(&cells.concat());
    let pairs: Vec<[usize; 2]> = all.pairs.iter().map(|pair| [pair.faster, pair.slower]).collect();
    assert_eq!((pairs, all.pairs[0].workloads), (vec![[2, 0]], 1));
}

/// A target counts at the very share of the budget that it was reached at, and only for the runs that are reported.
#[test]
fn runtimes_count_from_their_share_of_the_budget_on() {
    let steps = [10, 30, 100, 300, 1000];
    let cells = both("a", "sgd", &steps.map(Reached));
    let (_, all) = scores(&cells);
    assert_eq!(all.solvers[0].ecdf_at, [(0.01, 0.2), (0.03, 0.4), (0.1, 0.6), (0.3, 0.8), (1.0, 1.0)]);
    let later = both("a", "sgd", &[11, 31, 101, 301, 999].map(Reached));
    assert_eq!(
        scores(&later).1.solvers[0].ecdf_at,
        [(0.01, 0.0), (0.03, 0.2), (0.1, 0.4), (0.3, 0.6), (1.0, 1.0)]
    );
    // At half of the budget each run's share is its own.
    let mut short = both("a", "sgd", &[50, 300].map(Reached));
    for cell in &mut short {
        cell.budget = 500;
    }
    assert_eq!(scores(&short).1.solvers[0].ecdf_at[2..], [(0.1, 0.5), (0.3, 0.5), (1.0, 1.0)]);
}

/// Tuning runs choose rates and say how much tuning matters; everything else is of the reporting runs at the chosen rate.
#[test]
fn tuning_and_reporting_seeds_have_their_own_columns() {
    let labels = ["a", "mse", "sgd", "constant"];
    let mut cells = [
        seeds(labels, 0.1, Role::Tuning, &[Reached(40), Reached(60)]),
        seeds(labels, 1.0, Role::Tuning, &[Budget(1.0), Budget(6.0)]),
        seeds(
            labels,
            0.1,
            Role::Reporting,
            &[Reached(300), Reached(500), Reached(900), Budget(0.5), Diverged(20)],
        ),
        seeds(labels, 1.0, Role::Reporting, &[Reached(1), Reached(1), Diverged(1)]),
    ]
    .concat();
    for cell in &mut cells {
        for hit in &mut cell.hits {
            hit.evaluations =
                hit.step.map(|step| if cell.role == Role::Tuning { 5 * step } else { 2 * step });
        }
    }
    let (table, all) = scores(&cells);
    let mut csv = Vec::new();
    all.write_csv(&table, &mut csv).unwrap();
    let text = String::from_utf8(csv).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let (success, interval) = ((3.0_f64 / 5.0).to_string(), analysis::statistics::wilson_interval(3, 5));
    let ert = f64::from(300 + 500 + 900 + 2 * 1000) / 3.0;
    let expected = [
        ("target", "0.01".into()),
        ("lr", "0.1".into()),
        ("edge", "low".into()),
        ("rates", "2".into()),
        ("tuned_on", "tuning".into()),
        ("tuning_evaluations", "2100".into()),
        ("seeds", "5".into()),
        ("success_rate", success),
        ("steps_q25", "500".into()),
        ("steps_median", "900".into()),
        ("steps_q75", "inf".into()),
        ("evaluations_median", "1800".into()),
        ("ert", ert.to_string()),
        ("final_error_median", "0.009".into()),
        ("diverged_rate", "0.2".into()),
        ("failed", "0".into()),
        ("basin_decades", "0".into()),
        ("success_low", interval.0.to_string()),
        ("success_high", interval.1.to_string()),
        ("steps_low", "300".into()),
        ("steps_high", "inf".into()),
        // Without the lowest and the highest of five.
        ("steps_iqm", "inf".into()),
        ("ratio", "1".into()),
        // What is left by the tuning runs: 0.0045, and a half and all.
        ("sensitivity", ((0.75 - 0.0045) / 2.0).to_string()),
        ("solver_score", "1".into()),
        ("solver_mean_rank", "1".into()),
        // 50 and 1000 steps.
        ("best_of_1", "525".into()),
        ("best_of_2", "50".into()),
    ];
    for (name, expected) in expected {
        let value = values[names.iter().position(|other| *other == name).unwrap()];
        let near = |ours: f64, theirs: f64| (ours - theirs).abs() <= 1e-12 * theirs.abs();
        let same = match (value.parse(), expected.parse()) {
            (Ok(value), Ok(expected)) => value == expected || near(value, expected),
            _ => value == expected,
        };
        assert!(same, "{name} is {value}, and not {expected}");
    }
    // Of five reported runs, one target each.
    assert_eq!(all.solvers[0].ecdf_at[2..], [(0.1, 0.0), (0.3, 0.2), (1.0, 0.6)]);
}

/// The sheet shows the share of workloads within 1, 2 and 4 times the fastest.
#[test]
fn a_sheet_has_the_profile_at_1_2_and_4() {
    for (steps, shares) in [(150, [0.0, 1.0, 1.0]), (250, [0.0, 0.0, 1.0]), (450, [0.0, 0.0, 0.0])] {
        let (table, scores) = scores(&solvers(&["a", "b"], &[100, steps]));
        let text = scores.render(&table, &RenderOptions { format: Format::Markdown, top: None });
        let cells =
            |line: &str| -> Vec<String> { line.split('|').map(|cell| cell.trim().to_owned()).collect() };
        let row =
            text.lines().map(cells).find(|row| row.contains(&"o01".into()) && row.contains(&"2/2".into()));
        let row = row.unwrap_or_else(|| panic!("{text}"));
        let solved = row.iter().position(|cell| cell == "2/2").unwrap();
        let found: Vec<f64> = row[solved + 2..][..3].iter().map(|share| share.parse().unwrap()).collect();
        assert_eq!(found, shares, "{text}");
    }
}
