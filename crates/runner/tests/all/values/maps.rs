//! What the pixels of a map are, where they stand, and what is drawn where there is no number.

use std::fs;

use crate::npy::numbers;
use crate::sandbox::Sandbox;

/// The numbers of a file of results, row by row from the bottom.
fn read(sandbox: &Sandbox, file: &str) -> Vec<f32> {
    numbers(&sandbox.results("m").join(file)).1
}

const WHITE: [u8; 3] = [255, 255, 255];
const GRAY: [u8; 3] = [200, 200, 200];

/// Four rates by two momenta on a quadratic whose largest curvature is 1: heavy ball diverges above 2·(1 + momentum).
/// With momentum 0.225 and 0.675 in the two rows, that is right of 2.45 and 3.35.
fn map(rest: &str) -> (Sandbox, Vec<[u8; 3]>) {
    let sandbox = Sandbox::new();
    sandbox.config(
        "map",
        &format!(
            "name = 'm'\nproblem = {{ quadratic = {{ dim = 2, condition = 10 }} }}\noptimizer = 'heavy_ball'\n\
             dtype = 'float64'\ntarget = 0.01\ncsv = true\n{rest}\n\
             x = {{ vary = 'lr', from = 0, to = 4, pixels = 4 }}\n\
             y = {{ vary = 'optimizer.momentum', from = 0, to = 0.9, pixels = 2 }}\n"
        ),
    );
    sandbox.run("map map.toml").works();
    let image = image::open(sandbox.results("m").join("map.png")).unwrap().to_rgb8();
    // 120 × 120 dots a pixel, below the title; the lowest row first.
    let color = |row: u32, column: u32| image.get_pixel(92 + column * 120 + 60, 76 + (1 - row) * 120 + 60).0;
    let colors = (0..2)
        .flat_map(|row| (0..4).map(move |column| (row, column)))
        .map(|(row, column)| color(row, column));
    let colors = colors.collect();
    (sandbox, colors)
}

/// Whether the runs of the two rows diverge.
const DIVERGES: [bool; 8] = [false, false, true, true, false, false, false, true];

fn brightness(color: [u8; 3]) -> u32 {
    color.iter().map(|part| u32::from(*part)).sum()
}

#[test]
fn steps_stand_where_their_rate_and_momentum_are() {
    let (sandbox, colors) = map("steps = 4000\ndivergence = 1e9");
    let (steps, errors) = (read(&sandbox, "steps_to_target.npy"), read(&sandbox, "final_error.npy"));
    assert_eq!(steps.iter().map(|steps| steps.is_nan()).collect::<Vec<_>>(), DIVERGES, "{steps:?}");
    assert_eq!(errors.iter().map(|error| error.is_nan()).collect::<Vec<_>>(), DIVERGES, "{errors:?}");
    assert_eq!(colors.iter().map(|color| *color == WHITE).collect::<Vec<_>>(), DIVERGES, "{colors:?}");
    // More steps are darker.
    let mut order: Vec<usize> = (0..8).filter(|pixel| !DIVERGES[*pixel]).collect();
    assert!(order.iter().all(|pixel| steps[*pixel].is_finite()), "{steps:?}");
    order.sort_by(|a, b| steps[*a].total_cmp(&steps[*b]));
    let shades: Vec<u32> = order.iter().map(|pixel| brightness(colors[*pixel])).collect();
    assert!(shades.windows(2).all(|pair| pair[0] >= pair[1]) && shades[0] > shades[4], "{shades:?}");
    // Line by line: the rate runs faster than the momentum, and both are those of the pixel's middle.
    let csv = fs::read_to_string(sandbox.results("m").join("map.csv")).unwrap();
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines[0], ["lr", "optimizer.momentum", "steps_to_target", "final_error"]);
    for (pixel, line) in lines[1..].iter().enumerate() {
        let line: Vec<f64> = line.iter().map(|number| number.parse().unwrap()).collect();
        let middle = [0.5 + (pixel % 4) as f64, [0.225, 0.675][pixel / 4]];
        assert!((line[0] - middle[0]).abs() < 1e-12 && (line[1] - middle[1]).abs() < 1e-12, "{line:?}");
        assert_eq!(
            format!("{:?}", [line[2] as f32, line[3] as f32]),
            format!("{:?}", [steps[pixel], errors[pixel]])
        );
    }
    assert_eq!(lines.len(), 9);
}

