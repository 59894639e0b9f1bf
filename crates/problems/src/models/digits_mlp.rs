use losses::{Loss, TargetKind};
use numeric::Float;
use registry::options;
use tch::{Device, Kind, Tensor};

use crate::data::minibatches::Minibatches;
use crate::models::digits::{self, Activation, DATA, PIXELS, TEST};
use crate::supervised::{Model, Supervised};
use crate::{Batching, Draw, Fusible, Losses, ProblemSpec, TensorProblem};

options! {
    /// A multilayer perceptron that reads handwritten digits, in minibatches.
    ///
    /// ```text
    /// logits = W₂·σ(W₁·x + b₁) + b₂,  σ the activation,  x: 64 pixels scaled to [0, 1]
    /// loss  = mean over the minibatch of ℓ(logits, class), or over the ten outputs of ℓ(logits, one-hot)
    /// error = share of the 360 test images in which another logit is as large as the class's, at every tenth step
    /// start: as `torch.nn.Linear`, U(−1/√fan-in, 1/√fan-in), for each seed
    /// ```
    /// 1437 images to train on and 360 to test on, split once for all seeds. Minibatches go through a new
    /// permutation of the training images every epoch, drawn for each seed. The error is evaluated at every
    /// tenth step and at the last, so that steps to a target are counted in tens; curves have the error of every recorded
    /// step.
    ///
    /// Source: Alpaydin & Kaynak 1998, “Optical Recognition of Handwritten Digits” (the test set of it).
    pub struct DigitsMlp {
        /// Units in the hidden layer.
        pub hidden: usize = 32 => 1..=4096,
        /// Images in a minibatch.
        pub batch: usize = 64 => 1..=DATA.classes.len() - TEST,
        /// What the hidden units do: `relu`, `tanh`, `sigmoid`, `gelu`, `silu` or `identity`, a deep linear network.
        pub activation: Activation = Activation::Relu,
    }
}

const CLASSES: usize = 10;

impl ProblemSpec for DigitsMlp {
    fn losses(&self) -> Losses {
        Losses::ValuesOrClasses
    }
    fn targets(&self) -> &'static [f64] {
        &[0.2, 0.1, 0.05]
    }
    fn batching(&self) -> Batching {
        Batching { lanes: 16, one_seed: true }
    }
    fn error_period(&self) -> u64 {
        10
    }
    fn memory(&self) -> u64 {
        (self.hidden as u64).saturating_mul(self.batch.max(TEST) as u64)
    }

    fn batch(&self, seeds: &[u64], loss: Option<&Loss>, options: (Kind, Device)) -> Box<dyn TensorProblem> {
        let targets = loss.expect("a model has a loss").targets();
        Supervised::boxed(OnTensors::new(self, seeds, targets, options), loss, seeds, options)
    }
}

impl<F: Float> Fusible<F> for DigitsMlp {}

struct OnTensors {
    model: DigitsMlp,
    seed: u64,
    lanes: i64,
    minibatches: Minibatches,
    /// `[pixels, images]`
    test: Tensor,
    test_classes: Tensor,
    /// `[images, pixels]`
    train: Tensor,
    /// Classes `[images]`, or one-hot `[classes, images]`.
    targets: Tensor,
    test_targets: Tensor,
}

impl Model for OnTensors {
    fn start(&self) -> Vec<Tensor> {
        let sizes = [PIXELS, self.model.hidden, CLASSES];
        digits::start("digits: start", self.seed, sizes, self.lanes, (self.train.kind(), self.train.device()))
    }

    fn names(&self) -> Vec<String> {
        digits::names()
    }

    fn has(&self, _draw: Draw) -> bool {
        true
    }

    fn forward(&mut self, draw: Draw, parameters: &[Tensor]) -> (Tensor, Tensor) {
        let (images, targets) = self.examples(draw);
        // One after another in memory are the images, whichever way the dimensions are told.
        let targets = if targets.dim() == 2 { targets.tr() } else { targets };
        (self.logits(&images, parameters).transpose(1, 2), targets.unsqueeze(0))
    }

    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        let _guard = tch::no_grad_guard();
        // An image is read wrongly if another logit is as large as its class's, or larger. (`amax`
        // over the middle dimension takes a hundredth of the time of `argmax`, and NaN counts as wrong.)
        let logits = self.logits(&self.test, parameters);
        let classes = self.test_classes.expand([self.lanes, 1, -1], false);
        let own = logits.gather(1, &classes, false);
        let others = logits.scatter_value(1, &classes, f64::NEG_INFINITY).amax([1], true);
        let right = own.gt_tensor(&others).to_kind(Kind::Double);
        let error: Tensor = 1.0 - right.flatten(1, -1).mean_dim(1, false, None::<Kind>);
        // Where any logit isn't finite there is no error to speak of.
        let sum = logits.flatten(1, -1).abs().amax([1], false);
        let error = error.where_scalarother(&sum.isfinite(), f64::NAN);
        Vec::try_from(error).expect("a vector of lanes")
    }
}

