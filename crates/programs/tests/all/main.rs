//! Programs that PyTorch wrote, against what PyTorch computes from them.

mod cases;
mod docs;
mod operators;
mod zoo;
