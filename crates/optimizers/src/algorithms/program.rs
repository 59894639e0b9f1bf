//! An optimizer that was written in PyTorch.

use std::collections::BTreeMap;
use std::sync::Arc;

use formulas::Steps as Loops;
use numeric::{Float, LANES, Row, Rows, rows};
use programs::{Elementwise, Lanes, Mode, Program as Read, Steps, Streams, Wanted, is_source};
use registry::{Loaded, nearest, options, range};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::lanes::{broadcast_lanes, flatten, unflatten};
use crate::{File, Files, Fusible, Optimizer, OptimizerSpec, Oracle, TensorStepper};

options! {
    /// An optimizer of your own, exported from PyTorch as a `.pt2` program.
    ///
    /// ```text
    /// s ← init(p)                                             zeros where there is no init
    /// p, s ← update(p, ∇f(p), s…, lr, step, options…)         at step 1, 2, …
    /// ```
    /// `update` sees one tensor of one run. What takes every element by itself runs in fused loops; for anything else, all lanes are
    /// computed in one call of each operator.
    ///
    /// - What was exported for vectors, as it is without `--input`, gets every tensor flattened to one. What was exported
    ///   for matrices gets the dimensions after the first as columns, and a vector as one column.
    /// - With `together`, the update sees all parameters of a run as one vector, for norms and matrices over all of them.
    /// - `lr` is the rate of the run at this step, which carries the schedule; `step` counts from 1.
    /// - Arguments of `update` whose default is a float are options. In a grid, a list of numbers stands for an entry each;
    ///   several lists stand for all combinations.
    ///
    /// A run that the program refuses becomes NaN, such as one whose numbers aren't finite anymore, of which linear algebra
    /// finds nothing; where it refuses all of them, that is an error.
    ///
    /// The file holds inputs with what PyTorch computed from them: reading it computes them again. In float64 runs its
    /// floats become float64. It can't draw random numbers.
    ///
    /// ```toml
    /// optimizers = [{ program = { file = "my_optimizer.pt2", options = { beta1 = [0.9, 0.95] } } }, "adam"]
    /// ```
    /// A source file in its place, `file = "my_code.py:MyOptimizer"` or the optimizer `"my_code.py:MyOptimizer(eps=1e-6)"`,
    /// is exported when the config is run. What can't be exported is evaluated in Python, as a `torch.optim.Optimizer` is:
    /// each run has an instance, with the parameters' own shapes, and what its constructor takes as numbers are options.
    ///
    /// Source: yours.
    ///
    /// Checked against: PyTorch 2.13 training by the same functions.
    ///
    /// # Errors
    /// What is wrong with a file's contents is the message of the cells that needed it.
    pub struct Program {
        /// The program, as `scripts/export.py --optimizer` writes it; or the code, as `my_code.py:MyOptimizer`.
        pub file: File = File::default(),
        /// Numbers for arguments of `update`, where they aren't its defaults.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        pub options: BTreeMap<String, Setting> = BTreeMap::new(),
        /// Hands over all parameters as one vector, instead of one tensor after another.
        pub together: bool = false,
        #[serde(skip)]
        read: Loaded<Result<Read, String>> = Loaded::default(),
    }
    check: Self::fitting,
}

/// What a program's option is set to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number, or a list of numbers")]
pub enum Setting {
    /// A number.
    One(f64),
    /// An entry for each of these numbers.
    Each(Vec<f64>),
}

impl Program {
    /// That of code, `my_code.py:Name`; none of another text.
    pub(crate) fn of_code(name: &str) -> Option<Self> {
        is_source(name).then(|| Self { file: File::new(name), ..Self::default() })
    }

