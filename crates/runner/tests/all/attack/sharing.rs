//! Results aren't believed, and folders aren't shared without a lock.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::sandbox::{Ran, Sandbox, result_files};

const GRID: &str = "name = 'x'\nsteps = 30\nlr = [0.01, 0.1]\nseeds = { tuning = 1, reporting = 2 }\n\
    [[grid]]\nproblems = ['line_fit']\nlosses = ['mse']\noptimizers = ['sgd']\n";

/// With a landscape, whose figure is larger than the page.
const LANDSCAPE: &str = "[[grid]]\nproblems = ['himmelblau']\noptimizers = ['sgd']\n";

fn ran(config: &str) -> Sandbox {
    let sandbox = Sandbox::with("x", config);
    sandbox.run("x.toml").works();
    sandbox
}

#[test]
fn changed_results_are_refused_by_whatever_reads_them_and_made_anew_by_a_run() {
    let sandbox = ran(GRID);
    let cells = sandbox.results("x").join("cells.csv");
    let undisturbed = result_files(&sandbox.results("x"));
    let whole = fs::read_to_string(&cells).unwrap();
    let row = whole.lines().nth(1).unwrap();
    let first = whole.lines().nth(1).unwrap().split(',').next().unwrap().to_owned();
    let changes = [
        ("cut short", whole[..whole.rfind('\n').unwrap()].rsplit_once('\n').unwrap().0.to_owned() + "\n"),
        ("doubled", format!("{whole}{row}\n")),
        ("no rate", whole.replacen(",0.01,", ",NaN,", 1)),
        ("too many steps", whole.replacen(",30,", ",29,", 1)),
    ];
    for (what, changed) in &changes {
        assert_ne!(*changed, whole, "{what}");
        fs::write(&cells, changed).unwrap();
        for command in ["table results/x", "report results/x", "compare results/x results/x"] {
            sandbox.run(command).fails(2).says("results/x/cells.csv");
        }
        sandbox.run("status x.toml").works().prints("changed since they were written: cells.csv");
        sandbox.run("x.toml").works();
        assert!(result_files(&sandbox.results("x")) == undisturbed, "{what}");
    }
    fs::remove_file(&cells).unwrap();
    sandbox.run("status x.toml").works().prints("missing or changed");

    // Where no manifest lies beside it, the rows themselves must be possible.
    fs::remove_file(sandbox.results("x").join("manifest.json")).unwrap();
    fs::write(&cells, &whole).unwrap();
    sandbox.run("table results/x --no-write").works().says("nothing tells whether it is whole");
    for (changed, wanted) in [
        (&changes[1].1, format!("the run {first} is there twice")),
        (&changes[2].1, "lr is `NaN`, which is not a finite number above 0".into()),
        (&changes[3].1, "steps is `30`, which is not a number of steps within the budget".into()),
    ] {
        fs::write(&cells, changed).unwrap();
        sandbox.run("table results/x").fails(2).says(&wanted);
    }
}

#[test]
fn curves_that_were_changed_are_not_shown() {
    let sandbox = ran(GRID);
    let curves = sandbox.results("x").join("curves.csv");
    let whole = fs::read_to_string(&curves).unwrap();
    // At the end of a row, where nothing but the manifest tells.
    let end = whole[..whole.len() / 2].rfind('\n').unwrap() + 1;
    fs::write(&curves, &whole[..end]).unwrap();
    sandbox.run("report results/x").fails(2).says("results/x/curves.csv");
    sandbox.run("table results/x").works();
}

/// A run of some seconds, in many parts.
const LONG: &str = "name = 'x'\nsteps = 6000\nlr = { from = 0.001, to = 1, count = 200 }\n\
    seeds = { tuning = 0, reporting = 60 }\nrecord = 'summary'\n[[grid]]\n\
    problems = [{ direct_fit = { dim = 8 } }]\nlosses = ['mse', 'l1', 'huber']\noptimizers = ['sgd', 'adam']\n";

