use std::rc::Rc;

use losses::{File, Files, Kernel, Loss, TargetKind};
use numeric::{Float, LANES, Row, Rows, Stream, vectorize};
use programs::{Instance, Lanes, Mode, Program, Wanted};
use registry::{Loaded, options};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::data::values::{Array, Draws, Normal, Values};
use crate::fits::direct_fit::squares;
use crate::linear::{draws, lane_rows};
use crate::supervised::{Model, Supervised};
use crate::{Batching, Draw, FusedProblem, Fusible, Losses, ProblemSpec, TensorProblem};

options! {
    /// Free predictions against a target of your own, through a readout.
    ///
    /// ```text
    /// loss  = mean over i of ℓ(r(p)ᵢ, targetᵢ + noise·N(0, 1)),  r the readout, noise drawn anew at each step
    /// error = √ mean over i of (r(p)ᵢ − targetᵢ)²
    /// ```
    /// What `loss_input = "prediction"` says: ℓ is told p itself, as a loss of logits is, and the error is that of r(p). Where the
    /// loss needs classes, the target holds their numbers, predictions are logits `[n, classes]`, and the error compares
    /// the readout with one-hot vectors. `direct_fit` is the same with a target and a start drawn from N(0, 1).
    ///
    /// Start and target are a number, a list, or a generator such as `{ normal = { std = 2, shape = [16] } }`; a start may be
    /// an `offset` from the target.
    ///
    /// ```toml
    /// problems = [{ free_fit = { start = -2, target = 0, readout = "sigmoid" } }]
    /// ```
    /// Source: the free fit of the diagnosis.
    ///
    /// Checked against: PyTorch 2.13, loss and gradient under every readout.
    pub struct FreeFit {
        /// Where the predictions start.
        pub start: Values = Values::Draws(Draws::Offset(Box::new(normal(2.0, None)))),
        /// Where the readout of the predictions should end.
        pub target: Values = normal(1.0, Some(vec![16])),
        /// From the prediction to what the target is: `identity`, `sigmoid`, `softmax`, `relu`, `tanh`, `exp`, `product`, `first`
        /// or `{ program = … }`.
        pub readout: Readout = Readout::Identity,
        /// What the loss is told: the `readout` or the `prediction`.
        pub loss_input: LossInput = LossInput::Readout,
        /// The standard deviation of the noise on the target.
        pub noise: f64 = 0.0 => 0.0..,
    }
    check: Self::fitting,
}

/// How a prediction becomes what the target is given as.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Readout {
    /// It is that already.
    #[default]
    Identity,
    /// σ(p)
    Sigmoid,
    /// Over the last dimension.
    Softmax,
    /// max(p, 0)
    Relu,
    /// tanh(p)
    Tanh,
    /// eᵖ
    Exp,
    /// The product over the last dimension, such as a·b of pairs (a, b).
    Product,
    /// The first along the last dimension, such as the mean of a mean and a log-variance.
    First,
    /// What a program of your own returns: forward(prediction).
    Program(Box<Exported>),
}

impl Readout {
    /// Whether it may be flat.
    #[must_use]
    pub fn is_activation(&self) -> bool {
        !matches!(self, Self::Identity | Self::Product | Self::First)
    }

    /// Whether each number of the readout is a function of one prediction.
    #[must_use]
    pub fn is_elementwise(&self) -> bool {
        matches!(self, Self::Identity | Self::Sigmoid | Self::Relu | Self::Tanh | Self::Exp)
    }

    /// One number of the readout, and its slope; as libtorch, exact in both tails.
    #[inline(always)]
    fn of<F: Float>(&self, p: F) -> (F, F) {
        let (zero, one) = (F::default(), F::from_f64(1.0));
        match self {
            Self::Sigmoid => {
                // The slope s·(1 − s) vanishes where s rounds to 1.
                let small = (-p.abs()).exp();
                let s = if p < zero { small / (one + small) } else { one / (one + small) };
                (s, s * (one - s))
            }
            Self::Tanh => {
                let t = p.tanh();
                (t, one - t * t)
            }
            Self::Relu => (if p < zero { zero } else { p }, if p > zero { one } else { zero }),
            Self::Exp => (p.exp(), p.exp()),
            _ => (p, one),
        }
    }

