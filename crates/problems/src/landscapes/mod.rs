//! Functions of a few variables with known minimizers, one file each.

pub(crate) mod abs_power;
pub(crate) mod ackley;
pub(crate) mod beale;
pub(crate) mod himmelblau;
pub(crate) mod landscape;
pub(crate) mod levy;
pub(crate) mod moat;
pub(crate) mod monkey_saddle;
pub(crate) mod quadratic;
pub(crate) mod rastrigin;
pub(crate) mod rosenbrock;
pub(crate) mod saddle;
pub(crate) mod styblinski_tang;