    fn fitting(&self) -> Result<(), String> {
        self.file.check()?;
        let known = self.read.0.as_deref().and_then(|read| read.as_ref().ok()?.optimizer_options());
        for (name, setting) in &self.options {
            match setting {
                Setting::One(number) => range::check(name, *number, &..)?,
                Setting::Each(numbers) if numbers.is_empty() => {
                    return Err(format!("the list of `{name}` is empty: name a number"));
                }
                Setting::Each(_) => {
                    return Err(format!(
                        "`{name}` is a list, which only `optimizers` of a [[grid]] may have"
                    ));
                }
            }
            let Some(known) = known.filter(|known| !known.contains_key(name)) else { continue };
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            let hint = match nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if names.is_empty() => {
                    "it has none: give an argument of update a float as its default".into()
                }
                None => format!("there are {}", names.join(", ")),
            };
            return Err(format!("`{}` has no option `{name}`: {hint}", self.file.name()));
        }
        Ok(())
    }

    /// What goes into the program after parameter, gradient and state.
    fn scalars(&self, read: &Read) -> Result<Vec<Scalar>, String> {
        let name = self.file.name();
        let Some(options) = read.optimizer_options() else {
            let says = match read.role() {
                Some(role) => format!("is exported with the role {role}, and an optimizer is needed"),
                None => "doesn't say what it is".into(),
            };
            return Err(format!("`{name}` {says}: write it with scripts/export.py --optimizer"));
        };
        if read.is_random(Mode::Train) || read.is_random(Mode::Init) {
            return Err(format!("`{name}` draws random numbers, which an optimizer can't here"));
        }
        if self.together && read.rank() != 1 {
            return Err(format!(
                "`together` hands over a vector, and `{name}` takes a parameter of {} dimensions: export it without --input",
                read.rank()
            ));
        }
        let names = read.input_names();
        let whole = read.rank() > 0 && read.parameters().is_empty() && read.buffers().is_empty();
        let known = |(number, name): (usize, &String)| match (number, name.as_str()) {
            (0, "parameter") | (1, "gradient") => Some(None),
            (_, "lr") => Some(Some(Scalar::Lr)),
            (_, "step") => Some(Some(Scalar::Step(*read.input_kinds().get(number)?))),
            (2.., state) if state.starts_with("state.") => Some(None),
            (_, option) => {
                let number = match self.options.get(option) {
                    Some(Setting::One(number)) => number,
                    _ => options.get(option)?,
                };
                Some(Some(Scalar::Option(*number)))
            }
        };
        let all = names.iter().enumerate().map(known).collect::<Option<Vec<_>>>();
        let all = all.filter(|all| whole && all.len() == read.inputs() && all.len() >= 2);
        let shown = names.join(", ");
        let all = all.ok_or_else(|| {
            format!(
                "`{name}` is no update(parameter, gradient, state…, lr, step, options…): its inputs are {shown}; \
                 write it with scripts/export.py --optimizer"
            )
        })?;
        Ok(all.into_iter().flatten().collect())
    }
}

impl<F: Float> Fusible<F> for Program {
    fn stepper(&self, rows: usize) -> Option<Box<dyn crate::Stepper<F>>> {
        let read = self.read.0.as_deref()?.as_ref().ok()?;
        let Elementwise { update, start } = read.elementwise()?;
        let scalars = self.scalars(read).ok()?;
        let scalars = scalars.into_iter().filter(|scalar| !matches!(scalar, Scalar::Lr)).collect();
        let start: Vec<F> = start.iter().map(|start| F::from_f64(*start)).collect();
        let state = start.iter().map(|start| Rows::splat(*start, rows)).collect();
        Some(Box::new(Fused { steps: update.steps(), scalars, step: 0, start, state }))
    }
}

/// An update that takes every element by itself, as fused loops.
struct Fused<F> {
    steps: Loops<F>,
    /// Besides the learning rate.
    scalars: Vec<Scalar>,
    step: u64,
    /// What each number of the state starts from.
    start: Vec<F>,
    state: Vec<Rows<F>>,
}

impl<F: Float> Fused<F> {
    /// The numbers of the next step.
    fn advance(&mut self) -> Vec<F> {
        self.step += 1;
        let number = |scalar: &Scalar| match scalar {
            Scalar::Option(number) => *number,
            Scalar::Lr | Scalar::Step(_) => self.step as f64,
        };
        self.scalars.iter().map(|scalar| F::from_f64(number(scalar))).collect()
    }