    /// The predictions whose readout is the target, where that can be said of each by itself.
    fn inverse(&self, target: &[f64]) -> Option<Vec<f64>> {
        let each = |inverse: fn(f64) -> f64| Some(target.iter().map(|y| inverse(*y)).collect());
        match self {
            Self::Identity | Self::Relu => Some(target.to_vec()),
            Self::Sigmoid => each(|y| libm::log(y / (1.0 - y))),
            Self::Tanh => each(libm::atanh),
            Self::Exp | Self::Softmax => each(libm::log),
            Self::Product | Self::First | Self::Program(_) => None,
        }
    }
}

/// See [`Readout::Program`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    /// As `scripts/export.py --model` writes it, relative to the config's folder.
    pub file: File,
    #[serde(skip)]
    read: Loaded<Result<Program, String>>,
}

impl Exported {
    /// Reads the program.
    ///
    /// # Errors
    /// If the file can't be read. What is wrong with a program is an error of what calls it.
    pub fn load(&mut self, files: &mut Files) -> Result<(), String> {
        self.read.0 = Some(self.file.load_program(files, &Wanted::of_role("model"))?);
        Ok(())
    }

    /// The program on a lane of each seed.
    fn lanes(&self, seeds: &[u64], options: (Kind, Device)) -> Result<Instance, String> {
        let name = self.file.name();
        let read = self.read.0.as_ref().ok_or_else(|| format!("`{name}` isn't loaded"))?;
        let instance = Instance::new(name, read, seeds, options)?;
        match instance.program().inputs() {
            1 => Ok(instance),
            inputs => {
                Err(format!("`{name}` takes {inputs} inputs, and a readout is called as forward(prediction)"))
            }
        }
    }
}

/// What the loss is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossInput {
    /// The readout of the prediction, as a model whose last layer it is would hand over.
    #[default]
    Readout,
    /// The prediction itself: a loss of logits.
    Prediction,
}

fn normal(std: f64, shape: Option<Vec<i64>>) -> Values {
    Values::Draws(Draws::Normal(Normal { mean: 0.0, std, shape }))
}

/// Start and target of a seed, and the shapes that follow.
struct Drawn {
    start: Array,
    target: Array,
    /// The shape of the readout.
    readout: Vec<i64>,
    /// The shape of what the loss is told.
    seen: Vec<i64>,
}

impl FreeFit {
    fn fitting(&self) -> Result<(), String> {
        if self.target.is_offset() {
            return Err("`target` can't be an offset from itself: give `start` the offset".into());
        }
        for (name, values) in [("start", &self.start), ("target", &self.target)] {
            if let Some(fault) = values.fault() {
                return Err(format!("`{name}`: {fault}"));
            }
        }
        Ok(())
    }

    /// Start and target of a seed.
    fn numbers(&self, seed: u64) -> Result<[Array; 2], String> {
        let target = self.target.target(seed)?;
        Ok([self.start.start(&target, seed)?, target])
    }

    fn draw(&self, seed: u64, kind: Kind) -> Result<Drawn, String> {
        let [start, target] = self.numbers(seed)?;
        let readout = match &self.readout {
            Readout::Product | Readout::First => start.shape[..start.shape.len().max(1) - 1].to_vec(),
            Readout::Program(exported) => {
                let program = exported.lanes(&[seed], (kind, Device::Cpu))?;
                let returned = read(&program, &start.tensor(kind).unsqueeze(0).set_requires_grad(true))?;
                if !returned.requires_grad() {
                    return Err(format!(
                        "`{}`: what `forward` returns has no gradient by the prediction: a readout that detaches or \
                         rounds has nothing to train",
                        program.name()
                    ));
                }
                returned.size().split_off(1)
            }
            _ => start.shape.clone(),
        };
        let seen = if self.loss_input == LossInput::Readout { readout.clone() } else { start.shape.clone() };
        Ok(Drawn { start, target, readout, seen })
    }

    /// The shapes of the readout and of what the loss is told.
    ///
    /// # Errors
    /// If numbers can't be read, or the readout is a program that doesn't take them.
    pub fn shapes(&self, seed: u64) -> Result<[Vec<i64>; 2], String> {
        self.draw(seed, Kind::Double).map(|drawn| [drawn.readout, drawn.seen])
    }

    /// The readout of a point.
    ///
    /// # Errors
    /// As [`shapes`](Self::shapes).
    pub fn read_out(&self, seed: u64, point: &[f64]) -> Result<Vec<f64>, String> {
        let model = OnTensors::new(self, &[seed], TargetKind::Values, (Kind::Double, Device::Cpu))?;
        let prediction = Tensor::from_slice(point).reshape(model.start.size());
        let numbers = Vec::<f64>::try_from(model.read(&prediction).flatten(0, -1));
        numbers.map_err(|error| error.to_string())
    }

