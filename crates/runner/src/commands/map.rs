//! `optbench map`: convergence over a plane.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use files::Folder;

use crate::args::{JobsArgs, OutArgs};
use crate::config::{Python, map};
use crate::exit::{Exit, Outcome};
use crate::map::{describe, make};
use crate::owner::{Kind, Owner};
use crate::signals;
use crate::terminal::{print, say};

/// Draw steps to a target, or the error, over two things that vary: one training run a pixel
#[derive(Args)]
#[command(after_help = "\
Examples:
  optbench map configs/map-himmelblau.toml   which minimum a start leads to
  optbench map configs/map-momentum.toml     steps to the target over learning rate and momentum

Both axes take lr, a coordinate of the start (start.x1) or an option (optimizer.momentum, loss.delta), from one \
number to another, on a linear or logarithmic scale. To zoom in, change `from` and `to`.

Into results/<name>/ go map.png, steps_to_target.npy and final_error.npy (float32, a row a line from the bottom: \
infinite where the target wasn't reached, NaN where the run diverged; numpy.load reads them), minimizer.npy where it is \
shown, map.csv with `csv = true`, and manifest.json, which has the values of the axes.

Exit codes: 0 fine; 1 a run failed or a file couldn't be written; 2 the input is wrong; 130 stopped by Ctrl-C.")]
pub(crate) struct MapArgs {
    /// The map, a TOML file
    config: PathBuf,
    #[command(flatten)]
    output: OutArgs,
    #[command(flatten)]
    jobs: JobsArgs,
    /// Delete results of another config in the folder
    #[arg(long)]
    fresh: bool,
}

pub(crate) fn run(args: &MapArgs) -> Outcome {
    let map = map::read(&args.config, Python::may_start(say))?;
    let jobs = args.jobs.count(None)?;
    signals::end_at_once("stopped: a map is made in one go, and nothing was written")?;
    let folder = Folder::new(args.output.out.join(&map.name));
    let runs = map.x.pixels * map.y.pixels;
    say(&format!("{}: {runs} runs of up to {} steps, on {jobs} threads", map.name, map.steps));
    let begin = Instant::now();
    let owner = Owner { kind: Kind::Map, config: &map.text, file: Some(&args.config) };
    let counts = make(&map, &owner, &folder, jobs, args.fresh)?;
    print(&describe(&map, counts));
    let (wall, picture) = (begin.elapsed().as_secs_f64(), folder.path().join("map.png"));
    say(&format!("{runs} runs in {wall:.1} s; {} is the picture", picture.display()));
    Ok(Exit::Fine)
}