    /// Moves some rows on, of which the first is `first`.
    fn update(
        &mut self,
        elements: usize,
        (lr, numbers): (&[Row<F>], &[F]),
        (first, parameters): (usize, &mut [Row<F>]),
        gradient: &[Row<F>],
    ) {
        let own = first..first + parameters.len();
        let state = self.state.iter_mut().map(|state| &mut state[own.clone()]);
        let mut moving: Vec<&mut [Row<F>]> = [parameters].into_iter().chain(state).collect();
        self.steps.step(elements, &mut moving, &[gradient], &[lr], numbers);
    }
}

impl<F: Float> crate::Stepper<F> for Fused<F> {
    fn step(&mut self, elements: usize, lr: &[Row<F>], parameters: &mut [Row<F>], gradient: &[Row<F>]) {
        let numbers = self.advance();
        self.update(elements, (lr, &numbers), (0, parameters), gradient);
    }

    fn step_slice(&mut self, lr: F, parameters: &mut [F], gradient: &[F]) {
        assert_eq!(parameters.len(), gradient.len());
        let numbers = self.advance();
        let lr = [rows::splat(lr)];
        let (p, p_rest) = parameters.as_chunks_mut::<LANES>();
        let (g, g_rest) = gradient.as_chunks::<LANES>();
        if !p_rest.is_empty() {
            // The last, shorter row is filled up.
            let (mut last, mut of_last) = ([rows::zero::<F>()], [rows::zero::<F>()]);
            last[0][..p_rest.len()].copy_from_slice(p_rest);
            of_last[0][..g_rest.len()].copy_from_slice(g_rest);
            self.update(1, (&lr, &numbers), (p.len(), &mut last), &of_last);
            p_rest.copy_from_slice(&last[0][..p_rest.len()]);
        }
        if !p.is_empty() {
            self.update(p.len(), (&lr, &numbers), (0, p), g);
        }
    }

    fn reset(&mut self, first: usize, elements: usize, lane: usize) {
        for (state, start) in self.state.iter_mut().zip(&self.start) {
            for row in &mut state[first..first + elements] {
                row[lane] = *start;
            }
        }
    }
}

impl OptimizerSpec for Program {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        let prepared = || {
            let name = self.file.name();
            let read = self.read.0.clone().ok_or_else(|| format!("`{name}` isn't loaded"))?;
            let program = Result::as_ref(&read).map_err(|message| format!("`{name}`: {message}"))?;
            if program.python().is_some() {
                let number = |(name, setting): (&String, &Setting)| match setting {
                    Setting::One(number) => Some((name.clone(), *number)),
                    Setting::Each(_) => None,
                };
                let options = self.options.iter().filter_map(number).collect();
                let (name, together) = (name.to_owned(), self.together);
                return Ok(Box::new(InPython { name, read, together, options, steps: None })
                    as Box<dyn TensorStepper>);
            }
            let scalars = self.scalars(program)?;
            let (name, together) = (name.to_owned(), self.together);
            let (states, refused) = (Vec::new(), Vec::new());
            Ok(Box::new(Stepper { name, read, together, scalars, step: 0, states, refused })
                as Box<dyn TensorStepper>)
        };
        prepared().unwrap_or_else(|message: String| panic!("{message}"))
    }

    fn load(&mut self, files: &mut Files) -> Result<(), String> {
        self.read.0 = Some(self.file.load_program(files, &Wanted::of_role("optimizer"))?);
        Ok(())
    }

    fn files(&self) -> Vec<&File> {
        vec![&self.file]
    }

    fn memory(&self, shapes: &[Vec<u64>]) -> u64 {
        let numbers = crate::numbers(shapes);
        let Some(Ok(read)) = self.read.0.as_deref() else { return numbers };
        let seen = if self.together { &[vec![numbers]][..] } else { shapes };
        let state = |shape: &Vec<u64>| read.state_size(&laid_out(shape, read.rank()));
        let states = seen.iter().map(state).fold(0, u64::saturating_add);
        // Before and after the step, and as much again on the way.
        states.saturating_mul(4).saturating_add(numbers.saturating_mul(8))
    }
}

impl Optimizer {
    /// The program that it is, or that it wraps.
    fn program(&mut self) -> Option<&mut Program> {
        match self {
            Self::Program(program) => Some(program),
            other => other.inner_mut()?.program(),
        }
    }

