//! How an optimizer moves one run's parameters.

use numeric::{Float, rows};
use optimizers::{Clip, Optimizer, Oracle, Stepper, TensorStepper};
use tch::{Kind, Tensor};

use super::model::{Draw, Model};

/// An optimizer with its state.
pub(super) struct Update<F> {
    clip: Option<Clip>,
    shapes: Vec<Vec<i64>>,
    stepper: How<F>,
}

enum How<F> {
    /// In fused loops, one for each tensor.
    Fused(Vec<Box<dyn Stepper<F>>>),
    /// By libtorch's operations.
    Tensors(Box<dyn TensorStepper>),
}

/// A gradient, where it was taken, and what the loss was.
pub(super) struct Taken<'a> {
    pub model: &'a Model,
    pub draw: Draw,
    pub loss: f64,
    pub gradient: &'a [f64],
}

impl<F: Float> Update<F> {
    pub fn new(optimizer: &Optimizer, shapes: &[Vec<i64>]) -> Self {
        let of = |shape: &Vec<i64>| optimizer.stepper::<F>(rows::chunks(count(shape)));
        let fused: Option<Vec<_>> = shapes.iter().map(of).collect();
        let stepper = fused.map_or_else(|| How::Tensors(optimizer.tensor()), How::Fused);
        Self { clip: optimizer.clip(), shapes: shapes.to_vec(), stepper }
    }

    pub fn step(&mut self, lr: f64, parameters: &mut Vec<F>, taken: &Taken) {
        let mut gradient = split(taken.gradient, &self.shapes, F::KIND);
        if let Some(clip) = &self.clip {
            clip.tensors(&mut gradient);
        }
        match &mut self.stepper {
            How::Fused(steppers) => {
                let mut first = 0;
                for ((stepper, shape), gradient) in steppers.iter_mut().zip(&self.shapes).zip(&gradient) {
                    let own = first..first + count(shape);
                    first = own.end;
                    stepper.step_slice(
                        F::from_f64(lr),
                        &mut parameters[own],
                        numeric::slices::slice::<F>(gradient),
                    );
                }
            }
            How::Tensors(stepper) => {
                let mut tensors = split(&to_f64(parameters), &self.shapes, F::KIND);
                let lr = Tensor::from_slice(&[lr]).to_kind(F::KIND);
                let mut oracle = Asked { taken, clip: self.clip, shapes: &self.shapes };
                stepper.step_with(&lr, &mut tensors, &gradient, &mut oracle);
                *parameters = flat(&tensors).into_iter().map(F::from_f64).collect();
            }
        }
    }

    /// Where the error is measured, if not at the parameters.
    pub fn answer(&self, parameters: &[F]) -> Option<Vec<f64>> {
        let How::Tensors(stepper) = &self.stepper else { return None };
        let tensors = split(&to_f64(parameters), &self.shapes, F::KIND);
        stepper.answer(&tensors).map(|answer| flat(&answer))
    }
}

fn count(shape: &[i64]) -> usize {
    shape.iter().product::<i64>() as usize
}

pub(super) fn to_f64<F: Float>(values: &[F]) -> Vec<f64> {
    values.iter().map(|value| value.to_f64()).collect()
}

fn split(values: &[f64], shapes: &[Vec<i64>], kind: Kind) -> Vec<Tensor> {
    let mut first = 0;
    let part = |shape: &Vec<i64>| {
        let own = first..first + count(shape);
        first = own.end;
        Tensor::from_slice(&values[own]).reshape(shape).to_kind(kind)
    };
    shapes.iter().map(part).collect()
}

fn flat(tensors: &[Tensor]) -> Vec<f64> {
    let numbers = |tensor: &Tensor| {
        Vec::<f64>::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1)).expect("numbers")
    };
    tensors.iter().flat_map(numbers).collect()
}

/// What an optimizer asks of the loss during a step.
struct Asked<'a> {
    taken: &'a Taken<'a>,
    clip: Option<Clip>,
    shapes: &'a [Vec<i64>],
}

impl Oracle for Asked<'_> {
    fn loss(&self) -> Tensor {
        Tensor::from_slice(&[self.taken.loss]).to_kind(self.taken.model.kind)
    }

    fn evaluate(&mut self, points: &[Tensor], _asking: &[bool]) -> (Tensor, Vec<Tensor>) {
        let kind = self.taken.model.kind;
        let (value, gradient) = self.taken.model.at(&flat(points), self.taken.draw);
        let mut gradients = split(&gradient, self.shapes, kind);
        if let Some(clip) = &self.clip {
            clip.tensors(&mut gradients);
        }
        (Tensor::from_slice(&[value]).to_kind(kind), gradients)
    }

    fn hessian_product(&mut self, points: &[Tensor], directions: &[Tensor]) -> Vec<Tensor> {
        let point = flat(points);
        let product = self.taken.model.hessian_times(&point, &flat(directions));
        split(&product.unwrap_or_else(|| vec![0.0; point.len()]), self.shapes, self.taken.model.kind)
    }
}
