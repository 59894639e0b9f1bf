//! Loss functions, one file each, and the registry that the config, the results and the tests know
//! them by.
//!
//! A residual loss is one line over [`Real`] ([`Elementwise`]). From that line come the fused kernel
//! (value and gradient in one pass, [`Kernel`]) and the libtorch graph ([`Entry::tensor`]).
//!
//! ```
//! use losses::{Elementwise, Loss, Plateau};
//! use numeric::Dual;
//!
//! let d = Plateau::default().value(Dual::variable(0.29_f64), Dual::fixed(0.8));
//! assert!((d.slope - -0.001).abs() < 1e-12);
//! assert_eq!(Loss::named("plateau").unwrap().label(), "plateau");
//! ```

pub mod archive;
mod asymmetric;
mod barron;
mod bce_with_logits;
mod cauchy;
mod composite;
mod cross_entropy;
mod dead_zone;
mod dice;
mod envelope;
mod epsilon_insensitive;
mod expectile;
mod file;
mod focal;
mod formula;
mod gaussian_nll;
mod geman_mcclure;
mod hinge;
mod huber;
mod kernel;
mod kl;
mod l1;
mod lanes;
mod learnt_gaussian_nll;
mod linex;
mod log_cosh;
mod module;
mod mse;
mod multiclass_focal;
mod plateau;
mod poisson_nll;
mod poorly_conditioned;
mod power;
mod pseudo_huber;
mod quantile;
mod script;
mod smooth_l1;
mod spectral;
mod squared_hinge;
mod stable;
mod torchscript;
mod transformed;
mod tukey;
mod welsch;

pub use asymmetric::Asymmetric;
pub use barron::Barron;
pub use bce_with_logits::BceWithLogits;
pub use cauchy::Cauchy;
pub use composite::{Combine, Composite, Weighted};
pub use cross_entropy::CrossEntropy;
pub use dead_zone::DeadZone;
pub use dice::Dice;
pub use envelope::Envelope;
pub use epsilon_insensitive::EpsilonInsensitive;
pub use expectile::Expectile;
pub use file::{File, Files};
pub use focal::Focal;
pub use formula::Formula;
pub use gaussian_nll::GaussianNll;
pub use geman_mcclure::GemanMcclure;
pub use hinge::Hinge;
pub use huber::Huber;
use kernel::Fused;
pub use kernel::Kernel;
pub use kl::Kl;
pub use l1::L1;
pub use lanes::{Lanes, Term, mean_of_lanes};
pub use learnt_gaussian_nll::LearntGaussianNll;
pub use linex::Linex;
pub use log_cosh::LogCosh;
pub use module::Replicas;
pub use mse::Mse;
pub use multiclass_focal::MulticlassFocal;
use numeric::{Float, InBoth, Real, Traced};
pub use plateau::Plateau;
pub use poisson_nll::PoissonNll;
pub use poorly_conditioned::PoorlyConditioned;
pub use power::Power;
pub use pseudo_huber::PseudoHuber;
pub use quantile::Quantile;
use registry::{Described, registry};
use serde::{Deserialize, Serialize};
pub use smooth_l1::SmoothL1;
pub use spectral::{Spectral, Weighting};
pub use squared_hinge::SquaredHinge;
use tch::{Device, Kind, Tensor};
pub use torchscript::TorchScript;
pub use transformed::{Transform, Transformed};
pub use tukey::Tukey;
pub use welsch::Welsch;