/// Starts a run, and waits until it is at work.
fn started(sandbox: &Sandbox, file: &str) -> std::process::Child {
    let child =
        sandbox.command([file, "--jobs", "1"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while !sandbox.results("x").join("running.json").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn two_configs_of_one_name_at_once_do_not_share_a_folder() {
    let sandbox = Sandbox::new();
    sandbox.config("long", LONG);
    sandbox.config("other", GRID);
    sandbox.config(
        "map",
        "name = 'x'\nproblem = 'himmelblau'\noptimizer = 'sgd'\nlr = 0.01\nsteps = 5\n\
        x = { vary = 'start.x1', from = -1, to = 1, pixels = 4 }\n\
        y = { vary = 'start.x2', from = -1, to = 1, pixels = 4 }\n",
    );
    let mut first = started(&sandbox, "long.toml");
    for other in ["other.toml", "merge other.toml", "run other.toml --shard 0/2", "map map.toml"] {
        sandbox.run(other).fails(2).says("another run is at work in results/x");
    }
    assert!(first.try_wait().unwrap().is_none(), "the first run should last longer than this");
    // The same config may be run beside it; and when both are gone, another.
    let second = started(&sandbox, "long.toml");
    for child in [first, second] {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let parts = || fs::read_dir(sandbox.results("x").join("parts")).unwrap().count();
    assert!(parts() > 10);
    sandbox.run("table results/x --no-write").works();
    sandbox.run("other.toml").fails(2).says("results of another config, long.toml");
    sandbox.run("other.toml --fresh").works();
    assert_eq!(parts(), 1, "and then parts of the other go");
}

#[test]
fn half_written_files_go_everywhere() {
    let sandbox = ran(GRID);
    sandbox.run("report results/x").works();
    let folder = sandbox.results("x");
    let left = ["", "parts", "report"].map(|below| folder.join(below).join(".writing-left"));
    for path in &left {
        fs::write(path, "half").unwrap();
        let then = SystemTime::now() - Duration::from_secs(7200);
        File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    }
    sandbox.run("x.toml").works();
    sandbox.run("report results/x").works();
    assert_eq!(left.map(|path| path.exists()), [false; 3]);
}

#[test]
fn a_full_disk_leaves_no_half_figure_array_or_manifest() {
    let sandbox = ran(&format!("{GRID}{LANDSCAPE}"));
    sandbox.config(
        "m",
        "name = 'm'\nproblem = 'himmelblau'\noptimizer = 'sgd'\nlr = 0.01\nsteps = 5\n\
        x = { vary = 'start.x1', from = -1, to = 1, pixels = 64 }\n\
        y = { vary = 'start.x2', from = -1, to = 1, pixels = 64 }\n",
    );
    // A limit of files stands in for the disk; `scripts/try-accidents` has a real one.
    for (command, folder) in [("report results/x", "x/report"), ("map m.toml", "m")] {
        let program = sandbox.command("").get_program().to_owned();
        let limited = |blocks: u64| {
            let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" {command}");
            let mut shell = Command::new("sh");
            Ran::of(shell.args(["-c", &script]).arg(&program).current_dir(sandbox.path()))
        };
        let folder = sandbox.path().join("results").join(folder);
        let files = || {
            let entries = fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.unwrap());
            let file = |entry: fs::DirEntry| {
                (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
            };
            // The list of figures is another where not all were made.
            let ours = |file: &(String, Vec<u8>)| file.0 != ".lock" && file.0 != "figures.json";
            let mut files: Vec<_> = entries.map(file).filter(ours).collect();
            files.sort();
            files
        };
        sandbox.run(command).works();
        let complete = files();
        let largest = complete.iter().map(|(_, bytes)| bytes.len()).max().unwrap() as u64;
        fs::remove_dir_all(&folder).unwrap();
        for blocks in [8, largest / 512 - 1] {
            limited(blocks).fails(1).says("can't write");
            for file in files() {
                assert!(complete.contains(&file), "{} is half a file", file.0);
            }
        }
        sandbox.run(command).works();
        assert!(files() == complete);
        limited(largest / 512 - 1);
        assert!(files() == complete, "what was there stays whole");
    }
}

#[test]
fn parts_of_unlike_cpus_are_told_of() {
    let sandbox = Sandbox::new();
    sandbox.config(
        "x",
        &GRID.replacen("name", "engine = 'libtorch'\nname", 1).replace("['sgd']", "['sgd', 'adam']"),
    );
    for (shard, capability) in [("0/2", "default"), ("1/2", "avx2")] {
        sandbox
            .run_anew(["run", "x.toml", "--shard", shard], |to| to.env("ATEN_CPU_CAPABILITY", capability))
            .works();
    }
    let note = "CPUs of different kinds";
    sandbox.run("status x.toml").works().prints(note).prints("avx2");
    sandbox.run("merge x.toml").works().says(note).says("avx2");
    let timings = fs::read_to_string(sandbox.results("x").join("timings.csv")).unwrap();
    assert!(
        timings.starts_with("key,part,part_cells,part_wall_us,host,cpu\n") && timings.contains("default"),
        "{timings}"
    );
    // One kind is nothing to talk of, and the fused engine gives the same bits everywhere.
    ran(GRID).run("status x.toml").works().never_prints("CPU");
}
