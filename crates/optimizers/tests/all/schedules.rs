//! Every schedule against tables of `torch.optim.lr_scheduler` and others (written by `scripts/golden/schedules.py`),
//! and what must hold for all of them.

use std::collections::HashMap;

use crate::common::redrawn;
use crate::entries::{Row, option_names, unseen};
use numeric::Stream;
use optimizers::Schedule;
use optimizers::schedules::{InverseSqrt, ReduceOnPlateau, Warmup};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Golden {
    losses: HashMap<String, Vec<Option<f64>>>,
    tables: Vec<Table>,
    plateaus: Vec<Plateau>,
}

#[derive(Deserialize)]
struct Table {
    schedule: Schedule,
    reference: String,
    budget: u64,
    factors: Vec<f64>,
}

#[derive(Deserialize)]
struct Plateau {
    losses: String,
    options: ReduceOnPlateau,
    lr: f64,
    rates: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../golden/schedules.json")).expect("the golden tables")
}

fn entry(json: &str) -> Schedule {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// How far factors may be from the reference's.
const TOLERANCE: f64 = 1e-13;

/// The largest difference; infinite where there are more of one.
fn apart(a: &[f64], b: &[f64]) -> f64 {
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    if a.len() == b.len() { differences.fold(0.0, f64::max) } else { f64::INFINITY }
}

#[test]
fn every_factor_is_the_references() {
    let Golden { tables, plateaus, .. } = golden();
    for Table { schedule, budget, factors, .. } in &tables {
        let ours = schedule.factors(*budget);
        assert_eq!(ours.len(), factors.len());
        for (step, (ours, theirs)) in ours.iter().zip(factors).enumerate() {
            let near = (ours - theirs).abs() <= TOLERANCE;
            assert!(near, "{}, budget {budget}, step {step}: {ours}, not {theirs}", schedule.label());
        }
    }
    let row = |name: &&'static str| {
        let of_it = || tables.iter().filter(|table| table.schedule.name() == *name);
        let row = Row {
            entry: name,
            references: of_it().map(|table| table.reference.clone()).collect(),
            cases: of_it().count(),
            compared: format!("{} factors", of_it().map(|table| table.factors.len()).sum::<usize>()),
            difference: of_it()
                .map(|table| apart(&table.schedule.factors(table.budget), &table.factors))
                .fold(0.0, f64::max),
            options: option_names::<Schedule>(name),
        };
        if *name != "reduce_on_plateau" {
            assert!(row.cases > 0, "`{name}` is not in scripts/golden/schedules.py");
            return row;
        }
        // Every rate is the same to the bit.
        Row {
            references: ["torch.optim.lr_scheduler.ReduceLROnPlateau".into()].into(),
            cases: plateaus.len(),
            compared: format!("{} rates", plateaus.iter().map(|plateau| plateau.rates.len()).sum::<usize>()),
            ..row
        }
    };
    crate::entries::hold("Schedules", &Schedule::NAMES.iter().map(row).collect::<Vec<_>>(), TOLERANCE / 10.0);
}

#[test]
fn every_option_of_every_schedule_is_seen_by_itself() {
    let Golden { tables, plateaus, .. } = golden();
    let of_name = |name: &&str| {
        let names = option_names::<Schedule>(name);
        let unseen = if *name == "reduce_on_plateau" {
            let options: Vec<_> = plateaus.iter().map(|p| serde_json::json!(p.options)).collect();
            unseen(&names, &options, |a, b| {
                let (a, b) = (&plateaus[a], &plateaus[b]);
                if a.losses == b.losses && a.lr == b.lr { apart(&a.rates, &b.rates) / TOLERANCE } else { 0.0 }
            })
        } else {
            let cases: Vec<&Table> = tables.iter().filter(|table| table.schedule.name() == *name).collect();
            let options: Vec<_> = cases.iter().map(|case| case.schedule.options()).collect();
            unseen(&names, &options, |a, b| {
                let (a, b) = (cases[a], cases[b]);
                if a.budget == b.budget { apart(&a.factors, &b.factors) / TOLERANCE } else { 0.0 }
            })
        };
        unseen.into_iter().map(move |option| format!("`{option}` of `{name}`")).collect::<Vec<_>>()
    };
    let unseen: Vec<String> = Schedule::NAMES.iter().flat_map(of_name).collect();
    assert!(unseen.is_empty(), "no two golden tables show by themselves:\n{}", unseen.join("\n"));
}