    /// The optimizers that a list of numbers among its options stands for: one for each combination of numbers; at most
    /// one more than `most`.
    #[must_use]
    pub fn expanded(&self, most: usize) -> Vec<Self> {
        let mut all = vec![self.clone()];
        let settings = self.clone().program().map(|program| program.options.clone());
        for (name, setting) in settings.unwrap_or_default() {
            let Setting::Each(numbers) = setting else { continue };
            if numbers.is_empty() {
                continue; // An error of its own.
            }
            let with = |optimizer: &Self, number: f64| {
                let mut optimizer = optimizer.clone();
                if let Some(program) = optimizer.program() {
                    program.options.insert(name.clone(), Setting::One(number));
                }
                optimizer
            };
            let each = all.iter().flat_map(|optimizer| numbers.iter().map(|number| with(optimizer, *number)));
            all = each.take(most.saturating_add(1)).collect();
        }
        all
    }
}

/// The shape of a tensor as a program for so many dimensions gets it: what are too many are put together into the last,
/// what are too few are 1.
fn laid_out(shape: &[u64], rank: usize) -> Vec<u64> {
    let (kept, others) = shape.split_at(shape.len().min(rank.saturating_sub(1)));
    let mut size = kept.to_vec();
    if size.len() < rank {
        size.push(crate::size(others));
    }
    size.resize(rank, 1);
    size
}

/// What an update is told besides tensors.
#[derive(Clone, Copy, Debug)]
enum Scalar {
    Lr,
    /// In this type, where it isn't that of the run.
    Step(Kind),
    Option(f64),
}

struct Stepper {
    name: String,
    read: Arc<Result<Read, String>>,
    together: bool,
    scalars: Vec<Scalar>,
    step: u64,
    /// Of each tensor.
    states: Vec<Vec<Lanes>>,
    /// The lanes that the program has refused: they are NaN.
    refused: Vec<bool>,
}

impl Stepper {
    fn program(&self) -> &Read {
        Result::as_ref(&self.read).expect("a stepper is made of what was read")
    }

    /// A tensor as the program gets it, which nothing else changes.
    fn view(&self, tensor: &Tensor) -> Tensor {
        let size = tensor.size();
        let own: Vec<u64> = size[1..].iter().map(|size| *size as u64).collect();
        let own = laid_out(&own, self.program().rank()).into_iter().map(|size| size as i64);
        tensor.detach().copy().reshape(size[..1].iter().copied().chain(own).collect::<Vec<_>>())
    }

    /// What the program returns. Lanes that it refuses are computed with the numbers of another, so that the others go on;
    /// none where it refuses all, since their numbers aren't finite.
    fn call(&mut self, mode: Mode, kind: Kind, inputs: &[Lanes]) -> Result<Option<Vec<Lanes>>, String> {
        let refusal = match self.evaluate(mode, kind, inputs) {
            Err(message) => message,
            outputs => return outputs,
        };
        let of = |lane: usize| inputs.iter().map(|input| Lanes::Shared(input.lane(lane))).collect::<Vec<_>>();
        let alone = |lane: usize| evaluate(self.program(), mode, (kind, 1), &of(lane));
        let refused = self.refused.iter().enumerate().map(|(lane, refused)| *refused || alone(lane).is_err());
        let refused: Vec<bool> = refused.collect();
        let is_finite =
            |lane: usize| of(lane).iter().all(|input| input.lane(0).isfinite().all().int64_value(&[]) == 1);
        let finite = (0..refused.len()).any(is_finite);
        if refused == self.refused || (finite && !refused.contains(&false)) {
            return Err(refusal);
        }
        self.refused = refused;
        self.evaluate(mode, kind, inputs)
    }

    fn evaluate(&self, mode: Mode, kind: Kind, inputs: &[Lanes]) -> Result<Option<Vec<Lanes>>, String> {
        let Some(good) = self.refused.iter().position(|refused| !refused) else { return Ok(None) };
        let own = |(lane, refused): (usize, &bool)| if *refused { good as i64 } else { lane as i64 };
        let sources = || Tensor::from_slice(&self.refused.iter().enumerate().map(own).collect::<Vec<_>>());
        let sources = self.refused.contains(&true).then(sources);
        let borrowed = |input: &Lanes| match (input, &sources) {
            (Lanes::Together(all), Some(sources)) => Lanes::Together(all.index_select(0, sources)),
            (other, _) => other.clone(),
        };
        let inputs: Vec<Lanes> = inputs.iter().map(borrowed).collect();
        evaluate(self.program(), mode, (kind, self.refused.len()), &inputs).map(Some)
    }

