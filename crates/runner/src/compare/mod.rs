//! `runner compare`: what changed in convergence between two commits, folders or builds.

mod bench;
mod checkout;
mod error;
mod git;
mod json;
mod reduce;
mod rerun;
mod source;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use analysis::compare::{
    Comparison, Filter, Format, Grid, InputChange, Names, Options, compare as compare_sides,
};
use clap::{Args, ValueEnum};

use crate::signals;
use crate::terminal::{print, print_json, say, wrong};
use error::CompareError;
use git::Repository;
use source::{Found, Named, Source};

#[derive(Args)]
pub(crate) struct CompareArgs {
    /// Two commits or folders; one is compared with the working tree, and HEAD if none is named
    #[arg(value_name = "REV|DIR", num_args = 0..=2)]
    sides: Vec<OsString>,
    /// Build REV, run CONFIG with that build and with this one, and compare the two
    #[arg(long, num_args = 2, value_names = ["REV", "CONFIG"], conflicts_with_all = ["sides", "bench"])]
    run: Option<Vec<OsString>>,
    /// The folder in commits and in the working tree that holds results, from the current folder
    /// [default: results, or where there are none, results in the repository's root]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["run", "bench"])]
    results: Option<PathBuf>,
    /// Compare what criterion saved in two folders instead: step throughput, not convergence
    #[arg(long, num_args = 2, value_names = ["DIR", "DIR"], conflicts_with = "sides")]
    bench: Option<Vec<PathBuf>>,
    /// Only this grid: the name of a folder in results/
    #[arg(long, value_name = "NAME")]
    grid: Option<String>,
    /// Only rows whose problem has this word in its label
    #[arg(long, value_name = "WORD")]
    problem: Option<String>,
    /// Only rows whose loss has this word in its label
    #[arg(long, value_name = "WORD")]
    loss: Option<String>,
    /// Only rows whose optimizer has this word in its label
    #[arg(long, value_name = "WORD")]
    optimizer: Option<String>,
    /// The chance of a false alarm in the whole comparison
    #[arg(long, value_name = "P", default_value_t = 0.05, value_parser = share)]
    alpha: f64,
    /// The smallest slow-down that is a regression, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, value_parser = percent)]
    threshold: f64,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Form::Terminal)]
    format: Form,
    /// Show at most so many rows of each kind of change (0 for all); JSON always has all
    #[arg(long, value_name = "ROWS", default_value_t = 20)]
    top: usize,
    /// Compare what can be paired even if the sides did not run the same
    #[arg(long)]
    force: bool,
    /// Let the comparison pass though rows or grids of the left side are gone on the right
    #[arg(long)]
    allow_vanished: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    Terminal,
    Markdown,
    Json,
}

fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "it should be a number such as 0.05".to_owned())?;
    if value > 0.0 && value < 1.0 { Ok(value) } else { Err("it should lie between 0 and 1".into()) }
}

fn percent(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "it should be a number such as 5".to_owned())?;
    if value.is_finite() && value >= 0.0 { Ok(value) } else { Err("it should be a number from 0 up".into()) }
}

/// Runs the command; what it returns is the exit code.
pub(crate) fn compare(args: &CompareArgs) -> ExitCode {
    match answer(args) {
        Ok((text, failed)) => {
            match args.format {
                Form::Json => print_json(&text),
                Form::Terminal | Form::Markdown => print(&text),
            }
            ExitCode::from(u8::from(failed))
        }
        // git is stopped by the same Ctrl-C, and says something else.
        Err(_) if signals::stopped() => wrong(CompareError::Stopped, signals::STOPPED),
        Err(error) => {
            let code = error.code();
            wrong(error, code)
        }
    }
}

/// What to print, and whether the comparison failed.
fn answer(args: &CompareArgs) -> Result<(String, bool), CompareError> {
    if let Some([left, right]) = args.bench.as_deref() {
        return Ok((bench::compare(left, right, args.format)?, false));
    }
    if let Some([revision, config]) = args.run.as_deref() {
        return run(args, revision, Path::new(config));
    }
    let mut sides: Vec<&OsStr> = args.sides.iter().map(OsString::as_os_str).collect();
    if sides.is_empty() {
        sides.push(OsStr::new("HEAD"));
    }
    let here = || Repository::here(args.results.as_deref(), &sides);
    let left = Source::named(sides[0], here)?;
    let right = match sides.get(1) {
        Some(right) => Source::named(right, here)?,
        None => Source::working_tree(&here()?)?,
    };
    if let (Source::Commit(repository, _), Source::Commit(..)) = (&left, &right)
        && repository.is_dirty()
    {
        let folder = repository.within(&[""]);
        say(&format!(
            "note: {} has changes that are not committed, which are not compared here",
            folder.to_string_lossy()
        ));
    }
    let names = Names { left: left.shown(), right: right.shown() };
    finish(args, &left, &right, &names)
}