#[test]
fn every_cut_on_a_plateau_is_pytorchs() {
    let Golden { losses, plateaus, .. } = golden();
    let mut cuts = 0;
    for Plateau { losses: name, options, lr, rates } in &plateaus {
        let (mut observer, mut now) = (options.state(), *lr);
        assert_eq!(losses[name].len(), rates.len());
        for (step, (loss, theirs)) in losses[name].iter().zip(rates).enumerate() {
            let next = observer.observe(now, loss.unwrap_or(f64::NAN));
            cuts += u32::from(next != now);
            now = next;
            assert_eq!(now, *theirs, "{name}, {options:?}, loss {step}");
        }
    }
    assert!(cuts > 100, "only {cuts} cuts were compared");
}

#[test]
fn after_its_warm_up_the_inverse_root_is_the_papers() {
    for warmup in [1, 4, 10] {
        let after = Schedule::InverseSqrt(InverseSqrt { timescale: Some(warmup) });
        let rise = Warmup {
            steps: Some(warmup - 1).filter(|steps| *steps > 0),
            start_factor: None,
            schedule: Box::new(after.clone()),
        };
        let ours = if warmup == 1 { after.factors(50) } else { Schedule::Warmup(rise).factors(50) };
        for (step, factor) in (1..).map(f64::from).zip(ours) {
            let warmup = warmup as f64;
            let paper = step.powf(-0.5).min(step * warmup.powf(-1.5)) * warmup.sqrt();
            assert!((factor - paper).abs() < 1e-14, "step {step}, warm-up {warmup}: {factor}, not {paper}");
        }
    }
}

/// Every schedule at its defaults and at random valid options.
fn variants() -> Vec<Schedule> {
    let mut stream = Stream::new("options", &[]);
    let mut drawn = |schedule: &Schedule| -> Schedule {
        let options = redrawn(schedule.options(), &mut stream);
        serde_json::from_value(serde_json::json!({ schedule.name(): options })).expect("options")
    };
    let all = Schedule::all();
    let random: Vec<Schedule> = all
        .iter()
        .flat_map(|schedule| [0; 5].map(|_| drawn(schedule)))
        .filter(|s| s.check().is_ok())
        .collect();
    assert!(all.iter().all(|schedule| random.iter().any(|drawn| drawn.name() == schedule.name())));
    [all, random].concat()
}

#[test]
fn every_schedule_fits_every_budget() {
    for schedule in variants() {
        for inner in [
            schedule.clone(),
            Schedule::Warmup(Warmup { steps: Some(7), start_factor: None, schedule: Box::new(schedule) }),
        ] {
            for budget in [0, 1, 2, 3, 7, 8, 1000] {
                let factors = inner.factors(budget);
                assert_eq!(factors.len() as u64, budget, "{}", inner.label());
                assert!(factors.iter().all(|f| (0.0..=1.0).contains(f)), "{}: {factors:?}", inner.label());
            }
        }
    }
}

#[test]
fn a_warm_up_goes_before_any_schedule() {
    let mut all = Schedule::all();
    all.extend(golden().tables.into_iter().map(|table| table.schedule));
    for schedule in all.into_iter().filter(|schedule| schedule.name() != "warmup") {
        let both = Warmup { steps: Some(4), start_factor: None, schedule: Box::new(schedule.clone()) };
        let expected = [vec![0.2, 0.4, 0.6, 0.8], schedule.factors(46)].concat();
        let near = |(a, b): (f64, f64)| (a - b).abs() < 1e-15;
        let factors = Schedule::Warmup(both).factors(50);
        assert!(factors.into_iter().zip(expected).all(near), "{}", schedule.label());
    }
}

