//! `optbench slurm`: a grid as a job array on a Slurm cluster.

use std::borrow::Cow;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use miette::Diagnostic;
use records::text::is_hidden_control;
use thiserror::Error;

use crate::args::{OutArgs, ShardsArgs};
use crate::config;
use crate::exit::{Exit, Failure, Outcome};
use crate::plan::Plan;
use crate::terminal::{print, say};

/// How many seconds before its time limit a task is told to stop.
const NOTICE_S: u32 = 120;

/// How often a task requeues itself.
const REQUEUES: u32 = 10;

/// Print or submit the scripts that run a grid as a job array on a Slurm cluster
#[derive(Args)]
#[command(mut_arg("shards", |arg| arg.required(true)))]
#[command(after_help = "\
Examples:
  optbench slurm configs/field.toml --shards 8      prints the two batch scripts
  optbench slurm configs/field.toml --shards 8 --time 30 --submit
                                                    submits them
  optbench status configs/field.toml --shards 8     how far it is, by the files alone

The first script is an array job, a shard a task; the second, which waits for it, puts the parts together. A task that \
is near its time limit ends its batches and requeues itself, at most ten times. A task that is lost is run again by \
submitting the array script with --array= as the merge says; what is done is kept. The results folder must be on a \
file system that all nodes share. `optbench plan CONFIG` suggests a number of shards.

Exit codes: 0 fine; 1 sbatch or a folder refused; 2 the input is wrong.")]
pub(crate) struct SlurmArgs {
    /// The grid, a TOML file
    config: PathBuf,
    #[command(flatten)]
    shards: ShardsArgs,
    #[command(flatten)]
    output: OutArgs,
    /// The partition
    #[arg(long)]
    partition: Option<String>,
    /// The time limit of a task, as sbatch takes it: minutes, or 2:00:00
    #[arg(long)]
    time: Option<String>,
    /// The account
    #[arg(long)]
    account: Option<String>,
    /// Cores of a task
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    cpus: u32,
    /// Seconds before the time limit at which a task stops
    #[arg(long, value_name = "S", default_value_t = NOTICE_S)]
    notice: u32,
    /// Another option for sbatch, such as --extra=--mem=4G; may be given more than once
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    extra: Vec<String>,
    /// Submit the scripts, instead of printing them
    #[arg(long)]
    submit: bool,
}

