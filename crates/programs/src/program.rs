//! A program as it lies in its file.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use files::archive;
use formulas::{Compiled, Update};
use numeric::panics::guarded;
use safetensors::SafeTensors;
use serde::Deserialize;
use tch::{Kind, Tensor};

use crate::call::kind_of;
use crate::draws::Draws;
use crate::gradient::with_gradients;
use crate::graph::Graph;
use crate::lanes::Lanes;
use crate::lower::{self, Class, lower, lower_each};
use crate::python::Code;
use crate::run::evaluate;
use crate::schema::{self, Argument, Exported, InputSpec, OutputSpec, Symbol};
use crate::value::{Context, MOST_NUMBERS, Number, Value};

/// The most bytes that the text of a graph may have.
const MOST_TEXT: u64 = 64 << 20;
/// How to write a file that can be read.
const REMEDY: &str = "write it with scripts/export.py, or torch.export.save";

/// A PyTorch program: what it computes, its parameters and buffers, and what its exporter says of it.
#[derive(Debug)]
pub struct Program {
    train: Module,
    /// Where it isn't the same as in training.
    eval: Option<Module>,
    /// Of an optimizer that has a state.
    init: Option<Module>,
    /// Where that of training has another.
    gradient: Option<Module>,
    stored: BTreeMap<String, Stored>,
    about: Option<About>,
    /// The exporter's samples and starts.
    tensors: BTreeMap<String, Stored>,
    elementwise: OnceLock<Option<Elementwise>>,
    /// Where it is evaluated in Python. Then its graphs are empty.
    python: Option<Code>,
}

/// The update of an optimizer that takes every element by itself.
#[derive(Debug)]
pub struct Elementwise {
    /// It moves the parameter and its state, given the gradient, the learning rate of a lane, and the other numbers in the
    /// order in which the program takes them.
    pub update: Update,
    /// What the state starts from.
    pub start: Vec<f64>,
}

/// Which of its graphs is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// That of training: dropout drops and statistics move. Of an optimizer it is the update.
    Train,
    /// That of evaluation: they don't.
    Eval,
    /// The state that an optimizer starts from, of a parameter.
    Init,
    /// The gradient of the mean of what training returns first, where the graph of training has another: that of a
    /// `torch.autograd.Function`.
    Gradient,
}

/// A parameter or a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name in the module.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// Whether it is trained.
    pub trained: bool,
}

/// What a call of a program came to.
#[derive(Debug)]
pub struct Evaluated {
    /// What it returns.
    pub outputs: Vec<Lanes>,
    /// The buffers after it, in the order of [`Program::buffers`].
    pub buffers: Vec<Lanes>,
}

impl Evaluated {
    /// Those of all lanes, of which each was computed by itself.
    pub(crate) fn of_lanes(lanes: &[Self]) -> Self {
        let part = |of: &dyn Fn(&Self) -> &Vec<Lanes>| {
            let together =
                |number: usize| Lanes::of(lanes.iter().map(|lane| of(lane)[number].lane(0)).collect());
            (0..lanes.first().map_or(0, |lane| of(lane).len())).map(together).collect()
        };
        Self { outputs: part(&|lane| &lane.outputs), buffers: part(&|lane| &lane.buffers) }
    }
}

/// Inputs with what PyTorch computed from them.
#[derive(Debug)]
pub struct Sample {
    /// The mode of the program.
    pub mode: Mode,
    /// The type of its floats.
    pub kind: Kind,
    /// What it is called with.
    pub inputs: Vec<Tensor>,
    /// What it returned.
    pub outputs: Vec<Tensor>,
    /// Gradients of the mean of the first output, by what they are taken.
    pub gradients: Vec<(String, Tensor)>,
    /// The random numbers that it drew, by node.
    pub draws: BTreeMap<String, Tensor>,
}

/// What the exporter writes beside the program.
#[derive(Debug, Deserialize)]
struct About {
    role: String,
    inputs: Vec<String>,
    outputs: Vec<String>,
    /// By what the program `gradient` takes gradients: `input.0`, `parameter.weight`.
    #[serde(default)]
    gradients: Vec<String>,
    #[serde(default)]
    optimizer_options: BTreeMap<String, f64>,
    #[serde(default)]
    starts: u64,
    #[serde(default)]
    samples: Vec<AboutSample>,
}

#[derive(Debug, Deserialize)]
struct AboutSample {
    program: String,
    dtype: String,
    inputs: usize,
    outputs: usize,
    #[serde(default)]
    gradients: Vec<String>,
    #[serde(default)]
    draws: Vec<String>,
}

/// A tensor that threads share: libtorch's can't be.
#[derive(Debug)]
struct Stored {
    kind: Kind,
    size: Vec<i64>,
    bytes: Vec<u8>,
    trained: bool,
}

