//! A loss that was written in PyTorch.

use std::sync::Arc;

use formulas::Compiled;
use numeric::Float;
use programs::{Instance, Lanes, Mode, Program as Read, Wanted, is_source};
use registry::{Loaded, options};
use tch::{Device, Kind, Tensor};

use crate::{BatchedLoss, Call, File, Files, Fusible, Kernel, LossSpec, TargetKind, Term, mean_of_lanes};

options! {
    /// A loss of your own, exported from PyTorch as a `.pt2` program.
    ///
    /// ```text
    /// loss = forward(prediction, target)
    /// ```
    /// `forward` returns a single number, or values of which the mean is taken. It sees one lane's `prediction` and `target`
    /// as PyTorch lays them out: `[n]` or `[n, …]` each, and for `targets = "classes"` logits `[n, classes]` and `int64`
    /// indices `[n]`. All lanes are computed in one call of each operator.
    ///
    /// - Parameters of the module that require a gradient are trained along, each lane with its own, from
    ///   the values that were exported; buffers go on from step to step, each lane with its own.
    /// - Random numbers (dropout, noise) follow from seed, step and operator, so that runs repeat and lanes of one seed
    ///   share their noise.
    /// - Terms that `forward` returns, as `{"loss": …, "terms": {…}}`, are recorded in `terms.csv` beside the loss.
    /// - The file holds inputs with what PyTorch computed from them: reading it computes them again.
    ///
    /// A program that takes every element by itself and ends in values, in a mean or in a sum, and has nothing to train, is
    /// run in fused loops, as a `formula` is: such a loss has the same bits on every CPU. Others run on libtorch.
    ///
    /// In float64 runs its floats become float64. It can do arithmetic with the operators that are known here, and nothing
    /// else; no Python is needed to run it.
    ///
    /// ```toml
    /// losses = [{ program = { file = "my_loss.pt2" } }]   # scripts/export.py writes such a file
    /// ```
    /// A source file in its place, `file = "my_code.py:MyLoss"` or the loss `"my_code.py:MyLoss(delta=0.5)"`, is exported
    /// when the config is run; what can't be exported is evaluated in Python, with first derivatives only.
    ///
    /// Source: yours.
    ///
    /// Checked against: PyTorch 2.13 training through the same modules.
    ///
    /// # Errors
    /// What is wrong with a file or with what it returns is the message of the cells that needed it.
    pub struct Program {
        /// The program, as `scripts/export.py` or `torch.export.save` writes it; or the code, as `my_code.py:Name`.
        pub file: File = File::default(),
        /// What `forward` is told the truth as: `values` or `classes`.
        pub targets: TargetKind = TargetKind::Values,
        /// Of code, the types of its inputs where they are no vectors, such as `prediction=float[n,10]`.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub inputs: Vec<String> = Vec::new(),
        #[serde(skip)]
        read: Loaded<Result<Read, String>> = Loaded::default(),
        /// Where it takes every element by itself.
        #[serde(skip)]
        lowered: Loaded<Compiled> = Loaded::default(),
    }
    check: |program| program.file.check(),
}

impl<F: Float> Fusible<F> for Program {
    fn kernel(&self) -> Option<Box<dyn Kernel<F>>> {
        let lowered = self.lowered.0.as_ref().filter(|_| self.targets == TargetKind::Values)?;
        Some(Box::new(lowered.loops()))
    }
}

impl LossSpec for Program {
    fn targets(&self) -> TargetKind {
        self.targets
    }

    fn load(&mut self, files: &mut Files) -> Result<(), String> {
        let classes = ["prediction=float[n,c]", "target=int[n]<3"].map(str::to_owned);
        let inputs = if self.inputs.is_empty() && self.targets == TargetKind::Classes {
            &classes
        } else {
            &*self.inputs
        };
        let read = self.file.load_program(files, &Wanted { inputs, ..Wanted::of_role("loss") })?;
        self.lowered.0 = Result::as_ref(&read).ok().and_then(Read::lowered).map(Arc::new);
        self.read.0 = Some(read);
        Ok(())
    }

