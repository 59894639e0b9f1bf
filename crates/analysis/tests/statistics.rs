//! Tests and intervals against SciPy, statsmodels and scikit-posthocs.

use analysis::statistics::{
    bootstrap_interval, holm, iqm, median, quantile, ranks, wilcoxon_signed_rank, wilson_interval,
};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/statistics.json")).unwrap()
}

/// A number, whose infinities are words.
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn list<'a>(golden: &'a Value, name: &str) -> &'a [Value] {
    golden[name].as_array().unwrap()
}

#[track_caller]
fn near(ours: f64, theirs: f64, tolerance: f64) {
    assert!((ours - theirs).abs() <= tolerance * theirs.abs(), "{ours} is not {theirs}");
}

#[test]
fn wilcoxon_is_scipys() {
    let golden = golden();
    let mut methods = Vec::new();
    for test in list(&golden, "wilcoxon") {
        near(wilcoxon_signed_rank(&numbers(&test["d"])), number(&test["p"]), 1e-9);
        methods.push(test["method"].as_str().unwrap());
    }
    for method in ["exact", "permutation", "approx"] {
        assert!(methods.iter().filter(|name| **name == method).count() >= 4, "{methods:?}");
    }
}

#[test]
fn holm_is_that_of_statsmodels() {
    for case in list(&golden(), "holm") {
        for (ours, theirs) in holm(&numbers(&case["p"])).into_iter().zip(numbers(&case["holm"])) {
            near(ours, theirs, 1e-12);
        }
    }
}

#[test]
fn pairwise_tests_are_those_of_scikit_posthocs() {
    let golden = golden();
    let steps: Vec<Vec<f64>> = list(&golden["pairwise"], "steps").iter().map(numbers).collect();
    let expected: Vec<Vec<f64>> = list(&golden["pairwise"], "p").iter().map(numbers).collect();
    let pairs: Vec<(usize, usize)> = (0..4).flat_map(|a| (0..a).map(move |b| (a, b))).collect();
    let test = |&(a, b): &(usize, usize)| {
        let differences: Vec<f64> = steps.iter().map(|row| row[a].ln() - row[b].ln()).collect();
        wilcoxon_signed_rank(&differences)
    };
    let p: Vec<f64> = pairs.iter().map(test).collect();
    for (&(a, b), adjusted) in pairs.iter().zip(holm(&p)) {
        near(adjusted, expected[a][b], 1e-9);
    }
    let ranked: Vec<Vec<f64>> = steps.iter().map(|row| ranks(row)).collect();
    for (solver, theirs) in numbers(&golden["pairwise"]["mean_ranks"]).into_iter().enumerate() {
        near(ranked.iter().map(|row| row[solver]).sum::<f64>() / ranked.len() as f64, theirs, 1e-12);
    }
}

#[test]
fn ranks_and_interquartile_means_are_scipys() {
    let golden = golden();
    assert_eq!(ranks(&numbers(&golden["ranks"]["x"])), numbers(&golden["ranks"]["ranks"]));
    for case in list(&golden, "iqm") {
        near(iqm(&mut numbers(&case["x"])), number(&case["iqm"]), 1e-12);
    }
}

#[test]
fn wilsons_interval_is_scipys() {
    for case in list(&golden(), "wilson") {
        let (low, high) = wilson_interval(case["k"].as_u64().unwrap(), case["n"].as_u64().unwrap());
        assert!((low - number(&case["low"])).abs() < 1e-12, "{low} {case}");
        assert!((high - number(&case["high"])).abs() < 1e-12, "{high} {case}");
    }
}

/// Both sides draw at random, so the ends agree to the noise of the resamples.
#[test]
fn bootstrap_intervals_are_scipys() {
    for case in list(&golden(), "bootstrap") {
        let values = numbers(&case["x"]);
        let mean = |values: &mut [f64]| values.iter().sum::<f64>() / values.len() as f64;
        let (low, high) = match case["statistic"].as_str().unwrap() {
            "mean" => bootstrap_interval(&values, mean, 0.95, 40_000, 7),
            _ => bootstrap_interval(&values, median, 0.95, 40_000, 7),
        };
        let expected = numbers(&case["interval"]);
        let width = expected[1] - expected[0];
        assert!((low - expected[0]).abs() < 0.03 * width, "{low} {case}");
        assert!((high - expected[1]).abs() < 0.03 * width, "{high} {case}");
    }
}