/// Compares a commit that is built for it.
fn run(args: &CompareArgs, revision: &OsStr, config: &Path) -> Result<(String, bool), CompareError> {
    let here = || Repository::here(None, &[]);
    let repository = here()?;
    let Some(commit) = repository.commit(revision)? else {
        let name = revision.to_string_lossy().into_owned();
        return Source::named(revision, here).and_then(|_| {
            Err(CompareError::Unknown { name, help: "--run takes a commit, since it builds it" })
        });
    };
    if !config.is_file() {
        let source = std::io::ErrorKind::NotFound.into();
        return Err(CompareError::Io { path: config.to_owned(), source });
    }
    signals::finish_first("stopping, and removing the checkout; Ctrl-C again stops at once")?;
    let (_checkout, [left, right]) = rerun::rerun(&repository, &commit, config)?;
    let names = Names { left: commit.shown(), right: "this build".into() };
    finish(args, &Source::folder(&left)?, &Source::folder(&right)?, &names)
}

fn finish(
    args: &CompareArgs,
    left: &Source,
    right: &Source,
    names: &Names,
) -> Result<(String, bool), CompareError> {
    let comparison = comparison(args, left, right)?;
    let top = (args.top > 0).then_some(args.top);
    let text = match args.format {
        Form::Terminal => comparison.render(names, Format::Terminal, top),
        Form::Markdown => comparison.render(names, Format::Markdown, top),
        Form::Json => json::json(&comparison, names),
    };
    Ok((text, comparison.failed()))
}

fn comparison(args: &CompareArgs, left: &Source, right: &Source) -> Result<Comparison, CompareError> {
    let filter =
        Filter { problem: args.problem.clone(), loss: args.loss.clone(), optimizer: args.optimizer.clone() };
    let mut names = left.grids()?;
    names.extend(right.grids()?);
    // Whoever names the folder of one grid wants that grid; two such folders may have any names.
    if let Some(single) = right.single().or(left.single()) {
        names = vec![single.to_owned()];
    }
    names.sort();
    names.dedup();
    if let Some(wanted) = &args.grid {
        if !names.contains(wanted) {
            return Err(CompareError::NoGrid { name: wanted.clone(), there: names });
        }
        names = vec![wanted.clone()];
    }
    let (mut grids, mut inputs, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        let (left, right) = (left.read(&name, &filter)?, right.read(&name, &filter)?);
        if let (Some(left), Some(right)) = (&left, &right) {
            inputs.extend(changed_inputs(&name, left, right));
            let is_told = left.has_conditions && right.has_conditions;
            let configs = left.config.as_ref().zip(right.config.as_ref());
            if !is_told && configs.is_some_and(|(left, right)| left != right) {
                unknown.push(name.clone());
            }
        }
        grids.push(Grid { name, left: left.map(|found| found.side), right: right.map(|found| found.side) });
    }
    // Both sides of --run have the same config, or a part of it.
    if !unknown.is_empty() && args.run.is_none() {
        say(&format!(
            "note: the configs of {} differ, and results of version 0.1.0 don't tell `hold` and `divergence`, which \
             are taken to be the same",
            unknown.join(", ")
        ));
    }
    let options = Options {
        alpha: args.alpha,
        threshold: args.threshold / 100.0,
        force: args.force,
        allow_vanished: args.allow_vanished,
    };
    let mut comparison = compare_sides(&grids, &options).map_err(CompareError::Incomparable)?;
    comparison.inputs = inputs;
    let filtered = args.problem.is_some() || args.loss.is_some() || args.optimizer.is_some();
    if comparison.cells == [0, 0] && filtered {
        return Err(CompareError::NothingLeft);
    }
    Ok(comparison)
}

/// The files that both configs name, and that weren't the same.
fn changed_inputs(grid: &str, left: &Found, right: &Found) -> Vec<InputChange> {
    let change = |(name, before): &Named| {
        let (_, now) = right.inputs.iter().find(|(other, now)| other == name && now != before)?;
        let digests = [before.clone(), now.clone()];
        Some(InputChange { grid: grid.to_owned(), name: name.clone(), digests })
    };
    left.inputs.iter().filter_map(change).collect()
}