    /// What a draw adds to the targets of several seeds, if anything; each seed's is drawn once.
    fn noise(&self, seeds: &[u64], draw: Draw, count: usize) -> Option<Vec<Rc<Vec<f64>>>> {
        let Draw::Step(step) = draw else { return None };
        let of = |seed| {
            let mut stream = Stream::new("diagnose: noise", &[seed, step]);
            (0..count).map(|_| self.noise * stream.normal()).collect()
        };
        (self.noise > 0.0).then(|| draws(seeds, of))
    }
}

impl ProblemSpec for FreeFit {
    fn load(&mut self, files: &mut Files) -> Result<(), String> {
        for (name, values) in [("start", &mut self.start), ("target", &mut self.target)] {
            if let Some(file) = values.file_mut() {
                file.load(files).map_err(|message| format!("`{name}`: {message}"))?;
            }
        }
        if let Readout::Program(exported) = &mut self.readout {
            exported.load(files).map_err(|message| format!("`readout`: {message}"))?;
        }
        Ok(())
    }

    fn losses(&self) -> Losses {
        match self.target {
            Values::Draws(Draws::Classes(_)) => Losses::ValuesOrClasses,
            _ => Losses::Values,
        }
    }

    fn depends_on_seed(&self) -> bool {
        self.noise > 0.0 || self.start.is_random() || self.target.is_random()
    }

    fn solutions(&self, seed: u64) -> Vec<Vec<f64>> {
        let Ok([start, target]) = self.numbers(seed) else { return Vec::new() };
        let outputs = *start.shape.last().unwrap_or(&1) as usize;
        let point = match self.readout {
            // What else a loss is told stays as it starts.
            Readout::First => {
                let mut point = start.values.clone();
                point.iter_mut().step_by(outputs.max(1)).zip(&target.values).for_each(|(p, y)| *p = *y);
                Some(point).filter(|_| target.values.len() * outputs == start.values.len())
            }
            _ => self.readout.inverse(&target.values),
        };
        let usable =
            |point: &Vec<f64>| point.len() == start.values.len() && point.iter().all(|p| p.is_finite());
        point.filter(usable).into_iter().collect()
    }

    /// Shapes that differ broadcast into one another, and lanes would too.
    fn batching(&self) -> Batching {
        let alike = self.draw(0, Kind::Double).is_ok_and(|drawn| drawn.seen == drawn.target.shape);
        Batching { lanes: if alike { 256 } else { 1 }, one_seed: false }
    }

    fn files(&self) -> Vec<&File> {
        let program =
            if let Readout::Program(exported) = &self.readout { Some(&exported.file) } else { None };
        [self.start.file(), self.target.file(), program].into_iter().flatten().collect()
    }

    fn batch(&self, seeds: &[u64], loss: Option<&Loss>, options: (Kind, Device)) -> Box<dyn TensorProblem> {
        let model =
            OnTensors::new(self, seeds, loss.map_or(TargetKind::Values, |loss| loss.targets()), options);
        Supervised::boxed(model.unwrap_or_else(|message| panic!("{message}")), loss, seeds, options)
    }
}

/// What a program makes of predictions `[lanes, …]`.
fn read(program: &Instance, prediction: &Tensor) -> Result<Tensor, String> {
    let name = program.name();
    let inputs = [Lanes::Together(prediction.shallow_clone())];
    let outputs = program.call(Mode::Eval, Draw::Frozen.number(), &program.start(), &inputs)?;
    let returned = program.output(&outputs, 0)?;
    if !returned.is_floating_point() {
        let kind = returned.kind();
        return Err(format!("`{name}`: `forward` returns {kind:?}: return a floating-point tensor"));
    }
    Ok(returned)
}

struct OnTensors {
    fit: FreeFit,
    seeds: Vec<u64>,
    program: Option<Instance>,
    classes: bool,
    /// `[lanes, …]`
    start: Tensor,
    target: Tensor,
}

