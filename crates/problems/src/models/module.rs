//! Lanes of a TorchScript model.

use losses::{File, Parameters, Replicas, TargetKind};
use tch::{Device, Kind, Tensor};

use crate::Draw;
use crate::data::dataset::{Dataset, Examples};
use crate::data::minibatches::Minibatches;
use crate::supervised::Model;

/// What the lanes are made from.
pub(crate) struct Sources<'a> {
    pub model: &'a File,
    /// Without a name where there is none.
    pub metric: &'a File,
    /// The name of the data's file, for messages.
    pub data: &'a str,
    /// Rows in a minibatch; 0 for all.
    pub batch: usize,
}

/// A module for each lane, and the data in the type of the run.
pub(crate) struct OnModules {
    modules: Replicas,
    metric: Option<Replicas>,
    lanes: usize,
    train: Examples,
    test: Examples,
    /// `None` where all rows are one batch.
    minibatches: Option<Minibatches>,
    /// How many classes there are, where the targets are classes.
    classes: Option<i64>,
    /// What the loss is told the truth as.
    told: TargetKind,
    /// Σ (target − mean target)² over the test rows, where the targets are values.
    spread: f64,
    /// Whether the model has been seen to return what it should.
    checked: bool,
}

impl OnModules {
    /// Reads the modules.
    pub(crate) fn new(
        Sources { model: model_file, metric, data: data_name, batch }: &Sources,
        data: &Dataset,
        told: TargetKind,
        seeds: &[u64],
        options: (Kind, Device),
    ) -> Result<Self, String> {
        assert!(seeds.iter().all(|seed| *seed == seeds[0]), "lanes of a minibatch share their seed");
        let model = model_file.name();
        let modules = Replicas::load(model_file, seeds.len(), options)?;
        if modules.parameters() == 0 {
            return Err(format!(
                "`{model}` has no parameter that requires a gradient, so there is nothing to train: export the \
                 module itself, not frozen (torch.jit.freeze) and with requires_grad"
            ));
        }
        let metric = metric.is_named().then(|| Replicas::load(metric, seeds.len(), options));
        if told == TargetKind::Classes && data.classes.is_none() {
            return Err(format!(
                "`{data_name}`: the loss needs classes, and the targets are floats: store int64 from 0, say classes = true \
                 for a CSV file, or choose a loss of values"
            ));
        }
        let to = |tensor: &Tensor| {
            let kind = if tensor.kind() == Kind::Int64 { Kind::Int64 } else { options.0 };
            tensor.to_kind(kind).to_device(options.1)
        };
        let both = |rows: &Examples| Examples { inputs: to(&rows.inputs), targets: to(&rows.targets) };
        let (train, test) = (both(&data.train), both(&data.test));
        let spread = if data.classes.is_some() {
            f64::NAN
        } else {
            let exact = data.test.targets.to_kind(Kind::Double);
            let mean = exact.mean_dim(0, true, None::<Kind>);
            (exact - mean).square().sum(None::<Kind>).double_value(&[])
        };
        if spread == 0.0 && metric.is_none() {
            return Err(format!(
                "`{data_name}`: all test rows have the same target, so there is no error relative to their spread: hold more \
                 rows out (`test`), or give a `metric` of your own"
            ));
        }
        let rows = train.rows();
        let minibatches = (*batch > 0 && *batch < rows)
            .then(|| Minibatches::new("torchscript: minibatches", seeds[0], (*batch, rows), options.1));
        let (lanes, classes) = (seeds.len(), data.classes);
        let metric = metric.transpose()?;
        Ok(Self { modules, metric, lanes, train, test, minibatches, classes, told, spread, checked: false })
    }

    /// What the model of a lane returns.
    fn predict(&self, lane: usize, inputs: &Tensor) -> Tensor {
        self.modules.tensor(lane, "forward", &[inputs]).unwrap_or_else(|message| {
            let (name, size, kind) = (self.modules.name(), inputs.size(), inputs.kind());
            let said = message.trim_start_matches(&format!("`{name}`: "));
            panic!("`{name}` is called as forward(inputs), with inputs {size:?} of {kind:?}: {said}")
        })
    }

    /// Predictions `[lanes, n, …]` of lanes and the targets `[n, …]` in the shapes that losses take.
    fn fit(&self, prediction: Tensor, targets: &Tensor, told: TargetKind) -> (Tensor, Tensor) {
        let (returned, wanted) = (prediction.size(), targets.size());
        let (lanes, of_lane) = (returned[0], &returned[1..]);
        let alike = are_alike(of_lane, &wanted);
        let one_logit =
            alike && told == TargetKind::Values && self.classes.is_some_and(|classes| classes <= 2);
        if (self.classes.is_none() && alike) || one_logit {
            let shape: Vec<i64> = [lanes].into_iter().chain(wanted).collect();
            let prediction = if returned == shape { prediction } else { prediction.reshape(shape) };
            return (prediction.shallow_clone(), targets.to_kind(prediction.kind()).unsqueeze(0));
        }
        let name = self.modules.name();
        let Some(classes) = self.classes else {
            panic!(
                "`{name}`: `forward` returns {of_lane:?} and the targets are {wanted:?}: return one value for each \
                 target, in the same order"
            );
        };
        let (outer, logits) = of_lane.split_at(of_lane.len().saturating_sub(1));
        let logits = logits.first().copied().unwrap_or(0);
        assert!(
            outer == wanted && logits >= classes.max(2),
            "`{name}`: `forward` returns {of_lane:?} for targets {wanted:?} of {classes} classes: return a logit for \
             each class in the last dimension{}",
            if classes <= 2 { ", or a single one for a loss of values such as bce_with_logits" } else { "" }
        );
        let prediction = prediction.reshape([lanes, -1, logits]);
        let targets = targets.flatten(0, -1);
        let targets = match told {
            TargetKind::Classes => targets,
            TargetKind::Values => targets.one_hot(logits).to_kind(prediction.kind()),
        };
        (prediction, targets.unsqueeze(0))
    }

