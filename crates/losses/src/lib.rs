//! Loss functions, one file each, and the registry that the config, the results and the tests know
//! them by.
//!
//! A residual loss is one line over [`Real`] ([`Elementwise`]). From that line come the fused kernel
//! (value and gradient in one pass, [`Kernel`]) and the libtorch graph ([`LossSpec::tensor`]).
//!
//! ```
//! use losses::{Elementwise, Loss, Plateau};
//! use numeric::Dual;
//!
//! let d = Plateau::default().value(Dual::variable(0.29_f64), Dual::fixed(0.8));
//! assert!((d.derivative - -0.001).abs() < 1e-12);
//! assert_eq!(Loss::named("plateau").unwrap().label(), "plateau");
//! ```

mod entries;
mod kernel;
mod lanes;
mod stable;

pub use entries::*;
use kernel::Fused;
pub use kernel::Kernel;
pub use lanes::{BatchedLoss, Call, Term, mean_of_lanes};
use numeric::{AutogradTensor, Float, InBoth, Real};
pub use programs::{File, Files, NO_PYTHON, Python, is_source};
use registry::Described;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

/// What a loss is told the truth as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// A number for each prediction.
    #[default]
    Values,
    /// The index of the true class for each vector of logits.
    Classes,
}

/// A loss of one prediction and one target: the formula.
pub trait Elementwise: Described + Clone + Send + Sync + 'static {
    /// The loss of one element.
    fn value<R: Real>(&self, prediction: R, target: R) -> R;
}

/// What every loss can do.
pub trait LossSpec: Described + Fusible<f32> + Fusible<f64> + Send + Sync {
    /// The kind of target it needs.
    fn targets(&self) -> TargetKind;

    /// Reads the files that it names and compiles its formulas, so that nothing does later. The reader of a config
    /// calls it, once for each entry; one that is loaded stays as it is.
    ///
    /// # Errors
    /// If a file can't be read, or a formula. What is wrong with the contents of a file is an error of its cells.
    fn load(&mut self, _files: &mut Files) -> Result<(), String> {
        Ok(())
    }

    /// The unreduced loss on libtorch.
    ///
    /// For [`TargetKind::Values`], `prediction` and `target` have shapes that broadcast together, and so
    /// has the result. For [`TargetKind::Classes`], as in PyTorch, `prediction` is `[n, classes, …]`, and
    /// `target` holds `int64` indices and broadcasts to `[n, …]`, which is the shape of the result.
    ///
    /// A program may return a single number instead.
    ///
    /// # Panics
    /// If libtorch refuses the shapes.
    fn tensor(&self, prediction: &Tensor, target: &Tensor) -> Tensor;

    /// The files that it is made from.
    fn files(&self) -> Vec<&File> {
        Vec::new()
    }

    /// The terms that it is put together of, each with the loss that is this term alone; none where there
    /// is but one. A program's terms come from [`BatchedLoss::terms`] alone.
    fn terms(&self) -> Vec<(String, Loss)> {
        Vec::new()
    }

    /// For a loss that needs more than [`tensor`](Self::tensor): what [`Loss::lanes`] returns.
    fn instantiate(
        &self,
        _seeds: &[u64],
        _options: (Kind, Device),
    ) -> Option<Result<Box<dyn BatchedLoss>, String>> {
        None
    }
}

/// The fused form in one float type.
pub trait Fusible<F: Float> {
    /// The kernel, or `None` where the loss is not elementwise.
    fn kernel(&self) -> Option<Box<dyn Kernel<F>>> {
        None
    }
}

impl<L: Elementwise, F: Float> Fusible<F> for L {
    fn kernel(&self) -> Option<Box<dyn Kernel<F>>> {
        Some(Box::new(Fused(self.clone())))
    }
}

impl<L: Elementwise> LossSpec for L {
    fn targets(&self) -> TargetKind {
        TargetKind::Values
    }
    fn tensor(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        self.value(AutogradTensor(prediction.shallow_clone()), AutogradTensor(target.shallow_clone())).0
    }
}

impl Loss {
    /// The fused kernel in one float type, or `None` where the loss is not elementwise.
    #[must_use]
    pub fn kernel<F: Float>(&self) -> Option<Box<dyn Kernel<F>>> {
        struct Kernels;
        impl InBoth for Kernels {
            type In<F: Float> = Option<Box<dyn Kernel<F>>>;
        }
        F::choose::<Kernels>(|| Fusible::<f32>::kernel(&**self), || Fusible::<f64>::kernel(&**self))
    }
}
