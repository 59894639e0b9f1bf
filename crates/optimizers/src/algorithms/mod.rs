//! The update rules, one file each.

mod adabelief;
mod adadelta;
mod adafactor;
mod adagrad;
mod adahessian;
mod adam;
mod adamax;
mod adamw;
mod adan;
mod ademamix;
mod adopt;
mod amsgrad;
mod asgd;
mod backtracking_gd;
mod cautious;
mod clipped;
mod cocob;
mod d_adaptation;
mod dog;
mod dowg;
mod heavy_ball;
mod lamb;
mod laprop;
mod lars;
mod lbfgs;
mod libtorch;
mod lion;
mod lookahead;
mod mars;
mod mechanic;
mod momo;
mod muon;
mod nadam;
mod nesterov;
mod nonlinear_cg;
mod novograd;
mod polyak;
mod prodigy;
mod program;
mod psgd_kron;
mod radam;
mod rmsprop;
mod rprop;
mod sam;
mod schedule_free_adamw;
mod schedule_free_sgd;
mod sgd;
mod shampoo;
mod signsgd;
mod signum;
mod soap;
mod sophia;
mod yogi;

pub use libtorch::{Libtorch, TorchCounterpart};
use registry::registry;

use crate::OptimizerSpec;

registry! {
    /// An optimizer and its options.
    pub enum Optimizer: "optimizer", dyn OptimizerSpec, code: Program {
        "sgd" => sgd::Sgd,
        "heavy_ball" => heavy_ball::HeavyBall,
        "nesterov" => nesterov::Nesterov,
        "adagrad" => adagrad::Adagrad,
        "rmsprop" => rmsprop::RmsProp,
        "adam" => adam::Adam,
        "amsgrad" => amsgrad::Amsgrad,
        "adamw" => adamw::AdamW,
        "adadelta" => adadelta::Adadelta,
        "rprop" => rprop::Rprop,
        "adamax" => adamax::Adamax,
        "nadam" => nadam::NAdam,
        "radam" => radam::RAdam,
        "adabelief" => adabelief::AdaBelief,
        "yogi" => yogi::Yogi,
        "laprop" => laprop::LaProp,
        "adan" => adan::Adan,
        "ademamix" => ademamix::AdEMAMix,
        "adopt" => adopt::Adopt,
        "lion" => lion::Lion,
        "signsgd" => signsgd::SignSgd,
        "signum" => signum::Signum,
        "asgd" => asgd::Asgd,
        "novograd" => novograd::NovoGrad,
        "mars" => mars::Mars,
        "lars" => lars::Lars,
        "lamb" => lamb::Lamb,
        "adafactor" => adafactor::Adafactor,
        "muon" => muon::Muon with Adjust,
        "shampoo" => shampoo::Shampoo,
        "soap" => soap::Soap,
        "psgd_kron" => psgd_kron::PsgdKron,
        "schedule_free_sgd" => schedule_free_sgd::ScheduleFreeSgd,
        "schedule_free_adamw" => schedule_free_adamw::ScheduleFreeAdamW,
        "prodigy" => prodigy::Prodigy,
        "d_adaptation" => d_adaptation::DAdaptation,
        "dog" => dog::Dog,
        "dowg" => dowg::Dowg,
        "cocob" => cocob::Cocob,
        "polyak" => polyak::Polyak,
        "momo" => momo::Momo,
        "adahessian" => adahessian::AdaHessian,
        "sophia" => sophia::Sophia,
        "backtracking_gd" => backtracking_gd::BacktrackingGd,
        "lbfgs" => lbfgs::Lbfgs with LineSearch,
        "nonlinear_cg" => nonlinear_cg::NonlinearCg,
        "clipped" => clipped::Clipped,
        "sam" => sam::Sam,
        "lookahead" => lookahead::Lookahead,
        "cautious" => cautious::Cautious,
        "mechanic" => mechanic::Mechanic,
        "program" => program::Program with Setting,
        "libtorch_sgd" => libtorch::LibtorchSgd,
        "libtorch_rmsprop" => libtorch::LibtorchRmsProp,
        "libtorch_adam" => libtorch::LibtorchAdam,
        "libtorch_adamw" => libtorch::LibtorchAdamW,
    }
}
