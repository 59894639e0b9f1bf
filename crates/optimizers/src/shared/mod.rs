//! What several algorithms are made of.

pub(crate) mod averaged;
pub(crate) mod hutchinson;
pub(crate) mod line_search;
pub(crate) mod moments;
pub(crate) mod per_tensor;
pub(crate) mod wolfe;
