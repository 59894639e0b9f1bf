//! Eigenvalues of a matrix that is known by its products alone.

/// ⟨a, b⟩
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// ‖a‖
pub(crate) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// Ritz values, each with its share of the vector that the iteration started with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spectrum {
    /// Ascending eigenvalue estimates, and the squared components of the start along them (their sum is 1).
    pub values: Vec<(f64, f64)>,
    /// The direction of the least estimate, of length 1.
    pub least_direction: Vec<f64>,
}

/// Lanczos' iteration with full reorthogonalization, from `start`, at most `steps` products.
///
/// Lanczos 1950, “An iteration method for the solution of the eigenvalue problem of linear differential and
/// integral operators”. The estimates are Gauss' quadrature of the matrix' spectrum, weighted by the
/// start: directions that the start doesn't have are not seen.
///
/// `None` where a product or an estimate isn't finite.
pub fn lanczos(
    start: &[f64],
    steps: usize,
    mut product: impl FnMut(&[f64]) -> Option<Vec<f64>>,
) -> Option<Spectrum> {
    let length = norm(start);
    if !(length > 0.0 && length.is_finite()) {
        return Some(Spectrum::default());
    }
    let mut basis: Vec<Vec<f64>> = vec![start.iter().map(|x| x / length).collect()];
    let (mut diagonal, mut beside) = (Vec::new(), Vec::new());
    let mut largest = 0.0_f64;
    for step in 0..steps.min(start.len()) {
        let mut next = product(&basis[step])?;
        if next.iter().any(|x| !x.is_finite()) {
            return None;
        }
        diagonal.push(dot(&next, &basis[step]));
        largest = largest.max(norm(&next));
        // Twice, since one pass loses orthogonality to rounding.
        for _ in 0..2 {
            for vector in &basis {
                let overlap = dot(&next, vector);
                next.iter_mut().zip(vector).for_each(|(x, v)| *x -= overlap * v);
            }
        }
        let length = norm(&next);
        // Finite numbers may have a norm that isn't.
        if !largest.is_finite() {
            return None;
        }
        if length <= 1e-10 * largest || step + 1 == steps.min(start.len()) {
            break;
        }
        beside.push(length);
        basis.push(next.into_iter().map(|x| x / length).collect());
    }
    let values = tridiagonal(diagonal.clone(), beside.clone());
    if values.iter().any(|(value, weight)| !(value.is_finite() && weight.is_finite())) {
        return None;
    }
    let inner = eigenvector(&diagonal, &beside, values[0].0);
    let mut least_direction = vec![0.0; start.len()];
    for (share, vector) in inner.iter().zip(&basis) {
        least_direction.iter_mut().zip(vector).for_each(|(x, v)| *x += share * v);
    }
    Some(Spectrum { values, least_direction })
}

/// The eigenvector of a symmetric tridiagonal matrix, by inverse iteration.
fn eigenvector(d: &[f64], e: &[f64], value: f64) -> Vec<f64> {
    let n = d.len();
    let size = d.iter().chain(e).fold(f64::MIN_POSITIVE, |m, x| m.max(x.abs()));
    let mut x = vec![1.0; n];
    for _ in 0..3 {
        // Gaussian elimination without pivots; what is 0 becomes small instead.
        let nudge = |pivot: f64| if pivot.abs() < 1e-14 * size { 1e-14 * size } else { pivot };
        let mut pivots = vec![nudge(d[0] - value)];
        for i in 1..n {
            let factor = e[i - 1] / pivots[i - 1];
            pivots.push(nudge(d[i] - value - factor * e[i - 1]));
            x[i] -= factor * x[i - 1];
        }
        x[n - 1] /= pivots[n - 1];
        for i in (0..n - 1).rev() {
            x[i] = (x[i] - e[i] * x[i + 1]) / pivots[i];
        }
        let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
        for x in &mut x {
            *x /= length;
        }
    }
    x
}

/// Eigenvalues of a symmetric tridiagonal matrix and the squared first components of its eigenvectors, by
/// the implicit QL method (Golub & Welsch 1969, “Calculation of Gauss quadrature rules”).
fn tridiagonal(mut d: Vec<f64>, mut e: Vec<f64>) -> Vec<(f64, f64)> {
    let n = d.len();
    e.resize(n, 0.0);
    let mut first = vec![0.0; n];
    first[0] = 1.0;
    for l in 0..n {
        for _ in 0..100 {
            let negligible = |m: &usize| e[*m].abs() <= f64::EPSILON * (d[*m].abs() + d[*m + 1].abs());
            let m = (l..n - 1).find(negligible).unwrap_or(n - 1);
            if m == l {
                break;
            }
            let mut g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let mut r = libm::hypot(g, 1.0);
            g = d[m] - d[l] + e[l] / (g + if g >= 0.0 { r } else { -r });
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut early = false;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                r = libm::hypot(f, g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    early = true;
                    break;
                }
                s = f / r;
                c = g / r;
                g = d[i + 1] - p;
                let t = (d[i] - g) * s + 2.0 * c * b;
                p = s * t;
                d[i + 1] = g + p;
                g = c * t - b;
                let old = first[i + 1];
                first[i + 1] = s * first[i] + c * old;
                first[i] = c * first[i] - s * old;
            }
            if early {
                continue;
            }
            d[l] -= p;
            e[l] = g;
            e[m] = 0.0;
        }
    }
    let mut values: Vec<(f64, f64)> = d.into_iter().zip(first.iter().map(|x| x * x)).collect();
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    values
}

