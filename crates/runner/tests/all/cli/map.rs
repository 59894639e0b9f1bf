//! `optbench map` as a person meets it.

use std::fmt::Write as _;
use std::fs;

use records::{Cells, Outcome};

use crate::npy::numbers;
use crate::sandbox::Sandbox;

fn map(sandbox: &Sandbox, config: &str, jobs: &str) -> (String, Vec<f32>) {
    sandbox.config("map", config);
    sandbox.run(["map", "map.toml", "--jobs", jobs]).works().prints("an error of ");
    numbers(&sandbox.path().join("results/m/steps_to_target.npy"))
}

const HEAD: &str = "name = \"m\"\nproblem = { quadratic = { dim = 2, condition = 10 } }\ntarget = 0.01\n";

#[test]
fn pixels_are_the_cells_of_a_grid() {
    let sandbox = Sandbox::new();
    let (header, steps) = map(
        &sandbox,
        &format!(
            "{HEAD}optimizer = \"heavy_ball\"\nseed = 3\nsteps = 300\n\
             x = {{ vary = \"lr\", from = 0.001, to = 10, scale = \"log\", pixels = 4 }}\n\
             y = {{ vary = \"optimizer.momentum\", from = 0, to = 1, pixels = 2 }}\n"
        ),
        "2",
    );
    assert!(header.contains("'shape': (2, 4)"), "{header}");
    // The middles of the pixels: momentum 0.25 and 0.75, rates of half decades.
    let rates = (0..4).map(|i| 10_f64.powf(-2.5 + f64::from(i)).to_string()).collect::<Vec<_>>().join(", ");
    sandbox.config(
        "grid",
        &format!(
            "name = \"g\"\nsteps = 300\nlr = [{rates}]\ntargets = [0.01]\nseeds = {{ tuning = 0, reporting = [3] }}\n\
             [[grid]]\nproblems = [{{ quadratic = {{ dim = 2, condition = 10 }} }}]\n\
             optimizers = [{{ heavy_ball = {{ momentum = 0.25 }} }}, {{ heavy_ball = {{ momentum = 0.75 }} }}]\n"
        ),
    );
    sandbox.run("grid.toml").works();
    let path = sandbox.path().join("results/g/cells.csv");
    let wanted: Vec<f32> = Cells::new(&path, fs::File::open(&path).unwrap())
        .unwrap()
        .map(|cell| {
            let cell = cell.unwrap();
            let never = if cell.outcome == Outcome::Diverged { f32::NAN } else { f32::INFINITY };
            cell.hits[0].step.map_or(never, |step| step as f32)
        })
        .collect();
    assert_eq!(format!("{steps:?}"), format!("{wanted:?}"));
    assert!(steps.iter().any(|s| s.is_finite()) && steps.iter().any(|s| s.is_nan()), "{steps:?}");
}

#[test]
fn heavy_ball_is_stable_up_to_polyaks_bound() {
    let sandbox = Sandbox::new();
    let (rows, columns) = (20, 40);
    let (_, steps) = map(
        &sandbox,
        &format!(
            "{HEAD}optimizer = \"heavy_ball\"\nsteps = 3000\ndtype = \"float64\"\n\
             x = {{ vary = \"lr\", from = 0, to = 4, pixels = {columns} }}\n\
             y = {{ vary = \"optimizer.momentum\", from = 0, to = 0.9, pixels = {rows} }}\n"
        ),
        "2",
    );
    for row in 0..rows {
        for column in 0..columns {
            let lr = 4.0 * (column as f64 + 0.5) / columns as f64;
            let momentum = 0.9 * (row as f64 + 0.5) / rows as f64;
            // The largest curvature is 1.
            let bound = 2.0 * (1.0 + momentum);
            let diverged = steps[row * columns + column].is_nan();
            if (lr - bound).abs() > 0.05 {
                assert_eq!(diverged, lr > bound, "lr {lr}, momentum {momentum}");
            }
        }
    }
}

