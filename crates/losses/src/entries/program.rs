//! A loss that was written in PyTorch.

use std::sync::Arc;

use formulas::Compiled;
use numeric::Float;
use programs::{Evaluated, Lanes, Mode, Program as Read, Streams};
use registry::{Loaded, options};
use tch::{Device, Kind, Tensor};

use crate::{BatchedLoss, File, Files, Fusible, Kernel, LossSpec, Parameters, TargetKind, Term};

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
    ///   the values that were exported; buffers go on from call to call, each lane with its own.
    /// - Terms that `forward` returns, as `{"loss": …, "terms": {…}}`, are recorded in `terms.csv` beside the loss.
    /// - The file holds inputs with what PyTorch computed from them: reading it computes them again.
    ///
    /// A program that takes every element by itself and ends in values, in a mean or in a sum, and has nothing to train, is
    /// run in fused loops, as a `formula` is: such a loss has the same bits on every CPU. Others run on libtorch.
    ///
    /// In float64 runs its floats become float64. It can do arithmetic with the operators that are known here, and nothing
    /// else; no Python is needed to run it. Where it draws random numbers, make it an objective.
    ///
    /// ```toml
    /// losses = [{ program = { file = "my_loss.pt2" } }]   # scripts/export.py writes such a file
    /// ```
    /// Source: yours.
    ///
    /// Checked against: PyTorch 2.13 training through the same modules.
    ///
    /// # Errors
    /// What is wrong with a file or with what it returns is the message of the cells that needed it.
    pub struct Program {
        /// The program, as `scripts/export.py` or `torch.export.save` writes it.
        pub file: File = File::default(),
        /// What `forward` is told the truth as: `values` or `classes`.
        pub targets: TargetKind = TargetKind::Values,
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
        let read = self.file.load_program(files)?;
        self.lowered.0 = Result::as_ref(&read).ok().and_then(Read::lowered).map(Arc::new);
        self.read.0 = Some(read);
        Ok(())
    }

    fn tensor(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let options = (prediction.kind(), prediction.device());
        let mut lanes = self.lanes(1, options).unwrap_or_else(|message| panic!("{message}"));
        lanes.values(&prediction.unsqueeze(0), &target.unsqueeze(0)).squeeze_dim(0)
    }

    fn files(&self) -> Vec<&File> {
        vec![&self.file]
    }

    fn instantiate(
        &self,
        lanes: usize,
        options: (Kind, Device),
    ) -> Option<Result<Box<dyn BatchedLoss>, String>> {
        Some(self.lanes(lanes, options).map(|lanes| Box::new(lanes) as Box<dyn BatchedLoss>))
    }
}

impl Program {
    fn lanes(&self, lanes: usize, (kind, _): (Kind, Device)) -> Result<OnLanes, String> {
        let name = self.file.name();
        let named = |message: &String| format!("`{name}`: {message}");
        let read = self.read.0.clone().ok_or_else(|| format!("`{name}` isn't loaded"))?;
        let program = Result::as_ref(&read).map_err(named)?;
        if program.inputs() != 2 {
            return Err(format!(
                "`{name}` takes {} inputs, and a loss takes prediction and target",
                program.inputs()
            ));
        }
        if program.is_random(Mode::Train) {
            return Err(format!(
                "`{name}` draws random numbers, which a loss can't here: make it an objective"
            ));
        }
        let (parameters, buffers) = program.start(0, kind)?;
        let spread =
            |tensor: Tensor| Lanes::Shared(tensor).together(lanes).map(|all| all.contiguous().copy());
        let variables = program.parameters();
        let parameters = variables.iter().zip(parameters).map(|(variable, value)| {
            Ok(if variable.trained { Lanes::Together(spread(value)?) } else { Lanes::Shared(value) })
        });
        let parameters = parameters.collect::<Result<Vec<_>, String>>()?;
        let buffers =
            buffers.into_iter().map(|value| spread(value).map(Lanes::Together)).collect::<Result<_, _>>()?;
        Ok(OnLanes { name: name.to_owned(), read: read.clone(), kind, lanes, parameters, buffers })
    }
}