impl Spectrum {
    /// The least estimate.
    #[must_use]
    pub fn least(&self) -> Option<f64> {
        self.values.first().map(|value| value.0)
    }

    /// The greatest estimate.
    #[must_use]
    pub fn greatest(&self) -> Option<f64> {
        self.values.last().map(|value| value.0)
    }

    /// The estimate that is furthest from 0, in size.
    #[must_use]
    pub fn largest_size(&self) -> f64 {
        self.values.iter().fold(0.0, |largest, value| largest.max(value.0.abs()))
    }

    /// The greatest curvature over the least one whose direction holds more than `share` of the squared
    /// start. Directions without curvature don't count.
    #[must_use]
    pub fn condition(&self, share: f64) -> Option<f64> {
        let greatest = self.greatest().filter(|value| *value > 0.0)?;
        let least = self
            .values
            .iter()
            .find(|(value, weight)| *value > 1e-12 * greatest && *weight > share)
            .map(|value| value.0)?;
        Some(greatest / least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_spectrum_of_a_small_matrix() {
        // Tridiagonal −1, 2, −1 has the eigenvalues 2 − 2cos(kπ/(n + 1)).
        let n = 12;
        let product = |v: &[f64]| {
            let at = |i: i64| if i < 0 || i >= n as i64 { 0.0 } else { v[i as usize] };
            Some((0..n as i64).map(|i| 2.0 * at(i) - at(i - 1) - at(i + 1)).collect())
        };
        let start: Vec<f64> = (0..n).map(|i| 1.0 + (i as f64) * (i as f64)).collect();
        let spectrum = lanczos(&start, 50, product).unwrap();
        assert_eq!(spectrum.values.len(), n);
        for (k, (value, _)) in spectrum.values.iter().enumerate() {
            let exact = 2.0 - 2.0 * (std::f64::consts::PI * (k + 1) as f64 / (n + 1) as f64).cos();
            assert!((value - exact).abs() < 1e-10, "{value} {exact}");
        }
        let weights: f64 = spectrum.values.iter().map(|value| value.1).sum();
        assert!((weights - 1.0).abs() < 1e-12);
    }

    #[test]
    fn weights_are_the_shares_of_the_start() {
        let diagonal = [5.0, -1.0, 0.001, 2.0];
        let product = |v: &[f64]| Some(v.iter().zip(diagonal).map(|(x, d)| x * d).collect());
        let spectrum = lanczos(&[3.0, 0.0, 4.0, 0.0], 10, product).unwrap();
        let expected = [(0.001, 0.64), (5.0, 0.36)];
        for (value, expected) in spectrum.values.iter().zip(expected) {
            assert!((value.0 - expected.0).abs() < 1e-12 && (value.1 - expected.1).abs() < 1e-12);
        }
        assert!((spectrum.condition(0.1).unwrap() - 5000.0).abs() < 1e-6);
        assert!((spectrum.condition(0.7).is_none()));
        let both = lanczos(&[1.0; 4], 10, product).unwrap();
        let direction = &both.least_direction;
        assert!((direction[1].abs() - 1.0).abs() < 1e-9 && direction[0].abs() < 1e-9, "{direction:?}");
        assert!((both.least().unwrap() + 1.0).abs() < 1e-9 && (both.greatest().unwrap() - 5.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_is_said_of_what_is_not_finite() {
        assert_eq!(lanczos(&[1.0], 3, |_| Some(vec![f64::NAN])), None);
        assert_eq!(lanczos(&[1.0], 3, |_| None), None);
        // Finite products of which no finite estimate can be made.
        assert_eq!(lanczos(&[1.0; 2], 3, |v| Some(v.iter().map(|x| x * 1e300).collect())), None);
        assert_eq!(lanczos(&[1.0; 4], 3, |_| Some(vec![f64::MAX; 4])), None);
        assert_eq!(lanczos(&[0.0], 3, |_| panic!()), Some(Spectrum::default()));
        assert_eq!(lanczos(&[1.0, 2.0], 3, |_| Some(vec![0.0; 2])).unwrap().condition(0.0), None);
    }

    #[test]
    fn curvatures_that_are_rounding_are_left_out() {
        let of = |diagonal: [f64; 2]| {
            lanczos(&[0.6, 0.8], 2, |v| Some(v.iter().zip(diagonal).map(|(x, d)| x * d).collect())).unwrap()
        };
        let condition = |least: f64| of([1.0, least]).condition(0.5).unwrap();
        assert!((condition(1e-3) - 1e3).abs() < 1e-6);
        // A direction that has no more than this share of the start says nothing.
        assert_eq!([0.63, 0.65].map(|share| of([1.0, 0.25]).condition(share).is_some()), [true, false]);
        // With 0.36 of the start along 8 and 0.64 along 8 + 8 δ, what is left of a product of 8 is 0.48 δ of it.
        let found = |delta: f64| of([8.0, 8.0 + 8.0 * delta]).values.len();
        assert_eq!([1.9e-10, 2.2e-10].map(found), [1, 2]);
    }
}
