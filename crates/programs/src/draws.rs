//! Random numbers of a program.

use numeric::Stream;
use tch::{Kind, Tensor};

/// Where the random numbers of an evaluation come from.
pub trait Draws {
    /// What a node returned when its numbers were recorded.
    fn recorded(&self, _node: &str) -> Option<Tensor> {
        None
    }

    /// Numbers of a shape for a node: uniform on [0, 1) or standard normal; one tensor for all lanes, or one a lane.
    fn draw(&self, node: &str, shape: &[i64], distribution: Distribution, kind: Kind) -> Vec<Tensor>;
}

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Uniform on [0, 1).
    Uniform,
    /// Of mean 0 and variance 1.
    Normal,
}

/// Numbers that follow from a seed, a step and the node, and from nothing else: lanes of one seed share them.
#[derive(Clone, Copy, Debug)]
pub struct Streams<'a> {
    /// The seed of every lane.
    pub seeds: &'a [u64],
    /// The step, or another number for what isn't one.
    pub step: u64,
}

impl Draws for Streams<'_> {
    fn draw(&self, node: &str, shape: &[i64], distribution: Distribution, kind: Kind) -> Vec<Tensor> {
        let count: i64 = shape.iter().product();
        let of = |seed: u64| {
            let mut stream = Stream::new(&format!("program: {node}"), &[seed, self.step]);
            let mut number = || match distribution {
                Distribution::Uniform => stream.uniform(),
                Distribution::Normal => stream.normal(),
            };
            let numbers: Vec<f64> = (0..count).map(|_| number()).collect();
            let drawn = Tensor::from_slice(&numbers).to_kind(kind).reshape(shape);
            // In float32 the largest uniform number would be 1.
            if distribution == Distribution::Uniform {
                drawn.clamp_max(1.0 - 1.0 / f64::from(1 << 24))
            } else {
                drawn
            }
        };
        if self.seeds.windows(2).all(|two| two[0] == two[1]) {
            return vec![of(self.seeds[0])];
        }
        self.seeds.iter().map(|seed| of(*seed)).collect()
    }
}