impl Stored {
    fn tensor(&self, floats: Kind) -> Tensor {
        let tensor = Tensor::from_data_size(&self.bytes, &self.size, self.kind);
        if self.kind == Kind::Float { tensor.to_kind(floats) } else { tensor }
    }

    /// The number that it is, and of which type.
    fn number(&self) -> Option<(f64, Class)> {
        let class = match self.kind {
            Kind::Bool => Class::Bool,
            Kind::Int64 => Class::Int,
            Kind::Float => Class::Float,
            // Of no dimension it takes on the type of the others.
            Kind::Double if self.size.is_empty() => Class::Float,
            _ => return None,
        };
        let tensor = self.tensor(Kind::Double);
        (tensor.numel() == 1).then(|| (tensor.double_value(&[0; 1][..self.size.len()]), class))
    }
}

/// One graph with the meaning of its inputs and outputs.
#[derive(Debug)]
struct Module {
    graph: Graph,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    parameters: Vec<String>,
    buffers: Vec<String>,
    /// The types of its inputs, in the order in which it takes them; floats are [`Kind::Float`].
    user_inputs: Vec<Kind>,
    /// The sizes of its first input and of what it returns: numbers, or expressions.
    first: Vec<String>,
    returned: Vec<Vec<String>>,
    /// How many dimensions they have, where they are all of one shape.
    rank: Option<usize>,
}

#[derive(Debug)]
enum Input {
    Parameter(usize),
    Buffer(usize),
    Constant(String),
    User(usize),
    Nothing,
}

#[derive(Debug)]
enum Output {
    User,
    Buffer(usize),
    Nothing,
}

