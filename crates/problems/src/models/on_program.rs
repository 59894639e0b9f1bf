//! Lanes of a model that is a program.

use std::sync::Arc;

use losses::TargetKind;
use programs::{Instance, Lanes, Mode, Program};
use tch::{Device, Kind, Tensor};

use crate::Draw;
use crate::data::dataset::{Dataset, Examples};
use crate::data::minibatches::Minibatches;
use crate::supervised::Model;

/// The name of a file, and the program in it.
type Named = (String, Arc<Result<Program, String>>);

/// What the lanes are made from.
pub(crate) struct Sources<'a> {
    /// `None` where it isn't loaded.
    pub program: Option<Named>,
    pub metric: Option<Named>,
    /// The name of the data's file, for messages.
    pub data: &'a str,
    /// Rows in a minibatch; 0 for all.
    pub batch: usize,
}

/// A model on lanes, and the data in the type of the run.
pub(crate) struct OnProgram {
    model: Instance,
    metric: Option<Instance>,
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
    training: bool,
    /// Whether the model has been seen to return what it should.
    checked: bool,
}

impl OnProgram {
    pub(crate) fn new(
        Sources { program, metric, data: data_name, batch }: &Sources,
        data: &Dataset,
        told: TargetKind,
        seeds: &[u64],
        options: (Kind, Device),
    ) -> Result<Self, String> {
        assert!(seeds.iter().all(|seed| *seed == seeds[0]), "lanes of a minibatch share their seed");
        let instance = |(name, read): &Named, inputs: usize, call: &str| {
            let instance = Instance::new(name, read, seeds, options)?;
            let taken = instance.program().inputs();
            if taken == inputs {
                Ok(instance)
            } else {
                Err(format!("`{name}` takes {taken} inputs, and is called as {call}"))
            }
        };
        let program = program.as_ref().ok_or("the program isn't loaded")?;
        let model = instance(program, 1, "forward(inputs)")?;
        if model.names().is_empty() {
            return Err(format!(
                "`{}` has no parameter that requires a gradient, so there is nothing to train: export the \
                 module itself, with requires_grad",
                model.name()
            ));
        }
        let metric = metric.as_ref().map(|metric| instance(metric, 2, "forward(prediction, target)"));
        let metric = metric.transpose()?;
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
        // A table holds floats: what the program takes as integers is made that.
        let inputs = |tensor: &Tensor| match model.program().input_kinds()[0] {
            Kind::Float => to(tensor),
            kind => tensor.to_kind(kind).to_device(options.1),
        };
        let both = |rows: &Examples| Examples { inputs: inputs(&rows.inputs), targets: to(&rows.targets) };
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
            .then(|| Minibatches::new("model: minibatches", seeds[0], (*batch, rows), options.1));
        let classes = data.classes;
        let (training, checked) = (false, false);
        Ok(Self { model, metric, train, test, minibatches, classes, told, spread, training, checked })
    }