impl OnTensors {
    fn new(
        fit: &FreeFit,
        seeds: &[u64],
        told: TargetKind,
        (kind, device): (Kind, Device),
    ) -> Result<Self, String> {
        let drawn = draws(seeds, |seed| fit.numbers(seed));
        let drawn = drawn.iter().map(|lane| Result::as_ref(lane).map_err(Clone::clone));
        let drawn: Vec<&[Array; 2]> = drawn.collect::<Result<_, String>>()?;
        let all = |part: usize, kind: Kind| {
            let lanes: Vec<Tensor> = drawn.iter().map(|numbers| numbers[part].tensor(kind)).collect();
            Tensor::stack(&lanes, 0).to_device(device)
        };
        let classes = told == TargetKind::Classes;
        let (start, target) = (all(0, kind), all(1, if classes { Kind::Int64 } else { kind }));
        let program = match &fit.readout {
            Readout::Program(exported) => Some(exported.lanes(seeds, (kind, device))?),
            _ => None,
        };
        let seeds = seeds.to_vec();
        Ok(Self { fit: fit.clone(), seeds, program, classes, start, target })
    }

    /// The readout `[lanes, …]` of predictions.
    fn read(&self, prediction: &Tensor) -> Tensor {
        let last = prediction.dim() as i64 - 1;
        match self.fit.readout {
            Readout::Identity => prediction.shallow_clone(),
            Readout::Sigmoid => prediction.sigmoid(),
            Readout::Softmax => prediction.softmax(-1, None::<Kind>),
            Readout::Relu => prediction.relu(),
            Readout::Tanh => prediction.tanh(),
            Readout::Exp => prediction.exp(),
            Readout::Product => prediction.prod_dim_int(last, false, None::<Kind>),
            Readout::First => prediction.select(last, 0),
            Readout::Program(_) => {
                let program = self.program.as_ref().expect("it was loaded");
                read(program, prediction).unwrap_or_else(|message| panic!("{message}"))
            }
        }
    }
}

impl Model for OnTensors {
    fn start(&self) -> Vec<Tensor> {
        vec![self.start.copy()]
    }

    fn names(&self) -> Vec<String> {
        vec!["prediction".into()]
    }

    fn forward(&mut self, draw: Draw, parameters: &[Tensor]) -> (Tensor, Tensor) {
        let prediction = &parameters[0];
        let seen = if self.fit.loss_input == LossInput::Readout {
            self.read(prediction)
        } else {
            prediction.shallow_clone()
        };
        let count = self.target.numel() / self.seeds.len();
        let Some(noise) = self.fit.noise(&self.seeds, draw, count) else {
            return (seen, self.target.shallow_clone());
        };
        let noise: Vec<f64> = noise.iter().flat_map(|noise| noise.to_vec()).collect();
        let noise = Tensor::from_slice(&noise).reshape(self.target.size()).to_kind(self.target.kind());
        (seen, &self.target + noise)
    }

    /// Equal counts are compared number by number, whatever the shapes.
    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        let _guard = tch::no_grad_guard();
        let readout = self.read(&parameters[0]).to_kind(Kind::Double);
        let lanes = self.seeds.len() as i64;
        let truth = if self.classes {
            self.target.one_hot(*readout.size().last().unwrap_or(&1)).to_kind(Kind::Double)
        } else {
            self.target.to_kind(Kind::Double)
        };
        let truth = truth.reshape([lanes, 1, -1]);
        let off = readout.reshape([lanes, -1, truth.size()[2]]) - truth;
        let error = off.square().mean_dim([1, 2].as_slice(), false, None::<Kind>).sqrt();
        Vec::try_from(error).expect("a vector of lanes")
    }
}

impl<F: Float> Fusible<F> for FreeFit {
    /// Where the loss is elementwise, and so is the readout, or it is a product.
    fn block(&self, seeds: &[u64], loss: Option<&Loss>) -> Option<Box<dyn FusedProblem<F>>> {
        let loss = loss?.kernel()?;
        let is_product = self.readout == Readout::Product;
        if !(self.readout.is_elementwise() || is_product && self.loss_input == LossInput::Readout) {
            return None;
        }
        let draws = draws(seeds, |seed| self.draw(seed, F::KIND).ok());
        let drawn: Vec<&Drawn> = draws.iter().map(|drawn| drawn.as_ref().as_ref()).collect::<Option<_>>()?;
        let Drawn { start, target, seen, .. } = drawn[0];
        if *seen != target.shape {
            return None;
        }
        let (parameters, elements) = (start.values.len(), target.values.len());
        Some(Box::new(Fused {
            loss,
            fit: self.clone(),
            seeds: seeds.to_vec(),
            width: parameters / elements.max(1),
            target: lane_rows(elements, seeds.len(), |lane, i| drawn[lane].target.values[i]),
            start: lane_rows(parameters, seeds.len(), |lane, i| drawn[lane].start.values[i]),
            told: Rows::zero(elements),
            seen: Rows::zero(elements),
            slope: Rows::zero(elements),
            link: Rows::zero(parameters),
        }))
    }
}