impl Program {
    /// Reads the bytes of a `.pt2` file.
    ///
    /// # Errors
    /// If it is no such file, of a newer schema, or uses an operator that isn't known: what is wrong, with the line of the
    /// author's source, and what to write instead.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut entries = Entries::read(bytes)?;
        let train = entries.module("model")?;
        let mut stored = entries.weights("model")?;
        let mut other = |name: &str| {
            if !entries.has(&format!("models/{name}.json")) {
                return Ok(None);
            }
            for (name, own) in entries.weights(name)? {
                stored.entry(name).or_insert(own);
            }
            entries.module(name).map(Some)
        };
        let (eval, init, gradient) = (other("eval")?, other("init")?, other("gradient")?);
        let others = [eval.as_ref(), init.as_ref(), gradient.as_ref()];
        for module in [Some(&train)].into_iter().chain(others).flatten() {
            let constants = module.inputs.iter().filter_map(|input| match input {
                Input::Constant(name) => Some(name),
                _ => None,
            });
            if let Some(missing) = module
                .parameters
                .iter()
                .chain(&module.buffers)
                .chain(constants)
                .find(|name| !stored.contains_key(*name))
            {
                return Err(format!("it holds no value of `{missing}`: {REMEDY}"));
            }
        }
        let about = entries.text("extra/optbench.json").transpose()?;
        let about: Option<About> = about
            .map(|text| {
                serde_json::from_str(&text).map_err(|error| format!("its optbench.json: {error}: {REMEDY}"))
            })
            .transpose()?;
        let tensors = entries.extra_tensors()?;
        if gradient.is_some() && about.as_ref().is_some_and(|about| about.role == "model") {
            return Err("a torch.autograd.Function gives it a gradient that its graph hasn't, which a model can't have here: \
                        export the training step with --objective"
                .into());
        }
        for (what, other) in [("evaluation", &eval), ("its gradient", &gradient)] {
            if let Some(other) = other
                && (other.parameters != train.parameters
                    || other.buffers != train.buffers
                    || other.user_inputs != train.user_inputs)
            {
                return Err(format!(
                    "its program of {what} has other parameters, buffers or inputs than that of training: {REMEDY}"
                ));
            }
        }
        let elementwise = OnceLock::new();
        let program = Self { train, eval, init, gradient, stored, about, tensors, elementwise, python: None };
        program.check_names()?;
        Ok(program)
    }

    /// Code that is evaluated in Python.
    pub(crate) fn in_python(code: Code) -> Self {
        let told = &code.about;
        let graph = Graph { inputs: Vec::new(), nodes: Vec::new(), outputs: Vec::new(), slots: 0 };
        let names = |of: &[crate::python::Variable]| of.iter().map(|own| own.name.clone()).collect();
        let kind = |name: &String| match &**name {
            "I64" => Kind::Int64,
            "BOOL" => Kind::Bool,
            _ => Kind::Float,
        };
        let train = Module {
            graph,
            inputs: Vec::new(),
            outputs: told.outputs.iter().map(|_| Output::User).collect(),
            parameters: names(&told.parameters),
            buffers: names(&told.buffers),
            user_inputs: told.kinds.iter().map(kind).collect(),
            first: vec!["n".into(); told.rank],
            returned: Vec::new(),
            rank: None,
        };
        let zeros = |variable: &crate::python::Variable| {
            let count = variable.shape.iter().product::<i64>() as usize;
            let (size, bytes) = (variable.shape.clone(), vec![0; 4 * count]);
            (variable.name.clone(), Stored { kind: Kind::Float, size, bytes, trained: variable.trained })
        };
        let about = About {
            role: told.role.clone(),
            inputs: told.inputs.clone(),
            outputs: told.outputs.clone(),
            gradients: Vec::new(),
            optimizer_options: told.optimizer_options.clone(),
            starts: 0,
            samples: Vec::new(),
        };
        Self {
            train,
            eval: None,
            init: None,
            gradient: None,
            stored: told.parameters.iter().chain(&told.buffers).map(zeros).collect(),
            about: Some(about),
            tensors: BTreeMap::new(),
            elementwise: OnceLock::from(None),
            python: Some(code),
        }
    }

    /// The code, where it is evaluated in Python.
    #[must_use]
    pub fn python(&self) -> Option<&Code> {
        self.python.as_ref()
    }

    /// Refuses names and starts that belong to another program.
    fn check_names(&self) -> Result<(), String> {
        let Some(about) = &self.about else { return Ok(()) };
        let returned = self.train.outputs.iter().filter(|output| matches!(output, Output::User)).count();
        for (what, named, count) in
            [("inputs", about.inputs.len(), self.inputs()), ("results", about.outputs.len(), returned)]
        {
            if named != count {
                return Err(format!(
                    "it has {count} {what}, and names {named}: write it with scripts/export.py"
                ));
            }
        }
        let variables = self.parameters().into_iter().chain(self.buffers());
        for variable in variables {
            let starts = (1..about.starts.max(1)).map(|seed| format!("start.{seed}.{}", variable.name));
            for start in starts.map_while(|name| self.tensors.get(&name)) {
                if start.size != variable.shape {
                    return Err(format!(
                        "a start of its `{}` has the shape {:?}, and should have {:?}: write it with scripts/export.py",
                        variable.name, start.size, variable.shape
                    ));
                }
            }
        }
        Ok(())
    }

    fn module(&self, mode: Mode) -> &Module {
        match mode {
            Mode::Train => &self.train,
            Mode::Eval => self.eval.as_ref().unwrap_or(&self.train),
            Mode::Init => self.init.as_ref().unwrap_or(&self.train),
            Mode::Gradient => self.gradient.as_ref().unwrap_or(&self.train),
        }
    }

    fn variables(&self, names: &[String]) -> Vec<Variable> {
        let variable = |name: &String| {
            let stored = &self.stored[name];
            Variable { name: name.clone(), shape: stored.size.clone(), trained: stored.trained }
        };
        names.iter().map(variable).collect()
    }

    /// Its parameters.
    #[must_use]
    pub fn parameters(&self) -> Vec<Variable> {
        self.variables(&self.train.parameters)
    }

    /// Its buffers.
    #[must_use]
    pub fn buffers(&self) -> Vec<Variable> {
        self.variables(&self.train.buffers)
    }

    /// How many inputs it takes.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.train.user_inputs.len()
    }

    /// The types of its inputs; floats take on that of the run.
    #[must_use]
    pub fn input_kinds(&self) -> &[Kind] {
        &self.train.user_inputs
    }

    /// The names of its inputs, where its exporter says them.
    #[must_use]
    pub fn input_names(&self) -> &[String] {
        self.about.as_ref().map_or(&[], |about| &about.inputs)
    }

    /// The names of what it returns, where its exporter says them.
    #[must_use]
    pub fn output_names(&self) -> &[String] {
        self.about.as_ref().map_or(&[], |about| &about.outputs)
    }

    /// How many dimensions its first input has.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.train.first.len()
    }

    /// The options that an optimizer takes, with their defaults.
    #[must_use]
    pub fn optimizer_options(&self) -> Option<&BTreeMap<String, f64>> {
        self.about.as_ref().filter(|about| about.role == "optimizer").map(|about| &about.optimizer_options)
    }

    /// Whether it says what an optimizer's state starts from.
    #[must_use]
    pub fn has_init(&self) -> bool {
        self.init.is_some()
    }

    /// About how many numbers an optimizer's state has, for a parameter of this shape.
    #[must_use]
    pub fn state_size(&self, shape: &[u64]) -> u64 {
        let product = |sizes: &mut dyn Iterator<Item = u64>| sizes.fold(1, u64::saturating_mul);
        let all = product(&mut shape.iter().copied());
        let Some(init) = &self.init else { return 0 };
        let size = |name: &String| {
            let own = init.first.iter().zip(shape).find(|(first, _)| *first == name).map(|(_, size)| *size);
            own.or_else(|| name.parse().ok()).unwrap_or(all)
        };
        let sizes = init.returned.iter().map(|sizes| product(&mut sizes.iter().map(size)));
        sizes.fold(0, u64::saturating_add)
    }

    /// The outputs that are terms of a loss, by number, and what they are called.
    #[must_use]
    pub fn terms(&self) -> Vec<(usize, String)> {
        let named =
            |(number, name): (usize, &String)| Some((number, name.strip_prefix("terms.")?.to_owned()));
        self.output_names().iter().enumerate().filter_map(named).collect()
    }

    /// What it was exported as, such as `loss`; nothing where it wasn't our exporter.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        self.about.as_ref().map(|about| about.role.as_str())
    }

    /// How many operators it has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.train.graph.size()
    }

    /// Whether it may draw random numbers in a mode.
    #[must_use]
    pub fn is_random(&self, mode: Mode) -> bool {
        self.module(mode).graph.is_random()
    }

    /// Whether its exporter left samples to check it against.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.about.as_ref().is_some_and(|about| !about.samples.is_empty())
    }

    /// Computes its exporter's samples.
    ///
    /// # Errors
    /// If one comes to something else than in PyTorch: to 1e-9 of the largest number in float64, to 1e-4 in float32.
    pub fn check(&self) -> Result<(), String> {
        guarded(|| self.compute_samples()).and_then(|computed| computed)
    }

    fn compute_samples(&self) -> Result<(), String> {
        struct Recorded<'a>(&'a BTreeMap<String, Tensor>);
        impl Draws for Recorded<'_> {
            fn recorded(&self, node: &str) -> Option<Tensor> {
                self.0.get(node).map(Tensor::shallow_clone)
            }
            fn draw(&self, node: &str, _: &[i64], _: crate::draws::Distribution, _: Kind) -> Vec<Tensor> {
                panic!("its sample has no random numbers for `{node}`")
            }
        }
        let _guard = tch::no_grad_guard();
        for sample in self.samples() {
            let shared = |tensors: Vec<Tensor>| tensors.into_iter().map(Lanes::Shared).collect::<Vec<_>>();
            let (parameters, buffers) = self.start(0, sample.kind)?;
            let to = |tensor: &Tensor| {
                if tensor.is_floating_point() { tensor.to_kind(sample.kind) } else { tensor.shallow_clone() }
            };
            let inputs = shared(sample.inputs.iter().map(to).collect());
            let draws = Recorded(&sample.draws);
            let values = (&*shared(parameters), &*shared(buffers), &*inputs);
            let ours = self.evaluate(sample.mode, (sample.kind, 1), values, &draws)?;
            let tolerance = if sample.kind == Kind::Double { 1e-9 } else { 1e-4 };
            for (ours, theirs) in ours.outputs.iter().zip(&sample.outputs) {
                let (ours, theirs) = (ours.lane(0), to(theirs));
                let size =
                    if theirs.is_complex() { theirs.abs() } else { theirs.to_kind(Kind::Double).abs() };
                let scale = size.to_kind(Kind::Double).nan_to_num(0.0, 0.0, 0.0);
                let scale = if scale.numel() == 0 { 0.0 } else { scale.max().double_value(&[]) };
                let same = ours.size() == theirs.size()
                    && ours.to_kind(theirs.kind()).allclose(
                        &theirs,
                        tolerance,
                        tolerance * scale.max(1e-6),
                        true,
                    );
                if !same {
                    return Err(format!(
                        "it comes to {}, and PyTorch came to {}: please report it, with the file",
                        shown(&ours),
                        shown(&theirs)
                    ));
                }
            }
        }
        Ok(())
    }

    /// How many starts it holds: seeds 0, 1, … each have their own, or all the same one.
    #[must_use]
    pub fn starts(&self) -> u64 {
        self.about.as_ref().map_or(1, |about| about.starts.max(1))
    }

    /// The values of parameters and buffers that a seed starts from: where there is but one start, all seeds share it.
    ///
    /// # Errors
    /// If there are several, and none for this seed: how many there are.
    pub fn start(&self, seed: u64, kind: Kind) -> Result<(Vec<Tensor>, Vec<Tensor>), String> {
        let seed = if self.starts() == 1 { 0 } else { seed };
        if seed >= self.starts() {
            return Err(format!(
                "it holds {} starts, and seed {seed} needs one more: export it with --seeds {}",
                self.starts(),
                seed + 1
            ));
        }
        let of = |name: &String| {
            let own = if seed == 0 { None } else { self.tensors.get(&format!("start.{seed}.{name}")) };
            own.unwrap_or(&self.stored[name]).tensor(kind)
        };
        Ok((self.train.parameters.iter().map(of).collect(), self.train.buffers.iter().map(of).collect()))
    }

    /// The exporter's samples.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let all = self.about.iter().flat_map(|about| about.samples.iter().enumerate());
        all.filter_map(|(number, about)| {
            let kind = if about.dtype == "float64" { Kind::Double } else { Kind::Float };
            let tensor = |what: String| {
                Some(self.tensors.get(&format!("sample.{number}.{what}"))?.tensor(Kind::Float))
            };
            let of = |what: &str, count: usize| {
                (0..count).map(|i| tensor(format!("{what}.{i}"))).collect::<Option<Vec<_>>>()
            };
            let named = |what: &str, names: &[String]| {
                names
                    .iter()
                    .map(|name| Some((name.clone(), tensor(format!("{what}.{name}"))?)))
                    .collect::<Option<Vec<_>>>()
            };
            Some(Sample {
                mode: match &*about.program {
                    "eval" => Mode::Eval,
                    "init" => Mode::Init,
                    "gradient" => Mode::Gradient,
                    _ => Mode::Train,
                },
                kind,
                inputs: of("input", about.inputs)?,
                outputs: of("output", about.outputs)?,
                gradients: named("gradient", &about.gradients)?,
                draws: named("draw", &about.draws)?.into_iter().collect(),
            })
        })
        .collect()
    }

    /// What it computes in training as a formula of prediction and target, where it is a loss that takes every element by
    /// itself, and has nothing to train and no state.
    #[must_use]
    pub fn lowered(&self) -> Option<Compiled> {
        let module = &self.train;
        let stored = |name: &String| match &self.stored[name] {
            stored if stored.trained || stored.size.len() > 1 => lower::Input::Other,
            stored => stored
                .number()
                .map_or(lower::Input::Other, |(number, class)| lower::Input::Number(number, class)),
        };
        let inputs = module.inputs.iter().map(|input| match input {
            Input::User(0) => lower::Input::Prediction,
            Input::User(_) => lower::Input::Target,
            Input::Parameter(index) => stored(&module.parameters[*index]),
            Input::Buffer(index) => stored(&module.buffers[*index]),
            Input::Constant(name) => stored(name),
            Input::Nothing => lower::Input::Other,
        });
        let simple = self.gradient.is_none()
            && self.python.is_none()
            && module.user_inputs == [Kind::Float; 2]
            && matches!(module.outputs[..], [Output::User])
            && !module.parameters.iter().any(|name| self.stored[name].trained)
            && !module.graph.is_random()
            && self.terms().is_empty();
        if simple { lower(&module.graph, &inputs.collect::<Vec<_>>(), module.rank?) } else { None }
    }

    /// The update of an optimizer `(parameter, gradient, state…, numbers…)` as fused loops, where it takes every element by
    /// itself and its state starts from numbers.
    #[must_use]
    pub fn elementwise(&self) -> Option<&Elementwise> {
        self.elementwise.get_or_init(|| self.lower_update()).as_ref()
    }

    fn lower_update(&self) -> Option<Elementwise> {
        let names = self.input_names();
        let states = names.iter().filter(|name| name.starts_with("state.")).count() as u32;
        let mut numbers = states + 3..;
        let input = |(index, name): (u32, &String)| match index {
            0 => Some(0),
            1 => Some(states + 1),
            state if state < states + 2 => Some(state - 1),
            _ if name == "lr" => Some(states + 2),
            _ => numbers.next(),
        };
        let places: Vec<u32> = (0..).zip(names).filter_map(input).collect();
        let of = |module: &Module| {
            let input = |input: &Input| match input {
                Input::User(index) => {
                    let class = match module.user_inputs[*index] {
                        Kind::Float => Class::Float,
                        Kind::Int64 => Class::Int,
                        _ => return lower::Input::Other,
                    };
                    places.get(*index).map_or(lower::Input::Other, |place| lower::Input::Own(*place, class))
                }
                Input::Constant(name) => (self.stored[name].number())
                    .map_or(lower::Input::Other, |(number, class)| lower::Input::Number(number, class)),
                _ => lower::Input::Other,
            };
            let inputs: Vec<_> = module.inputs.iter().map(input).collect();
            let whole = !module.graph.is_random()
                && module.outputs.iter().all(|output| matches!(output, Output::User));
            if whole { lower_each(&module.graph, &inputs, self.rank()) } else { None }
        };
        let (graph, results) = of(&self.train)?;
        let start = match &self.init {
            Some(init) => {
                let (graph, results) = of(init)?;
                results.iter().map(|id| graph.value(*id)).collect::<Option<_>>()?
            }
            None => Vec::new(),
        };
        let complete = start.len() == states as usize && results.len() == start.len() + 1;
        complete.then(|| Elementwise { update: Update::new(&graph, &results, [1, 1]), start })
    }

    /// Evaluates it. Parameters, buffers and inputs are shared by all lanes, or one a lane. Where its gradient is a program
    /// of its own and somebody may ask for it, the first output is the mean, which has that gradient.
    ///
    /// # Errors
    /// What an operator refuses, with its name and the line of the author's source.
    pub fn evaluate(
        &self,
        mode: Mode,
        (kind, lanes): (Kind, usize),
        values: (&[Lanes], &[Lanes], &[Lanes]),
        draws: &dyn Draws,
    ) -> Result<Evaluated, String> {
        let mut evaluated = self.evaluate_graph(mode, (kind, lanes), values, draws)?;
        if self.gradient.is_some() && matches!(mode, Mode::Train | Mode::Eval) {
            let (parameters, _, inputs) = values;
            let names = self.about.iter().flat_map(|about| &about.gradients);
            let source = |name: &String| match name.split_once('.') {
                Some(("input", number)) => inputs.get(number.parse::<usize>().ok()?),
                Some(("parameter", name)) => {
                    parameters.get(self.train.parameters.iter().position(|own| own == name)?)
                }
                _ => None,
            };
            let others = || format!("its gradients have other names: {REMEDY}");
            let sources = names.map(source).collect::<Option<Vec<_>>>().ok_or_else(others)?;
            if !sources.iter().any(|source| source.is_recorded()) {
                return Ok(evaluated);
            }
            let gradients = self.evaluate_graph(Mode::Gradient, (kind, lanes), values, draws)?.outputs;
            if sources.len() != gradients.len() {
                return Err(others());
            }
            let gradients = sources.into_iter().zip(gradients).collect();
            if let Some(first) = evaluated.outputs.first_mut() {
                *first = with_gradients(first, lanes, gradients)?;
            }
        }
        Ok(evaluated)
    }

    fn evaluate_graph(
        &self,
        mode: Mode,
        (kind, lanes): (Kind, usize),
        (parameters, buffers, inputs): (&[Lanes], &[Lanes], &[Lanes]),
        draws: &dyn Draws,
    ) -> Result<Evaluated, String> {
        let module = self.module(mode);
        if inputs.len() != module.user_inputs.len() {
            return Err(format!(
                "it takes {} inputs, and is called with {}",
                module.user_inputs.len(),
                inputs.len()
            ));
        }
        // A lane by itself is computed as what all lanes share: no dimension of lanes costs anything.
        let alone = |own: &Lanes| match own {
            Lanes::Together(all) if lanes == 1 => Lanes::Shared(all.squeeze_dim(0)),
            other => other.clone(),
        };
        let of_lanes = |own: Lanes| match own {
            Lanes::Shared(own) if lanes == 1 => Lanes::Together(own.unsqueeze(0)),
            other => other,
        };
        let values = module.inputs.iter().map(|input| match input {
            Input::Parameter(index) => Value::Tensor(alone(&parameters[*index])),
            Input::Buffer(index) => Value::Tensor(alone(&buffers[*index])),
            Input::User(index) => Value::Tensor(alone(&inputs[*index])),
            Input::Constant(name) => self.stored[name].tensor(kind).into(),
            Input::Nothing => Value::Number(Number::Int(0)),
        });
        let context = Context::new(kind, lanes, draws);
        let values = evaluate(&module.graph, values.collect(), &context)?;
        let mut evaluated = Evaluated { outputs: Vec::new(), buffers: buffers.to_vec() };
        for (output, value) in module.outputs.iter().zip(values) {
            let lanes = of_lanes(match value {
                Value::Tensor(lanes) => lanes,
                number @ Value::Number(_) => Lanes::Shared(number.to_tensor(kind)),
            });
            match output {
                Output::User => evaluated.outputs.push(lanes),
                Output::Buffer(index) => evaluated.buffers[*index] = lanes.detached(),
                Output::Nothing => {}
            }
        }
        Ok(evaluated)
    }
}

