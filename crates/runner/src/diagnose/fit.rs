//! Free predictions, or a line, against a target.

use std::cell::RefCell;
use std::rc::Rc;

use losses::{Lanes, Targets, mean_of_lanes};
use numeric::Stream;
use tch::{Kind, Tensor};

use super::model::Draw;
use super::numbers::Array;
use super::reader::Reader;
use crate::config::diagnose::{Readout, Sees, Term};

/// Free predictions against a target.
#[derive(Clone)]
pub(super) struct FitModel {
    pub terms: Vec<Term>,
    pub readout: Readout,
    /// The module of a readout that is one.
    pub reader: Option<Rc<Reader>>,
    pub sees: Sees,
    pub start: Array,
    pub target: Array,
    pub noise: f64,
    pub seed: u64,
    /// What is made of the losses' values.
    pub shape: Shape,
    /// Draws of the noise that a step takes the mean of.
    pub draws: u64,
    /// A straight line instead of free predictions: prediction = w·x + b at these x.
    pub line: Option<Vec<f64>>,
}

/// Another loss, made from a loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    /// As it is.
    Plain,
    /// log(1 + (ℓ − least)/scale)
    Log1p { least: f64, scale: f64 },
    /// (ℓ − least)^exponent
    Power { least: f64, exponent: f64, eps: f64 },
    /// (ℓ(d) + ℓ(−d))/2
    Even,
    /// The same, plus |ℓ(d) − ℓ(−d)|/2
    Folded,
}

/// A loss that is ready, and lent out step by step.
pub(super) type Ready = RefCell<Box<dyn Lanes>>;

impl FitModel {
    pub fn has_classes(&self) -> bool {
        self.terms.iter().any(|term| term.loss.targets() == Targets::Classes)
    }

    /// The shape of what is compared with the target.
    pub fn readout_shape(&self) -> Vec<i64> {
        let shape = &self.start.shape;
        match self.readout {
            Readout::Product | Readout::First => shape[..shape.len() - 1].to_vec(),
            Readout::TorchScript(_) => self.reader().shape.clone(),
            _ => shape.clone(),
        }
    }

    /// The losses `[lanes]` of predictions `[lanes, …]`; `term`: of that one alone.
    pub fn forward(
        &self,
        prediction: &Tensor,
        losses: &[Ready],
        target: &Tensor,
        draw: Draw,
        term: Option<usize>,
    ) -> Tensor {
        let seen = self.seen(prediction);
        let Draw::Step(step) = draw else {
            return self.reduced(&seen, losses, &target.unsqueeze(0), term);
        };
        // Every lane meets the same draws, which lie side by side as lanes do.
        let (lanes, draws) = (seen.size()[0], self.draws as i64);
        let seen = if draws > 1 { seen.repeat_interleave_self_int(draws, 0, None) } else { seen };
        let target = if self.noise > 0.0 {
            let shape = [&[draws], &*target.size()].concat();
            let noise = Tensor::from_slice(&self.noise_of(step)).reshape(&shape).to_kind(target.kind());
            let repeats: Vec<i64> = [lanes].into_iter().chain(target.size().iter().map(|_| 1)).collect();
            (target + noise).repeat(&repeats)
        } else {
            // A module that draws random numbers draws new ones for each of the draws.
            target.unsqueeze(0)
        };
        let values = self.reduced(&seen, losses, &target, term);
        if draws > 1 { values.reshape([lanes, draws]).mean_dim(1, false, None::<Kind>) } else { values }
    }

    /// What is added to the targets at a step.
    pub fn noise_of(&self, step: u64) -> Vec<f64> {
        let mut stream = Stream::new("diagnose: noise", &[self.seed, step]);
        let count = self.draws as usize * self.target.values.len();
        (0..count).map(|_| self.noise * stream.normal()).collect()
    }

    /// What the loss is handed.
    pub fn seen(&self, prediction: &Tensor) -> Tensor {
        match self.sees {
            Sees::Readout => self.read_out(prediction),
            Sees::Prediction => prediction.shallow_clone(),
        }
    }

