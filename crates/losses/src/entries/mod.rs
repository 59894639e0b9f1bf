//! The losses, one file each.

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
mod focal;
mod formula;
mod gaussian_nll;
mod geman_mcclure;
mod hinge;
mod huber;
mod kl;
mod l1;
mod learned_gaussian_nll;
mod linex;
mod log_cosh;
mod mse;
mod multiclass_focal;
mod plateau;
mod poisson_nll;
mod poorly_conditioned;
mod power;
mod program;
mod pseudo_huber;
mod quantile;
mod smooth_l1;
mod spectral;
mod squared_hinge;
mod transformed;
mod tukey;
mod welsch;

use registry::registry;

use crate::LossSpec;

registry! {
    /// A loss and its options.
    pub enum Loss: "loss", dyn LossSpec, code: Program {
        "plateau" => plateau::Plateau,
        "asymmetric" => asymmetric::Asymmetric,
        "poorly_conditioned" => poorly_conditioned::PoorlyConditioned,
        "l1" => l1::L1,
        "mse" => mse::Mse,
        "huber" => huber::Huber,
        "pseudo_huber" => pseudo_huber::PseudoHuber,
        "log_cosh" => log_cosh::LogCosh,
        "quantile" => quantile::Quantile,
        "power" => power::Power,
        "smooth_l1" => smooth_l1::SmoothL1,
        "expectile" => expectile::Expectile,
        "linex" => linex::Linex,
        "tukey" => tukey::Tukey,
        "welsch" => welsch::Welsch,
        "cauchy" => cauchy::Cauchy,
        "geman_mcclure" => geman_mcclure::GemanMcclure,
        "barron" => barron::Barron,
        "epsilon_insensitive" => epsilon_insensitive::EpsilonInsensitive,
        "dead_zone" => dead_zone::DeadZone,
        "cross_entropy" => cross_entropy::CrossEntropy,
        "bce_with_logits" => bce_with_logits::BceWithLogits,
        "focal" => focal::Focal,
        "multiclass_focal" => multiclass_focal::MulticlassFocal,
        "hinge" => hinge::Hinge,
        "squared_hinge" => squared_hinge::SquaredHinge,
        "dice" => dice::Dice,
        "gaussian_nll" => gaussian_nll::GaussianNll,
        "learned_gaussian_nll" => learned_gaussian_nll::LearnedGaussianNll,
        "poisson_nll" => poisson_nll::PoissonNll,
        "kl" => kl::Kl,
        "composite" => composite::Composite with Combine, Weighted,
        "transformed" => transformed::Transformed with Transform,
        "formula" => formula::Formula,
        "program" => program::Program,
        "spectral" => spectral::Spectral with Weighting,
        "envelope" => envelope::Envelope,
    }
}
