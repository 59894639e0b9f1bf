//! Activations inside a model, by the gradients of its layers.

use causes::thresholds;
use numeric::Stream;
use problems::Draw;
use records::evidence::DeadLayer;

use super::norm;
use engine::Evaluator;

/// A start of the usual size for a model's tensors, or for one of them: N(0, 1/fan-in), and 0 for vectors.
pub(crate) fn usual_start(model: &Evaluator, only: Option<usize>) -> Vec<f64> {
    let mut point = model.start.clone();
    let mut first = 0;
    for (k, shape) in model.shapes.iter().map(|(_, shape)| shape).enumerate() {
        let count = shape.iter().product::<i64>() as usize;
        if only.is_none_or(|only| only == k) {
            // The first dimension is the lane's.
            let fan_in = *shape.last().unwrap_or(&1) as f64;
            let size = if shape.len() > 2 { 1.0 / fan_in.sqrt() } else { 0.0 };
            let mut stream = Stream::new("diagnose: usual start", &[k as u64]);
            point[first..first + count].fill_with(|| size * stream.normal());
        }
        first += count;
    }
    point
}

/// The tensor of a model that wakes up the most when it is drawn anew at the usual size, among those that get
/// hardly any of the gradient: the activation behind it is flat.
pub(super) fn dead_layer(model: &Evaluator) -> Option<DeadLayer> {
    const MOST: usize = 32;
    let shapes: Vec<&Vec<i64>> = model.shapes.iter().map(|(_, shape)| shape).collect();
    if shapes.len() < 2 {
        return None;
    }
    let gradient = model.at(&model.start, Draw::Frozen).1;
    let (mut first, mut least) = (0, Vec::new());
    for (k, shape) in shapes.iter().enumerate() {
        let own = first..first + shape.iter().product::<i64>() as usize;
        first = own.end;
        let share = norm(&gradient[own.clone()]) / norm(&gradient);
        least.push((share, k, own));
    }
    least.retain(|(share, ..)| share.is_finite());
    least.sort_by(|a, b| a.0.total_cmp(&b.0));
    let gradient_gain = |(share, k, own): (f64, usize, std::ops::Range<usize>)| {
        let anew = model.at(&usual_start(model, Some(k)), Draw::Frozen).1;
        let gradient_gain = norm(&anew[own.clone()]) / norm(&gradient[own]);
        DeadLayer { shape: shapes[k][1..].to_vec(), share, gradient_gain }
    };
    let looked =
        least.into_iter().filter(|(share, ..)| *share < thresholds::DEAD_LAYER).take(MOST).map(gradient_gain);
    // 0 over 0 is a tensor that nothing wakes.
    looked
        .filter(|tensor| !tensor.gradient_gain.is_nan())
        .max_by(|a, b| a.gradient_gain.total_cmp(&b.gradient_gain))
}
