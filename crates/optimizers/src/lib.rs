//! Optimizers and learning-rate schedules, one file each, and the registries that the config, the
//! results and the tests know them by.
//!
//! An elementwise update rule is one function over [`Real`](numeric::Real) ([`Rule`]). From it come
//! the fused [`Stepper`], one pass over parameters, gradient and state, and the same rule on libtorch
//! tensors ([`TensorStepper`]).
//!
//! ```
//! use optimizers::{OptimizerSpec, Fusible, Optimizer};
//!
//! let adam = Optimizer::named("adam").unwrap();
//! assert_eq!(adam.label(), "adam");
//! let mut stepper = <dyn OptimizerSpec as Fusible<f32>>::stepper(&*adam, 1).unwrap();
//! let mut p = [1.0_f32, 2.0];
//! stepper.step_slice(0.5, &mut p, &[3.0, -3.0]);
//! assert_eq!(p, [0.5, 2.5]);
//! ```
//!
//! A new elementwise optimizer is a file with its options, [`Elementwise`] and [`Rule`], a line in
//! [`Optimizer`]'s registry, and its golden trajectories in `tests/golden/`.
//!
//! The others are [`TensorStepper`]s alone. What they need besides the gradient (the loss, gradients at
//! other points, products with the Hessian) they ask of an [`Oracle`], which counts it; where the error
//! is to be measured elsewhere than the gradient, [`TensorStepper::eval_params`] says so.

mod algorithms;
mod clip;
mod lanes;
mod nan_safe;
mod rule;
pub mod schedules;
mod shared;
mod stepper;
mod tensor;

pub use algorithms::*;
use std::marker::PhantomData;

pub use clip::Clip;
use numeric::{Float, InBoth};
pub use programs::{File, Files};
use registry::Described;
pub use rule::{Elementwise, Rule, Visitor};
pub use schedules::Schedule;
pub use shared::moments::Corrections;
pub use stepper::{Fused, Stepper};
pub use tensor::{Oracle, TensorStepper};

/// What every optimizer can do.
pub trait OptimizerSpec: Described + Fusible<f32> + Fusible<f64> + Send + Sync {
    /// The optimizer on libtorch tensors, for parameters `[lanes, …]`.
    fn tensor(&self) -> Box<dyn TensorStepper>;

    /// The optimizer that it changes something of, if it is no optimizer by itself.
    fn inner(&self) -> Option<&Optimizer> {
        None
    }

    /// That, to change it.
    fn inner_mut(&mut self) -> Option<&mut Optimizer> {
        None
    }

    /// Reads the files that it names, so that nothing does later. The reader of a config calls it, once for each entry;
    /// one that is loaded stays as it is.
    ///
    /// # Errors
    /// If a file can't be read. What is wrong with the contents of a file is an error of its cells.
    fn load(&mut self, files: &mut Files) -> Result<(), String> {
        self.inner_mut().map_or(Ok(()), |inner| inner.load(files))
    }

    /// The files that it is made from.
    fn files(&self) -> Vec<&File> {
        self.inner().map_or_else(Vec::new, |inner| inner.files())
    }

    /// What is to be done to the gradient before each step. Steppers don't do it: whoever has the
    /// whole gradient does.
    fn clip(&self) -> Option<Clip> {
        self.inner().and_then(|inner| inner.clip())
    }

    /// About how many numbers it keeps, or makes during a step, for parameters of these shapes in each lane: what the
    /// memory of a batch is estimated from.
    fn memory(&self, shapes: &[Vec<u64>]) -> u64 {
        match self.inner() {
            Some(inner) => inner.memory(shapes).saturating_add(numbers(shapes).saturating_mul(4)),
            None => numbers(shapes).saturating_mul(6),
        }
    }
}

/// How many numbers a tensor of this shape holds.
fn size(shape: &[u64]) -> u64 {
    shape.iter().fold(1, |product, size| product.saturating_mul(*size))
}

/// How many numbers tensors of these shapes hold.
fn numbers(shapes: &[Vec<u64>]) -> u64 {
    shapes.iter().map(|shape| size(shape)).fold(0, u64::saturating_add)
}

/// As [`OptimizerSpec::memory`], of an optimizer that keeps square matrices for the rows and the columns, where those aren't
/// more than `max_dim`; columns are all dimensions after the first.
fn matrices(shapes: &[Vec<u64>], max_dim: u64) -> u64 {
    let sides = shapes.iter().flat_map(|shape| {
        let rows = shape.first().copied().unwrap_or(1);
        [rows, size(shape) / rows.max(1)]
    });
    let squares = sides.filter(|side| *side <= max_dim).map(|side| side.saturating_mul(side));
    let squares = squares.fold(0_u64, u64::saturating_add);
    // The matrix, its eigenvectors, and what finding those takes.
    squares.saturating_mul(5).saturating_add(numbers(shapes).saturating_mul(6))
}

/// The fused form in one float type.
pub trait Fusible<F: Float> {
    /// A stepper for `rows` rows of parameters, or `None` where the rule is not elementwise.
    fn stepper(&self, _rows: usize) -> Option<Box<dyn Stepper<F>>> {
        None
    }
}

impl<E: Elementwise> OptimizerSpec for E {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        self.rule(tensor::Build)
    }
}

impl<E: Elementwise, F: Float> Fusible<F> for E {
    fn stepper(&self, rows: usize) -> Option<Box<dyn Stepper<F>>> {
        Some(self.rule(stepper::Build { rows, float: PhantomData }))
    }
}

impl Optimizer {
    /// The fused stepper for `rows` rows in one float type, or `None` where the rule is not elementwise.
    #[must_use]
    pub fn stepper<F: Float>(&self, rows: usize) -> Option<Box<dyn Stepper<F>>> {
        struct Steppers;
        impl InBoth for Steppers {
            type In<F: Float> = Option<Box<dyn Stepper<F>>>;
        }
        F::choose::<Steppers>(
            || Fusible::<f32>::stepper(&**self, rows),
            || Fusible::<f64>::stepper(&**self, rows),
        )
    }
}