/// Where nothing differs, the test says so: of 10 000 comparisons over 12 problems at most 5 % are
/// significant, and as the p-values are those of a count, hardly less. Holm keeps any false alarm
/// among ten such tests as rare.
#[test]
fn nothing_is_found_where_nothing_is() {
    let mut state = 1_u64;
    // A symmetric difference: uniform on (-1, 1), by Knuth's linear congruences.
    let mut difference = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    };
    let mut p_value = || wilcoxon_signed_rank(&std::array::from_fn::<f64, 12, _>(|_| difference()));
    let families: Vec<Vec<f64>> = (0..1000).map(|_| (0..10).map(|_| p_value()).collect()).collect();
    let alarms = families.iter().flatten().filter(|p| **p <= 0.05).count();
    assert!((400..=550).contains(&alarms), "{alarms} of 10000");
    let families_with_alarms =
        families.iter().filter(|p| holm(p).iter().any(|adjusted| *adjusted <= 0.05)).count();
    assert!(families_with_alarms <= 65, "{families_with_alarms} of 1000");
    // By the exact distribution 4.25 % of p-values are at most 0.05, 9.2 % at most 0.1 and so on.
    for level in [0.1, 0.25, 0.5, 0.75] {
        let share = families.iter().flatten().filter(|p| **p <= level).count() as f64 / 10_000.0;
        assert!(share < level + 0.02 && share > 0.8 * level, "{level}: {share}");
    }
}

fn bootstrap_golden() -> Value {
    serde_json::from_str(include_str!("golden/bootstrap.json")).unwrap()
}

#[test]
fn quantiles_are_numpys() {
    for case in list(&bootstrap_golden(), "quantiles") {
        let (mut values, at) = (numbers(&case["values"]), numbers(&case["at"]));
        for (p, theirs) in at.into_iter().zip(numbers(&case["quantiles"])) {
            near(quantile(&values, p), theirs, 1e-15);
        }
        values.reverse();
        assert_eq!(median(&mut values), numbers(&case["quantiles"])[4]);
    }
}

/// Of six values there are 462 different samples and of seven 1716, of which more than are asked for are drawn.
#[test]
fn samples_are_counted_out_where_there_are_no_more_than_are_asked_for() {
    let mean = |values: &mut [f64]| values.iter().sum::<f64>() / values.len() as f64;
    let values = [2.0, 3.5, 5.0, 8.0, 13.25, 21.0, 34.125];
    let depends_on_the_seed = |n: usize, resamples| {
        let of = |seed| bootstrap_interval(&values[..n], mean, 0.8, resamples, seed);
        (0..9).any(|seed| of(seed) != of(9))
    };
    assert_eq!(bootstrap_interval(&values[..3], mean, 1.0, 1000, 0), (2.0, 5.0));
    let cases = [(6, 1000), (6, 462), (6, 461), (7, 1716), (7, 1715), (7, 1000)];
    assert_eq!(
        cases.map(|(n, resamples)| depends_on_the_seed(n, resamples)),
        [false, false, true, false, true, true]
    );
}

/// Nine values have 24310 different samples: as many draws, but for ten, tell nearly the same.
#[test]
fn draws_tell_what_all_samples_do() {
    let mean = |values: &mut [f64]| values.iter().sum::<f64>() / values.len() as f64;
    let values = [2.0, 3.5, 5.0, 8.0, 13.25, 21.0, 34.125, 1.5, 17.0];
    for level in [0.5, 0.8, 0.95] {
        let all = bootstrap_interval(&values, mean, level, 24_310, 0);
        let drawn = bootstrap_interval(&values, mean, level, 24_300, 0);
        let width = all.1 - all.0;
        assert!(
            (drawn.0 - all.0).abs() < 0.02 * width && (drawn.1 - all.1).abs() < 0.02 * width,
            "{all:?} {drawn:?}"
        );
        assert_ne!(all, drawn);
    }
}

/// By all samples, with the quantile of the same definition; `scripts/golden/bootstrap.py` says how.
#[test]
fn bootstrap_intervals_of_few_values_are_numpys() {
    let golden = bootstrap_golden();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 36);
    for case in cases {
        let mean = |values: &mut [f64]| values.iter().sum::<f64>() / values.len() as f64;
        let statistic = if case["statistic"] == "mean" { mean } else { median };
        let (low, high) =
            bootstrap_interval(&numbers(&case["values"]), statistic, number(&case["level"]), 1000, 0);
        for (ours, theirs) in [low, high].into_iter().zip(numbers(&case["interval"])) {
            near(ours, theirs, 1e-14);
        }
    }
}
