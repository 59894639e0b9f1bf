//! What a diagnosis counts and measures, where it can be computed by hand.

use serde_json::Value;

use crate::sandbox::Sandbox;

/// What is said of a config, and the steps of the author's own run.
fn diagnosis(config: &str) -> (Value, Option<u64>) {
    let sandbox = Sandbox::new();
    sandbox.config("d", &format!("name = 'd'\ndtype = 'float64'\n{config}"));
    sandbox.run("diagnose d.toml").works();
    let folder = sandbox.results("d");
    let answer = std::fs::read_to_string(folder.join("diagnosis.json")).unwrap();
    let page = std::fs::read_to_string(folder.join("diagnosis.md")).unwrap();
    let yours = page.lines().find(|line| line.starts_with("| yours")).unwrap_or_else(|| panic!("{page}"));
    let steps = yours.split('|').nth(2).unwrap().trim();
    (serde_json::from_str(&answer).unwrap(), steps.parse().ok())
}

/// Four residuals under the mean squared error: the slope of each is half of it.
fn own_steps(optimizer: &str, lr: f64, tolerance: f64) -> Option<u64> {
    let config = format!(
        "loss = 'mse'\nstart = [1, -1, 1, 1]\ntarget = [0, 0, 0, 0]\noptimizer = {optimizer}\nlr = {lr:e}\nsteps = 400\n\
         tolerance = {tolerance}\n"
    );
    diagnosis(&config).1
}

/// The first step at which a residual that starts at 1 is within the tolerance.
fn first(tolerance: f64, mut next: impl FnMut(u64) -> f64) -> Option<u64> {
    (1..=400).find(|step| next(*step) <= tolerance)
}

#[test]
fn an_averaging_optimizer_arrives_where_its_average_does() {
    let (mut fast, mut slow) = (1.0, 1.0);
    let lookahead = first(0.1, |step| {
        fast -= 0.3 * fast / 2.0;
        if step % 3 == 0 {
            slow += 0.25 * (fast - slow);
            fast = slow;
        }
        slow
    });
    assert_eq!(own_steps("{ lookahead = { optimizer = 'sgd', k = 3, alpha = 0.25 } }", 0.3, 0.1), lookahead);
    let (mut r, mut sum) = (1.0, 0.0);
    let asgd = first(0.1, |step| {
        r -= 0.3 * r / 2.0;
        sum += r;
        sum / step as f64
    });
    assert_eq!(own_steps("{ asgd = { lambd = 0, t0 = 0 } }", 0.3, 0.1), asgd);
    let mut r: f64 = 1.0;
    let plain = first(0.1, |_| {
        r -= 0.3 * r / 2.0;
        r
    });
    assert_eq!(own_steps("'sgd'", 0.3, 0.1), plain);
    assert!(lookahead > plain && asgd > plain, "{lookahead:?}, {asgd:?}, {plain:?}");
}

/// Four residuals of r have a slope of norm r. PyTorch's clipping adds 1e-6 to the norm.
#[test]
fn the_authors_gradient_is_clipped_wherever_it_is_taken() {
    let sgd = |away: f64| {
        let mut r: f64 = 1.0;
        first(0.2, |_| {
            let slope = r + away;
            r -= 0.5 * slope * (0.1 / (slope + 1e-6)).min(1.0) / 2.0;
            r
        })
    };
    let clipped = |inner: &str| format!("{{ clipped = {{ optimizer = {inner}, norm = 0.1 }} }}");
    assert_eq!(own_steps(&clipped("'sgd'"), 0.5, 0.2), sgd(0.0));
    // SAM looks 3 farther along, which is 1.5 for each of the four.
    assert_eq!(own_steps(&clipped("{ sam = { rho = 3 } }"), 0.5, 0.2), sgd(1.5));
    let mut r: f64 = 1.0;
    let unclipped = first(0.2, |_| {
        r -= 0.5 * r / 2.0;
        r
    });
    assert_eq!(own_steps("'sgd'", 0.5, 0.2), unclipped);
    assert!(unclipped < sgd(0.0));
}