#[derive(Debug, Error, Diagnostic)]
enum SlurmError {
    #[error("can't make the folder for the logs, {}", path.display())]
    #[diagnostic(help("use --out DIR to name a folder that you may write and that all nodes share"))]
    Folder { path: PathBuf, source: io::Error },
    #[error("can't tell where {what} is")]
    Place { what: &'static str, source: io::Error },
    #[error("can't run sbatch")]
    #[diagnostic(help("run this on a machine of the cluster, or leave --submit out to get the scripts"))]
    NoSbatch(#[source] io::Error),
    #[error("sbatch refused the {script} script: {message}")]
    Refused { script: &'static str, message: String },
    #[error("{what} is at {}, and {why} can't be written into a batch script", path.display())]
    #[diagnostic(help("use a path without it"))]
    Path { what: &'static str, path: PathBuf, why: &'static str },
    #[error("`{option}` isn't an option for sbatch")]
    #[diagnostic(help("give it as sbatch takes it, on one line, such as --extra=--mem=4G"))]
    Option { option: String },
}

/// The two scripts.
struct Scripts {
    array: String,
    merge: String,
}

impl Failure for SlurmError {
    fn exit(&self) -> Exit {
        match self {
            Self::Option { .. } | Self::Path { .. } => Exit::WrongInput,
            _ => Exit::Failed,
        }
    }
}

pub(crate) fn run(args: &SlurmArgs) -> Outcome {
    // A mistake in the config is found now rather than by every task.
    let config = config::read(&args.config)?;
    Plan::new(&config)?;
    let logs = args.output.out.join(&config.name).join("slurm");
    let scripts = scripts(args, &config.name, &logs)?;
    if args.submit {
        fs::create_dir_all(&logs).map_err(|source| SlurmError::Folder { path: logs.clone(), source })?;
        submit(&scripts)?;
        return Ok(Exit::Fine);
    }
    print(&format!("{}\n{}", scripts.array, scripts.merge));
    say(&format!(
        "two scripts: submit the array, then the merge with --dependency=afterany:ARRAY_JOB (--submit does both); {} \
         must exist",
        logs.display()
    ));
    Ok(Exit::Fine)
}

/// A word of a shell, whatever is in it.
fn quoted(word: &str) -> Cow<'_, str> {
    shlex::try_quote(word).expect("a path that has a NUL is refused")
}

/// The absolute path, if it can be written on one line of a script and between the quotes of `#SBATCH --output`.
fn absolute(path: &Path, what: &'static str) -> Result<String, SlurmError> {
    let path = std::path::absolute(path).map_err(|source| SlurmError::Place { what, source })?;
    let why = match path.to_str() {
        None => "what isn't UTF-8",
        Some(text) if text.contains('"') => "a double quote",
        Some(text) if text.contains('\\') => "a backslash",
        Some(text) if text.chars().any(is_hidden_control) => "a control character",
        Some(text) => return Ok(text.to_owned()),
    };
    Err(SlurmError::Path { what, path, why })
}

fn scripts(args: &SlurmArgs, name: &str, logs: &Path) -> Result<Scripts, SlurmError> {
    let program = env::current_exe().map_err(|source| SlurmError::Place { what: "this program", source })?;
    let program = absolute(&program, "this program")?;
    let config = absolute(&args.config, "the config")?;
    let out = absolute(&args.output.out, "the results folder")?;
    let [program, config, out] = [&program, &config, &out].map(|path| quoted(path));
    let logs = absolute(logs, "the folder for the logs")?;
    let shards = args.shards.shards.expect("clap asks for it");

    let mut common = String::new();
    let given = [("partition", &args.partition), ("time", &args.time), ("account", &args.account)];
    let given = given.into_iter().filter_map(|(key, value)| Some(format!("--{key}={}", value.as_ref()?)));
    for option in given.chain(args.extra.iter().cloned()) {
        if !option.starts_with("--") || option.chars().any(is_hidden_control) {
            return Err(SlurmError::Option { option });
        }
        let _ = writeln!(common, "#SBATCH {option}");
    }
    // Slurm writes numbers for `%` and a letter.
    let logs = logs.replace('%', "%%");
    let array = format!(
        "\
#!/bin/bash
#SBATCH --job-name=optbench-{name}
#SBATCH --array=0-{last}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={cpus}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@{notice}
#SBATCH --output=\"{logs}/%a.log\"
{common}
# The array may be submitted in part (--array=3,5); a shard is always one of {shards}.
{program} run {config} --out {out} --shard \"$SLURM_ARRAY_TASK_ID/{shards}\" &
run=$!
near_the_limit=
trap 'near_the_limit=yes; kill -TERM $run' USR1
wait $run
code=$?
# A signal ends the first wait; the batches already started are still to be finished.
while kill -0 $run 2>/dev/null; do
    wait $run
    code=$?
done
if [ -n \"$near_the_limit\" ] && [ $code = 130 ] && [ \"${{SLURM_RESTART_COUNT:-0}}\" -lt {REQUEUES} ]; then
    scontrol requeue \"${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID\"
fi
exit $code
",
        last = shards - 1,
        cpus = args.cpus,
        notice = args.notice,
    );
    let merge = format!(
        "\
#!/bin/bash
#SBATCH --job-name=optbench-{name}-merge
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={cpus}
#SBATCH --output=\"{logs}/merge.log\"
{common}
exec {program} merge {config} --out {out} --shards {shards}
",
        cpus = args.cpus,
    );
    Ok(Scripts { array, merge })
}

fn submit(scripts: &Scripts) -> Result<(), SlurmError> {
    let array = sbatch("array", &scripts.array, &[])?;
    let merge = sbatch("merge", &scripts.merge, &[&format!("--dependency=afterany:{array}")])?;
    print(&format!("array job {array}, merge job {merge}\n"));
    Ok(())
}

/// Submits a script; returns the number of the job.
fn sbatch(script: &'static str, text: &str, options: &[&str]) -> Result<String, SlurmError> {
    let mut child = Command::new("sbatch")
        .arg("--parsable")
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(SlurmError::NoSbatch)?;
    let mut stdin = child.stdin.take().expect("it was piped");
    stdin.write_all(text.as_bytes()).map_err(SlurmError::NoSbatch)?;
    drop(stdin);
    let output = child.wait_with_output().map_err(SlurmError::NoSbatch)?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(SlurmError::Refused { script, message });
    }
    // The number, and on a federation the cluster's name after a semicolon.
    let answer = String::from_utf8_lossy(&output.stdout);
    Ok(answer.trim().split(';').next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_end_the_line_or_its_quotes_are_refused() {
        for wrong in ["a\nb", "a\"b", "a\\b", "a\u{202e}b", "a\u{85}b"] {
            assert!(matches!(absolute(Path::new(wrong), "it"), Err(SlurmError::Path { .. })), "{wrong:?}");
        }
        for right in ["/a b", "/it's", "/100 %", "/$HOME", "/é"] {
            assert_eq!(absolute(Path::new(right), "it").unwrap(), right);
        }
    }
}
