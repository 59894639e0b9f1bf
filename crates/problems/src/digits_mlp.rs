use std::sync::LazyLock;

use losses::{Loss, Targets};
use numeric::{Float, Stream};
use registry::{Described, Info};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::data::Table;
use crate::linear::mean_over_all_but_lanes;
use crate::{Batch, Batching, Block, Entry, Fuse, Losses, require};

/// A multilayer perceptron that reads handwritten digits.
///
/// ```text
/// logits = W₂·relu(W₁·x + b₁) + b₂,  x: 64 pixels scaled to [0, 1]
/// loss  = mean over the minibatch of ℓ(logits, class), or over the ten outputs of ℓ(logits, one-hot)
/// error = share of the 360 test images whose largest logit isn't their class's
/// start: as `torch.nn.Linear`, U(−1/√fan-in, 1/√fan-in), for each seed
/// ```
/// 1437 images to train on and 360 to test on, split once for all seeds. Minibatches go through a new
/// permutation of the training images every epoch, drawn for each seed. The error is computed every
/// ten steps, and times to target are multiples of that.
///
/// Data: Alpaydin & Kaynak 1998, “Optical Recognition of Handwritten Digits” (the test set of it).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DigitsMlp {
    /// Units in the hidden layer.
    pub hidden: usize,
    /// Images in a minibatch.
    pub batch: usize,
}

impl Default for DigitsMlp {
    fn default() -> Self {
        Self { hidden: 32, batch: 64 }
    }
}

const PIXELS: usize = 64;
const CLASSES: usize = 10;
const TEST: usize = 360;

/// Images and digits, in the order of the split: the test set first.
struct Data {
    images: Vec<f64>,
    classes: Vec<i64>,
}

static DATA: LazyLock<Data> = LazyLock::new(|| {
    let table = Table::digits();
    let rows: Vec<&[f64]> = table.rows().collect();
    let order = Stream::new("digits: split", &[]).permutation(rows.len());
    Data {
        images: order.iter().flat_map(|i| rows[*i][..PIXELS].iter().map(|pixel| pixel / 16.0)).collect(),
        classes: order.iter().map(|i| rows[*i][PIXELS] as i64).collect(),
    }
});

impl Described for DigitsMlp {
    fn info(&self) -> Info {
        Info {
            summary: "a multilayer perceptron that reads handwritten digits, in minibatches",
            formula: "logits = W₂·relu(W₁·x + b₁) + b₂;  error = error rate on 360 test images",
            source: "Alpaydin & Kaynak 1998, Optical Recognition of Handwritten Digits",
        }
    }
}

impl Entry for DigitsMlp {
    fn check(&self) -> Result<(), String> {
        require((1..=4096).contains(&self.hidden), "hidden", "from 1 to 4096", self.hidden)?;
        let most = DATA.classes.len() - TEST;
        require((1..=most).contains(&self.batch), "batch", &format!("from 1 to {most}"), self.batch)
    }
    fn losses(&self) -> Losses {
        Losses::ValuesOrClasses
    }
    fn targets(&self) -> &'static [f64] {
        &[0.2, 0.1, 0.05]
    }
    fn batching(&self) -> Batching {
        Batching { lanes: 32, one_seed: true }
    }
    fn error_period(&self) -> u64 {
        10
    }
    fn batch(&self, seeds: &[u64], loss: Option<&Loss>, (kind, device): (Kind, Device)) -> Box<dyn Batch> {
        let loss = loss.expect("a model has a loss").clone();
        assert!(seeds.iter().all(|seed| *seed == seeds[0]), "lanes of a minibatch share their seed");
        let images =
            Tensor::from_slice(&DATA.images).reshape([-1, PIXELS as i64]).to_kind(kind).to_device(device);
        let classes = Tensor::from_slice(&DATA.classes).to_device(device);
        let train = images.size()[0] - TEST as i64;
        let targets = match loss.targets() {
            Targets::Classes => classes.shallow_clone(),
            Targets::Values => classes.one_hot(CLASSES as i64).to_kind(kind),
        };
        Box::new(OnTensors {
            model: self.clone(),
            loss,
            seed: seeds[0],
            lanes: seeds.len() as i64,
            order: Tensor::new(),
            epoch: u64::MAX,
            test: images.narrow(0, 0, TEST as i64).tr().contiguous(),
            test_classes: classes.narrow(0, 0, TEST as i64),
            train: images.narrow(0, TEST as i64, train),
            targets: targets.narrow(0, TEST as i64, train),
        })
    }
}

