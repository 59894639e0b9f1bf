//! The shipped data sets, and numbers of theirs that several problems need.

/// A table of numbers, row by row.
pub(crate) struct Table {
    pub columns: usize,
    pub values: Vec<f64>,
}

impl Table {
    /// Reads comma-separated numbers; `header` lines are passed over.
    ///
    /// Only for the files in `data/`, which are part of the program: malformed text panics.
    fn read(text: &str, header: usize) -> Self {
        let mut columns = 0;
        let mut values = Vec::new();
        for line in text.lines().skip(header) {
            let before = values.len();
            values.extend(line.split(',').map(|cell| cell.parse::<f64>().expect("shipped data are numbers")));
            columns = values.len() - before;
        }
        assert_eq!(values.len() % columns, 0, "shipped data are rectangular");
        Self { columns, values }
    }

    /// 1797 images of digits: 64 pixels, then the digit.
    pub(crate) fn digits() -> Self {
        Self::read(include_str!("../../data/digits.csv"), 0)
    }

    /// 442 patients: ten measurements, then the progression of the disease.
    pub(crate) fn diabetes() -> Self {
        Self::read(include_str!("../../data/diabetes.csv"), 1)
    }

    /// 569 patients: ten measurements of cell nuclei, then 1 where the tumor is benign.
    pub(crate) fn breast_cancer() -> Self {
        Self::read(include_str!("../../data/breast_cancer.csv"), 1)
    }

    /// 150 flowers: four lengths in cm, then the kind.
    pub(crate) fn iris() -> Self {
        Self::read(include_str!("../../data/iris.csv"), 1)
    }

    /// 178 wines: thirteen measurements, then the grower.
    pub(crate) fn wine() -> Self {
        Self::read(include_str!("../../data/wine.csv"), 1)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.columns)
    }

    /// Every column moved to mean 0 and scaled to (population) standard deviation 1.
    pub(crate) fn standardize(&mut self) {
        let n = (self.values.len() / self.columns) as f64;
        for column in 0..self.columns {
            let cells = || self.values.iter().skip(column).step_by(self.columns);
            let mean = cells().sum::<f64>() / n;
            let variance = cells().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
            let scale = 1.0 / variance.sqrt();
            for cell in self.values.iter_mut().skip(column).step_by(self.columns) {
                *cell = (*cell - mean) * scale;
            }
        }
    }
}

/// Least squares with intercept: the `k` weights and the intercept that minimize Σ (x·w + b − y)².
///
/// Solves the normal equations by Cholesky's decomposition, which is exact to rounding for the few,
/// standardized columns here. `x` is n × k, row by row.
pub(crate) fn least_squares(x: &[f64], y: &[f64]) -> Vec<f64> {
    let k = x.len() / y.len();
    let row = |i: usize| x[i * k..(i + 1) * k].iter().copied().chain([1.0]);
    let mut gram = vec![vec![0.0; k + 1]; k + 1];
    let mut right = vec![0.0; k + 1];
    for (i, y) in y.iter().enumerate() {
        for (a, xa) in row(i).enumerate() {
            right[a] += xa * y;
            for (b, xb) in row(i).enumerate() {
                gram[a][b] += xa * xb;
            }
        }
    }
    solve(gram, right)
}

/// The solution of a symmetric positive definite system, by Cholesky's decomposition.
fn solve(mut gram: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let n = right.len();
    for a in 0..n {
        for b in 0..=a {
            let sum: f64 = (0..b).map(|c| gram[a][c] * gram[b][c]).sum();
            let rest = gram[a][b] - sum;
            gram[a][b] = if a == b { rest.sqrt() } else { rest / gram[b][b] };
        }
    }
    for a in 0..n {
        let sum: f64 = (0..a).map(|c| gram[a][c] * right[c]).sum();
        right[a] = (right[a] - sum) / gram[a][a];
    }
    for a in (0..n).rev() {
        let sum: f64 = (a + 1..n).map(|c| gram[c][a] * right[c]).sum();
        right[a] = (right[a] - sum) / gram[a][a];
    }
    right
}

/// Maximum likelihood of logistic regression: the `k` weights and the intercept, by Newton's method from 0.
///
/// For data whose classes overlap; on those shipped it takes eleven steps until nothing but rounding changes.
pub(crate) fn logistic_regression(x: &[f64], y: &[f64]) -> Vec<f64> {
    let k = x.len() / y.len();
    let row = |i: usize| x[i * k..(i + 1) * k].iter().copied().chain([1.0]);
    let mut solution = vec![0.0; k + 1];
    for _ in 0..15 {
        let mut hessian = vec![vec![0.0; k + 1]; k + 1];
        let mut right = vec![0.0; k + 1];
        for (i, y) in y.iter().enumerate() {
            let logit: f64 = row(i).zip(&solution).map(|(x, w)| x * w).sum();
            let p = 1.0 / (1.0 + libm::exp(-logit));
            for (a, xa) in row(i).enumerate() {
                right[a] += xa * (y - p);
                for (b, xb) in row(i).enumerate() {
                    hessian[a][b] += xa * xb * p * (1.0 - p);
                }
            }
        }
        let step = solve(hessian, right);
        solution.iter_mut().zip(step).for_each(|(w, step)| *w += step);
    }
    solution
}

