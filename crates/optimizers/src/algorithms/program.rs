//! An optimizer that was written in PyTorch.

mod fused;
mod in_python;
mod operators;

use std::collections::BTreeMap;

use fused::Fused;
use in_python::InPython;
use numeric::Float;
use operators::Stepper;
use programs::{Mode, Program as Read, Wanted, is_source};
use registry::{Loaded, nearest, options, range};
use serde::{Deserialize, Serialize};
use tch::Kind;

use crate::{File, Files, Fusible, Optimizer, OptimizerSpec, TensorStepper};

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
        let elementwise = read.elementwise()?;
        let scalars = self.scalars(read).ok()?;
        let scalars = scalars.into_iter().filter(|scalar| !matches!(scalar, Scalar::Lr)).collect();
        Some(Box::new(Fused::new(elementwise, scalars, rows)))
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
                return Ok(Box::new(InPython::new(name, read, together, options)) as Box<dyn TensorStepper>);
            }
            let scalars = self.scalars(program)?;
            let (name, together) = (name.to_owned(), self.together);
            Ok(Box::new(Stepper::new(name, read, together, scalars)) as Box<dyn TensorStepper>)
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
