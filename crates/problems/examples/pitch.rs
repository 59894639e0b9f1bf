//! How flat losses are in pitch: each loss and its slope where only the pitch of a tone is wrong, as CSV.
//!
//! ```text
//! cargo run -p problems --example pitch > pitch.csv
//! cargo run -p problems --example pitch -- '"mse"' '{"spectral": {"log_weight": 0}}' > pitch.csv
//! ```
//! For each loss (in JSON, as results write it) and each pitch, over 40 sounds: the mean loss; the median size of the
//! slope, per semitone, as a share of the largest median; and the share of sounds whose slope points toward the
//! true pitch. The same in a table of ranges goes to standard error.

use losses::Loss;
use problems::{Audio, Draw, Problem};
use tch::{Device, Kind};

const SOUNDS: u64 = 40;

/// What is seen at one pitch, off by so many semitones.
struct Row {
    off: f64,
    loss: f64,
    slope: f64,
    toward: f64,
}

/// Distances from the true pitch, in semitones.
fn distances() -> Vec<f64> {
    let fine = (1..=40).map(|i| f64::from(i) * 0.025);
    let coarse = (1..=46).map(|i| 1.0 + f64::from(i) * 0.25);
    fine.chain(coarse).collect()
}

fn scan(loss: &Loss) -> Vec<Row> {
    let seeds: Vec<u64> = (0..SOUNDS).collect();
    let at = |detune: f64| {
        let problem = Problem::Audio(Audio { detune, spread: 0.0, ..Audio::default() });
        let mut batch = problem.batch(&seeds, Some(loss), (Kind::Double, Device::Cpu));
        let at_truth = Problem::Audio(Audio { detune: 0.0, spread: 0.0, ..Audio::default() });
        let truth = at_truth.batch(&seeds, Some(loss), (Kind::Double, Device::Cpu)).start();
        let start: Vec<_> = batch.start().into_iter().map(|p| p.set_requires_grad(true)).collect();
        let values = batch.loss(Draw::Frozen, &start);
        values.sum(Kind::Double).backward();
        let numbers = |tensor: tch::Tensor| Vec::<f64>::try_from(tensor.detach().flatten(0, -1)).unwrap();
        let slopes = numbers(start[0].grad());
        let sides = numbers((&start[0] - &truth[0]).sign());
        let toward = slopes.iter().zip(&sides).filter(|(slope, side)| *slope * *side > 0.0).count();
        let mut sizes: Vec<f64> = slopes.iter().map(|slope| slope.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        Row {
            off: detune,
            loss: numbers(values).iter().sum::<f64>() / SOUNDS as f64,
            slope: sizes[sizes.len() / 2],
            toward: toward as f64 / SOUNDS as f64,
        }
    };
    let mut rows: Vec<Row> = distances().into_iter().map(at).collect();
    let most = rows.iter().map(|row| row.slope).fold(0.0, f64::max);
    for row in &mut rows {
        row.slope /= most;
    }
    rows
}

fn main() {
    tch::set_num_threads(1);
    let given: Vec<String> = std::env::args().skip(1).collect();
    let linear = r#"{"spectral": {"log_weight": 0, "weighting": "a"}}"#;
    let terms = format!(r#""terms": [{{"loss": {linear}}}, {{"loss": "envelope"}}]"#);
    let usual = [
        r#""mse""#.to_owned(),
        r#""spectral""#.to_owned(),
        linear.to_owned(),
        r#""envelope""#.to_owned(),
        format!(r#"{{"composite": {{{terms}}}}}"#),
        format!(r#"{{"composite": {{{terms}, "combine": "product"}}}}"#),
        r#"{"transformed": {"loss": "spectral", "by": "tanh"}}"#.to_owned(),
    ];
    println!("loss,semitones,mean_loss,slope_share,toward_share");
    eprintln!(
        "share of sounds whose slope points toward the true pitch (median slope, as a share of the largest)\n"
    );
    eprintln!("  semitones off   0–0.1        0.1–0.3      0.3–1        1–3          3–12.5");
    for text in if given.is_empty() { &usual[..] } else { &given[..] } {
        let loss: Loss = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        loss.check().unwrap_or_else(|message| panic!("{text}: {message}"));
        let rows = scan(&loss);
        for Row { off, loss: value, slope, toward } in &rows {
            println!("\"{}\",{off},{value:.6},{slope:.6},{toward}", loss.label());
        }
        let summary = [0.0, 0.1, 0.3, 1.0, 3.0, 12.5].windows(2).map(|range| {
            let within: Vec<&Row> =
                rows.iter().filter(|row| row.off > range[0] + 1e-9 && row.off <= range[1] + 1e-9).collect();
            let mean =
                |of: fn(&Row) -> f64| within.iter().map(|row| of(row)).sum::<f64>() / within.len() as f64;
            format!("{:3.0} % ({:4.2})", 100.0 * mean(|row| row.toward), mean(|row| row.slope))
        });
        eprintln!("  {}\n                  {}", loss.label(), summary.collect::<Vec<_>>().join("  "));
    }
}
