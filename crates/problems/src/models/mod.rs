//! Models on data, one file each.

mod audio;
mod breast_cancer_logistic;
mod chain;
mod diabetes_linear;
mod digits_autoencoder;
mod digits_mlp;
mod matrix_factorisation;
mod regression;
mod softmax_regression;
mod torchscript;

pub use audio::Audio;
pub use breast_cancer_logistic::BreastCancerLogistic;
pub use chain::Chain;
pub use diabetes_linear::DiabetesLinear;
pub use digits_autoencoder::DigitsAutoencoder;
pub use digits_mlp::DigitsMlp;
pub use matrix_factorisation::MatrixFactorisation;
pub use softmax_regression::{SoftmaxRegression, ThreeClasses};
pub use torchscript::TorchScript;
