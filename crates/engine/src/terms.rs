//! The terms of a loss, one by one: what each is, how steep, and whether they pull together.

use std::sync::Arc;

/// What a term of a lane's loss came to at a recorded step.
#[derive(Clone, Debug, PartialEq)]
pub struct TermPoint {
    /// The step.
    pub step: u64,
    /// The term.
    pub term: Arc<str>,
    /// What it adds to the loss.
    pub value: f64,
    /// The Euclidean norm of its gradient.
    pub gradient_norm: f64,
    /// The cosine between its gradient and that of all other terms together.
    pub cosine: f64,
}

/// The terms of all lanes at a step.
pub(super) struct Terms {
    pub names: Vec<Arc<str>>,
    /// terms × lanes
    pub values: Vec<Vec<f64>>,
    /// The scalar products of the terms' gradients: terms × terms × lanes.
    pub products: Vec<Vec<Vec<f64>>>,
}

impl Terms {
    pub fn new(
        names: Vec<Arc<str>>,
        values: Vec<Vec<f64>>,
        product: impl Fn(usize, usize) -> Vec<f64>,
    ) -> Self {
        let all = 0..names.len();
        let products = all.clone().map(|i| all.clone().map(|j| product(i, j)).collect()).collect();
        Self { names, values, products }
    }

    /// The terms of a lane.
    pub fn of_lane(&self, step: u64, lane: usize) -> impl Iterator<Item = TermPoint> {
        (0..self.names.len()).map(move |k| {
            let others = || (0..self.names.len()).filter(move |other| *other != k);
            let product = |i: usize, j: usize| self.products[i][j][lane];
            let with_rest: f64 = others().map(|i| product(k, i)).sum();
            let rest: f64 = others().map(|i| others().map(|j| product(i, j)).sum::<f64>()).sum();
            let gradient_norm = product(k, k).sqrt();
            TermPoint {
                step,
                term: self.names[k].clone(),
                value: self.values[k][lane],
                gradient_norm,
                cosine: with_rest / (gradient_norm * rest.sqrt()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_is_that_with_all_the_others() {
        let gradients = [[3.0, 4.0], [-4.0, 3.0], [0.0, -10.0]];
        let names = ["a", "b", "c"].map(Arc::from).to_vec();
        let product =
            |i: usize, j: usize| vec![gradients[i][0] * gradients[j][0] + gradients[i][1] * gradients[j][1]];
        let terms = Terms::new(names, vec![vec![1.0], vec![2.0], vec![3.0]], product);
        let shares: Vec<TermPoint> = terms.of_lane(7, 0).collect();
        assert_eq!(shares.iter().map(|share| share.gradient_norm).collect::<Vec<_>>(), [5.0, 5.0, 10.0]);
        // (3, 4)·(−4, −7) = −40 over 5·√65
        assert!((shares[0].cosine - -40.0 / (5.0 * 65_f64.sqrt())).abs() < 1e-15);
        assert_eq!((shares[2].step, &*shares[2].term, shares[2].value), (7, "c", 3.0));
    }
}
