//! A program on lanes, each of which has parameters, buffers and random numbers of its own.

use std::ops::Range;
use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use crate::draws::Streams;
use crate::lanes::Lanes;
use crate::program::{Evaluated, Mode, Program, Variable};
use crate::python::{Call, Session, not_here};
use crate::value::LANES_DIFFER;

/// What a file holds: a program, or what is wrong with it.
pub type Shared = Arc<Result<Program, String>>;

/// A program on lanes: their starts, their buffers, and their random numbers, which follow from seed and step.
///
/// Messages begin with the name of the file.
#[derive(Debug)]
pub struct Instance {
    name: String,
    read: Shared,
    kind: Kind,
    seeds: Vec<u64>,
    variables: Vec<Variable>,
    /// The values of those that aren't trained.
    frozen: Vec<Option<Tensor>>,
    start: Vec<Tensor>,
    buffers: Vec<Lanes>,
    /// What a step of training has made of them, by its number.
    next: Option<(u64, Vec<Lanes>)>,
    /// Where it is evaluated in Python, and that may be started.
    session: Option<Session>,
    /// Whether gradients of terms are going to be taken.
    terms: bool,
}

impl Instance {
    /// A lane for each seed.
    ///
    /// # Errors
    /// If the file holds no program, or no start for a seed.
    pub fn new(
        name: &str,
        read: &Shared,
        seeds: &[u64],
        (kind, device): (Kind, Device),
    ) -> Result<Self, String> {
        let named = |message: String| format!("`{name}`: {message}");
        let program = Result::as_ref(read).map_err(|message| named(message.clone()))?;
        let session = program.python().map(|code| code.lanes(seeds.len()));
        let session = session.transpose().map_err(named)?.flatten();
        let start = |seed: &u64| {
            let Some(session) = &session else { return program.start(*seed, kind) };
            let to = |tensor: Tensor| if tensor.is_floating_point() { tensor.to_kind(kind) } else { tensor };
            let mut parameters: Vec<Tensor> = session.start(*seed)?.into_iter().map(to).collect();
            let buffers = parameters.split_off(program.parameters().len().min(parameters.len()));
            Ok((parameters, buffers))
        };
        let starts = seeds.iter().map(|seed| start(seed).map_err(named));
        let (parameters, buffers): (Vec<_>, Vec<_>) =
            starts.collect::<Result<Vec<_>, String>>()?.into_iter().unzip();
        let together = |of: &[Vec<Tensor>], number: usize| {
            let all: Vec<&Tensor> = of.iter().map(|lane| &lane[number]).collect();
            Tensor::stack(&all, 0).to_device(device)
        };
        let variables = program.parameters();
        let (mut frozen, mut start) = (Vec::new(), Vec::new());
        for (number, variable) in variables.iter().enumerate() {
            if variable.trained {
                let all = together(&parameters, number);
                start.push(if all.dim() == 1 { all.unsqueeze(1) } else { all });
                frozen.push(None);
            } else {
                frozen.push(Some(parameters[0][number].to_device(device)));
            }
        }
        let count = program.buffers().len();
        let buffers = (0..count).map(|number| Lanes::Together(together(&buffers, number))).collect();
        let (name, seeds) = (name.to_owned(), seeds.to_vec());
        let (read, next, terms) = (read.clone(), None, false);
        Ok(Self { name, read, kind, seeds, variables, frozen, start, buffers, next, session, terms })
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Program {
        let Ok(program) = &*self.read else { unreachable!("an instance is made of what was read") };
        program
    }

    /// The name of its file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many lanes there are.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.seeds.len()
    }

    /// Where the parameters that are trained start, `[lanes, …]` of at least two dimensions.
    #[must_use]
    pub fn start(&self) -> Vec<Tensor> {
        self.start.iter().map(Tensor::copy).collect()
    }

