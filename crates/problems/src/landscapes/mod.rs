//! Functions of a few variables with known minimizers, one file each.

mod abs_power;
mod ackley;
mod beale;
mod himmelblau;
mod levy;
mod moat;
mod monkey_saddle;
mod quadratic;
mod rastrigin;
mod rosenbrock;
mod saddle;
mod styblinski_tang;

pub use abs_power::AbsPower;
pub use ackley::Ackley;
pub use beale::Beale;
pub use himmelblau::Himmelblau;
pub use levy::Levy;
pub use moat::Moat;
pub use monkey_saddle::MonkeySaddle;
pub use quadratic::Quadratic;
pub use rastrigin::Rastrigin;
pub use rosenbrock::Rosenbrock;
pub use saddle::Saddle;
pub use styblinski_tang::StyblinskiTang;