/// The loss where a diagnosis starts, from its profile along the way from the minimum (share 0) to the start (1).
fn frozen_loss(problem: &str, loss: &str) -> f64 {
    let sandbox = Sandbox::new();
    sandbox.config(
        "d",
        &format!(
            "name = 'd'\ndtype = 'float64'\nseed = 1\nproblem = {problem}\n{loss}\nlr = 0.1\nsteps = 30\ntolerance = 1e-9\n"
        ),
    );
    sandbox.run("diagnose d.toml").works();
    let profile = std::fs::read_to_string(sandbox.results("d").join("profile.csv")).unwrap();
    assert!(profile.starts_with("share,loss_value,"), "{profile}");
    let rows: Vec<[f64; 2]> = profile
        .lines()
        .skip(1)
        .map(|line| {
            let numbers: Vec<f64> = line.split(',').map(|number| number.parse().unwrap()).collect();
            [numbers[0], numbers[1]]
        })
        .collect();
    let after = rows.iter().position(|row| row[0] >= 1.0).unwrap();
    let ([a, before], [b, behind]) = (rows[after - 1], rows[after]);
    before + (1.0 - a) / (b - a) * (behind - before)
}

/// Frozen, a problem is its whole data and has no noise: else its minimum would be one of a few examples.
#[test]
fn a_frozen_loss_is_that_of_the_whole_data() {
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../problems/tests/models");
    let module =
        format!("{{ model = {{ file = '{models}/mlp.pt2', data = '{models}/digits.npz', batch = BATCH }} }}");
    for (problem, some, all, loss) in [
        ("{ digits_mlp = { hidden = 2, batch = BATCH } }", 20, 1437, "loss = 'cross_entropy'"),
        ("{ digits_autoencoder = { hidden = 2, batch = BATCH } }", 20, 1437, "loss = 'mse'"),
        (&module, 20, 0, "loss = 'mse'"),
        (
            "{ noisy = { problem = { digits_mlp = { hidden = 2, batch = BATCH } } } }",
            20,
            1437,
            "loss = 'cross_entropy'",
        ),
    ] {
        let with = |batch: i32| problem.replace("BATCH", &batch.to_string());
        let start_loss = |batch: i32| {
            let losses = loss.strip_prefix("loss = ").unwrap();
            let config = format!(
                "name = 'v'\ndtype = 'float64'\nsteps = 1\nlr = [0.1]\nseeds = {{ tuning = 0, reporting = [1] }}\n[[grid]]\n\
                 problems = [{}]\nlosses = [{losses}]\noptimizers = ['sgd']\n",
                with(batch)
            );
            super::results(&config)[0].0.start_loss
        };
        let (part, whole, frozen) = (start_loss(some), start_loss(all), frozen_loss(&with(some), loss));
        assert!((frozen / whole - 1.0).abs() < 1e-4, "{problem}: {frozen}, and all data have {whole}");
        assert!((part / whole - 1.0).abs() > 3e-3, "{problem}: a minibatch has {part}, all have {whole}");
    }
}

/// What noise adds to a gradient isn't in a frozen one.
#[test]
fn a_frozen_gradient_has_no_noise() {
    let profile = |problem: &str| {
        let sandbox = Sandbox::new();
        sandbox.config("d", &format!("name = 'd'\nproblem = {problem}\nlr = 0.001\nsteps = 200\n"));
        sandbox.run("diagnose d.toml").works();
        std::fs::read_to_string(sandbox.results("d").join("profile.csv")).unwrap()
    };
    for problem in ["'rosenbrock'", "{ quadratic = { dim = 40 } }"] {
        let noisy = format!("{{ noisy = {{ problem = {problem}, heavy_tailed = 1 }} }}");
        assert_eq!(profile(&noisy), profile(problem), "{problem}");
    }
}
