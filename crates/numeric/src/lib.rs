//! Numbers that a formula is written over once, and the random streams that experiments draw from.
//!
//! A loss or an elementwise update rule is one generic function over [`Real`]. The same line of code
//! then runs as a fused CPU loop over [`Plain`] or [`Dual`] floats, and on libtorch with autograd
//! over [`AutogradTensor`] tensors.
//!
//! ```
//! use numeric::{Dual, Plain, Real};
//!
//! fn huber<R: Real>(d: R) -> R {
//!     let quadratic = d.clone().square() * 0.5;
//!     R::select(&d.clone().abs().at_most(1.0), quadratic, d.abs() - 0.5)
//! }
//! assert_eq!(huber(Plain(3.0_f32)).0, 2.5);
//! assert_eq!(huber(Dual::variable(-3.0_f64)).derivative, -1.0);
//! ```

mod dual;
mod float;
pub mod memory;
pub mod panics;
mod real;
pub mod rows;
pub mod slices;
mod stream;
mod traced;
mod vectorize;

pub use dual::Dual;
pub use float::{Float, InBoth};
pub use real::{Plain, Real};
pub use rows::{LANES, Row};
pub use slices::Rows;
pub use stream::Stream;
pub use traced::AutogradTensor;
pub use vectorize::vectorize;
