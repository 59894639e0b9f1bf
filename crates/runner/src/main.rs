//! `optbench`: see [`runner::cli`].

fn main() {
    runner::cli::main(std::env::args_os())
}
