//! Random numbers that depend on what they are for, and on nothing else.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// A random stream keyed by its purpose and a few numbers (a seed, a step, a lane).
///
/// Two streams with another purpose or other numbers are independent; the same key gives the same
/// numbers on every machine, whatever was drawn elsewhere before. (ChaCha with 8 rounds, keyed by the
/// SHA-256 of the key.)
///
/// ```
/// use numeric::Stream;
/// let mut a = Stream::new("start", &[7]);
/// let mut b = Stream::new("noise", &[7]);
/// let first = a.uniform();
/// assert_ne!(first, b.uniform());
/// assert_eq!(first, Stream::new("start", &[7]).uniform());
/// ```
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream for `purpose` with these numbers.
    #[must_use]
    pub fn new(purpose: &str, numbers: &[u64]) -> Self {
        let mut hash = Sha256::new();
        hash.update((purpose.len() as u64).to_le_bytes());
        hash.update(purpose);
        for number in numbers {
            hash.update(number.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(hash.finalize().into()))
    }

    /// Uniform on [0, 1), a multiple of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Standard normal (Box & Muller 1958, one of the pair).
    pub fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * libm::log(u)).sqrt() * libm::cos(std::f64::consts::TAU * v)
    }

    /// Uniform on 0, …, n − 1, without bias.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "there is no number below 0");
        // Draws above the largest multiple of n would favor small remainders.
        let limit = u64::MAX - u64::MAX % n;
        loop {
            let draw = self.0.next_u64();
            if draw < limit {
                return draw % n;
            }
        }
    }

    /// 0, …, n − 1 in random order (Fisher & Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            let other = self.below(last as u64 + 1) as usize;
            order.swap(last, other);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut stream = Stream::new("moments", &[1]);
        let n = 200_000;
        let normals: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
        let mean = normals.iter().sum::<f64>() / f64::from(n);
        let variance = normals.iter().map(|x| x * x).sum::<f64>() / f64::from(n);
        let kurtosis = normals.iter().map(|x| x.powi(4)).sum::<f64>() / f64::from(n);
        // Five standard errors each.
        assert!(mean.abs() < 0.0112 && (variance - 1.0).abs() < 0.016 && (kurtosis - 3.0).abs() < 0.11);
        let uniform = (0..n).map(|_| stream.uniform()).sum::<f64>() / f64::from(n);
        assert!((uniform - 0.5).abs() < 0.0033);
    }

    #[test]
    fn keys_cannot_collide_by_concatenation() {
        assert_ne!(Stream::new("a", &[1, 2]).uniform(), Stream::new("a", &[1]).uniform());
        assert_ne!(Stream::new("ab", &[]).uniform(), Stream::new("a", &[98]).uniform());
    }

    #[test]
    fn a_permutation_holds_every_index_once() {
        let mut order = Stream::new("order", &[3]).permutation(1000);
        assert_ne!(order[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        order.sort_unstable();
        assert!(order.iter().copied().eq(0..1000));
    }
}