    /// The weighted sum of the losses, reshaped and reduced.
    fn reduced(&self, seen: &Tensor, losses: &[Ready], target: &Tensor, term: Option<usize>) -> Tensor {
        let lanes = seen.size()[0];
        // Shapes that differ broadcast into one another, and lanes would too.
        let apart =
            lanes > 1 && !self.has_classes() && self.line.is_none() && self.seen_shape() != self.target.shape;
        let one_loss = |loss: &Ready, seen: &Tensor| {
            let mut loss = loss.borrow_mut();
            if apart {
                let one = |lane| mean_of_lanes(&loss.values(&seen.narrow(0, lane, 1), target));
                return Tensor::cat(&(0..lanes).map(one).collect::<Vec<_>>(), 0);
            }
            loss.values(seen, target)
        };
        let sum = |seen: &Tensor| {
            // A single loss may know terms of its own.
            if let (Some(term), [only]) = (term, losses) {
                return only.borrow_mut().terms(seen, target).swap_remove(term).value;
            }
            let chosen = losses.iter().zip(&self.terms).enumerate();
            let chosen = chosen.filter(|(i, _)| term.is_none_or(|t| t == *i)).map(|(_, pair)| pair);
            let weighted = |(loss, term): (&Ready, &Term)| {
                let values = one_loss(loss, seen);
                // Several terms may differ in shape; each has its own mean.
                let values = if self.terms.len() > 1 { mean_of_lanes(&values) } else { values };
                if term.weight == 1.0 { values } else { values * term.weight }
            };
            chosen.map(weighted).reduce(|a, b| a + b).expect("there is at least one loss")
        };
        let mirrored = || sum(&(target * 2.0 - seen));
        let values = match self.shape {
            Shape::Plain => sum(seen),
            Shape::Log1p { least, scale } => ((sum(seen) - least) / scale).log1p(),
            Shape::Power { least, exponent, eps } => {
                ((sum(seen) - least).clamp_min(0.0) + eps).pow_tensor_scalar(exponent)
            }
            Shape::Even => (sum(seen) + mirrored()) * 0.5,
            Shape::Folded => {
                let (here, there) = (sum(seen), mirrored());
                (&here + &there) * 0.5 + (here - there).abs() * 0.5
            }
        };
        mean_of_lanes(&values)
    }

    /// The shape of what the loss is handed.
    pub fn seen_shape(&self) -> Vec<i64> {
        match self.sees {
            Sees::Readout => self.readout_shape(),
            Sees::Prediction => self.start.shape.clone(),
        }
    }

    /// √ mean (readout − target)², in float64. Equal counts are compared number by number, whatever the shapes.
    pub fn error(&self, point: &[f64]) -> f64 {
        // What comes after the predictions belongs to the loss.
        let point = &point[..self.start.values.len()];
        if let Some(x) = &self.line {
            // The target of a line is a line, through its first and last point.
            let y = &self.target.values;
            let w = (y[y.len() - 1] - y[0]) / (x[x.len() - 1] - x[0]);
            return (point[0] - w).abs().max((point[1] - (y[0] - w * x[0])).abs());
        }
        self.error_of(&self.read_out_numbers(point))
    }

    /// The errors of points of that many numbers.
    pub fn errors(&self, points: &[f64], size: usize) -> Vec<f64> {
        let predictions = self.start.values.len();
        match &self.reader {
            Some(reader) if self.line.is_none() => {
                let own: Vec<f64> =
                    points.chunks(size).flat_map(|point| &point[..predictions]).copied().collect();
                let shape = [&[-1], &*self.start.shape].concat();
                let read = reader.lanes(&Tensor::from_slice(&own).reshape(shape));
                let numbers: Vec<f64> = Vec::try_from(read.flatten(0, -1)).expect("numbers");
                let each = numbers.len() / (points.len() / size);
                numbers.chunks(each).map(|readout| self.error_of(readout)).collect()
            }
            _ => points.chunks(size).map(|point| self.error(point)).collect(),
        }
    }