#[test]
fn exchanged_axes_transpose_the_map_and_threads_change_nothing() {
    let config = |x: &str, y: &str| {
        format!(
            "name = \"m\"\nproblem = \"himmelblau\"\noptimizer = \"adam\"\nlr = 0.1\nshow = \"minimizer\"\ncsv = true\n\
             x = {{ pixels = 20, {x} }}\ny = {{ pixels = 20, {y} }}\n"
        )
    };
    let turned = |numbers: &[f32]| -> Vec<f32> {
        (0..20).flat_map(|row| (0..20).map(move |column| numbers[column * 20 + row])).collect()
    };
    let files = |sandbox: &Sandbox| {
        ["map.png", "map.csv", "minimizer.npy", "manifest.json"]
            .map(|name| fs::read(sandbox.path().join("results/m").join(name)).unwrap())
    };
    let sandbox = Sandbox::new();
    let first = "vary = \"start.x1\", from = -5, to = 5";
    // Another coordinate of the start, and an option, which can't be a lane.
    for second in
        ["vary = \"start.x2\", from = -5, to = 5", "vary = \"optimizer.beta1\", from = 0.05, to = 0.95"]
    {
        let (_, one) = map(&sandbox, &config(first, second), "1");
        let before = files(&sandbox);
        assert_eq!(format!("{:?}", map(&sandbox, &config(first, second), "2").1), format!("{one:?}"));
        assert_eq!(files(&sandbox), before);
        let (_, other) = map(&sandbox, &config(second, first), "2");
        assert_eq!(format!("{:?}", turned(&other)), format!("{one:?}"));
    }
    // Somebody starts near each of the four minima.
    map(&sandbox, &config(first, "vary = \"start.x2\", from = -5, to = 5"), "2");
    let (_, which) = numbers(&sandbox.path().join("results/m/minimizer.npy"));
    for minimizer in [0.0, 1.0, 2.0, 3.0] {
        assert!(which.contains(&minimizer), "{which:?}");
    }
}

#[test]
fn options_of_libtorchs_optimizers_can_vary_too() {
    let sandbox = Sandbox::new();
    let (header, steps) = map(
        &sandbox,
        "name = \"m\"\nproblem = \"line_fit\"\nloss = \"mse\"\noptimizer = \"muon\"\nsteps = 30\ntarget = 0.5\n\
         x = { vary = \"optimizer.momentum\", from = 0, to = 0.9, pixels = 3 }\n\
         y = { vary = \"lr\", from = 0.01, to = 1, scale = \"log\", pixels = 2 }\n",
        "2",
    );
    assert!(header.contains("'shape': (2, 3)"));
    assert_eq!(steps.len(), 6);
}

#[test]
fn mistakes_are_shown_at_their_place() {
    let sandbox = Sandbox::new();
    let good = format!(
        "{HEAD}optimizer = \"heavy_ball\"\nlr = 0.1\n\
         x = {{ vary = \"start.x1\", from = -1, to = 1, pixels = 4 }}\n\
         y = {{ vary = \"optimizer.momentum\", from = 0, to = 0.9, pixels = 4 }}\n"
    );
    let mut said = String::new();
    for (right, wrong) in [
        ("optimizer.momentum", "optimizer.momentun"),
        ("optimizer.momentum", "momentum"),
        ("optimizer.momentum", "start.x1"),
        ("from = 0,", "from = -0.5,"),
        ("start.x1", "start.x9"),
        ("lr = 0.1\n", ""),
        ("from = -1, to = 1", "from = 1, to = -1"),
        ("from = -1, to = 1", "from = -1, to = 1, scale = \"log\""),
        ("pixels = 4 }\ny", "pixels = 40000 }\ny"),
        ("lr = 0.1", "lr = 0.1\nshow = \"minimizer\""),
        ("lr = 0.1", "lr = 0.1\nloss = \"mse\""),
        ("optimizer = \"heavy_ball\"", "optimizer = \"muon\""),
    ] {
        let config = good.replace(right, wrong);
        assert_ne!(config, good, "{wrong}");
        sandbox.config("map", &config);
        writeln!(said, "# {wrong}\n{}", sandbox.run("map map.toml").fails(2).stderr).unwrap();
    }
    insta::assert_snapshot!(said);
}