    /// The state of a tensor before the first step.
    fn start(&mut self, p: &Tensor) -> Result<Vec<Lanes>, String> {
        let wanted = self.program().inputs() - self.scalars.len() - 2;
        if wanted == 0 {
            return Ok(Vec::new());
        }
        if !self.program().has_init() {
            return Err(
                "it doesn't say what its state starts from: write it with scripts/export.py --optimizer"
                    .into(),
            );
        }
        let state = self.call(Mode::Init, p.kind(), &[Lanes::Together(p.copy())])?;
        match state {
            Some(state) if state.len() != wanted => {
                Err(format!("init returns {} tensors, and update takes {wanted}", state.len()))
            }
            state => Ok(state.unwrap_or_default()),
        }
    }

    /// A tensor after a step, and its state.
    fn update(
        &mut self,
        lr: &Tensor,
        (p, g): (&Tensor, Tensor),
        state: Vec<Lanes>,
    ) -> Result<(Tensor, Vec<Lanes>), String> {
        let kind = p.kind();
        let scalar = |scalar: &Scalar| match scalar {
            Scalar::Lr => Lanes::Together(lr.shallow_clone()),
            Scalar::Step(Kind::Float) => Lanes::Shared(Tensor::from(self.step as f64).to_kind(kind)),
            Scalar::Step(own) => Lanes::Shared(Tensor::from(self.step as i64).to_kind(*own)),
            Scalar::Option(number) => Lanes::Shared(Tensor::from(*number).to_kind(kind)),
        };
        let count = state.len();
        let scalars: Vec<Lanes> = self.scalars.iter().map(scalar).collect();
        let tensors = [Lanes::Together(p.shallow_clone()), Lanes::Together(g)];
        let inputs: Vec<Lanes> = tensors.into_iter().chain(state.iter().cloned()).chain(scalars).collect();
        let Some(mut outputs) = self.call(Mode::Train, kind, &inputs)? else {
            return Ok((p.full_like(f64::NAN), state));
        };
        if outputs.len() != count + 1 {
            return Err(format!(
                "update returns {} tensors, and (parameter, state…) are {}",
                outputs.len(),
                count + 1
            ));
        }
        let next = outputs.remove(0).together(self.refused.len())?;
        if next.size() != p.size() {
            let [own, returned] = [p, &next].map(|tensor| tensor.size().split_off(1));
            return Err(format!("update returns a parameter of size {returned:?}, and takes one of {own:?}"));
        }
        let next = if self.refused.contains(&true) {
            next.masked_fill(&broadcast_lanes(&Tensor::from_slice(&self.refused), &next), f64::NAN)
        } else {
            next
        };
        Ok((next, outputs))
    }
}

fn evaluate(
    program: &Read,
    mode: Mode,
    lanes: (Kind, usize),
    inputs: &[Lanes],
) -> Result<Vec<Lanes>, String> {
    let draws = Streams { seeds: &[0], step: 0 };
    program.evaluate(mode, lanes, (&[], &[], inputs), &draws).map(|evaluated| evaluated.outputs)
}

/// An optimizer that is evaluated in Python, where its state is.
struct InPython {
    name: String,
    read: Arc<Result<Read, String>>,
    together: bool,
    options: BTreeMap<String, f64>,
    steps: Option<Steps>,
}

