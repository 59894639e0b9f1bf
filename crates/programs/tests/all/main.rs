//! Programs that PyTorch wrote, against what PyTorch computes from them, and files that somebody damaged.

mod files;
mod lowered;
mod zoo;
