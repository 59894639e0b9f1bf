use std::f64::consts::PI;

use registry::options;

use super::{Factors, ScheduleSpec};

options! {
    /// The best rates for gradient descent on quadratics of a known condition, in an order that stays stable.
    ///
    /// ```text
    /// node i = 1/(c − r·cos((i + ½)·π/T)),  c = (1 + 1/condition)/2,  r = (1 − 1/condition)/2
    /// factor at step k = node σ(k) / condition
    /// order: σ of 1 is (0), σ of 2n is (σ₀, 2n − 1 − σ₀, σ₁, 2n − 1 − σ₁, …) of the σ of n
    /// ```
    /// Source: Agarwal, Goel & Zhang 2021, “Acceleration via fractal learning rate schedules”, definitions 1 and 3; the
    /// nodes are those of Young 1953.
    ///
    /// Differs from the paper: the factors are divided by `condition`, so that the learning rate is the highest of
    /// them and not the lowest. T is `steps` rounded up to a power of two, of which the first `steps` are used.
    ///
    /// Checked against: the nodes and the permutation of `pytorch_optimizer` 4.1.0 (whose schedule itself leaves
    /// out nodes and repeats others), and the paper's σ of 8.
    ///
    /// ```
    /// use optimizers::schedules::{Chebyshev, ScheduleSpec};
    /// let factors = Chebyshev { condition: 9.0, ..Chebyshev::default() }.factors(1);
    /// // One step: the middle of 1 and 1/9, which is 5/9.
    /// assert!((factors[0] - 1.8 / 9.0).abs() < 1e-15);
    /// ```
    pub struct Chebyshev {
        /// The highest curvature over the lowest.
        pub condition: f64 = 20.0 => 1.0..,
        /// The length of the schedule, which is repeated; the budget, if it is not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub steps: Option<u64> = None => STEPS,
    }
}

/// Where place `k` of `length` nodes, a power of two, is in their order: σ of 2n has at 2j what σ of n has at j,
/// and at 2j + 1 its mirror image.
fn order(k: u64, length: u64) -> u64 {
    let doublings = length.ilog2();
    (1..=doublings).fold(0, |node, doubling| {
        let mirrored = (k >> (doublings - doubling)) & 1 == 1;
        if mirrored { (1 << doubling) - 1 - node } else { node }
    })
}

impl ScheduleSpec for Chebyshev {
    fn iter(&self, budget: u64) -> Factors {
        let steps = self.steps.unwrap_or(budget).max(1);
        let length = steps.next_power_of_two();
        let (center, radius) = (0.5 + 0.5 / self.condition, 0.5 - 0.5 / self.condition);
        let condition = self.condition;
        let node = move |i: u64| {
            let angle = (i as f64 + 0.5) * PI / length as f64;
            1.0 / (center - radius * libm::cos(angle)) / condition
        };
        Box::new((0..budget).map(move |k| node(order(k % steps, length))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_the_papers() {
        let order = |length: u64| (0..length).map(|k| order(k, length)).collect::<Vec<_>>();
        assert_eq!(order(8), [0, 7, 3, 4, 1, 6, 2, 5]);
        assert_eq!((order(1), order(2)), (vec![0], vec![0, 1]));
    }
}