/// The first numbers of a tensor.
fn shown(tensor: &Tensor) -> String {
    let first = tensor.detach().to_kind(Kind::Double).flatten(0, -1);
    let first: Vec<f64> = first.narrow(0, 0, first.size()[0].min(3)).try_into().unwrap_or_default();
    format!("{first:?}")
}

/// The entries of an archive, below its own folder.
struct Entries<'a> {
    archive: zip::ZipArchive<std::io::Cursor<&'a [u8]>>,
    names: BTreeMap<String, String>,
}

impl<'a> Entries<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let archive = archive::open(bytes)?;
        let names: BTreeMap<String, String> = archive
            .file_names()
            .filter_map(|name| Some((name.split_once('/')?.1.to_owned(), name.to_owned())))
            .collect();
        let mut entries = Self { archive, names };
        if entries.has("constants.pkl") && !entries.has("models/model.json") {
            return Err("it is a TorchScript module: export it anew with scripts/export.py, as a .pt2".into());
        }
        if !entries.has("models/model.json") {
            return Err(format!("it holds no program models/model.json: {REMEDY}"));
        }
        let order = entries.text("byteorder").transpose()?.unwrap_or_default();
        if order.trim() == "big" {
            return Err("its numbers are big-endian: export it on another machine".into());
        }
        Ok(entries)
    }

    fn has(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    fn bytes(&mut self, name: &str) -> Option<Result<Vec<u8>, String>> {
        let full = self.names.get(name)?.clone();
        let mut read = || -> Result<Vec<u8>, String> {
            let wrong = |error: &dyn std::fmt::Display| {
                format!("its {name} can't be unpacked ({error}): copy or export it again")
            };
            let entry = self.archive.by_name(&full).map_err(|error| wrong(&error))?;
            archive::unpack(entry).map_err(|message| wrong(&message))
        };
        Some(read())
    }

    fn text(&mut self, name: &str) -> Option<Result<String, String>> {
        let size = self
            .names
            .get(name)
            .cloned()
            .and_then(|full| self.archive.by_name(&full).ok().map(|entry| entry.size()));
        if size.is_some_and(|size| size > MOST_TEXT) {
            return Some(Err(format!(
                "its {name} has {} bytes, and at most {MOST_TEXT} are read",
                size.unwrap_or(0)
            )));
        }
        let bytes = self.bytes(name)?;
        Some(bytes.and_then(|bytes| String::from_utf8(bytes).map_err(|_| format!("its {name} is no text"))))
    }

    fn json<T: serde::de::DeserializeOwned>(&mut self, name: &str) -> Result<T, String> {
        let text = self.text(name).unwrap_or_else(|| Err(format!("it holds no {name}: {REMEDY}")))?;
        serde_json::from_str(&text).map_err(|error| format!("its {name}: {error}: {REMEDY}"))
    }

    fn module(&mut self, name: &str) -> Result<Module, String> {
        #[derive(Deserialize)]
        struct OnlyVersion {
            schema_version: schema::Version,
            #[serde(default)]
            torch_version: String,
        }
        let path = format!("models/{name}.json");
        let OnlyVersion { schema_version, torch_version } = self.json(&path)?;
        if schema_version.major > schema::NEWEST {
            return Err(format!(
                "it is written in schema {} (torch {torch_version}), and this build reads up to {}: use a newer optbench, or an \
                 older torch",
                schema_version.major,
                schema::NEWEST
            ));
        }
        let exported: Exported = self.json(&path)?;
        Module::new(&exported)
    }

    /// Parameters, buffers and constants by name.
    fn weights(&mut self, model: &str) -> Result<BTreeMap<String, Stored>, String> {
        let mut all = BTreeMap::new();
        for folder in ["weights", "constants"] {
            let table = format!("data/{folder}/{model}_{folder}_config.json");
            if !self.has(&table) {
                continue;
            }
            let weights: schema::Weights = self.json(&table)?;
            for (name, weight) in weights.config {
                if weight.use_pickle {
                    return Err(format!("`{name}` is stored as a pickle, which isn't read: {REMEDY}"));
                }
                let path = format!("data/{folder}/{}", weight.path_name);
                let bytes =
                    self.bytes(&path).unwrap_or_else(|| Err(format!("it holds no {path}: {REMEDY}")))?;
                all.insert(name.clone(), stored(&name, &weight.tensor_meta, &bytes)?);
            }
        }
        Ok(all)
    }

    fn extra_tensors(&mut self) -> Result<BTreeMap<String, Stored>, String> {
        let Some(bytes) = self.bytes("data/optbench.safetensors") else { return Ok(BTreeMap::new()) };
        let bytes = bytes?;
        let wrong = |error: safetensors::SafeTensorError| format!("its optbench.safetensors: {error}");
        let tensors = SafeTensors::deserialize(&bytes).map_err(wrong)?;
        let own = |(name, view): (String, safetensors::tensor::TensorView)| {
            let kind = Kind::try_from(view.dtype()).map_err(|error| format!("its `{name}`: {error}"))?;
            let size = view.shape().iter().map(|size| *size as i64).collect();
            Ok((name, Stored { kind, size, bytes: view.data().to_vec(), trained: false }))
        };
        tensors.tensors().into_iter().map(own).collect()
    }
}