impl InPython {
    fn step(
        &mut self,
        lr: &Tensor,
        parameters: &[Tensor],
        gradients: &[Tensor],
        oracle: &mut dyn Oracle,
    ) -> Result<Vec<Tensor>, String> {
        let program = Result::as_ref(&self.read).map_err(Clone::clone)?;
        let code = program.python().ok_or("it isn't evaluated in Python")?;
        let lanes = lr.size()[0] as usize;
        let steps = match &mut self.steps {
            Some(steps) => steps,
            steps => steps.insert(code.steps(&self.options, lanes)?),
        };
        // An Optimizer sees the tensors as they are; update gets vectors, as an exported one does.
        let views = |tensors: &[Tensor]| -> Vec<Tensor> {
            let own = |tensor: &Tensor| match program.rank() {
                0 => tensor.shallow_clone(),
                _ => tensor.flatten(1, -1),
            };
            if self.together { vec![flatten(tensors)] } else { tensors.iter().map(own).collect() }
        };
        let back = |stepped: &[Tensor]| -> Vec<Tensor> {
            if self.together {
                return unflatten(&stepped[0], parameters);
            }
            stepped.iter().zip(parameters).map(|(stepped, p)| stepped.reshape(p.size())).collect()
        };
        let losses: Vec<f64> = Vec::try_from(oracle.loss().to_kind(Kind::Double))
            .map_err(|error: tch::TchError| error.to_string())?;
        let mut evaluate = |lane: usize, own: &[Tensor]| {
            let points: Vec<Tensor> = parameters.iter().map(|p| p.detach().copy()).collect();
            let own: Vec<Tensor> = own.iter().map(|own| own.unsqueeze(0)).collect();
            let at_lane: Vec<Tensor> = points.iter().map(|p| p.narrow(0, lane as i64, 1)).collect();
            let own = if self.together { unflatten(&own[0], &at_lane) } else { own };
            for (point, own) in at_lane.iter().zip(&own) {
                point.shallow_clone().copy_(&own.reshape(point.size()));
            }
            let asking: Vec<bool> = (0..lanes).map(|other| other == lane).collect();
            let (loss, gradients) = oracle.evaluate(&points, &asking);
            let gradients = views(&gradients).iter().map(|g| g.get(lane as i64)).collect();
            (loss.double_value(&[lane as i64]), gradients)
        };
        let stepped =
            steps.step((&rates(lr), &losses), &views(parameters), &views(gradients), &mut evaluate)?;
        Ok(back(&stepped))
    }
}

/// Learning rates as PyTorch has them: the shortest decimal numbers that are these in their type, such as 0.1.
fn rates(lr: &Tensor) -> Vec<f64> {
    let all: Vec<f64> = Vec::try_from(lr.to_kind(Kind::Double)).expect("a rate a lane");
    let short = |rate: f64| (rate as f32).to_string().parse().unwrap_or(rate);
    if lr.kind() == Kind::Float { all.into_iter().map(short).collect() } else { all }
}

impl TensorStepper for InPython {
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        oracle: &mut dyn Oracle,
    ) {
        let _guard = tch::no_grad_guard();
        let stepped = self.step(lr, parameters, gradients, oracle);
        let stepped = stepped.unwrap_or_else(|message| panic!("`{}`: {message}", self.name));
        parameters.iter_mut().zip(&stepped).for_each(|(p, stepped)| p.copy_(stepped));
    }
}

impl TensorStepper for Stepper {
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        _oracle: &mut dyn Oracle,
    ) {
        let _guard = tch::no_grad_guard();
        let whole = |tensors: &[Tensor]| {
            let each = tensors.iter().map(Tensor::shallow_clone);
            if self.together { vec![flatten(tensors)] } else { each.collect() }
        };
        let (p, g) = (whole(parameters), whole(gradients));
        if self.step == 0 {
            self.refused = vec![false; lr.size()[0] as usize];
            self.states = p.iter().map(|_| Vec::new()).collect();
        }
        self.step += 1;
        let mut next = Vec::new();
        for (index, (p, g)) in p.iter().zip(&g).enumerate() {
            let (seen, g) = (self.view(p), self.view(g));
            let step = || {
                let state =
                    if self.step == 1 { self.start(&seen)? } else { std::mem::take(&mut self.states[index]) };
                let (next, state) = self.update(lr, (&seen, g), state)?;
                self.states[index] = state;
                Ok(next.reshape(p.size()))
            };
            let stepped: Result<Tensor, String> = step();
            next.push(stepped.unwrap_or_else(|message| panic!("`{}`: {message}", self.name)));
        }
        let next = if self.together { unflatten(&next[0], parameters) } else { next };
        parameters.iter_mut().zip(&next).for_each(|(p, next)| p.copy_(next));
    }
}