registry! {
    /// A loss and its options.
    pub enum Loss: "loss", dyn Entry {
        "plateau" => Plateau(Plateau),
        "asymmetric" => Asymmetric(Asymmetric),
        "poorly_conditioned" => PoorlyConditioned(PoorlyConditioned),
        "l1" => L1(L1),
        "mse" => Mse(Mse),
        "huber" => Huber(Huber),
        "pseudo_huber" => PseudoHuber(PseudoHuber),
        "log_cosh" => LogCosh(LogCosh),
        "quantile" => Quantile(Quantile),
        "power" => Power(Power),
        "smooth_l1" => SmoothL1(SmoothL1),
        "expectile" => Expectile(Expectile),
        "linex" => Linex(Linex),
        "tukey" => Tukey(Tukey),
        "welsch" => Welsch(Welsch),
        "cauchy" => Cauchy(Cauchy),
        "geman_mcclure" => GemanMcclure(GemanMcclure),
        "barron" => Barron(Barron),
        "epsilon_insensitive" => EpsilonInsensitive(EpsilonInsensitive),
        "dead_zone" => DeadZone(DeadZone),
        "cross_entropy" => CrossEntropy(CrossEntropy),
        "bce_with_logits" => BceWithLogits(BceWithLogits),
        "focal" => Focal(Focal),
        "multiclass_focal" => MulticlassFocal(MulticlassFocal),
        "hinge" => Hinge(Hinge),
        "squared_hinge" => SquaredHinge(SquaredHinge),
        "dice" => Dice(Dice),
        "gaussian_nll" => GaussianNll(GaussianNll),
        "learnt_gaussian_nll" => LearntGaussianNll(LearntGaussianNll),
        "poisson_nll" => PoissonNll(PoissonNll),
        "kl" => Kl(Kl),
        "composite" => Composite(Composite),
        "transformed" => Transformed(Transformed),
        "formula" => Formula(Formula),
        "spectral" => Spectral(Spectral),
        "envelope" => Envelope(Envelope),
        "torchscript" => TorchScript(TorchScript),
    }
}

/// What a loss is told the truth as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Targets {
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
pub trait Entry: Described + Fuse<f32> + Fuse<f64> + Send + Sync {
    /// The kind of target it needs.
    fn targets(&self) -> Targets;

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
    /// For [`Targets::Values`], `prediction` and `target` have shapes that broadcast together, and so
    /// has the result. For [`Targets::Classes`], as in PyTorch, `prediction` is `[n, classes, …]`, and
    /// `target` holds `int64` indices and broadcasts to `[n, …]`, which is the shape of the result.
    ///
    /// A TorchScript module may return a single number instead.
    ///
    /// # Panics
    /// If libtorch refuses the shapes.
    fn tensor(&self, prediction: &Tensor, target: &Tensor) -> Tensor;

    /// The files that it is made from.
    fn files(&self) -> Vec<&File> {
        Vec::new()
    }

    /// The terms that it is put together of, each with the loss that is this term alone; none where there
    /// is but one. A TorchScript module's terms come from [`Lanes::terms`] alone.
    fn terms(&self) -> Vec<(String, Loss)> {
        Vec::new()
    }

    /// Whether it may draw random numbers from libtorch's global generator, so that its runs don't repeat.
    fn is_random(&self) -> bool {
        false
    }

    /// How many lanes are worth running side by side on libtorch: few, where each is computed by itself.
    ///
    /// Only an engine asks, and only while it runs a batch: a module is loaded and called to find out. What a batch
    /// holds doesn't depend on it.
    fn max_lanes(&self) -> usize {
        usize::MAX
    }

    /// For a loss that needs more than [`tensor`](Self::tensor): what [`Loss::lanes`] returns.
    fn with_state(&self, _lanes: usize, _options: (Kind, Device)) -> Option<Result<Box<dyn Lanes>, String>> {
        None
    }
}

/// The fused form in one float type.
pub trait Fuse<F: Float> {
    /// The kernel, or `None` where the loss is not elementwise.
    fn kernel(&self) -> Option<Box<dyn Kernel<F>>> {
        None
    }
}

impl<L: Elementwise, F: Float> Fuse<F> for L {
    fn kernel(&self) -> Option<Box<dyn Kernel<F>>> {
        Some(Box::new(Fused(self.clone())))
    }
}

impl<L: Elementwise> Entry for L {
    fn targets(&self) -> Targets {
        Targets::Values
    }
    fn tensor(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        self.value(Traced(prediction.shallow_clone()), Traced(target.shallow_clone())).0
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
        F::choose::<Kernels>(|| Fuse::<f32>::kernel(&**self), || Fuse::<f64>::kernel(&**self))
    }
}