#[test]
fn the_plateau_is_seen_through_a_warm_up() {
    let options = ReduceOnPlateau { patience: 3, ..ReduceOnPlateau::default() };
    let warmup = entry(r#"{"warmup": {"schedule": {"reduce_on_plateau": {"patience": 3}}}}"#);
    assert_eq!(warmup.feedback(), Some(options));
    let with_feedback = Schedule::all().into_iter().filter(|schedule| schedule.feedback().is_some());
    assert_eq!(with_feedback.map(|schedule| schedule.name()).collect::<Vec<_>>(), ["reduce_on_plateau"]);
}

#[test]
fn every_schedule_is_described_and_its_config_is_read_back() {
    #[derive(Serialize, Deserialize)]
    struct Config {
        schedule: Schedule,
    }
    let mut all = variants();
    all.extend(golden().tables.into_iter().map(|table| table.schedule));
    all.push(entry(r#"{"reduce_on_plateau": {"threshold_mode": "abs", "min_lr": 1e-3}}"#));
    for schedule in all {
        let info = schedule.info();
        assert_eq!(info.faults(), Vec::<String>::new(), "{}", schedule.name());
        assert!(!info.formula.is_empty(), "{}", schedule.name());
        assert_eq!(schedule.check(), Ok(()), "{}", schedule.label());
        let text = toml::to_string(&Config { schedule: schedule.clone() }).expect("plain data");
        assert_eq!(toml::from_str::<Config>(&text).expect(&text).schedule, schedule);
    }
    assert_eq!(Schedule::named("warmup").expect("registered").label(), "warmup");
}

#[test]
fn bad_options_are_refused() {
    for (json, message) in [
        (r#"{"step": {"step_size": 0}}"#, "`step_size` must be from 1 to 1000000000000, and is 0"),
        (r#"{"step": {"gamma": -1.0}}"#, "`gamma` must be 0 or above, and is -1"),
        (r#"{"exponential": {"gamma": -0.5}}"#, "`gamma` must be 0 or above, and is -0.5"),
        (r#"{"linear": {"start_factor": 1.5}}"#, "`start_factor` must be from 0 to 1, and is 1.5"),
        (r#"{"linear": {"steps": 0}}"#, "`steps` must be from 1 to 1000000000000, and is 0"),
        (r#"{"cosine": {"end_factor": -0.1}}"#, "`end_factor` must be from 0 to 1, and is -0.1"),
        (r#"{"cosine": {"steps": 0}}"#, "`steps` must be from 1 to 1000000000000, and is 0"),
        (r#"{"inverse_sqrt": {"timescale": 0}}"#, "`timescale` must be from 1 to 1000000000000, and is 0"),
        (r#"{"multistep": {"milestones": [3, 2]}}"#, "`milestones` must be in order, and are [3, 2]"),
        (r#"{"polynomial": {"power": 0.0}}"#, "`power` must be above 0, and is 0"),
        (r#"{"warm_restarts": {"growth": 0}}"#, "`growth` must be from 1 to 1000000000000, and is 0"),
        (r#"{"cyclic": {"up": 0}}"#, "`up` must be from 1 to 1000000000000, and is 0"),
        (r#"{"one_cycle": {"div_factor": 0.5}}"#, "`div_factor` must be 1 or above, and is 0.5"),
        (r#"{"warmup_stable_decay": {"decay": 0}}"#, "`decay` must be from 1 to 1000000000000, and is 0"),
        (r#"{"power": {"exponent": -1.0}}"#, "`exponent` must be 0 or above, and is -1"),
        (r#"{"chebyshev": {"condition": 0.5}}"#, "`condition` must be 1 or above, and is 0.5"),
        (r#"{"reduce_on_plateau": {"factor": 1.0}}"#, "`factor` must be from 0, and below 1, and is 1"),
        (r#"{"reduce_on_plateau": {"min_lr": -1.0}}"#, "`min_lr` must be 0 or above, and is -1"),
        (r#"{"warmup": {"start_factor": 2.0}}"#, "`start_factor` must be from 0 to 1, and is 2"),
        (r#"{"warmup": {"schedule": "warmup"}}"#, "`warmup` can't hold another `warmup`: one rise is enough"),
        (
            r#"{"warmup": {"schedule": {"step": {"step_size": 0}}}}"#,
            "`step_size` must be from 1 to 1000000000000, and is 0",
        ),
    ] {
        assert_eq!(entry(json).check().unwrap_err(), message, "{json}");
    }
}