    /// Refuses, before the first step, what could never be trained.
    fn check(&self, outputs: &Tensor, lane: &Tensor) {
        let name = self.modules.name();
        assert!(
            lane.is_floating_point(),
            "`{name}`: `forward` returns {:?}: return a floating-point tensor",
            lane.kind()
        );
        assert!(
            lane.requires_grad(),
            "`{name}`: what `forward` returns has no gradient: on the way from the parameters there is a detach, a \
             no_grad, or an operation without a derivative"
        );
        let finite = outputs.isfinite().all();
        assert!(
            bool::try_from(finite).expect("one truth value"),
            "`{name}`: `forward` returns NaN or infinity for finite inputs before any training: look for a division, \
             a logarithm or a root of 0 in it, or set standardize = true if the inputs are large"
        );
    }

    /// The error of one lane.
    fn error_of(&self, lane: usize) -> f64 {
        let prediction = self.predict(lane, &self.test.inputs);
        if let Some(metric) = &self.metric {
            return self.by_metric(metric, lane, &prediction);
        }
        let single = self.classes.is_none() || are_alike(&prediction.size(), &self.test.targets.size());
        let told = if single { TargetKind::Values } else { TargetKind::Classes };
        let (prediction, targets) = self.fit(prediction.unsqueeze(0), &self.test.targets, told);
        // Where any output isn't finite there is no error to speak of.
        let sum = prediction.abs().sum(Kind::Double).double_value(&[]);
        if !sum.is_finite() {
            return f64::NAN;
        }
        if self.classes.is_none() {
            let squares = (prediction - targets).to_kind(Kind::Double).square().sum(Kind::Double);
            return (squares.double_value(&[]) / self.spread).sqrt();
        }
        let right = match told {
            TargetKind::Values => prediction.gt(0.0).eq_tensor(&targets.gt(0.5)),
            TargetKind::Classes => {
                let index = targets.unsqueeze(-1);
                let others = prediction.scatter_value(-1, &index, f64::NEG_INFINITY).amax([-1], true);
                prediction.gather(-1, &index, false).gt_tensor(&others)
            }
        };
        1.0 - right.to_kind(Kind::Double).mean(None::<Kind>).double_value(&[])
    }

    /// What a metric of the user's own says.
    fn by_metric(&self, metric: &Replicas, lane: usize, prediction: &Tensor) -> f64 {
        let prediction = if self.classes.is_none() {
            self.fit(prediction.unsqueeze(0), &self.test.targets, TargetKind::Values).0.squeeze_dim(0)
        } else {
            prediction.shallow_clone()
        };
        let value = metric.tensor(lane, "forward", &[&prediction, &self.test.targets]).unwrap_or_else(|message| {
            let [prediction, target] = [&prediction, &self.test.targets].map(Tensor::size);
            let name = metric.name();
            let said = message.trim_start_matches(&format!("`{name}`: "));
            panic!("`{name}` is called as forward(prediction, target), with {prediction:?} and {target:?}: {said}")
        });
        assert!(
            value.numel() == 1,
            "`{}`: `forward` returns {:?}: a metric returns a single number, such as a mean",
            metric.name(),
            value.size()
        );
        value.double_value(&[])
    }
}

/// Whether two shapes have the same rows, and differ in dimensions of size 1 at most.
fn are_alike(a: &[i64], b: &[i64]) -> bool {
    let beyond_rows = |size: &[i64]| size.iter().skip(1).copied().filter(|n| *n != 1).collect::<Vec<_>>();
    a.first() == b.first() && beyond_rows(a) == beyond_rows(b)
}

impl Model for OnModules {
    fn start(&self) -> Vec<Tensor> {
        self.modules.start()
    }

    fn names(&self) -> Vec<String> {
        self.modules.names().to_vec()
    }

    fn has(&self, _draw: Draw) -> bool {
        true
    }

    fn forward(&mut self, draw: Draw, _parameters: &[Tensor]) -> (Tensor, Tensor) {
        let Examples { inputs, targets } = if draw == Draw::Validation { &self.test } else { &self.train };
        let (inputs, targets) = match (draw, &mut self.minibatches) {
            (Draw::Frozen | Draw::Validation, _) | (_, None) => {
                (inputs.shallow_clone(), targets.shallow_clone())
            }
            (Draw::Step(step), Some(minibatches)) => {
                let rows = minibatches.rows(step);
                (inputs.index_select(0, &rows), targets.index_select(0, &rows))
            }
        };
        let outputs: Vec<Tensor> = (0..self.lanes).map(|lane| self.predict(lane, &inputs)).collect();
        let together = Tensor::stack(&outputs, 0);
        if !self.checked {
            self.check(&together, &outputs[0]);
            self.checked = true;
        }
        self.fit(together, &targets, self.told)
    }

    fn error(&mut self, _parameters: &[Tensor]) -> Vec<f64> {
        let _guard = tch::no_grad_guard();
        (0..self.lanes).map(|lane| self.error_of(lane)).collect()
    }

    fn modules(&mut self) -> Option<&mut Replicas> {
        Some(&mut self.modules)
    }
}
