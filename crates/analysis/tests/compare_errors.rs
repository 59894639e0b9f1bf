//! How often a comparison is wrong, by simulation.
//!
//! The noise model: the seeds of a row differ by a log-normal factor (σ = 0.5) that both sides share, as
//! common random numbers make them; on top, each run has a log-normal factor of its own (σ = 0.07, so that
//! two runs of a seed differ by 10 %). Steps are whole.

#[expect(dead_code, reason = "other tests need the rest")]
mod common;

use analysis::compare::{Comparison, Filter, Grid, Options, Side, Verdict, compare};
use common::{End, cell};
use records::{Cell, Cells, Key, Role, Targets, write_cell, write_cell_header};

const SEEDS: u64 = 20;

/// Random numbers of a fixed stream: xorshift64*, and Box & Muller's normal numbers.
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 + 0.5) / 2.0_f64.powi(53)
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// Both sides of a row, the right one slower by this factor; runs longer than `budget` are cut off.
fn row(noise: &mut Noise, name: usize, factor: f64, budget: f64) -> [Vec<Cell>; 2] {
    let optimizer = format!("o{name}");
    let mut sides = [Vec::new(), Vec::new()];
    for seed in 0..SEEDS {
        let shared = 200.0 * (0.5 * noise.normal()).exp();
        for (cells, factor) in sides.iter_mut().zip([1.0, factor]) {
            let steps = (shared * factor * (0.07 * noise.normal()).exp()).round();
            let end = if steps <= budget { End::Reached(steps as u64) } else { End::Budget(0.5) };
            let mut cell = cell(["fit", "mse", &optimizer, "constant"], 0.1, Role::Reporting, seed, end);
            cell.key = Key(name as u64 * SEEDS + seed);
            cell.budget = budget as u64;
            cell.steps = cell.steps.min(cell.budget);
            cells.push(cell);
        }
    }
    sides
}

fn side(cells: &[Cell]) -> Side {
    let targets = Targets::new([0.01]).unwrap();
    let mut file = Vec::new();
    write_cell_header(&mut file, &targets);
    for cell in cells {
        write_cell(&mut file, cell, &targets).unwrap();
    }
    let cells = Cells::new("cells.csv", file.as_slice()).unwrap();
    Side::read(cells, &Filter::default()).unwrap()
}

/// Compares as many rows, the first of them slower by this factor.
fn simulated(noise: &mut Noise, rows: usize, factor: f64, budget: f64, options: &Options) -> Comparison {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for name in 0..rows {
        let [a, b] = row(noise, name, if name == 0 { factor } else { 1.0 }, budget);
        left.extend(a);
        right.extend(b);
    }
    compare(&[Grid { name: "x".into(), left: Some(side(&left)), right: Some(side(&right)) }], options)
        .unwrap()
}

/// Every significant change counts, however small.
const ANY: Options = Options { alpha: 0.05, threshold: 0.0, force: false, allow_vanished: false };

#[test]
fn ten_thousand_comparisons_without_a_change() {
    let mut noise = Noise(1);
    let (mut p_values, mut covered) = (Vec::new(), 0);
    for _ in 0..10_000 {
        let comparison = simulated(&mut noise, 1, 1.0, 1e6, &ANY);
        p_values.push(comparison.rows[0].p.unwrap());
        let [low, high] = comparison.rows[0].interval.unwrap();
        covered += u32::from(low <= 1.0 && 1.0 <= high);
    }
    let alarms = p_values.iter().filter(|p| **p <= 0.05).count();
    assert!((400..=600).contains(&alarms), "{alarms} false alarms of 10000");
    // Kolmogorov & Smirnov's distance to the uniform distribution: above 0.0163 with probability 0.01.
    p_values.sort_by(f64::total_cmp);
    let distance = (0..10_000_u32).map(|i| (p_values[i as usize] - (f64::from(i) + 0.5) / 1e4).abs());
    let distance = distance.fold(0.0, f64::max);
    assert!(distance < 0.0163, "the p-values are not uniform: {distance}");
    // The percentile bootstrap of 20 pairs is a little too narrow: 93 % where 95 % is meant.
    assert!((9150..9550).contains(&covered), "the 95 % interval held {covered} of 10000");
    println!("{alarms} false alarms of 10000, distance {distance:.4}, coverage {covered} of 10000");
}

#[test]
fn runs_that_are_cut_off_raise_no_more_alarms() {
    let mut noise = Noise(2);
    // A third of the runs is cut off at 250 steps.
    let alarms = (0..10_000)
        .filter(|_| {
            let comparison = simulated(&mut noise, 1, 1.0, 250.0, &ANY);
            comparison.rows.iter().any(|row| row.p.is_some_and(|p| p <= 0.05))
        })
        .count();
    assert!((400..=600).contains(&alarms), "{alarms} false alarms of 10000");
    println!("{alarms} false alarms of 10000 with cut-off runs");
}

#[test]
fn many_rows_are_not_many_chances() {
    let mut noise = Noise(3);
    let significant = |comparison: &Comparison| {
        comparison.rows.iter().any(|row| matches!(row.verdict, Verdict::Slower | Verdict::Faster))
    };
    let alarms = (0..500).filter(|_| significant(&simulated(&mut noise, 20, 1.0, 1e6, &ANY))).count();
    // 25 are expected at most; 3.5 standard deviations more.
    assert!(alarms <= 42, "{alarms} of 500 comparisons of 20 rows had a false alarm");
    println!("{alarms} of 500 comparisons of 20 rows had a false alarm");
}

#[test]
fn a_slow_down_of_ten_percent_is_found() {
    let mut noise = Noise(4);
    let options = Options::default();
    let mut found = |rows: usize| {
        let regression = |comparison: &Comparison| {
            comparison.rows.iter().any(|row| row.labels[2] == "o0" && row.verdict == Verdict::Slower)
        };
        (0..500).filter(|_| regression(&simulated(&mut noise, rows, 1.1, 1e6, &options))).count()
    };
    let (alone, among_ten) = (found(1), found(10));
    println!("a slow-down of 10 % was found in {alone} of 500 alone, in {among_ten} among ten rows");
    assert!(alone >= 450, "found in {alone} of 500");
    // Holm's correction over ten noisy rows has its price.
    assert!(among_ten >= 375, "found in {among_ten} of 500 among ten rows");
}