    /// The names of those parameters.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let trained = self.variables.iter().filter(|variable| variable.trained);
        trained.map(|variable| variable.name.clone()).collect()
    }

    /// Says whether gradients of its terms are going to be taken, which cost an evaluation in Python extra.
    pub fn set_terms(&mut self, terms: bool) {
        self.terms = terms;
    }

    /// What it returns in a step of training. Its buffers move on when the next step begins: the error at the parameters
    /// of this one is that of the buffers before it, and a step that is computed twice moves them once.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    ///
    /// # Panics
    /// As [`call`](Self::call).
    pub fn train(
        &mut self,
        step: u64,
        parameters: &[Tensor],
        inputs: &[Lanes],
    ) -> Result<Vec<Lanes>, String> {
        if let Some((_, buffers)) = self.next.take_if(|(of, _)| *of != step) {
            self.buffers = buffers;
        }
        let Evaluated { outputs, buffers } = self.evaluate(Mode::Train, step, parameters, inputs)?;
        self.next = Some((step, buffers));
        Ok(outputs)
    }

    /// What it returns for the parameters of all lanes, as [`start`](Self::start) has them. Its buffers stay.
    ///
    /// # Errors
    /// What an operator refuses, with the line of the author's source, and what the program was called with.
    ///
    /// # Panics
    /// If there are fewer parameters than are trained.
    pub fn call(
        &self,
        mode: Mode,
        step: u64,
        parameters: &[Tensor],
        inputs: &[Lanes],
    ) -> Result<Vec<Lanes>, String> {
        Ok(self.evaluate(mode, step, parameters, inputs)?.outputs)
    }

    fn evaluate(
        &self,
        mode: Mode,
        step: u64,
        parameters: &[Tensor],
        inputs: &[Lanes],
    ) -> Result<Evaluated, String> {
        let mut trained = parameters.iter();
        let own = self.frozen.iter().zip(&self.variables).map(|(frozen, variable)| {
            if let Some(value) = frozen {
                return Lanes::Shared(value.shallow_clone());
            }
            let all = trained.next().expect("a parameter for each that is trained");
            // What has no dimension of its own has one while it is trained.
            Lanes::Together(if variable.shape.is_empty() { all.squeeze_dim(1) } else { all.shallow_clone() })
        });
        let own: Vec<Lanes> = own.collect();
        let lanes = self.seeds.len();
        let mut evaluated = self.evaluate_lanes(mode, step, 0..lanes, (&own, &self.buffers, inputs));
        if lanes > 1 && evaluated.as_ref().is_err_and(|message| message.contains(LANES_DIFFER)) {
            let alone = |lane: usize| {
                let of =
                    |all: &[Lanes]| all.iter().map(|all| Lanes::Shared(all.lane(lane))).collect::<Vec<_>>();
                let (own, buffers, inputs) = (of(&own), of(&self.buffers), of(inputs));
                self.evaluate_lanes(mode, step, lane..lane + 1, (&own, &buffers, &inputs))
            };
            evaluated =
                (0..lanes).map(alone).collect::<Result<Vec<_>, _>>().map(|lanes| Evaluated::of_lanes(&lanes));
        }
        evaluated.map_err(|message| {
            let names = self.program().input_names().iter().map(String::as_str);
            let sizes = inputs.iter().map(|input| format!("{:?}", input.lane_size()));
            let called: Vec<String> = match names.len() {
                count if count == inputs.len() => names.zip(sizes).map(|(n, s)| format!("{n} {s}")).collect(),
                _ => sizes.collect(),
            };
            format!("`{}`: {message}; it is called with {}", self.name, called.join(", "))
        })
    }

    fn evaluate_lanes(
        &self,
        mode: Mode,
        step: u64,
        lanes: Range<usize>,
        values: (&[Lanes], &[Lanes], &[Lanes]),
    ) -> Result<Evaluated, String> {
        if let Some(code) = self.program().python() {
            let (seeds, training) = (&self.seeds[lanes], mode == Mode::Train);
            let call = Call { training, kind: self.kind, seeds, step, terms: self.terms };
            let session = self.session.as_ref().ok_or_else(not_here)?;
            let (outputs, buffers) = session.evaluate(code, &call, values)?;
            return Ok(Evaluated { outputs, buffers });
        }
        let draws = Streams { seeds: &self.seeds[lanes.clone()], step };
        self.program().evaluate(mode, (self.kind, lanes.len()), values, &draws)
    }

    /// An output of all lanes, `[lanes, …]`, in the type of the run.
    ///
    /// # Errors
    /// If there is none of this number, or the shapes of the lanes differ.
    pub fn output(&self, outputs: &[Lanes], number: usize) -> Result<Tensor, String> {
        let output = outputs.get(number).ok_or_else(|| format!("`{}` returns nothing", self.name))?;
        output.together(self.lanes()).map_err(|message| format!("`{}`: {message}", self.name))
    }
}
