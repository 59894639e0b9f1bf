//! `optbench`: see [`runner::cli`].

fn main() -> std::process::ExitCode {
    runner::cli::main()
}