/// A tensor of the archive, contiguous.
fn stored(name: &str, meta: &schema::TensorMeta, bytes: &[u8]) -> Result<Stored, String> {
    let known = |symbols: &[Symbol<i64>]| {
        let number =
            |symbol: &Symbol<i64>| if let Symbol::AsValue(number) = symbol { Some(*number) } else { None };
        symbols.iter().map(number).collect::<Option<Vec<i64>>>()
    };
    let wrong = |what: &str| format!("its `{name}` has {what}: {REMEDY}");
    let size = known(&meta.sizes).ok_or_else(|| wrong("no fixed size"))?;
    let kind = guarded(|| kind_of(meta.dtype, Kind::Float)).map_err(|message| wrong(&message))?;
    let offset = if let Symbol::AsValue(offset) = meta.storage_offset { offset } else { 0 };
    let strides = known(&meta.strides).unwrap_or_default();
    let width = kind.elt_size_in_bytes();
    // A size of 0 doesn't make the others harmless.
    let count = size.iter().try_fold(1_i64, |product, size| product.checked_mul((*size).max(1)));
    let sound = |count: &i64| size.iter().all(|size| *size >= 0) && *count as f64 <= MOST_NUMBERS;
    count.filter(sound).ok_or_else(|| wrong("an absurd size"))?;
    let count = size.iter().product::<i64>() as usize;
    let item = |index: usize| -> Option<&[u8]> {
        // The place of the element in what is stored, by its strides.
        let (mut rest, mut place) = (index as i64, offset);
        for (size, stride) in size.iter().zip(&strides).rev() {
            place = place.wrapping_add((rest % size).wrapping_mul(*stride));
            rest /= size;
        }
        let begin = usize::try_from(place).ok()?.checked_mul(width)?;
        bytes.get(begin..begin.checked_add(width)?)
    };
    let bytes = if strides.len() == size.len() && !is_contiguous(&size, &strides) || offset != 0 {
        (0..count).map(item).collect::<Option<Vec<_>>>().map(|items| items.concat())
    } else {
        bytes.get(..count.saturating_mul(width)).map(<[u8]>::to_vec)
    };
    let bytes = bytes.ok_or_else(|| wrong("fewer bytes than its size says"))?;
    Ok(Stored { kind, size, bytes, trained: meta.requires_grad && meta.dtype >= 6 })
}

