//! Models on data, one file each.

pub(crate) mod audio;
pub(crate) mod breast_cancer_logistic;
pub(crate) mod deep_linear_chain;
pub(crate) mod diabetes_linear;
pub(crate) mod digits;
pub(crate) mod digits_autoencoder;
pub(crate) mod digits_mlp;
pub(crate) mod matrix_factorization;
pub(crate) mod model;
pub(crate) mod objective;
mod on_program;
pub(crate) mod regression;
pub(crate) mod softmax_regression;
