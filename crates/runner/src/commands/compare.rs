//! `optbench compare`: what changed in convergence between two commits, folders or builds.

mod bench;
mod checkout;
mod error;
mod git;
mod reduce;
mod rerun;
mod source;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use analysis::compare::{
    Comparison, Format as Rendered, Grid, InputChange, Names, Options, compare as compare_sides,
};
use clap::Args;

use crate::args::{FilterArgs, Format, FormatArgs, TopArgs, formats};
use crate::exit::{Exit, Outcome};
use crate::signals;
use crate::terminal::{print, print_json, say};
use error::CompareError;
use git::Repository;
use source::{Found, Named, Source};

/// Show what changed in convergence between two commits or folders; exit code 1 on a regression or a vanished row
#[derive(Args)]
#[command(mut_arg("format", |arg| arg.value_parser(formats(&[Format::Terminal, Format::Markdown, Format::Json]))))]
#[command(mut_arg("top", |arg| arg.default_value("20")))]
#[command(after_help = "\
Examples:
  optbench compare                      the committed results against the working tree
  optbench compare v1 v2 --grid grid    one grid of two commits
  optbench compare old/ results/        two folders
  optbench compare --run v1 configs/grid.toml
                                        builds v1 and runs the config with both builds

Exit codes: 0 nothing got worse; 1 a regression, or a row or grid that vanished (unless --allow-vanished), or a file \
couldn't be written; 2 the sides can't be compared, or a cells.csv isn't what its manifest says; 130 stopped.")]
pub(crate) struct CompareArgs {
    /// Two commits or folders; one is compared with the working tree, and HEAD if none is named
    #[arg(value_name = "REV|DIR", num_args = 0..=2)]
    sides: Vec<OsString>,
    /// Build REV, run CONFIG with that build and with this one, and compare the two
    #[arg(long, num_args = 2, value_names = ["REV", "CONFIG"], conflicts_with_all = ["sides", "bench"])]
    run: Option<Vec<OsString>>,
    /// With --run, let Python be started for source files that the config names
    #[arg(long, requires = "run")]
    python: bool,
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
    #[command(flatten)]
    filter: FilterArgs,
    /// The chance of a false alarm in the whole comparison
    #[arg(long, value_name = "P", default_value_t = 0.05, value_parser = share)]
    alpha: f64,
    /// The smallest slow-down that is a regression, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, value_parser = percent)]
    threshold: f64,
    #[command(flatten)]
    answer: FormatArgs,
    #[command(flatten)]
    top: TopArgs,
    /// Compare what can be paired even if the sides did not run the same
    #[arg(long)]
    force: bool,
    /// Let the comparison pass though rows or grids of the left side are gone on the right
    #[arg(long)]
    allow_vanished: bool,
}

fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "it should be a number such as 0.05".to_owned())?;
    if value > 0.0 && value < 1.0 { Ok(value) } else { Err("it should lie between 0 and 1".into()) }
}

fn percent(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "it should be a number such as 5".to_owned())?;
    if value.is_finite() && value >= 0.0 { Ok(value) } else { Err("it should be a number from 0 up".into()) }
}

pub(crate) fn run(args: &CompareArgs) -> Outcome {
    // git is stopped by the same Ctrl-C, and says something else.
    let stopped = |error| if signals::stopped() { CompareError::Stopped } else { error };
    let (text, failed) = answer(args).map_err(stopped)?;
    if args.answer.format == Format::Json {
        print_json(&text);
    } else {
        print(&text);
    }
    Ok(if failed { Exit::Failed } else { Exit::Fine })
}

/// What to print, and whether the comparison failed.
fn answer(args: &CompareArgs) -> Result<(String, bool), CompareError> {
    if let Some([left, right]) = args.bench.as_deref() {
        return Ok((bench::compare(left, right, args.answer.format)?, false));
    }
    if let Some([revision, config]) = args.run.as_deref() {
        return built(args, revision, Path::new(config));
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
fn built(args: &CompareArgs, revision: &OsStr, config: &Path) -> Result<(String, bool), CompareError> {
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
    let (_checkout, [left, right]) = rerun::rerun(&repository, &commit, config, args.python)?;
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
    let text = match args.answer.format {
        Format::Json => comparison.json(names),
        Format::Markdown => comparison.render(names, Rendered::Markdown, args.top.rows()),
        _ => comparison.render(names, Rendered::Terminal, args.top.rows()),
    };
    Ok((text, comparison.failed()))
}

fn comparison(args: &CompareArgs, left: &Source, right: &Source) -> Result<Comparison, CompareError> {
    let filter = args.filter.filter();
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
    if comparison.cells == [0, 0] && !filter.is_empty() {
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