struct Fused<F> {
    loss: Box<dyn Kernel<F>>,
    fit: FreeFit,
    seeds: Vec<u64>,
    /// The parameters of an element.
    width: usize,
    target: Rows<F>,
    start: Rows<F>,
    /// Of a chunk: the targets with their noise, what the loss sees, its slope, and the slope of the readout.
    told: Rows<F>,
    seen: Rows<F>,
    slope: Rows<F>,
    link: Rows<F>,
}

impl<F: Float> Fused<F> {
    /// Reads a chunk out: the readout into `seen`, its slope into `link`.
    fn read(&mut self, parameters: &[Row<F>]) {
        if self.width > 1 {
            let product = |rows: &[Row<F>], lane: usize| {
                rows.iter().fold(F::from_f64(1.0), |product, row| product * row[lane])
            };
            let groups = parameters.chunks_exact(self.width).zip(self.link.chunks_exact_mut(self.width));
            for ((group, link), seen) in groups.zip(self.seen.iter_mut()) {
                for lane in 0..LANES {
                    seen[lane] = product(group, lane);
                    for (i, link) in link.iter_mut().enumerate() {
                        link[lane] = product(&group[..i], lane) * product(&group[i + 1..], lane);
                    }
                }
            }
            return;
        }
        for ((p, seen), link) in parameters.iter().zip(self.seen.iter_mut()).zip(self.link.iter_mut()) {
            for lane in 0..LANES {
                (seen[lane], link[lane]) = self.fit.readout.of(p[lane]);
            }
        }
    }

    /// Puts the targets of a chunk with the noise of the draw where the loss is told them; whether there is noise.
    fn add_gradient_noise(&mut self, chunk: usize, draw: Draw) -> bool {
        let elements = self.told.len();
        let own = chunk * LANES..self.seeds.len().min((chunk + 1) * LANES);
        let Some(noise) = self.fit.noise(&self.seeds[own], draw, elements) else { return false };
        self.told.copy_from_slice(&self.target[chunk * elements..(chunk + 1) * elements]);
        for (lane, noise) in noise.iter().enumerate() {
            for (row, noise) in self.told.iter_mut().zip(&**noise) {
                row[lane] = F::from_f64(row[lane].to_f64() + noise);
            }
        }
        true
    }
}

impl<F: Float> FusedProblem<F> for Fused<F> {
    fn elements(&self) -> usize {
        self.link.len()
    }

    fn start(&self) -> Rows<F> {
        self.start.clone()
    }

    fn evaluate(
        &mut self,
        draw: Draw,
        parameters: &[Row<F>],
        gradient: &mut [Row<F>],
        loss: &mut [Row<F>],
        raw_error: &mut [Row<F>],
    ) {
        let (elements, width) = (self.told.len(), self.width);
        let size = elements * width;
        for (chunk, p) in parameters.chunks_exact(size).enumerate() {
            let disturbed = self.add_gradient_noise(chunk, draw);
            self.read(p);
            let truth = &self.target[chunk * elements..(chunk + 1) * elements];
            let told = if disturbed { &*self.told } else { truth };
            let g = &mut gradient[chunk * size..(chunk + 1) * size];
            let value = std::slice::from_mut(&mut loss[chunk]);
            if self.fit.loss_input == LossInput::Prediction {
                self.loss.mean(elements, p, told, g, value);
            } else {
                self.loss.mean(elements, &self.seen, told, &mut self.slope, value);
                vectorize(
                    #[inline(always)]
                    || pull_back(width, &self.slope, &self.link, g),
                );
            }
            vectorize(
                #[inline(always)]
                || squares(elements, &self.seen, truth, &mut raw_error[chunk..=chunk]),
            );
        }
    }

    /// The measure is the sum of squares.
    fn error(&self, raw_error: F) -> F {
        (raw_error / F::from_f64(self.told.len() as f64)).sqrt()
    }

    fn raw_error(&self, error: F) -> F {
        error * error * F::from_f64(self.told.len() as f64)
    }
}

#[inline(always)]
fn pull_back<F: Float>(width: usize, slope: &[Row<F>], link: &[Row<F>], gradient: &mut [Row<F>]) {
    for (i, (g, link)) in gradient.iter_mut().zip(link).enumerate() {
        let slope = &slope[i / width];
        for lane in 0..LANES {
            g[lane] = slope[lane] * link[lane];
        }
    }
}