    /// What the model returns, `[lanes, n, …]`.
    fn predict(&mut self, draw: Draw, parameters: &[Tensor], inputs: &Tensor) -> Tensor {
        let inputs = [Lanes::Shared(inputs.shallow_clone())];
        let outputs = outputs_at(&mut self.model, draw, self.training, parameters, &inputs);
        let (name, count) = (self.model.name(), outputs.len());
        assert!(count == 1, "`{name}`: `forward` returns {count} tensors: return the prediction alone");
        self.model.output(&outputs, 0).unwrap_or_else(|message| panic!("{message}"))
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
        let name = self.model.name();
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
    fn check(&self, outputs: &Tensor) {
        let name = self.model.name();
        assert!(
            outputs.is_floating_point(),
            "`{name}`: `forward` returns {:?}: return a floating-point tensor",
            outputs.kind()
        );
        assert!(
            outputs.requires_grad(),
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

    /// What a metric of the user's own says of each lane.
    fn by_metric(&self, metric: &Instance, prediction: Tensor) -> Result<Tensor, String> {
        let prediction = if self.classes.is_none() {
            self.fit(prediction, &self.test.targets, TargetKind::Values).0
        } else {
            prediction
        };
        let inputs = [Lanes::Together(prediction), Lanes::Shared(self.test.targets.shallow_clone())];
        let outputs = metric.call(Mode::Eval, Draw::Validation.number(), &metric.start(), &inputs)?;
        let value = metric.output(&outputs, 0)?;
        let of_lane = &value.size()[1..];
        if of_lane.iter().product::<i64>() != 1 {
            return Err(format!(
                "`{}`: `forward` returns {of_lane:?}: a metric returns a single number, such as a mean",
                metric.name()
            ));
        }
        Ok(value.flatten(0, -1))
    }
}

/// What a program returns at a draw, in training or out of it.
pub(super) fn outputs_at(
    program: &mut Instance,
    draw: Draw,
    training: bool,
    parameters: &[Tensor],
    inputs: &[Lanes],
) -> Vec<Lanes> {
    let outputs = match draw {
        Draw::Step(step) if training => program.train(step, parameters, inputs),
        _ => {
            let mode = if training { Mode::Train } else { Mode::Eval };
            program.call(mode, draw.number(), parameters, inputs)
        }
    };
    outputs.unwrap_or_else(|message| panic!("{message}"))
}

/// Whether two shapes have the same rows, and differ in dimensions of size 1 at most.
fn are_alike(a: &[i64], b: &[i64]) -> bool {
    let beyond_rows = |size: &[i64]| size.iter().skip(1).copied().filter(|n| *n != 1).collect::<Vec<_>>();
    a.first() == b.first() && beyond_rows(a) == beyond_rows(b)
}

impl Model for OnProgram {
    fn start(&self) -> Vec<Tensor> {
        self.model.start()
    }

    fn names(&self) -> Vec<String> {
        self.model.names()
    }

    fn has(&self, _draw: Draw) -> bool {
        true
    }

    fn set_training(&mut self, training: bool) {
        self.training = training;
    }

    fn forward(&mut self, draw: Draw, parameters: &[Tensor]) -> (Tensor, Tensor) {
        let Examples { inputs, targets } = if draw == Draw::Validation { &self.test } else { &self.train };
        let (inputs, targets) = match (draw, &mut self.minibatches) {
            (Draw::Step(step), Some(minibatches)) => {
                let rows = minibatches.rows(step);
                (inputs.index_select(0, &rows), targets.index_select(0, &rows))
            }
            _ => (inputs.shallow_clone(), targets.shallow_clone()),
        };
        let prediction = self.predict(draw, parameters, &inputs);
        if !self.checked {
            self.check(&prediction);
            self.checked = true;
        }
        self.fit(prediction, &targets, self.told)
    }

    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        let _guard = tch::no_grad_guard();
        let inputs = self.test.inputs.shallow_clone();
        let prediction = self.predict(Draw::Validation, parameters, &inputs);
        let numbers = |errors: Tensor| Vec::try_from(errors.to_kind(Kind::Double)).expect("one a lane");
        if let Some(metric) = &self.metric {
            let errors = self.by_metric(metric, prediction);
            return numbers(errors.unwrap_or_else(|message| panic!("{message}")));
        }
        let single = self.classes.is_none() || are_alike(&prediction.size()[1..], &self.test.targets.size());
        let told = if single { TargetKind::Values } else { TargetKind::Classes };
        let (prediction, targets) = self.fit(prediction, &self.test.targets, told);
        let (lanes, rest) = (self.model.lanes() as i64, [1_i64]);
        let of_lanes = |all: Tensor| all.to_kind(Kind::Double).reshape([lanes, -1]);
        // Where any output isn't finite there is no error to speak of.
        let sum = of_lanes(prediction.abs()).sum_dim_intlist(rest.as_slice(), false, None::<Kind>);
        let errors = if self.classes.is_none() {
            let squares = of_lanes(prediction - targets).square();
            (squares.sum_dim_intlist(rest.as_slice(), false, None::<Kind>) / self.spread).sqrt()
        } else {
            let right = match told {
                TargetKind::Values => prediction.gt(0.0).eq_tensor(&targets.gt(0.5)),
                TargetKind::Classes => {
                    let index = targets.unsqueeze(-1).expand([lanes, -1, -1], false);
                    let others = prediction.scatter_value(-1, &index, f64::NEG_INFINITY).amax([-1], true);
                    prediction.gather(-1, &index, false).gt_tensor(&others)
                }
            };
            1.0 - of_lanes(right).mean_dim(rest.as_slice(), false, None::<Kind>)
        };
        numbers(errors.where_self(&sum.isfinite(), &Tensor::from(f64::NAN)))
    }
}
