//! A loss that was written in PyTorch.

use numeric::Float;
use registry::options;
use tch::{Device, Kind, Tensor};

use crate::{BatchedLoss, File, Files, Fusible, LossSpec, Parameters, Replicas, TargetKind, Term};

options! {
    /// A loss of your own, exported from PyTorch as a TorchScript module.
    ///
    /// ```text
    /// loss = forward(prediction, target)
    /// ```
    /// `forward` returns a single number, or values for each element (exported with `reduction='none'`), of
    /// which the mean is taken. It sees one lane's `prediction` and `target` as PyTorch lays them out:
    /// `[n]` or `[n, …]` each, and for `targets = "classes"` logits `[n, classes]` and `int64` indices `[n]`.
    ///
    /// - A single number costs a call for every lane, so lanes run in small groups, in parallel.
    /// - Values for each element are computed for all lanes in one call, with lanes put one after another in
    ///   the first dimension. Whether lanes stay apart in that is tried at the first step; if not (the module
    ///   subtracts a mean over the batch, say), it is called lane by lane.
    /// - Parameters of the module that require a gradient are trained along, each lane with its own, from
    ///   the values that were exported.
    /// - A module that may keep state from call to call (buffers, attributes that its code assigns to, lists,
    ///   dictionaries, in-place operators on tensors of its own) is made anew for each lane and called lane by lane.
    /// - It is given copies, which it may change in place, and what it does to libtorch's grad mode ends with the call.
    /// - A module that exports `terms(prediction, target)`, returning a tensor of K values, a tuple or a list,
    ///   has its terms recorded in `terms.csv` beside the loss.
    ///
    /// It runs as it was exported, in training or evaluation mode; randomness in it (dropout, `randn`) comes from
    /// libtorch's global generator, so such a run doesn't repeat and depends on the number of threads, which the
    /// convergence table says below it. In float64 runs its parameters and buffers become float64.
    ///
    /// ```toml
    /// losses = [{ torchscript = { file = "my_loss.pt" } }]   # scripts/export_loss.py writes such a file
    /// ```
    /// Source: yours.
    ///
    /// Checked against: PyTorch 2.13 training through the same modules.
    ///
    /// # Errors
    /// What is wrong with a file or with what it returns is the message of the cells that needed it.
    pub struct TorchScript {
        /// The module, as `torch.jit.save` writes it.
        pub file: File = File::default(),
        /// What `forward` is told the truth as: `values` or `classes`.
        pub targets: TargetKind = TargetKind::Values,
    }
    check: |script| script.file.check(),
}

impl<F: Float> Fusible<F> for TorchScript {}

impl LossSpec for TorchScript {
    fn targets(&self) -> TargetKind {
        self.targets
    }
    fn load(&mut self, files: &mut Files) -> Result<(), String> {
        self.file.load_module(files)
    }

    fn tensor(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let module = self.load(1, (prediction.kind(), prediction.device()));
        module
            .and_then(|module| module.forward(0, prediction, target))
            .unwrap_or_else(|message| panic!("{message}"))
    }

    fn files(&self) -> Vec<&File> {
        vec![&self.file]
    }

    fn is_random(&self) -> bool {
        self.file.is_random_module()
    }

    fn max_lanes(&self) -> usize {
        /// Enough that loading the module is a small part of the work.
        const SINGLE: usize = 8;
        let (three, zeros) =
            (Tensor::from_slice(&[0.5_f32, 1.5, -1.0]), Tensor::zeros([3], (Kind::Float, Device::Cpu)));
        // Only a guess at how it will be called: a wrong one costs time and nothing else.
        let guess = self.load(1, (Kind::Float, Device::Cpu)).and_then(|module| {
            let apart = module.replicas.parameters() > 0 || module.replicas.keeps_state();
            Ok(apart || module.replicas.tensor(0, "forward", &[&three, &zeros])?.dim() == 0)
        });
        if guess.unwrap_or(true) { SINGLE } else { usize::MAX }
    }

