//! Programs that PyTorch wrote, against what PyTorch computes from them.

mod lowered;
mod zoo;
