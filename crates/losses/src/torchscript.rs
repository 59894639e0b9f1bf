//! A loss that was written in PyTorch.

use numeric::Float;
use registry::{Described, Info};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::{Entry, File, Fuse, Kernel, Lanes, Replicas, Targets, Term};

/// A loss of your own, exported from PyTorch as a TorchScript module.
///
/// ```text
/// loss = forward(prediction, target)
/// ```
/// `forward` returns a single number, or values for each element (exported with `reduction='none'`), of
/// which the mean is taken. It sees one lane's `prediction` and `target` as PyTorch lays them out:
/// `[n]` or `[n, …]` each, and for `targets = "classes"` logits `[n, classes]` and `int64` indices `[n]`.
///
/// - A single number costs a call for every lane, so lanes run in small batches, in parallel.
/// - Values for each element are computed for all lanes in one call, with lanes put one after another in
///   the first dimension. Whether lanes stay apart in that is tried at the first step; if not (the module
///   subtracts a mean over the batch, say), it is called lane by lane.
/// - Parameters of the module that require a gradient are trained along, each lane with its own, from
///   the values that were exported.
/// - A module that exports `terms(prediction, target)`, returning a tensor of K values, a tuple or a list,
///   has its terms recorded in `terms.csv` beside the loss.
///
/// It runs as it was exported, in training or evaluation mode; randomness in it (dropout, `randn`) comes from
/// libtorch's global generator, so such a run doesn't repeat. In float64 runs its parameters and
/// buffers become float64.
///
/// Checked against: PyTorch 2.13 training through the same modules.
///
/// # Errors
/// What is wrong with a file or with what it returns is the message of the cells that needed it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TorchScript {
    /// The module, as `torch.jit.save` writes it.
    pub file: File,
    /// What `forward` is told the truth as.
    pub targets: Targets,
}

impl Described for TorchScript {
    fn info(&self) -> Info {
        Info {
            summary: "a TorchScript module of your own, exported from PyTorch",
            formula: "forward(prediction, target): one number, or values whose mean is taken\n\
                      { torchscript = { file = \"my_loss.pt\" } }; scripts/export_loss.py writes one",
            source: "yours",
        }
    }
}

impl<F: Float> Fuse<F> for TorchScript {
    fn kernel(&self) -> Option<Box<dyn Kernel<F>>> {
        None
    }
}

impl Entry for TorchScript {
    fn targets(&self) -> Targets {
        self.targets
    }

    fn check(&self) -> Result<(), String> {
        self.file.check()
    }

    fn tensor(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let module = self
            .load(1, (prediction.kind(), prediction.device()))
            .unwrap_or_else(|message| panic!("{message}"));
        module.forward(0, prediction, target)
    }

    fn files(&self) -> Vec<&File> {
        vec![&self.file]
    }

    fn lanes_at_once(&self) -> usize {
        /// Enough that loading the module is a small part of the work.
        const SINGLE: usize = 8;
        let (three, zeros) =
            (Tensor::from_slice(&[0.5_f32, 1.5, -1.0]), Tensor::zeros([3], (Kind::Float, Device::Cpu)));
        // Only a guess at how it will be called: a wrong one costs time and nothing else.
        let guess = self.load(1, (Kind::Float, Device::Cpu)).and_then(|module| {
            let single = module.replicas.tensor(0, "forward", &[&three, &zeros])?.dim() == 0;
            Ok(single || module.replicas.parameters() > 0)
        });
        if guess.unwrap_or(true) { SINGLE } else { usize::MAX }
    }

    fn with_state(&self, lanes: usize, options: (Kind, Device)) -> Option<Result<Box<dyn Lanes>, String>> {
        Some(self.load(lanes, options).map(|module| Box::new(module) as Box<dyn Lanes>))
    }
}

impl TorchScript {
    fn load(&self, lanes: usize, options: (Kind, Device)) -> Result<Module, String> {
        Ok(Module { replicas: Replicas::load(&self.file, lanes, options)?, together: None })
    }
}

struct Module {
    replicas: Replicas,
    /// Whether one call serves all lanes; not known before the first.
    together: Option<bool>,
}

