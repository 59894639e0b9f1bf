//! Data: the shipped sets, those of a file, their minibatches, and where single numbers come from.

pub(crate) mod dataset;
pub(crate) mod minibatches;
pub(crate) mod shipped;
pub(crate) mod values;
