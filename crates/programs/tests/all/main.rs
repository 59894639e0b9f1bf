//! Programs that PyTorch wrote, against what PyTorch computes from them, and files that somebody damaged.

mod cases;
mod docs;
mod files;
mod lowered;
mod operators;
mod zoo;
