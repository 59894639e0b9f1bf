use losses::{Loss, TargetKind};
use numeric::{Float, Stream};
use registry::options;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::data::shipped::{Table, softmax_regression};
use crate::linear::as_nn_linear;
use crate::supervised::{Model, Supervised};
use crate::{Batching, Draw, Fusible, Losses, ProblemSpec, TensorProblem};

options! {
    /// Softmax regression with a ridge: which of three kinds is an iris, or a wine.
    ///
    /// ```text
    /// logits = W·x + b,  every column of x standardized
    /// loss  = mean ℓ(logits, class), or over the three outputs of ℓ(logits, one-hot),  + ½·ridge·Σ W²
    /// error = √ mean (logits − logits of the solution)²,  both less their mean over the classes, in nats
    /// start: W, b ~ U(−1/√columns, 1/√columns) for each seed, as `torch.nn.Linear` does
    /// ```
    /// `iris` has 150 flowers and four columns, `wine` 178 wines and thirteen. Their classes can be told apart all but
    /// perfectly, so that without a ridge there is no solution, or one far out. That of the cross-entropy is found by
    /// Newton's method to rounding; under another loss the error keeps the distance of that loss's minimizer.
    /// The same number added to all logits changes no probability, and no error.
    ///
    /// Source: Fisher 1936, “The use of multiple measurements in taxonomic problems”; Aeberhard & Forina 1992, “Wine”.
    ///
    /// Checked against: PyTorch 2.13, loss and gradient; scikit-learn's `LogisticRegression`, the solution.
    pub struct SoftmaxRegression {
        /// What is told apart: `iris` or `wine`.
        pub data: ThreeClasses = ThreeClasses::Iris,
        /// The weight of the squares of W.
        pub ridge: f64 = 0.01 => 1e-4..=100.0,
    }
}

/// A data set of three classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThreeClasses {
    /// 150 flowers by four lengths.
    #[default]
    Iris,
    /// 178 wines by thirteen measurements.
    Wine,
}

const CLASSES: usize = 3;

impl ProblemSpec for SoftmaxRegression {
    fn losses(&self) -> Losses {
        Losses::ValuesOrClasses
    }
    fn targets(&self) -> &'static [f64] {
        &[1.0, 0.1, 0.01]
    }
    fn batching(&self) -> Batching {
        Batching { lanes: 64, one_seed: false }
    }
    fn batch(&self, seeds: &[u64], loss: Option<&Loss>, options: (Kind, Device)) -> Box<dyn TensorProblem> {
        let targets = loss.expect("a model has a loss").targets();
        Supervised::boxed(OnTensors::new(self, seeds, targets, options), loss, seeds, options)
    }
}

impl<F: Float> Fusible<F> for SoftmaxRegression {}

struct OnTensors {
    ridge: f64,
    /// `[columns, rows]`
    x: Tensor,
    /// Classes `[1, rows]`, or one-hot `[1, rows, classes]`.
    targets: Tensor,
    /// The solution's logits, less their mean: `[classes, rows]`.
    reference: Tensor,
    /// W and b of every lane.
    start: [Tensor; 2],
}

impl OnTensors {
    fn new(
        model: &SoftmaxRegression,
        seeds: &[u64],
        targets: TargetKind,
        (kind, device): (Kind, Device),
    ) -> Self {
        let mut table = match model.data {
            ThreeClasses::Iris => Table::iris(),
            ThreeClasses::Wine => Table::wine(),
        };
        let columns = table.columns - 1;
        let classes: Vec<i64> = table.rows().map(|row| row[columns] as i64).collect();
        table.standardize();
        let x: Vec<f64> = table.rows().flat_map(|row| row[..columns].to_vec()).collect();
        let solution = softmax_regression(&x, &classes, CLASSES, model.ridge);
        let to = |tensor: Tensor| tensor.to_kind(kind).to_device(device);
        let start = |seed: &u64| {
            let mut stream = Stream::new("softmax regression: start", &[*seed]);
            as_nn_linear(&mut stream, columns, CLASSES * (columns + 1))
        };
        let start: Vec<f64> = seeds.iter().flat_map(start).collect();
        let start = to(Tensor::from_slice(&start).reshape([seeds.len() as i64, -1]));
        let (of_w, classes_i) = ((CLASSES * columns) as i64, CLASSES as i64);
        let w = start.narrow(1, 0, of_w).reshape([-1, classes_i, columns as i64]);
        let x = Tensor::from_slice(&x).reshape([-1, columns as i64]).tr().contiguous();
        let solution = Tensor::from_slice(&solution).reshape([1, classes_i, -1]);
        let parts = solution.split_with_sizes([columns as i64, 1], 2);
        let reference = centered(&logits(&x, &[parts[0].contiguous(), parts[1].squeeze_dim(2)]));
        let classes = Tensor::from_slice(&classes);
        let targets = match targets {
            TargetKind::Classes => classes.to_device(device),
            TargetKind::Values => to(classes.one_hot(classes_i)),
        };
        Self {
            ridge: model.ridge,
            x: to(x),
            targets: targets.unsqueeze(0),
            reference: to(reference),
            start: [w.contiguous(), start.narrow(1, of_w, classes_i).contiguous()],
        }
    }
}

/// `[lanes, classes, rows]`
fn logits(x: &Tensor, parameters: &[Tensor]) -> Tensor {
    let [w, b] = parameters else { panic!("two parameters") };
    w.flatten(0, 1).matmul(x).view([w.size()[0], w.size()[1], -1]) + b.unsqueeze(2)
}

fn centered(logits: &Tensor) -> Tensor {
    logits - logits.mean_dim(1, true, None::<Kind>)
}

impl Model for OnTensors {
    fn start(&self) -> Vec<Tensor> {
        self.start.iter().map(Tensor::copy).collect()
    }

    fn names(&self) -> Vec<String> {
        ["weight", "bias"].map(str::to_owned).to_vec()
    }

    fn forward(&mut self, _draw: Draw, parameters: &[Tensor]) -> (Tensor, Tensor) {
        (logits(&self.x, parameters).transpose(1, 2), self.targets.shallow_clone())
    }

    fn penalty(&self, parameters: &[Tensor]) -> Option<Tensor> {
        let squares = parameters[0].square().sum_dim_intlist([1, 2].as_slice(), false, None::<Kind>);
        Some(squares * (0.5 * self.ridge))
    }

    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        let _guard = tch::no_grad_guard();
        let squares = (centered(&logits(&self.x, parameters)) - &self.reference).square();
        let error = squares.mean_dim([1, 2].as_slice(), false, None::<Kind>).sqrt();
        Vec::try_from(error.to_kind(Kind::Double)).expect("a vector of lanes")
    }
}
