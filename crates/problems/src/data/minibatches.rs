//! The order in which training data are gone through.

use numeric::Stream;
use tch::{Device, Tensor};

/// Minibatches of a seed: every epoch goes through a new permutation of the rows, and drops those that are left
/// over, as a `DataLoader` with `shuffle=True, drop_last=True` does.
pub(crate) struct Minibatches {
    /// What the permutations are drawn for.
    purpose: &'static str,
    seed: u64,
    size: u64,
    rows: u64,
    device: Device,
    /// The epoch that was asked for last, and its order.
    current: Option<(u64, Tensor)>,
}

impl Minibatches {
    /// Minibatches of `size` of so many rows.
    pub(crate) fn new(
        purpose: &'static str,
        seed: u64,
        (size, rows): (usize, usize),
        device: Device,
    ) -> Self {
        Self { purpose, seed, size: size as u64, rows: rows as u64, device, current: None }
    }

    /// The numbers of the rows of a step, which depend on seed and step alone.
    pub(crate) fn rows(&mut self, step: u64) -> Tensor {
        let in_epoch = self.rows / self.size;
        let (epoch, within) = (step / in_epoch, step % in_epoch);
        if self.current.as_ref().is_none_or(|(current, _)| *current != epoch) {
            let order = Stream::new(self.purpose, &[self.seed, epoch]).permutation(self.rows as usize);
            let order: Vec<i64> = order.into_iter().map(|row| row as i64).collect();
            self.current = Some((epoch, Tensor::from_slice(&order).to_device(self.device)));
        }
        let (_, order) = self.current.as_ref().expect("it was just set");
        order.narrow(0, (within * self.size) as i64, self.size as i64)
    }
}