/// Softmax regression with ½·ridge·Σ W² added to the mean: weights and intercept of each class, by Newton's method
/// from 0.
///
/// From a ridge of 1e-4 on, on the data shipped, it takes thirteen steps at most until nothing but rounding changes.
pub(crate) fn softmax_regression(x: &[f64], classes: &[i64], count: usize, ridge: f64) -> Vec<f64> {
    let n = classes.len();
    let k = x.len() / n + 1;
    let row = |i: usize| x[i * (k - 1)..(i + 1) * (k - 1)].iter().copied().chain([1.0]);
    let mut solution = vec![0.0; count * k];
    for _ in 0..20 {
        let mut hessian = vec![vec![0.0; count * k]; count * k];
        let mut right = vec![0.0; count * k];
        for (i, class) in classes.iter().enumerate() {
            let logit = |w: &[f64]| row(i).zip(w).map(|(x, w)| x * w).sum::<f64>();
            let logits: Vec<f64> = solution.chunks_exact(k).map(logit).collect();
            let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sizes: Vec<f64> = logits.iter().map(|z| libm::exp(z - largest)).collect();
            let p: Vec<f64> = sizes.iter().map(|size| size / sizes.iter().sum::<f64>()).collect();
            for c in 0..count {
                let off = f64::from(u8::from(*class == c as i64)) - p[c];
                row(i).enumerate().for_each(|(a, xa)| right[c * k + a] += xa * off / n as f64);
                for d in 0..count {
                    let share = p[c] * (f64::from(u8::from(c == d)) - p[d]) / n as f64;
                    for (a, xa) in row(i).enumerate() {
                        row(i)
                            .enumerate()
                            .for_each(|(b, xb)| hessian[c * k + a][d * k + b] += share * xa * xb);
                    }
                }
            }
        }
        for (at, w) in solution.iter().enumerate().filter(|(at, _)| at % k != k - 1) {
            hessian[at][at] += ridge;
            right[at] -= ridge * w;
        }
        // All intercepts together are free: no step is to move them.
        for (c, d) in (0..count).flat_map(|c| (0..count).map(move |d| (c, d))) {
            hessian[c * k + k - 1][d * k + k - 1] += 1.0;
        }
        let step = solve(hessian, right);
        solution.iter_mut().zip(step).for_each(|(w, step)| *w += step);
    }
    solution
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_tables_are_the_published_ones() {
        let digits = Table::digits();
        assert_eq!((digits.columns, digits.rows().count()), (65, 1797));
        let mut counts = [0; 10];
        digits.rows().for_each(|row| counts[row[64] as usize] += 1);
        // The counts that the data set's own description gives for its test set.
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        assert!(digits.rows().all(|row| row[..64].iter().all(|pixel| (0.0..=16.0).contains(pixel))));
        let diabetes = Table::diabetes();
        assert_eq!((diabetes.columns, diabetes.rows().count()), (11, 442));
        let mean = diabetes.rows().map(|row| row[10]).sum::<f64>() / 442.0;
        assert!((mean - 152.133).abs() < 1e-3);
        let cancer = Table::breast_cancer();
        assert_eq!((cancer.columns, cancer.rows().count()), (11, 569));
        assert_eq!(cancer.rows().filter(|row| row[10] == 1.0).count(), 357);
        for (table, columns, sizes) in [(Table::iris(), 5, [50, 50, 50]), (Table::wine(), 14, [59, 71, 48])] {
            assert_eq!(table.columns, columns);
            let of = |class: f64| table.rows().filter(|row| row[columns - 1] == class).count();
            assert_eq!([0.0, 1.0, 2.0].map(of), sizes);
        }
    }

    #[test]
    fn least_squares_finds_an_exact_plane() {
        let x = [0.0, 1.0, 2.0, -1.0, 1.0, 1.0, -3.0, 0.5];
        let y: Vec<f64> = x.chunks(2).map(|x| 2.0 * x[0] - 3.0 * x[1] + 0.5).collect();
        let solution = least_squares(&x, &y);
        for (found, true_value) in solution.iter().zip([2.0, -3.0, 0.5]) {
            assert!((found - true_value).abs() < 1e-12);
        }
    }
}