    fn error_of(&self, readout: &[f64]) -> f64 {
        let classes = self.has_classes();
        let target = &self.target.values;
        let count = readout.len();
        let truth = |i: usize| {
            if classes {
                // Classes lie along the last dimension of the readout, and are compared as one-hot vectors.
                let width = count / target.len();
                f64::from(u8::from(target[i / width] == (i % width) as f64))
            } else {
                target[i % target.len()]
            }
        };
        let squares = readout.iter().enumerate().map(|(i, value)| (value - truth(i)) * (value - truth(i)));
        (squares.sum::<f64>() / count as f64).sqrt()
    }

    /// The readout of a point.
    pub fn read_out_numbers(&self, point: &[f64]) -> Vec<f64> {
        let width = *self.start.shape.last().unwrap_or(&1) as usize;
        let each = |f: fn(f64) -> f64| point.iter().map(|p| f(*p)).collect();
        match self.readout {
            Readout::TorchScript(_) => {
                let _guard = tch::no_grad_guard();
                let prediction = Tensor::from_slice(point).reshape(&self.start.shape).unsqueeze(0);
                Vec::try_from(self.reader().lanes(&prediction).flatten(0, -1)).expect("numbers")
            }
            Readout::First => point.iter().step_by(width).copied().collect(),
            Readout::Identity => point.to_vec(),
            Readout::Sigmoid => each(|p| 1.0 / (1.0 + libm::exp(-p))),
            Readout::Relu => each(|p| if p > 0.0 || p.is_nan() { p } else { 0.0 }),
            Readout::Tanh => each(libm::tanh),
            Readout::Exp => each(libm::exp),
            Readout::Product => point.chunks(width).map(|pair| pair.iter().product()).collect(),
            Readout::Softmax => {
                let softmax = |row: &[f64]| {
                    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let powers: Vec<f64> = row.iter().map(|p| libm::exp(p - largest)).collect();
                    let sum: f64 = powers.iter().sum();
                    powers.into_iter().map(move |power| power / sum)
                };
                point.chunks(width).flat_map(softmax).collect()
            }
        }
    }

    /// How many neighbours one number of the readout is made of, of which the first answers for the target.
    pub fn outputs(&self) -> usize {
        if self.readout == Readout::First { *self.start.shape.last().unwrap_or(&1) as usize } else { 1 }
    }

    fn reader(&self) -> &Reader {
        self.reader.as_deref().expect("a module was read")
    }

    /// The predictions whose readout is the target, where that can be said.
    pub fn solution(&self) -> Option<Vec<f64>> {
        if self.has_classes() {
            return None;
        }
        let target = &self.target.values;
        let point: Vec<f64> = match self.readout {
            Readout::Identity | Readout::Relu => target.clone(),
            Readout::Sigmoid => target.iter().map(|y| libm::log(y / (1.0 - y))).collect(),
            Readout::Tanh => target.iter().map(|y| libm::atanh(*y)).collect(),
            Readout::Exp | Readout::Softmax => target.iter().map(|y| libm::log(*y)).collect(),
            // What else a loss is told stays as it starts.
            Readout::First => {
                let outputs = self.outputs();
                let start = self.start.values.iter().enumerate();
                let solved = |(i, p): (usize, &f64)| {
                    if i % outputs == 0 { target.get(i / outputs).copied() } else { Some(*p) }
                };
                start.map(solved).collect::<Option<_>>()?
            }
            Readout::Product | Readout::TorchScript(_) => return None,
        };
        (point.len() == self.start.values.len() && point.iter().all(|p| p.is_finite())).then_some(point)
    }

    fn read_out(&self, prediction: &Tensor) -> Tensor {
        let last = prediction.dim() as i64 - 1;
        match self.readout {
            Readout::Identity => prediction.shallow_clone(),
            Readout::Sigmoid => prediction.sigmoid(),
            Readout::Softmax => prediction.softmax(-1, None::<Kind>),
            Readout::Relu => prediction.relu(),
            Readout::Tanh => prediction.tanh(),
            Readout::Exp => prediction.exp(),
            Readout::Product => prediction.prod_dim_int(last, false, None::<Kind>),
            Readout::First => prediction.select(last, 0),
            Readout::TorchScript(_) => self.reader().lanes(prediction),
        }
    }
}