fn is_contiguous(size: &[i64], strides: &[i64]) -> bool {
    let mut next = 1;
    for (size, stride) in size.iter().zip(strides).rev() {
        if *size != 1 && *stride != next {
            return false;
        }
        next *= size;
    }
    true
}

impl Module {
    fn new(exported: &Exported) -> Result<Self, String> {
        let module = &exported.graph_module;
        let graph = Graph::new(&module.graph)?;
        let (mut parameters, mut buffers, mut user_inputs) = (Vec::new(), Vec::new(), Vec::new());
        let mut shapes = Vec::new();
        let place = |names: &mut Vec<String>, name: &String| {
            names.push(name.clone());
            names.len() - 1
        };
        let inputs: Vec<Input> = module
            .signature
            .input_specs
            .iter()
            .map(|spec| match spec {
                InputSpec::Parameter { parameter_name } => {
                    Input::Parameter(place(&mut parameters, parameter_name))
                }
                InputSpec::Buffer { buffer_name } => Input::Buffer(place(&mut buffers, buffer_name)),
                InputSpec::TensorConstant { tensor_constant_name } => {
                    Input::Constant(tensor_constant_name.clone())
                }
                InputSpec::UserInput { arg: Argument::AsTensor(tensor) } => {
                    let typed = module.graph.tensor_values.get(&tensor.name);
                    let dtype = typed.map_or(7, |typed| typed.dtype);
                    shapes.push(typed.map(|typed| &typed.sizes));
                    user_inputs.push(guarded(|| kind_of(dtype, Kind::Float)).unwrap_or(Kind::Float));
                    Input::User(user_inputs.len() - 1)
                }
                InputSpec::UserInput { .. } | InputSpec::ConstantInput { .. } => Input::Nothing,
            })
            .collect();
        let outputs = module.signature.output_specs.iter().map(|spec| match spec {
            OutputSpec::UserOutput { .. } | OutputSpec::LossOutput { .. } => Ok(Output::User),
            OutputSpec::BufferMutation { buffer_name, .. } => {
                let index = buffers.iter().position(|name| name == buffer_name);
                index
                    .map(Output::Buffer)
                    .ok_or_else(|| format!("it changes a buffer `{buffer_name}` that it hasn't"))
            }
            OutputSpec::UserInputMutation { .. } => Ok(Output::Nothing),
            OutputSpec::ParameterMutation { parameter_name } => Err(format!(
                "it changes its parameter `{parameter_name}` by itself, which the optimizer should do"
            )),
        });
        let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
        let sizes = |argument: &Argument| {
            let Argument::AsTensor(tensor) = argument else { return Vec::new() };
            let size = |size: &serde_json::Value| match size.pointer("/as_expr/expr_str") {
                Some(expression) => expression.to_string(),
                None => size["as_int"].to_string(),
            };
            let typed = module.graph.tensor_values.get(&tensor.name);
            typed.map_or_else(Vec::new, |typed| typed.sizes.iter().map(size).collect())
        };
        let first = module.signature.input_specs.iter().find_map(|spec| match spec {
            InputSpec::UserInput { arg } => Some(sizes(arg)),
            _ => None,
        });
        let first = first.unwrap_or_default();
        let returned = module.graph.outputs.iter().map(sizes).collect();
        if inputs.len() != graph.inputs.len() || outputs.len() != graph.outputs.len() {
            return Err(format!("its signature has other inputs or outputs than its graph: {REMEDY}"));
        }
        let alike = shapes.windows(2).all(|pair| pair[0] == pair[1]);
        let rank = shapes.first().copied().flatten().filter(|_| alike).map(Vec::len);
        Ok(Self { graph, inputs, outputs, parameters, buffers, user_inputs, first, returned, rank })
    }
}