    fn instantiate(
        &self,
        lanes: usize,
        options: (Kind, Device),
    ) -> Option<Result<Box<dyn BatchedLoss>, String>> {
        Some(self.load(lanes, options).map(|module| Box::new(module) as Box<dyn BatchedLoss>))
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
    /// What one call of `forward` returns.
    fn forward(&self, lane: usize, prediction: &Tensor, target: &Tensor) -> Result<Tensor, String> {
        let name = self.replicas.name();
        let seen = format!("prediction {:?} and target {:?}", prediction.size(), target.size());
        let value = self.replicas.tensor(lane, "forward", &[prediction, target]).map_err(|message| {
            format!("{message}; it is called as forward(prediction, target), with {seen}")
        })?;
        let elements = prediction.size().first().copied().unwrap_or(1);
        if !value.is_floating_point() {
            let kind = value.kind();
            return Err(format!("`{name}`: `forward` returns {kind:?}: return a floating-point tensor"));
        }
        if value.numel() != 1 && value.size().first() != Some(&elements) {
            let size = value.size();
            return Err(format!(
                "`{name}`: `forward` returns a tensor {size:?} for {seen}: return one number, or one for each element"
            ));
        }
        if prediction.requires_grad() && !value.requires_grad() {
            return Err(format!(
                "`{name}`: what `forward` returns has no gradient: on the way from prediction there is a detach, \
                 or an operation without a derivative (argmax, a comparison, an integer)"
            ));
        }
        Ok(value)
    }

    /// The losses of all lanes, one by one.
    fn one_by_one(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor, String> {
        // Taken apart at once: a `select` for each lane would make a gradient of all lanes for each.
        let lane = |(lane, prediction): (usize, &Tensor)| {
            let value = self.forward(lane, prediction, &of_lane(target, lane as i64))?;
            Ok(match value.dim() {
                0 => value,
                _ if value.numel() == 1 => value.reshape([] as [i64; 0]),
                _ => value.flatten(0, -1),
            })
        };
        let values = prediction.unbind(0).iter().enumerate().map(lane).collect::<Result<Vec<_>, String>>()?;
        Ok(Tensor::stack(&values, 0))
    }

    /// The losses `[lanes, …]` by one call, in which the lanes are one after another.
    fn at_once(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor, String> {
        let lanes = prediction.size()[0];
        let mut shape = target.size();
        shape[0] = lanes;
        let target = target.expand(&shape, false);
        let values = self.forward(0, &prediction.flatten(0, 1), &target.flatten(0, 1))?;
        if values.dim() == 0 || values.numel() as i64 % lanes != 0 {
            return Err(format!("{} values for {lanes} lanes", values.numel()));
        }
        Ok(values.reshape([lanes, -1]))
    }

    /// Whether one call gives every lane what it would get by itself.
    fn keeps_lanes_apart(&self, prediction: &Tensor, target: &Tensor) -> Result<bool, String> {
        if self.replicas.parameters() > 0 || self.replicas.keeps_state() || prediction.dim() < 2 {
            return Ok(false);
        }
        let (prediction, target) = (prediction.detach(), target.detach());
        let apart = self.one_by_one(&prediction, &target)?;
        if apart.dim() == 1 {
            // One value a lane: of a single element, if it has a dimension, or a single number.
            let single = self.forward(0, &prediction.get(0), &of_lane(&target, 0))?.dim() == 0;
            let element = !single && prediction.size()[1] == 1;
            return Ok(element && self.at_once(&prediction, &target).is_ok());
        }
        // Vector and scalar code may round differently; lanes that leak into one another differ by more.
        let same = |all: Tensor| all.size() == apart.size() && all.allclose(&apart, 1e-4, 1e-7, true);
        Ok(self.at_once(&prediction, &target).is_ok_and(same))
    }
}

/// What a lane's target is.
fn of_lane(target: &Tensor, lane: i64) -> Tensor {
    target.get(if target.size()[0] == 1 { 0 } else { lane })
}

impl BatchedLoss for Module {
    fn values(&mut self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let mut compute = || {
            let together = match self.together {
                Some(known) => known,
                None => *self.together.insert(self.keeps_lanes_apart(prediction, target)?),
            };
            if together { self.at_once(prediction, target) } else { self.one_by_one(prediction, target) }
        };
        compute().unwrap_or_else(|message| panic!("{message}"))
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

    fn modules(&mut self) -> Vec<&mut dyn Parameters> {
        if self.replicas.parameters() > 0 { vec![&mut self.replicas] } else { Vec::new() }
    }
}