impl Module {
    /// The losses of one lane.
    fn forward(&self, lane: usize, prediction: &Tensor, target: &Tensor) -> Tensor {
        let name = self.replicas.name();
        let value = self.replicas.tensor(lane, "forward", &[prediction, target]).unwrap_or_else(|message| {
            panic!(
                "{message}; it is called as forward(prediction, target), with {}",
                shapes(prediction, target)
            )
        });
        assert!(
            value.is_floating_point(),
            "`{name}`: `forward` returns {:?}: return a floating-point tensor",
            value.kind()
        );
        let seen = shapes(prediction, target);
        assert!(
            value.numel() > 0,
            "`{name}`: `forward` returns an empty tensor {:?} for {seen}",
            value.size()
        );
        assert!(
            value.requires_grad() || !prediction.requires_grad(),
            "`{name}`: what `forward` returns has no gradient: on the way from prediction there is a detach, \
             or an operation without a derivative (argmax, a comparison, an integer)"
        );
        value
    }

    /// The losses of all lanes, one by one.
    fn one_by_one(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let lane = |lane: i64| {
            let value = self.forward(lane as usize, &prediction.get(lane), &of_lane(target, lane));
            if value.numel() == 1 { value.reshape([] as [i64; 0]) } else { value.flatten(0, -1) }
        };
        Tensor::stack(&(0..prediction.size()[0]).map(lane).collect::<Vec<_>>(), 0)
    }

    /// The losses `[lanes, …]` by one call, or `None` if what comes back isn't a value for each element.
    fn at_once(&self, prediction: &Tensor, target: &Tensor) -> Option<Tensor> {
        let lanes = prediction.size()[0];
        let mut shape = target.size();
        shape[0] = lanes;
        let target = target.expand(&shape, false);
        let flat = |tensor: &Tensor| tensor.flatten(0, 1);
        let value = self.forward(0, &flat(prediction), &flat(&target));
        let rows = lanes * prediction.size()[1];
        (value.dim() > 0 && value.size()[0] == rows).then(|| value.reshape([lanes, -1]))
    }

    /// Whether one call gives every lane what it would get by itself.
    fn keeps_lanes_apart(&self, prediction: &Tensor, target: &Tensor) -> bool {
        if self.replicas.parameters() > 0 || prediction.dim() < 2 {
            return false;
        }
        let (prediction, target) = (prediction.detach(), target.detach());
        // A single lane tells values for each element from a single number.
        let own = self.forward(0, &prediction.get(0), &of_lane(&target, 0));
        if own.dim() == 0 || own.size()[0] != prediction.size()[1] {
            return false;
        }
        let (Some(all), apart) = (self.at_once(&prediction, &target), self.one_by_one(&prediction, &target))
        else {
            return false;
        };
        // Vector and scalar code may round differently; lanes that leak into one another differ by more.
        all.size() == apart.size() && all.allclose(&apart, 1e-4, 1e-7, true)
    }
}

/// What a lane's target is.
fn of_lane(target: &Tensor, lane: i64) -> Tensor {
    target.get(if target.size()[0] == 1 { 0 } else { lane })
}

fn shapes(prediction: &Tensor, target: &Tensor) -> String {
    format!("prediction {:?} and target {:?}", prediction.size(), target.size())
}

impl Lanes for Module {
    fn values(&mut self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let together = self.together.unwrap_or_else(|| self.keeps_lanes_apart(prediction, target));
        self.together = Some(together);
        match together.then(|| self.at_once(prediction, target)).flatten() {
            Some(values) => values,
            None => self.one_by_one(prediction, target),
        }
    }

    fn terms(&mut self, prediction: &Tensor, target: &Tensor) -> Vec<Term> {
        if !self.replicas.has("terms") {
            return Vec::new();
        }
        let of_lane = |lane: i64| {
            let inputs = [&prediction.get(lane), &of_lane(target, lane)];
            let terms = self.replicas.tensors(lane as usize, "terms", &inputs);
            let terms = terms.unwrap_or_else(|message| panic!("{message}"));
            terms.into_iter().map(|term| term.mean(None::<Kind>)).collect::<Vec<_>>()
        };
        let lanes: Vec<Vec<Tensor>> = (0..prediction.size()[0]).map(of_lane).collect();
        let term = |k: usize| Term {
            name: (k + 1).to_string(),
            value: Tensor::stack(&lanes.iter().map(|terms| &terms[k]).collect::<Vec<_>>(), 0),
        };
        (0..lanes[0].len()).map(term).collect()
    }

    fn modules(&mut self) -> Vec<&mut Replicas> {
        if self.replicas.parameters() > 0 { vec![&mut self.replicas] } else { Vec::new() }
    }
}
