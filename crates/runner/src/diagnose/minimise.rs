//! Finding a minimum, without a learning rate.

/// Where a search for a minimum ended.
#[derive(Clone, Debug)]
pub(super) struct Minimum {
    pub point: Vec<f64>,
    pub value: f64,
    /// Gradient evaluations.
    pub evaluations: u64,
    /// Whether it ran out of reach.
    pub ran_away: bool,
    /// Whether `until` held.
    pub arrived: bool,
}

/// How long a search may take, and how far it may go.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub evaluations: u64,
    /// The length of the first step, and the scale of the problem.
    pub unit: f64,
    /// The furthest from the start, in units.
    pub reach: f64,
}

/// The pairs of steps and gradient changes that are kept.
const MEMORY: usize = 10;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn moved(point: &[f64], direction: &[f64], step: f64) -> Vec<f64> {
    point.iter().zip(direction).map(|(p, d)| p + step * d).collect()
}

/// L-BFGS with the weak Wolfe conditions by bisection, which also gets along with kinks.
///
/// Liu & Nocedal 1989, “On the limited memory BFGS method for large scale optimization”; Lewis & Overton 2013,
/// “Nonsmooth optimization via quasi-Newton methods”.
pub(super) fn lbfgs(
    mut evaluate: impl FnMut(&[f64]) -> (f64, Vec<f64>),
    mut until: impl FnMut(&[f64]) -> bool,
    start: &[f64],
    limits: Limits,
) -> Minimum {
    let mut evaluations = 1;
    let (mut value, mut gradient) = evaluate(start);
    let mut point = start.to_vec();
    let mut pairs: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    let mut ran_away = false;
    let mut arrived = until(&point);
    while evaluations < limits.evaluations && !arrived {
        let size = dot(&gradient, &gradient).sqrt();
        if !(size > 0.0 && size.is_finite() && value.is_finite()) {
            break;
        }
        let mut direction = two_loops(&gradient, &pairs);
        let mut descent = dot(&direction, &gradient);
        if !(descent < 0.0 && descent.is_finite()) {
            pairs.clear();
            direction = gradient.iter().map(|g| -g).collect();
            descent = -size * size;
        }
        let mut step = if pairs.is_empty() { limits.unit / size } else { 1.0 };
        let (mut low, mut high) = (0.0, f64::INFINITY);
        let mut found = None;
        for _ in 0..60 {
            let next = moved(&point, &direction, step);
            let (next_value, next_gradient) = evaluate(&next);
            evaluations += 1;
            // NaN is too high, too.
            let low_enough = next_value <= value + 1e-4 * step * descent;
            if low_enough {
                let flat = dot(&next_gradient, &direction) >= 0.9 * descent;
                found = Some((next, next_value, next_gradient, step));
                if flat {
                    break;
                }
                low = step;
            } else {
                high = step;
            }
            step = if high.is_finite() { 0.5 * (low + high) } else { 4.0 * low };
            if evaluations >= limits.evaluations || step == low || step == high || !step.is_finite() {
                break;
            }
        }
        let Some((next, next_value, next_gradient, step)) = found else {
            if pairs.is_empty() {
                break;
            }
            // At a kink the memory may point nowhere: once more along the gradient.
            pairs.clear();
            continue;
        };
        let s: Vec<f64> = direction.iter().map(|d| step * d).collect();
        let y: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&s, &y);
        if curvature > 1e-14 * dot(&y, &y).sqrt() * dot(&s, &s).sqrt() {
            pairs.push((s, y));
            if pairs.len() > MEMORY {
                pairs.remove(0);
            }
        }
        (point, value, gradient) = (next, next_value, next_gradient);
        arrived = until(&point);
        let far: f64 = point.iter().zip(start).map(|(p, s)| (p - s) * (p - s)).sum();
        if far.sqrt() > limits.reach * limits.unit || value == f64::NEG_INFINITY {
            ran_away = true;
            break;
        }
    }
    Minimum { point, value, evaluations, ran_away, arrived }
}

/// −H·g, H from the pairs.
fn two_loops(gradient: &[f64], pairs: &[(Vec<f64>, Vec<f64>)]) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut shares = Vec::new();
    for (s, y) in pairs.iter().rev() {
        let share = dot(s, &q) / dot(s, y);
        q.iter_mut().zip(y).for_each(|(q, y)| *q -= share * y);
        shares.push(share);
    }
    if let Some((s, y)) = pairs.last() {
        let scale = dot(s, y) / dot(y, y);
        for q in &mut q {
            *q *= scale;
        }
    }
    for ((s, y), share) in pairs.iter().zip(shares.into_iter().rev()) {
        let back = dot(y, &q) / dot(s, y);
        q.iter_mut().zip(s).for_each(|(q, s)| *q += (share - back) * s);
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { evaluations: 500, unit: 1.0, reach: 1e6 };

    #[test]
    fn rosenbrock_and_a_kink_are_minimised() {
        let rosenbrock = |p: &[f64]| {
            let (a, b) = (1.0 - p[0], p[1] - p[0] * p[0]);
            (a * a + 100.0 * b * b, vec![-2.0 * a - 400.0 * p[0] * b, 200.0 * b])
        };
        let found = lbfgs(rosenbrock, |_| false, &[-1.2, 1.0], LIMITS);
        assert!((found.point[0] - 1.0).abs() < 1e-6 && (found.point[1] - 1.0).abs() < 1e-6);
        let kink = |p: &[f64]| (p[0].abs() + 3.0 * p[1].abs(), vec![p[0].signum(), 3.0 * p[1].signum()]);
        let found = lbfgs(kink, |_| false, &[5.0, -2.3], LIMITS);
        assert!(found.value < 1e-3, "{}", found.value);
    }

    #[test]
    fn a_far_minimum_is_found_over_a_plateau_and_a_fall_without_end_is_left() {
        let far = |p: &[f64]| (0.01 * p[0] * p[0] + p[0], vec![0.02 * p[0] + 1.0]);
        let found = lbfgs(far, |_| false, &[-0.8], LIMITS);
        assert!((found.point[0] + 50.0).abs() < 1e-6 && (found.value + 25.0).abs() < 1e-9);
        let endless = lbfgs(|p: &[f64]| (p[0], vec![1.0]), |_| false, &[0.0], LIMITS);
        assert!(endless.ran_away);
        let broken = lbfgs(|_: &[f64]| (f64::NAN, vec![f64::NAN]), |_| false, &[1.0], LIMITS);
        assert_eq!((broken.point, broken.evaluations), (vec![1.0], 1));
    }

    #[test]
    fn a_search_ends_when_it_has_arrived() {
        let bowl = |p: &[f64]| (p[0] * p[0], vec![2.0 * p[0]]);
        let found = lbfgs(bowl, |p| p[0].abs() < 0.1, &[3.0], LIMITS);
        assert!(found.arrived && found.evaluations < 10);
    }
}
