//! `optbench diagnose` as a person meets it.

use std::fs;

use serde_json::Value;

use crate::sandbox::{Ran, Sandbox};

/// The question's plateau, in one line.
const PLATEAU: &str = "diagnose --loss plateau --target 0 --start -2 --lr 0.1 --steps 20000 --tolerance 0.06";

#[test]
fn the_plateau_is_named_with_its_figures() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run(PLATEAU).works().stdout);
    for file in [
        "diagnosis.json",
        "diagnosis.md",
        "profile.csv",
        "profile.svg",
        "profile.png",
        "descent.svg",
        "descent.png",
    ] {
        assert!(sandbox.path().join("results/diagnosis").join(file).exists(), "{file}");
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let files = |sandbox: &Sandbox| {
        sandbox.run("diagnose --formula 'tanh(abs(d))'").works();
        let folder = sandbox.path().join("results/diagnosis");
        let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
        names.sort();
        names.into_iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(files(&Sandbox::new()), files(&Sandbox::new()));
}

/// A diagnosis in one line.
fn diagnosed(line: &str) -> Value {
    Sandbox::new().run(&format!("diagnose --format json --no-write {line}")).works().json()
}

/// What is said of a loss: the main cause.
fn cause(line: &str) -> String {
    let answer = diagnosed(line);
    for key in ["verdict", "slows_descent", "findings", "fixes", "region"] {
        assert!(!answer[key].is_null(), "{key}");
    }
    answer["findings"][0]["cause"].as_str().unwrap().to_owned()
}

#[test]
fn any_loss_gets_an_answer() {
    assert_eq!(cause("--formula 'log(-1 - d**2)'"), "non_finite");
    assert_eq!(cause("--formula '0*d'"), "detached_gradient");
    assert_eq!(cause("--formula 'd**2' --target 1 --start 0"), "healthy");
    // Its minimum is at infinity, and its start and target are chosen for it.
    assert_eq!(cause("--loss cross_entropy --lr 3"), "healthy");
    assert_eq!(cause("--formula -d"), "unbounded_below");
    // It ends at −1.
    assert_ne!(cause("--formula '-tanh(d)'"), "unbounded_below");
    // Within three decades it is −∞.
    assert_eq!(cause("--formula '-exp(d)'"), "unbounded_below");
    // On the ridge itself the slope down to a minimum is exactly 0.
    assert_eq!(cause("--problem '{ saddle = { spread = 0 } }' --lr 0.1 --steps 200"), "saddle_point");
    let many = "'{ normal = { shape = [100000] } }'";
    assert_eq!(cause(&format!("--loss mse --target {many} --lr 30000 --steps 100")), "healthy");
}

#[test]
fn a_loss_that_cannot_be_computed_at_the_start_is_named_with_the_reason() {
    let module = concat!(env!("CARGO_MANIFEST_DIR"), "/../losses/tests/modules/bad_fixed.pt2");
    let ran = Sandbox::new().run(["diagnose", "--no-write", "--program", module]);
    ran.fails(2).says("the loss can't be computed at the start");
}

/// What is said of a config of this tree.
fn answer(config: &str) -> Value {
    diagnosed(&format!("'{}/../../configs/{config}.toml'", env!("CARGO_MANIFEST_DIR")))
}

/// The steps of a fix in the free fit and in the line fit.
fn steps(answer: &Value, name: &str) -> (Option<u64>, Option<u64>) {
    let fix = answer["fixes"].as_array().unwrap().iter().find(|fix| fix["name"] == name).unwrap();
    (fix["steps"].as_u64(), fix["line_fit"]["steps"].as_u64())
}

#[test]
fn the_questions_losses_have_their_published_figures() {
    let plateau = answer("diagnose-plateau");
    assert_eq!(plateau["findings"][0]["cause"], "plateau");
    assert!(plateau["findings"][0]["evidence"].as_str().unwrap().contains("γ is 0.00399 at the start"));
    assert_eq!(plateau["fixes"][0]["baseline_steps"], 15006);
    assert_eq!(steps(&plateau, "l1"), (Some(20), Some(40)));
    assert_eq!(steps(&plateau, "adam"), (Some(21), Some(51)));
    assert_eq!(steps(&plateau, "log1p").1, Some(121));
    assert_eq!(steps(&plateau, "huber").1, Some(91));

    let asymmetric = answer("diagnose-asymmetric");
    let evidence = asymmetric["findings"][0]["evidence"].as_str().unwrap();
    for figure in ["5 times", "off by -0.636 σ", "is fitted with 1.52, by squares with 2.08"] {
        assert!(evidence.contains(figure), "{evidence}");
    }
    assert_eq!(asymmetric["slows_descent"], false);
    assert_eq!(steps(&asymmetric, "mse").1, Some(36));

    let tilted = answer("diagnose-poorly-conditioned");
    let evidence = tilted["findings"][0]["evidence"].as_str().unwrap();
    for figure in ["-50 from the target", "its value there is -25", "slope 3 and intercept -48"] {
        assert!(evidence.contains(figure), "{evidence}");
    }
    assert_eq!(steps(&tilted, "absolute odd part").1, Some(38));
    assert_eq!(steps(&tilted, "even part").1, Some(1843));
}

#[test]
fn the_figure_shows_the_fixes_that_the_table_lists_first() {
    let sandbox = Sandbox::new();
    sandbox.run(PLATEAU).works();
    let descent = fs::read_to_string(sandbox.path().join("results/diagnosis/descent.svg")).unwrap();
    let shown =
        |name: &str| descent.lines().any(|line| line.trim() == name || line.contains(&format!(">{name}<")));
    for name in ["lbfgs", "mse, lr 0.46", "huber, lr 1", "log1p, lr 0.46", "mse", "l1"] {
        assert!(shown(name), "{name}");
    }
    // One step in the free fit, and never in a model.
    assert!(!shown("adam, lr 2"));
}

#[test]
fn a_warm_up_is_run_where_a_run_goes_wrong_at_once() {
    let warm_up = |formula: &str| {
        let answer = diagnosed(&format!(
            "--formula '{formula}' --target '[0, 0, 0]' --start '{{ constant = 3 }}' --lr 1.2"
        ));
        let fixes = answer["fixes"].as_array().unwrap();
        fixes.iter().find(|fix| fix["name"] == "warm-up").map(|fix| fix["reached"] == true)
    };
    // A parabola between walls, which throw the run from one to the other.
    assert_eq!(warm_up("where(abs(d) < 2, 0.5*d**2, 2 + 80*(abs(d) - 2))"), Some(true));
    assert_eq!(warm_up("0.5*d**2"), None);
}

/// A readout from a module of the planted cases, copied to where it is run.
fn read_out_by(module: &str, others: &str) -> Ran {
    let sandbox = Sandbox::new();
    let file = format!("{}/tests/planted/{module}.pt2", env!("CARGO_MANIFEST_DIR"));
    fs::copy(file, sandbox.path().join("readout.pt2")).unwrap();
    let readout = "'{ program = { file = \"readout.pt2\" } }'";
    sandbox.run(&format!("diagnose --format json --no-write --readout {readout} --loss mse {others}"))
}

#[test]
fn a_readout_may_be_a_module() {
    let target = "--target '{ uniform = { from = 1, to = 4, shape = [8] } }'";
    let answer = read_out_by("five", &format!("{target} --start 0.5 --lr 1")).works().json();
    assert_eq!(answer["findings"][0]["cause"], "healthy", "{answer}");
    // Two numbers for each of the target's, which the loss never sees.
    read_out_by("pair", &format!("{target} --start '{{ normal = {{ shape = [8, 2] }} }}'")).works();
    // A loss isn't a readout.
    insta::assert_snapshot!(read_out_by("mse", "").fails(2).stderr);
    insta::assert_snapshot!(read_out_by("pair", &format!("{target} --start 0.5")).fails(2).stderr);
}

/// Runs a diagnosis that can't be made and returns what is said.
fn refused(line: &str) -> String {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&format!("diagnose {line}")).fails(2).prints_nothing();
    assert_eq!(fs::read_dir(sandbox.path()).unwrap().count(), 0, "something was written");
    ran.stderr
}

