//! Value and gradient of an elementwise loss in one pass over the lanes.

use numeric::{Dual, Float, LANES, Row, rows, vectorize};

use crate::Elementwise;

/// A loss as a fused loop.
pub trait Kernel<F: Float>: Send + Sync {
    /// The mean loss of every lane and its gradient.
    ///
    /// Rows come in chunks of `elements` (see [`numeric::rows`]): row `c·elements + e` of `prediction`
    /// and `target` holds element `e` of the lanes of chunk `c`. Writes the mean over the elements to
    /// row `c` of `value`, and its derivative by each prediction to `slope`.
    ///
    /// # Panics
    /// If `elements` is 0, or the slices' lengths don't fit together.
    fn mean(
        &self,
        elements: usize,
        prediction: &[Row<F>],
        target: &[Row<F>],
        slope: &mut [Row<F>],
        value: &mut [Row<F>],
    );

    /// Whether it is a mean of values, each of one prediction, and no single number that was made of them before.
    fn has_values(&self) -> bool {
        true
    }
}

/// A formula as a kernel.
pub(crate) struct Fused<L>(pub L);

impl<F: Float, L: Elementwise> Kernel<F> for Fused<L> {
    fn mean(
        &self,
        elements: usize,
        prediction: &[Row<F>],
        target: &[Row<F>],
        slope: &mut [Row<F>],
        value: &mut [Row<F>],
    ) {
        check_lengths(elements, prediction, target, slope, value);
        vectorize(
            #[inline(always)]
            || {
                // Options in registers: through a reference, any store to a row might change them.
                let loss = self.0.clone();
                mean(&loss, elements, prediction, target, slope, value);
            },
        );
    }
}

/// Panics unless the slices' lengths fit together.
pub(crate) fn check_lengths<F: Float>(
    elements: usize,
    prediction: &[Row<F>],
    target: &[Row<F>],
    slope: &[Row<F>],
    value: &[Row<F>],
) {
    assert!(elements > 0, "a mean needs at least one element");
    assert_eq!(prediction.len(), elements * value.len(), "rows of predictions for these rows of values");
    assert_eq!(prediction.len(), target.len(), "rows of predictions and of targets");
    assert_eq!(prediction.len(), slope.len(), "rows of predictions and of slopes");
}

#[inline(always)]
fn mean<F: Float, L: Elementwise>(
    loss: &L,
    elements: usize,
    prediction: &[Row<F>],
    target: &[Row<F>],
    slope: &mut [Row<F>],
    value: &mut [Row<F>],
) {
    let scale = F::from_f64(1.0) / F::from_f64(elements as f64);
    for (chunk, value) in value.iter_mut().enumerate() {
        let own = chunk * elements..(chunk + 1) * elements;
        let (prediction, target, slope) = (&prediction[own.clone()], &target[own.clone()], &mut slope[own]);
        let mut sum = rows::zero::<F>();
        for ((prediction, target), slope) in prediction.iter().zip(target).zip(slope) {
            // Whole rows by value: nothing aliases, so the loop over lanes becomes vector code.
            let (p, t, mut s) = (*prediction, *target, rows::zero::<F>());
            for lane in 0..LANES {
                let loss = loss.value(Dual::variable(p[lane]), Dual::fixed(t[lane]));
                sum[lane] += loss.value;
                s[lane] = loss.derivative * scale;
            }
            *slope = s;
        }
        *value = sum.map(|sum| sum * scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mse;

    /// Runs the kernel on slices with these numbers of rows.
    fn run(elements: usize, prediction: usize, target: usize, slope: usize, value: usize) {
        let input = vec![rows::zero::<f32>(); prediction.max(target)];
        let (mut slopes, mut values) = (vec![rows::zero(); slope], vec![rows::zero(); value]);
        let kernel = Fused(Mse::default());
        kernel.mean(elements, &input[..prediction], &input[..target], &mut slopes, &mut values);
    }

    #[test]
    fn lengths_that_fit_are_accepted() {
        run(3, 6, 6, 6, 2);
        run(3, 0, 0, 0, 0);
    }

    #[test]
    #[should_panic(expected = "at least one element")]
    fn a_mean_of_nothing_panics() {
        run(0, 0, 0, 0, 0);
    }

    #[test]
    #[should_panic(expected = "rows of predictions for these rows of values")]
    fn another_number_of_values_panics() {
        run(3, 6, 6, 6, 3);
    }

    #[test]
    #[should_panic(expected = "rows of predictions and of targets")]
    fn another_number_of_targets_panics() {
        run(3, 6, 5, 6, 2);
    }

    #[test]
    #[should_panic(expected = "rows of predictions and of slopes")]
    fn another_number_of_slopes_panics() {
        run(3, 6, 6, 7, 2);
    }
}
