//! Handwritten digits, and the networks of one hidden layer that look at them.

use std::sync::LazyLock;

use numeric::Stream;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::data::shipped::Table;
use crate::linear::as_nn_linear;

pub(crate) const PIXELS: usize = 64;
/// How many images are held out.
pub(crate) const TEST: usize = 360;

/// What a hidden unit makes of its input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(0, x)
    #[default]
    Relu,
    /// tanh x
    Tanh,
    /// 1/(1 + e⁻ˣ)
    Sigmoid,
    /// x·Φ(x)
    Gelu,
    /// x/(1 + e⁻ˣ)
    Silu,
    /// x
    Identity,
}

impl Activation {
    pub(crate) fn apply(self, x: &Tensor) -> Tensor {
        match self {
            Self::Relu => x.relu(),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => x.sigmoid(),
            Self::Gelu => x.gelu("none"),
            Self::Silu => x.silu(),
            Self::Identity => x.shallow_clone(),
        }
    }
}

/// Images and digits, in the order of the split: the test set first.
pub(crate) struct Data {
    pub images: Vec<f64>,
    pub classes: Vec<i64>,
}

pub(crate) static DATA: LazyLock<Data> = LazyLock::new(|| {
    let table = Table::digits();
    let rows: Vec<&[f64]> = table.rows().collect();
    let order = Stream::new("digits: split", &[]).permutation(rows.len());
    Data {
        images: order.iter().flat_map(|i| rows[*i][..PIXELS].iter().map(|pixel| pixel / 16.0)).collect(),
        classes: order.iter().map(|i| rows[*i][PIXELS] as i64).collect(),
    }
});

/// Where a network of so many inputs, hidden units and outputs starts, the same in all lanes: as
/// `torch.nn.Linear`, in the order of its parameters.
pub(crate) fn start(
    purpose: &str,
    seed: u64,
    [inputs, hidden, outputs]: [usize; 3],
    lanes: i64,
    (kind, device): (Kind, Device),
) -> Vec<Tensor> {
    let mut stream = Stream::new(purpose, &[seed]);
    // Shapes, and the fan-in that bounds the values.
    let layers = [
        ([hidden, inputs], inputs),
        ([hidden, 1], inputs),
        ([outputs, hidden], hidden),
        ([outputs, 1], hidden),
    ];
    let mut draw = |([rows, columns], fan_in): ([usize; 2], usize)| {
        let values = as_nn_linear(&mut stream, fan_in, rows * columns);
        let (rows, columns) = (rows as i64, columns as i64);
        let one = Tensor::from_slice(&values).reshape([1, rows, columns]).to_kind(kind).to_device(device);
        one.expand([lanes, rows, columns], false).contiguous()
    };
    layers.into_iter().map(&mut draw).collect()
}

/// The names of those parameters.
pub(crate) fn names() -> Vec<String> {
    ["hidden.weight", "hidden.bias", "output.weight", "output.bias"].map(str::to_owned).to_vec()
}

/// The outputs `[lanes, outputs, images]` for images `[pixels, images]` that all lanes share: the first layer is one
/// large matrix product, the second one a lane.
pub(crate) fn network(images: &Tensor, parameters: &[Tensor], activation: Activation) -> Tensor {
    let [w1, b1, w2, b2] = parameters else { panic!("four parameters") };
    let inputs = w1.flatten(0, 1).matmul(images).view([w1.size()[0], w1.size()[1], -1]) + b1;
    w2.bmm(&activation.apply(&inputs)) + b2
}
