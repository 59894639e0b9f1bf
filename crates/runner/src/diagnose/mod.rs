//! `runner diagnose`: why a loss decreases slowly, with evidence, and fixes that were run.

mod line;
mod profile;
mod render;
mod suite;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use causes::Cause;
use clap::Args;
use diagnosis::{Answer, diagnose};
use files::{Folder, LockError};
use indicatif::{ProgressBar, ProgressStyle};
use miette::Diagnostic;
use records::Manifest;
use records::text::plain_lines;
use report::figures::{FigureError, Picture};
use serde::Serialize;
use thiserror::Error;

use crate::BUILD;
use crate::config::ConfigError;
use crate::config::diagnose::{Case, parse_case, read_case, read_suite};
use crate::owner::{Kind, Owner, Taken};
use crate::run::work;
use crate::terminal::{print, print_json, progress, say, wrong};

/// What `--help` adds.
pub(crate) const HELP: &str = "\
Examples:
  runner diagnose configs/diagnose-plateau.toml
  runner diagnose --formula \"where(abs(d) <= 0.5, abs(d), 0.001*abs(d) + 0.4995)\" --target 0 --start -2
  runner diagnose --torchscript my_loss.pt --start '{ normal = { shape = [32] } }' --optimizer adam --lr 0.01
  runner diagnose --problem digits_mlp --loss cross_entropy --lr 0.5 --tolerance 0.1

Prints the verdict first, then the evidence, and the fixes, every one of which was run. Into results/<name>/ go
diagnosis.json, diagnosis.md, profile.csv (value, gradient and curvature of the loss over predictions), manifest.json
and the figures profile and descent as .svg and .png, and for dark pages as -dark.svg.

Exit codes: 0 there is an answer, also a bad one; 1 a file couldn't be written; 2 the input is wrong.";

/// What `runner diagnose` is asked for.
#[derive(Args)]
pub(crate) struct DiagnoseArgs {
    /// What to diagnose, a TOML file
    #[arg(required_unless_present_any = ["suite", "loss", "formula", "torchscript", "problem"])]
    config: Option<PathBuf>,
    #[command(flatten)]
    line: line::Line,
    /// Run the cases of these files, each with a cause that was planted, and print how often it was found
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "config")]
    suite: Vec<PathBuf>,
    /// The folder that the results folder goes into
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    /// Print only: write no files
    #[arg(long)]
    no_write: bool,
    /// Delete results of another config in the folder
    #[arg(long)]
    fresh: bool,
}

/// Why there is no diagnosis.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum DiagnoseError {
    #[error("{message}")]
    Case { message: String },
    #[error("can't write {}", path.display())]
    #[diagnostic(help("use --out DIR to write elsewhere, or --no-write to print only"))]
    Write { path: PathBuf, source: io::Error },
    #[error("another run is at work in {}", path.display())]
    #[diagnostic(help("wait for it, or use --out DIR or another `name`"))]
    Busy { path: PathBuf },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Taken(#[from] Taken),
    #[error(transparent)]
    Figure(#[from] FigureError),
}

/// Prints a diagnosis; what it returns is the exit code.
pub(crate) fn command(args: &DiagnoseArgs) -> ExitCode {
    if !args.suite.is_empty() {
        return suite::command(&args.suite, args.json);
    }
    let read = match &args.config {
        Some(path) => read_case(path),
        None => parse_case("the command line", &args.line.as_toml()),
    };
    let case = match read {
        Ok(case) => case,
        Err(error) => return wrong(error, 2),
    };
    let out = Folder::new(args.out.join(&case.name));
    let owner = Owner { kind: Kind::Diagnosis, config: &case.text, file: args.config.as_deref() };
    // Before work that would be in vain.
    if !args.no_write
        && let Err(taken) = owner.check(&out, args.fresh)
    {
        return wrong(DiagnoseError::Taken(taken), 2);
    }
    let bar = progress_bar();
    let answer = diagnose(&case, &|doing| bar.set_message(doing.to_owned()));
    bar.finish_and_clear();
    let answer = match answer {
        Ok(answer) => answer,
        Err(message) => return wrong(DiagnoseError::Case { message }, 2),
    };
    let json = serde_json::to_string_pretty(&answer.diagnosis).expect("plain data") + "\n";
    if args.json {
        print_json(&json);
    } else {
        print(&render::terminal(&case.name, &answer, &profile::sketch(&answer.profile)));
    }
    if args.no_write {
        return ExitCode::SUCCESS;
    }
    match write(&out, &owner, &case, &answer, &json, args.fresh) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ DiagnoseError::Taken(_)) => wrong(error, 2),
        Err(error) => wrong(error, 1),
    }
}

/// What `manifest.json` says.
#[derive(Serialize)]
struct DiagnosisManifest<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    version: &'a str,
    build: &'a str,
    config: &'a str,
}

fn write(
    folder: &Folder,
    owner: &Owner,
    case: &Case,
    answer: &Answer,
    json: &str,
    fresh: bool,
) -> Result<(), DiagnoseError> {
    let mut files = vec![
        ("diagnosis.json".to_owned(), json.as_bytes().to_owned()),
        (
            "diagnosis.md".to_owned(),
            plain_lines(&render::markdown(&case.name, answer)).into_owned().into_bytes(),
        ),
        ("profile.csv".to_owned(), profile::csv(&answer.profile).into_bytes()),
    ];
    files.extend(profile::figure(&answer.profile, &case.name).files("profile")?);
    files.extend(profile::descent(&case.name, answer).files("descent")?);
    let failed = |path: PathBuf| move |source| DiagnoseError::Write { path, source };
    folder.create().map_err(failed(folder.path().to_owned()))?;
    let lock = match folder.lock(&work(json)) {
        Ok(lock) => lock,
        Err(LockError::Busy) => return Err(DiagnoseError::Busy { path: folder.path().to_owned() }),
        Err(LockError::Io(source)) => return Err(failed(folder.path().to_owned())(source)),
    };
    if let Some(previous) = owner.claim(folder, &lock, fresh)? {
        previous.note(&[]);
    }
    let manifest = DiagnosisManifest {
        name: &case.name,
        source: owner.source(folder),
        version: env!("CARGO_PKG_VERSION"),
        build: BUILD,
        config: &case.text,
    };
    let manifest = serde_json::to_string_pretty(&manifest).expect("a manifest is plain data") + "\n";
    files.push((Manifest::FILE.to_owned(), manifest.into_bytes()));
    for (name, bytes) in files {
        folder.write(&name, |file| file.write_all(&bytes)).map_err(failed(folder.path().join(&name)))?;
    }
    let _ = folder.remove_half_written();
    say(&format!("diagnosis.json, diagnosis.md, profile.csv and figures are in {}", folder.path().display()));
    Ok(())
}

fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} probing {msg} ({elapsed})");
    progress(None, style.expect("the template is well formed"))
}

/// The cases of suite files, each with its file.
pub(crate) fn suite_cases(files: &[PathBuf]) -> Result<Vec<(Case, PathBuf)>, ConfigError> {
    let causes: Vec<&str> = Cause::ALL.iter().map(|cause| cause.code()).collect();
    let mut cases = Vec::new();
    for file in files {
        cases.extend(read_suite(file, &causes)?.into_iter().map(|case| (case, file.clone())));
    }
    Ok(cases)
}