    fn tensor(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let options = (prediction.kind(), prediction.device());
        let mut lanes = self.lanes(&[0], options).unwrap_or_else(|message| panic!("{message}"));
        let parameters = lanes.start();
        let call = Call { parameters: &parameters, ..Call::default() };
        lanes.values(&call, &prediction.unsqueeze(0), &target.unsqueeze(0)).squeeze_dim(0)
    }

    fn files(&self) -> Vec<&File> {
        vec![&self.file]
    }

    fn instantiate(
        &self,
        seeds: &[u64],
        options: (Kind, Device),
    ) -> Option<Result<Box<dyn BatchedLoss>, String>> {
        Some(self.lanes(seeds, options).map(|lanes| Box::new(lanes) as Box<dyn BatchedLoss>))
    }
}

impl Program {
    /// That of code, `my_code.py:Name`; none of another text.
    pub(crate) fn of_code(name: &str) -> Option<Self> {
        is_source(name).then(|| Self { file: File::new(name), ..Self::default() })
    }

    fn lanes(&self, seeds: &[u64], options: (Kind, Device)) -> Result<OnLanes, String> {
        let name = self.file.name();
        let read = self.read.0.as_ref().ok_or_else(|| format!("`{name}` isn't loaded"))?;
        let instance = Instance::new(name, read, seeds, options)?;
        let inputs = instance.program().inputs();
        if inputs != 2 {
            return Err(format!("`{name}` takes {inputs} inputs, and a loss takes prediction and target"));
        }
        Ok(OnLanes(instance))
    }
}

struct OnLanes(Instance);

impl OnLanes {
    fn evaluate(&mut self, call: &Call, prediction: &Tensor, target: &Tensor) -> Result<Vec<Lanes>, String> {
        let target = if target.size()[0] == 1 {
            Lanes::Shared(target.squeeze_dim(0))
        } else {
            Lanes::Together(target.shallow_clone())
        };
        let inputs = [Lanes::Together(prediction.shallow_clone()), target];
        if call.training {
            return self.0.train(call.step, call.parameters, &inputs);
        }
        self.0.call(Mode::Train, call.step, call.parameters, &inputs)
    }
}

impl BatchedLoss for OnLanes {
    fn values(&mut self, call: &Call, prediction: &Tensor, target: &Tensor) -> Tensor {
        let values = self.evaluate(call, prediction, target).and_then(|outputs| {
            let values = self.0.output(&outputs, 0)?;
            let name = self.0.name();
            if !values.is_floating_point() {
                let kind = values.kind();
                return Err(format!("`{name}`: `forward` returns {kind:?}: return a floating-point tensor"));
            }
            if prediction.requires_grad() && !values.requires_grad() {
                return Err(format!(
                    "`{name}`: what `forward` returns has no gradient: on the way from prediction there is a detach, \
                     or an operation without a derivative (argmax, a comparison, an integer)"
                ));
            }
            Ok(values)
        });
        values.unwrap_or_else(|message| panic!("{message}"))
    }

    fn terms(&mut self, call: &Call, prediction: &Tensor, target: &Tensor) -> Vec<Term> {
        let names = self.0.program().terms();
        if names.is_empty() {
            return Vec::new();
        }
        self.0.set_terms(true);
        let terms = self.evaluate(call, prediction, target);
        self.0.set_terms(false);
        let terms = terms.and_then(|outputs| {
            let term = |(number, name): (usize, String)| {
                let value = self.0.output(&outputs, number)?;
                Ok(Term { name, value: mean_of_lanes(&value) })
            };
            names.into_iter().map(term).collect::<Result<_, String>>()
        });
        terms.unwrap_or_else(|message| panic!("{message}"))
    }

    fn start(&self) -> Vec<Tensor> {
        self.0.start()
    }
}
