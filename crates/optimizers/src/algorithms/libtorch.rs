//! libtorch's own C++ optimizers, as the oracle of the tests and as rows of the benchmarks.

use numeric::Float;
use registry::{Described, Info};
use serde::{Deserialize, Serialize};
use tch::nn::{self, OptimizerConfig, VarStore};
use tch::{Kind, Tensor};

use crate::{Adam, AdamW, Amsgrad, Elementwise, Fusible, OptimizerSpec, Oracle, RmsProp, Sgd, TensorStepper};

/// The optimizer `O`, as libtorch's C++ library computes it.
///
/// It has the options of `O`, and one C++ optimizer for each lane. There is no fused form.
///
/// Differs from `O`: the rounding, and the speed (several passes over memory a step, lane by lane).
///
/// Checked against: `torch.optim` of PyTorch 2.13.
///
/// ```
/// use optimizers::{OptimizerSpec, Libtorch, Sgd};
/// use tch::Tensor;
/// let mut stepper = Libtorch(Sgd::default()).tensor();
/// let mut p = [Tensor::from_slice(&[1.0_f64, 1.0])]; // two lanes of one parameter
/// stepper.step(&Tensor::from_slice(&[0.1_f64, 0.5]), &mut p, &[Tensor::from_slice(&[2.0_f64, 2.0])]);
/// assert_eq!(Vec::<f64>::try_from(&p[0]).unwrap(), [0.8, 0.0]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Libtorch<O>(pub O);

/// SGD, as libtorch's C++ library computes it.
pub type LibtorchSgd = Libtorch<Sgd>;
/// `RMSprop`, as libtorch's C++ library computes it.
pub type LibtorchRmsProp = Libtorch<RmsProp>;
/// Adam, as libtorch's C++ library computes it.
pub type LibtorchAdam = Libtorch<Adam>;
/// `AdamW`, as libtorch's C++ library computes it.
pub type LibtorchAdamW = Libtorch<AdamW>;

/// An optimizer that libtorch's C++ library has too.
pub trait TorchCounterpart: Elementwise + Clone + 'static {
    /// What it is called there.
    const SUMMARY: &'static str;
    /// tch's options for it.
    type Config: OptimizerConfig;
    /// The same options for libtorch.
    fn config(&self) -> Self::Config;
}

impl TorchCounterpart for Sgd {
    const SUMMARY: &'static str = "torch::optim::SGD of libtorch's C++ library";
    type Config = nn::Sgd;
    fn config(&self) -> nn::Sgd {
        let Self { momentum, dampening, nesterov, l2 } = *self;
        nn::Sgd { momentum, dampening, wd: l2, nesterov }
    }
}

impl TorchCounterpart for RmsProp {
    const SUMMARY: &'static str = "torch::optim::RMSprop of libtorch's C++ library";
    type Config = nn::RmsProp;
    fn config(&self) -> nn::RmsProp {
        let Self { alpha, eps, momentum, centered, l2 } = *self;
        nn::RmsProp { alpha, eps, wd: l2, momentum, centered }
    }
}

impl TorchCounterpart for Adam {
    const SUMMARY: &'static str = "torch::optim::Adam of libtorch's C++ library";
    type Config = nn::Adam;
    fn config(&self) -> nn::Adam {
        let Self { beta1, beta2, eps, l2 } = *self;
        nn::Adam { beta1, beta2, wd: l2, eps, amsgrad: false }
    }
}

impl TorchCounterpart for Amsgrad {
    const SUMMARY: &'static str = "torch::optim::Adam of libtorch's C++ library, with amsgrad";
    type Config = nn::Adam;
    fn config(&self) -> nn::Adam {
        let Self { beta1, beta2, eps, l2 } = *self;
        nn::Adam { beta1, beta2, wd: l2, eps, amsgrad: true }
    }
}

impl TorchCounterpart for AdamW {
    const SUMMARY: &'static str = "torch::optim::AdamW of libtorch's C++ library";
    type Config = nn::AdamW;
    fn config(&self) -> nn::AdamW {
        let Self { beta1, beta2, eps, weight_decay, amsgrad } = *self;
        nn::AdamW { beta1, beta2, wd: weight_decay, eps, amsgrad }
    }
}

impl<O: TorchCounterpart> Described for Libtorch<O> {
    fn info(&self) -> Info {
        Info { summary: O::SUMMARY.into(), ..self.0.info() }
    }

    fn check(&self) -> Result<(), String> {
        self.0.check()
    }
}

impl<O: TorchCounterpart, F: Float> Fusible<F> for Libtorch<O> {}

impl<O: TorchCounterpart> OptimizerSpec for Libtorch<O> {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        Box::new(LaneByLane { optimizer: self.0.clone(), lanes: Vec::new() })
    }
}

/// A C++ optimizer for each lane, made at the first step, when the shapes are known.
struct LaneByLane<O> {
    optimizer: O,
    lanes: Vec<Lane>,
}

/// One lane's parameters as libtorch's optimizer holds them, and that optimizer.
struct Lane {
    variables: Vec<Tensor>,
    optimizer: nn::Optimizer,
}

impl Lane {
    fn new<O: TorchCounterpart>(options: &O, lane: i64, parameters: &[Tensor]) -> Self {
        let store = VarStore::new(parameters.first().map_or(tch::Device::Cpu, Tensor::device));
        let variables: Vec<Tensor> = parameters
            .iter()
            .map(|p| store.root().add("parameter", p.select(0, lane).detach().copy(), true))
            .collect();
        // tch has no way to set a gradient: a backward pass makes one of the right shape.
        tch::with_grad(|| variables.iter().for_each(|v| (v * v).sum(None::<Kind>).backward()));
        let optimizer = options.config().build(&store, 0.0).expect("the options have been checked");
        Self { variables, optimizer }
    }
}

impl<O: TorchCounterpart> TensorStepper for LaneByLane<O> {
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        _oracle: &mut dyn Oracle,
    ) {
        if self.lanes.is_empty() {
            let new = |lane| Lane::new(&self.optimizer, lane, parameters);
            self.lanes = (0..lr.size()[0]).map(new).collect();
        }
        let _guard = tch::no_grad_guard();
        for (lane, Lane { variables, optimizer }) in (0..).zip(&mut self.lanes) {
            for ((variable, parameter), gradient) in variables.iter_mut().zip(&*parameters).zip(gradients) {
                variable.copy_(&parameter.select(0, lane));
                variable.grad().copy_(&gradient.select(0, lane));
            }
            optimizer.set_lr(lr.double_value(&[lane]));
            optimizer.step();
            for (variable, parameter) in variables.iter().zip(&*parameters) {
                parameter.select(0, lane).copy_(variable);
            }
        }
    }
}
