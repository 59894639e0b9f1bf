//! `optbench diagnose`: why a loss decreases slowly, with evidence, and fixes that were run.

mod line;
mod profile;
mod render;
mod suite;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use diagnosis::{Answer, diagnose};
use files::{Folder, LockError};
use indicatif::{ProgressBar, ProgressStyle};
use losses::is_source;
use miette::Diagnostic;
use records::text::plain_lines;
use records::{DiagnosisManifest, Manifest, save_manifest};
use report::figures::{FigureError, Picture};
use thiserror::Error;

use crate::BUILD;
use crate::args::{Format, FormatArgs, OutArgs, formats};
use crate::config::Python;
use crate::config::diagnose::{Case, parse_case_with, read_case};
use crate::exit::{Exit, Failure, Outcome};
use crate::owner::{Kind, Owner, Taken};
use crate::run::work;
use crate::terminal::{print, print_json, progress, say};

/// Say why a loss decreases slowly, with evidence, and run the fixes
#[derive(Args)]
#[command(mut_arg("format", |arg| arg.value_parser(formats(&[Format::Terminal, Format::Json]))))]
#[command(after_help = "\
Examples:
  optbench diagnose configs/diagnose-plateau.toml
  optbench diagnose my_code.py:MyLoss --optimizer adam --lr 0.01
  optbench diagnose --formula \"where(abs(d) <= 0.5, abs(d), 0.001*abs(d) + 0.4995)\" --start -2
  optbench diagnose --program my_loss.pt2 --optimizer adam --lr 0.01 --format json
  optbench diagnose --problem digits_mlp --loss cross_entropy --lr 0.5 --tolerance 0.1

Prints the verdict first, then the evidence, and the fixes, every one of which was run. Into results/<name>/ go \
diagnosis.json, diagnosis.md, profile.csv (value, gradient and curvature of the loss over predictions), manifest.json \
and the figures profile and descent as .svg and .png, and for dark pages as -dark.svg.

Exit codes: 0 there is an answer, also a bad one; 1 a file couldn't be written; 2 the input is wrong.")]
pub(crate) struct DiagnoseArgs {
    /// What to diagnose: a TOML file, or a loss in Python, `my_code.py:MyLoss`
    #[arg(required_unless_present_any = ["suite", "loss", "formula", "program", "problem"])]
    config: Option<PathBuf>,
    #[command(flatten)]
    line: line::Line,
    /// Run the cases of these files, each with a cause that was planted, and print how often it was found
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "config")]
    suite: Vec<PathBuf>,
    /// Only cases with this text in their name (may be given again)
    #[arg(long, value_name = "TEXT", requires = "suite")]
    case: Vec<String>,
    #[command(flatten)]
    output: OutArgs,
    #[command(flatten)]
    answer: FormatArgs,
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

impl Failure for DiagnoseError {
    fn exit(&self) -> Exit {
        match self {
            Self::Case { .. } | Self::Busy { .. } | Self::Taken(_) => Exit::WrongInput,
            Self::Write { .. } | Self::Figure(_) => Exit::Failed,
        }
    }
}

pub(crate) fn run(args: &DiagnoseArgs) -> Outcome {
    let is_json = args.answer.format == Format::Json;
    if !args.suite.is_empty() {
        suite::run(&args.suite, &args.case, is_json)?;
        return Ok(Exit::Fine);
    }
    let python = Python::may_start(say);
    let code = args.config.as_deref().and_then(Path::to_str).filter(|name| is_source(name));
    let file = args.config.as_deref().filter(|_| code.is_none());
    if file.is_some() && !args.line.is_empty() || code.is_some() && args.line.names_loss() {
        let message = "a config says all of it, and code is the loss: leave one of the two out".to_owned();
        return Err(DiagnoseError::Case { message }.into());
    }
    let case = match file {
        Some(path) => read_case(path, python)?,
        None => parse_case_with("the command line", &args.line.as_toml(code), python)?,
    };
    let out = Folder::new(args.output.out.join(&case.name));
    let owner = Owner { kind: Kind::Diagnosis, config: &case.text, file };
    // Before work that would be in vain.
    if !args.no_write {
        owner.check(&out, args.fresh)?;
    }
    let bar = progress_bar();
    let answer = diagnose(&case, &|doing| bar.set_message(doing.to_owned()));
    bar.finish_and_clear();
    let answer = answer.map_err(|message| DiagnoseError::Case { message })?;
    let json = serde_json::to_string_pretty(&answer.diagnosis).expect("plain data") + "\n";
    if is_json {
        print_json(&json);
    } else {
        print(&render::terminal(&case.name, &answer, &profile::sketch(&answer.profile)));
    }
    if !args.no_write {
        write(&out, &owner, &case, &answer, &json, args.fresh)?;
    }
    Ok(Exit::Fine)
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
        name: case.name.clone(),
        source: owner.source(folder),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        build: BUILD.to_owned(),
        inputs: case.inputs.clone(),
        start: answer.profile.start,
        config: case.text.clone(),
    };
    for (name, bytes) in files {
        folder.write(&name, |file| file.write_all(&bytes)).map_err(failed(folder.path().join(&name)))?;
    }
    save_manifest(folder, &manifest).map_err(failed(folder.path().join(Manifest::FILE)))?;
    let _ = folder.remove_half_written();
    say(&format!("diagnosis.json, diagnosis.md, profile.csv and figures are in {}", folder.path().display()));
    Ok(())
}

fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} probing {msg} ({elapsed})");
    progress(None, style.expect("the template is well formed"))
}