#[test]
fn what_did_not_arrive_is_gray() {
    let (sandbox, colors) = map("steps = 60\ndivergence = 1e9");
    let steps = read(&sandbox, "steps_to_target.npy");
    let never: Vec<usize> = (0..8).filter(|pixel| steps[*pixel] == f32::INFINITY).collect();
    assert!(!never.is_empty() && never.len() < 6, "{steps:?}");
    for pixel in 0..8 {
        assert_eq!(colors[pixel] == GRAY, never.contains(&pixel), "{pixel}: {colors:?}, {steps:?}");
    }
}

#[test]
fn errors_are_darker_the_larger_and_white_where_there_is_none() {
    let (sandbox, colors) = map("steps = 60\ndivergence = 1e9\nshow = 'error'");
    let errors = read(&sandbox, "final_error.npy");
    let mut order: Vec<usize> = (0..8).filter(|pixel| !errors[*pixel].is_nan()).collect();
    for pixel in 0..8 {
        assert_eq!(colors[pixel] == WHITE, errors[pixel].is_nan(), "{pixel}: {colors:?}, {errors:?}");
    }
    order.sort_by(|a, b| errors[*a].total_cmp(&errors[*b]));
    let shades: Vec<u32> = order.iter().map(|pixel| brightness(colors[*pixel])).collect();
    assert!(shades.windows(2).all(|pair| pair[0] >= pair[1]), "{shades:?}, {errors:?}");
    assert!(shades[0] > *shades.last().unwrap());
}

/// On a logarithm the middles of pixels are even in it, and for momentum and its like in that of the distance from 1.
#[test]
fn axes_are_spread_as_they_say() {
    let sandbox = Sandbox::new();
    sandbox.config(
        "map",
        "name = 'm'\nproblem = 'quadratic'\noptimizer = 'heavy_ball'\nsteps = 1\ncsv = true\n\
         x = { vary = 'lr', from = 0.001, to = 10, scale = 'log', pixels = 4 }\n\
         y = { vary = 'optimizer.momentum', from = 0, to = 0.99, scale = 'complement', pixels = 2 }\n",
    );
    sandbox.run("map map.toml").works();
    let csv = fs::read_to_string(sandbox.results("m").join("map.csv")).unwrap();
    // The manifest has the same for who reads the arrays.
    let manifest = sandbox.results("m").join("manifest.json");
    let before = fs::read_to_string(&manifest).unwrap();
    let axes = &serde_json::from_str::<serde_json::Value>(&before).unwrap()["axes"];
    assert_eq!((&axes["x"]["vary"], &axes["y"]["vary"]), (&"lr".into(), &"optimizer.momentum".into()));
    let values = |axis: &str| axes[axis]["values"].as_array().unwrap().clone();
    assert_eq!((values("x").len(), values("y").len()), (4, 2));
    // A build that draws the same map leaves it as it is.
    let build = before.split("\"build\": \"").nth(1).unwrap().split('"').next().unwrap();
    let other = before.replace(build, "0123456789abcdef");
    fs::write(&manifest, &other).unwrap();
    let _ = sandbox.run("map map.toml").works();
    assert_eq!(fs::read_to_string(&manifest).unwrap(), other);
    for (pixel, line) in csv.lines().skip(1).enumerate() {
        let own = [&values("x")[pixel % 4], &values("y")[pixel / 4]]
            .map(|value| value.as_f64().unwrap().to_string());
        assert!(line.starts_with(&own.join(",")), "{line}: {own:?}");
        let line: Vec<f64> = line.split(',').take(2).map(|number| number.parse().unwrap()).collect();
        let wanted = [10_f64.powf(-2.5 + (pixel % 4) as f64), 1.0 - 10_f64.powf(-0.5 - (pixel / 4) as f64)];
        for (ours, theirs) in line.iter().zip(wanted) {
            super::assert_near("a pixel", *ours, theirs, 1e-12);
        }
    }
    assert_eq!(csv.lines().count(), 9);
}