impl<F: Float> Fuse<F> for DigitsMlp {
    fn block(&self, _seeds: &[u64], _loss: Option<&Loss>) -> Option<Box<dyn Block<F>>> {
        None
    }
}

struct OnTensors {
    model: DigitsMlp,
    loss: Loss,
    seed: u64,
    lanes: i64,
    /// The training images' order in the current epoch.
    order: Tensor,
    epoch: u64,
    /// `[pixels, images]`
    test: Tensor,
    test_classes: Tensor,
    /// `[images, pixels]`
    train: Tensor,
    targets: Tensor,
}

impl Batch for OnTensors {
    fn start(&self) -> Vec<Tensor> {
        let mut stream = Stream::new("digits: start", &[self.seed]);
        let hidden = self.model.hidden;
        // Shapes, and the fan-in that bounds the values, in the order of torch.nn.Linear's parameters.
        let layers = [
            (vec![hidden, PIXELS], PIXELS),
            (vec![hidden, 1], PIXELS),
            (vec![CLASSES, hidden], hidden),
            (vec![CLASSES, 1], hidden),
        ];
        let mut draw = |(shape, fan_in): (Vec<usize>, usize)| {
            let bound = 1.0 / (fan_in as f64).sqrt();
            let count = shape.iter().product();
            let values: Vec<f64> = (0..count).map(|_| bound * (2.0 * stream.uniform() - 1.0)).collect();
            let shape: Vec<i64> = shape.iter().map(|n| *n as i64).collect();
            let one = Tensor::from_slice(&values).reshape(&shape).to_kind(self.train.kind());
            let lanes: Vec<i64> = [self.lanes].into_iter().chain(shape).collect();
            one.to_device(self.train.device()).unsqueeze(0).expand(lanes, false).contiguous()
        };
        layers.into_iter().map(&mut draw).collect()
    }

    fn loss(&mut self, step: u64, parameters: &[Tensor]) -> Tensor {
        let (images, targets) = self.minibatch(step);
        // `[lanes, classes, images]` seen as `[lanes, images, classes]`.
        let logits = logits(&images, parameters).transpose(1, 2);
        mean_over_all_but_lanes(&self.loss.tensor(&logits, &targets))
    }

    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        let _guard = tch::no_grad_guard();
        let logits = logits(&self.test, parameters);
        let wrong = logits.argmax(1, false).not_equal_tensor(&self.test_classes).to_kind(Kind::Double);
        // argmax answers with an index for NaN too, and NaN must not pass for a guess.
        let finite = logits.isfinite().all_dim(1, false).all_dim(1, false);
        let error = wrong.mean_dim(1, false, None::<Kind>).where_scalarother(&finite, f64::NAN);
        Vec::try_from(error).expect("a vector of lanes")
    }
}

impl OnTensors {
    /// The images `[pixels, batch]` of a step and their targets. Every epoch drops the images that are
    /// left over, as a `DataLoader` with `drop_last=True` does.
    fn minibatch(&mut self, step: u64) -> (Tensor, Tensor) {
        let (size, count) = (self.model.batch as u64, self.train.size()[0] as u64);
        let (epoch, within) = (step / (count / size), step % (count / size));
        if epoch != self.epoch {
            let order = Stream::new("digits: minibatches", &[self.seed, epoch]).permutation(count as usize);
            let order: Vec<i64> = order.into_iter().map(|i| i as i64).collect();
            self.order = Tensor::from_slice(&order).to_device(self.train.device());
            self.epoch = epoch;
        }
        let picked = self.order.narrow(0, (within * size) as i64, size as i64);
        (self.train.index_select(0, &picked).tr(), self.targets.index_select(0, &picked))
    }
}

/// `[lanes, classes, images]` for images `[pixels, images]` that all lanes share: the first layer is one
/// large matrix product, the second one a lane.
fn logits(images: &Tensor, parameters: &[Tensor]) -> Tensor {
    let [w1, b1, w2, b2] = parameters else { panic!("four parameters") };
    let hidden = (w1.flatten(0, 1).matmul(images).view([w1.size()[0], w1.size()[1], -1]) + b1).relu();
    w2.bmm(&hidden) + b2
}