/// The program with what its lanes have of their own.
struct OnLanes {
    name: String,
    read: Arc<Result<Read, String>>,
    kind: Kind,
    lanes: usize,
    parameters: Vec<Lanes>,
    buffers: Vec<Lanes>,
}

impl OnLanes {
    fn program(&self) -> &Read {
        Result::as_ref(&self.read).expect("lanes are made of what was read")
    }

    /// What it returns; the buffers here stay as they are.
    fn evaluate(&self, prediction: &Tensor, target: &Tensor) -> Result<Evaluated, String> {
        let target = if target.size()[0] == 1 {
            Lanes::Shared(target.squeeze_dim(0))
        } else {
            Lanes::Together(target.shallow_clone())
        };
        let inputs = [Lanes::Together(prediction.shallow_clone()), target];
        let values = (&*self.parameters, &*self.buffers, &inputs[..]);
        let draws = Streams { seeds: &[0], step: 0 };
        let evaluated = self.program().evaluate(Mode::Train, (self.kind, self.lanes), values, &draws);
        evaluated.map_err(|message| {
            let [prediction, target] = [&inputs[0], &inputs[1]].map(|input| input.lane(0).size());
            let called =
                format!("it is called as forward(prediction, target), with {prediction:?} and {target:?}");
            format!("`{}`: {message}; {called}", self.name)
        })
    }
}

impl BatchedLoss for OnLanes {
    fn values(&mut self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let lanes = self.lanes;
        let name = self.name.clone();
        let values = self.evaluate(prediction, target).and_then(|evaluated| {
            self.buffers = evaluated.buffers;
            let first = evaluated.outputs.first().ok_or_else(|| format!("`{name}` returns nothing"))?;
            let values = first.together(lanes).map_err(|message| format!("`{name}`: {message}"))?;
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

    fn terms(&mut self, prediction: &Tensor, target: &Tensor) -> Vec<Term> {
        let names = self.program().terms();
        if names.is_empty() {
            return Vec::new();
        }
        let lanes = self.lanes;
        let Evaluated { outputs, .. } =
            self.evaluate(prediction, target).unwrap_or_else(|message| panic!("{message}"));
        let term = |(number, name): (usize, String)| {
            let value = outputs[number].together(lanes).unwrap_or_else(|message| panic!("{message}"));
            Term { name, value: crate::mean_of_lanes(&value) }
        };
        names.into_iter().map(term).collect()
    }

    fn modules(&mut self) -> Vec<&mut dyn Parameters> {
        if self.parameters() > 0 { vec![self] } else { Vec::new() }
    }
}

impl Parameters for OnLanes {
    fn parameters(&self) -> usize {
        self.parameters.iter().filter(|parameter| matches!(parameter, Lanes::Together(_))).count()
    }

    fn start(&self) -> Vec<Tensor> {
        let trained = self.parameters.iter().filter_map(|parameter| match parameter {
            Lanes::Together(all) => Some(all.detach().copy()),
            _ => None,
        });
        trained.map(|all| if all.dim() == 1 { all.unsqueeze(1) } else { all }).collect()
    }

    fn bind(&mut self, parameters: &[Tensor]) {
        let own = self.parameters.iter_mut().filter(|parameter| matches!(parameter, Lanes::Together(_)));
        for (own, all) in own.zip(parameters) {
            if let Lanes::Together(before) = own {
                // What has no dimension of its own has one while it is trained.
                let all = if before.dim() == 1 && all.dim() == 2 {
                    all.squeeze_dim(1)
                } else {
                    all.shallow_clone()
                };
                *before = all;
            }
        }
    }

    fn leaves(&self) -> Vec<Vec<Tensor>> {
        let trained = self.parameters.iter().filter_map(|parameter| match parameter {
            Lanes::Together(all) => Some(vec![all.shallow_clone()]),
            _ => None,
        });
        trained.collect()
    }
}