impl OnTensors {
    fn new(model: &DigitsMlp, seeds: &[u64], targets: TargetKind, (kind, device): (Kind, Device)) -> Self {
        assert!(seeds.iter().all(|seed| *seed == seeds[0]), "lanes of a minibatch share their seed");
        let images =
            Tensor::from_slice(&DATA.images).reshape([-1, PIXELS as i64]).to_kind(kind).to_device(device);
        let classes = Tensor::from_slice(&DATA.classes).to_device(device);
        let train = images.size()[0] - TEST as i64;
        let targets = match targets {
            TargetKind::Classes => classes.shallow_clone(),
            TargetKind::Values => classes.one_hot(CLASSES as i64).to_kind(kind).tr().contiguous(),
        };
        // Images are the last dimension of either kind.
        let images_of = |tensor: &Tensor, first, count| tensor.narrow(tensor.dim() as i64 - 1, first, count);
        Self {
            model: model.clone(),
            seed: seeds[0],
            lanes: seeds.len() as i64,
            minibatches: Minibatches::new(
                "digits: minibatches",
                seeds[0],
                (model.batch, train as usize),
                device,
            ),
            test: images.narrow(0, 0, TEST as i64).tr().contiguous(),
            test_classes: classes.narrow(0, 0, TEST as i64),
            train: images.narrow(0, TEST as i64, train),
            targets: images_of(&targets, TEST as i64, train),
            test_targets: images_of(&targets, 0, TEST as i64),
        }
    }

    /// The images `[pixels, images]` of a draw and their targets.
    fn examples(&mut self, draw: Draw) -> (Tensor, Tensor) {
        match draw {
            Draw::Step(step) => {
                let picked = self.minibatches.rows(step);
                let targets = self.targets.index_select(self.targets.dim() as i64 - 1, &picked);
                (self.train.index_select(0, &picked).tr(), targets)
            }
            Draw::Frozen | Draw::Redrawn(_) => (self.train.tr(), self.targets.shallow_clone()),
            Draw::Validation => (self.test.shallow_clone(), self.test_targets.shallow_clone()),
        }
    }

    /// `[lanes, classes, images]` for images `[pixels, images]` that all lanes share.
    fn logits(&self, images: &Tensor, parameters: &[Tensor]) -> Tensor {
        digits::network(images, parameters, self.model.activation)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::data::shipped::Table;

    fn on_tensors(batch: usize, seed: u64) -> OnTensors {
        let model = DigitsMlp { batch, ..DigitsMlp::default() };
        OnTensors::new(&model, &[seed], TargetKind::Classes, (Kind::Double, Device::Cpu))
    }

    fn images(pixels: &Tensor) -> Vec<Vec<i64>> {
        (0..pixels.size()[0])
            .map(|i| Vec::try_from((pixels.get(i) * 16.0).to_kind(Kind::Int64)).unwrap())
            .collect()
    }

    #[test]
    fn every_image_is_in_one_part_of_the_split() {
        let problem = on_tensors(64, 1);
        let (train, test) = (images(&problem.train), images(&problem.test.tr()));
        assert_eq!((train.len(), test.len()), (1437, 360));
        let mut all = [train, test].concat();
        let mut shipped: Vec<Vec<i64>> = Table::digits()
            .rows()
            .map(|row| row[..PIXELS].iter().map(|pixel| *pixel as i64).collect())
            .collect();
        all.sort();
        shipped.sort();
        assert_eq!(all, shipped);
        // Each class is there to be learned and to be tested.
        let count = |classes: &[i64], class| classes.iter().filter(|c| **c == class).count();
        let (test, train) = DATA.classes.split_at(TEST);
        assert!((0..10).all(|class| count(test, class) >= 20 && count(train, class) >= 100));
    }

    /// The numbers of the training images in a step's minibatch.
    fn picked(problem: &mut OnTensors, step: u64) -> Vec<i64> {
        let all = Tensor::arange(1437, (Kind::Int64, Device::Cpu));
        (problem.train, problem.targets) = (all.unsqueeze(1), all);
        let (images, targets) = problem.examples(Draw::Step(step));
        assert_eq!(images.flatten(0, -1), targets, "an image goes with its own class");
        Vec::try_from(targets).unwrap()
    }

    #[test]
    fn an_epoch_visits_an_image_once_and_the_next_one_in_another_order() {
        for (batch, steps, seen) in
            [(64, 22, 1408), (100, 14, 1400), (1437, 1, 1437), (1, 1437, 1437), (1000, 1, 1000)]
        {
            let mut problem = on_tensors(batch, 3);
            let mut epoch = |number: u64| -> Vec<i64> {
                (number * steps..(number + 1) * steps).flat_map(|step| picked(&mut problem, step)).collect()
            };
            let epochs = [epoch(0), epoch(1), epoch(2)];
            for order in &epochs {
                assert_eq!(order.len(), seen, "batch {batch}");
                assert_eq!(order.iter().collect::<HashSet<_>>().len(), seen, "batch {batch}");
                assert!(order.iter().all(|image| (0..1437).contains(image)));
            }
            assert!(
                epochs[0] != epochs[1] && epochs[1] != epochs[2] && epochs[0] != epochs[2],
                "batch {batch}"
            );
        }
    }

    #[test]
    fn a_minibatch_depends_on_seed_and_step_alone() {
        let mut in_order = on_tensors(64, 3);
        let all: Vec<Vec<i64>> = (0..50).map(|step| picked(&mut in_order, step)).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 50);
        let mut jumping = on_tensors(64, 3);
        for step in [49, 0, 25, 24, 0, 45] {
            assert_eq!(picked(&mut jumping, step), all[step as usize], "step {step}");
        }
        assert_ne!(picked(&mut on_tensors(64, 4), 0), all[0]);
    }
}