macro_rules! mistakes {
    ($($name:ident: $line:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(refused($line));
        }
    )*};
}

mistakes! {
    nothing_to_diagnose: "--lr 0.1";
    a_formula_that_cannot_be_read: "--formula 'abz(d)'";
    a_start_that_is_the_target: "--loss mse --start 1 --target 1";
    a_tolerance_that_is_met: "--loss mse --tolerance 100";
    shapes_that_do_not_fit: "--loss mse --target '[1, 2, 3]' --start '[1, 2]'";
    a_misspelled_generator: "--loss mse --start '{ normall = { std = 1 } }'";
    a_target_that_is_an_offset: "--loss mse --target '{ offset = 1 }'";
    a_missing_file: "--loss mse --target '{ file = { path = \"nothere.npz\" } }'";
    a_rate_of_zero: "--loss mse --lr 0";
    a_start_for_a_problem: "--problem line_fit --loss mse --start 1";
    a_problem_without_a_loss: "--problem line_fit";
    a_missing_module: "--program nothere.pt2";
    a_missing_readout: "--loss mse --readout '{ program = { file = \"nothere.pt2\" } }'";
    a_readout_without_a_file: "--loss mse --readout '{ program = {} }'";
    a_misspelled_readout: "--loss mse --readout sigmod";
}

/// |d|^1.5 has no second derivative at its minimum: a difference of gradients there is a number that says how long its
/// step was.
#[test]
fn a_curvature_that_is_not_finite_is_no_number_in_a_rule() {
    let answer = diagnosed(
        "--target '[0, 1]' --start '[2, 3]' --lr 0.1 --steps 20000 \
         --formula 'where(target > 0.5, 1e-4*d**2, abs(d)**1.5)'",
    );
    assert!(!answer.to_string().contains("curvatures differ"), "{answer}");
}
