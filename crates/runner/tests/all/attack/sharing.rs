//! Results aren't believed, and folders aren't shared without a lock.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::attack::{ended, said};
use crate::place::{Place, result_files};

const GRID: &str = "name = 'x'\nsteps = 30\nlr = [0.01, 0.1]\nseeds = { tuning = 1, reporting = 2 }\n\
    [[grid]]\nproblems = ['line_fit']\nlosses = ['mse']\noptimizers = ['sgd']\n";

/// With a landscape, whose figure is larger than the page.
const LANDSCAPE: &str = "[[grid]]\nproblems = ['himmelblau']\noptimizers = ['sgd']\n";

fn ran(config: &str) -> Place {
    let place = Place::new();
    place.config("x", config);
    said(&ended(&mut place.command(&["x.toml"])), 0);
    place
}

#[test]
fn changed_results_are_refused_by_whatever_reads_them_and_made_anew_by_a_run() {
    let place = ran(GRID);
    let cells = place.results("x").join("cells.csv");
    let undisturbed = result_files(&place.results("x"));
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
        for command in
            [&["table", "results/x"][..], &["report", "results/x"], &["compare", "results/x", "results/x"]]
        {
            let message = said(&ended(&mut place.command(command)), 2);
            assert!(message.contains("results/x/cells.csv"), "{what}: {message}");
        }
        let status = ended(&mut place.command(&["status", "x.toml"]));
        let answer = String::from_utf8_lossy(&status.stdout).into_owned();
        assert!(answer.contains("changed since they were written: cells.csv"), "{what}: {answer}");
        said(&ended(&mut place.command(&["x.toml"])), 0);
        assert!(result_files(&place.results("x")) == undisturbed, "{what}");
    }
    fs::remove_file(&cells).unwrap();
    let status = ended(&mut place.command(&["status", "x.toml"]));
    assert!(String::from_utf8_lossy(&status.stdout).contains("missing or changed"));

    // Where no manifest lies beside it, the rows themselves must be possible.
    fs::remove_file(place.results("x").join("manifest.json")).unwrap();
    fs::write(&cells, &whole).unwrap();
    let message = said(&ended(&mut place.command(&["table", "results/x", "--no-write"])), 0);
    assert!(message.contains("nothing tells whether it is whole"), "{message}");
    for (changed, wanted) in [
        (&changes[1].1, format!("the run {first} is there twice")),
        (&changes[2].1, "lr is `NaN`, which is not a finite number above 0".into()),
        (&changes[3].1, "steps is `30`, which is not a number of steps within the budget".into()),
    ] {
        fs::write(&cells, changed).unwrap();
        let message = said(&ended(&mut place.command(&["table", "results/x"])), 2);
        assert!(message.contains(&wanted), "{message}");
    }
}

#[test]
fn curves_that_were_changed_are_not_shown() {
    let place = ran(GRID);
    let curves = place.results("x").join("curves.csv");
    let whole = fs::read_to_string(&curves).unwrap();
    // At the end of a row, where nothing but the manifest tells.
    let end = whole[..whole.len() / 2].rfind('\n').unwrap() + 1;
    fs::write(&curves, &whole[..end]).unwrap();
    let message = said(&ended(&mut place.command(&["report", "results/x"])), 2);
    assert!(message.contains("results/x/curves.csv"), "{message}");
    said(&ended(&mut place.command(&["table", "results/x"])), 0);
}

/// A run of some seconds, in many parts.
const LONG: &str = "name = 'x'\nsteps = 40000\nlr = { from = 0.001, to = 1, count = 200 }\n\
    seeds = { tuning = 0, reporting = 60 }\nrecord = 'summary'\n[[grid]]\n\
    problems = [{ direct_fit = { dim = 8 } }]\nlosses = ['mse', 'l1', 'huber']\noptimizers = ['sgd', 'adam']\n";

/// Starts a run, and waits until it is at work.
fn started(place: &Place, file: &str) -> std::process::Child {
    let child =
        place.command(&[file, "--jobs", "1"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while !place.results("x").join("running.json").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn two_configs_of_one_name_at_once_do_not_share_a_folder() {
    let place = Place::new();
    place.config("long", LONG);
    place.config("other", GRID);
    place.config(
        "map",
        "name = 'x'\nproblem = 'himmelblau'\noptimizer = 'sgd'\nlr = 0.01\nsteps = 5\n\
        x = { vary = 'start.x1', from = -1, to = 1, pixels = 4 }\n\
        y = { vary = 'start.x2', from = -1, to = 1, pixels = 4 }\n",
    );
    let mut first = started(&place, "long.toml");
    for other in [&["other.toml"][..], &["merge", "other.toml"], &["run", "other.toml", "--shard", "0/2"]] {
        let message = said(&ended(&mut place.command(other)), 2);
        assert!(message.contains("another run is at work in results/x"), "{message}");
    }
    let message = said(&ended(&mut place.command(&["map", "map.toml"])), 1);
    assert!(message.contains("another run is at work in results/x"), "{message}");
    assert!(first.try_wait().unwrap().is_none(), "the first run should last longer than this");
    // The same config may be run beside it; and when both are gone, another.
    let second = started(&place, "long.toml");
    for child in [first, second] {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let parts = || fs::read_dir(place.results("x").join("parts")).unwrap().count();
    assert!(parts() > 10);
    said(&ended(&mut place.command(&["table", "results/x", "--no-write"])), 0);
    assert!(
        said(&ended(&mut place.command(&["other.toml"])), 2).contains("results of another config, long.toml")
    );
    said(&ended(&mut place.command(&["other.toml", "--fresh"])), 0);
    assert_eq!(parts(), 1, "and then parts of the other go");
}

#[test]
fn half_written_files_go_everywhere() {
    let place = ran(GRID);
    said(&ended(&mut place.command(&["report", "results/x"])), 0);
    let folder = place.results("x");
    let left = ["", "parts", "report"].map(|below| folder.join(below).join(".writing-left"));
    for path in &left {
        fs::write(path, "half").unwrap();
        let then = SystemTime::now() - Duration::from_secs(7200);
        File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    }
    said(&ended(&mut place.command(&["x.toml"])), 0);
    said(&ended(&mut place.command(&["report", "results/x"])), 0);
    assert_eq!(left.map(|path| path.exists()), [false; 3]);
}

#[test]
fn a_full_disk_leaves_no_half_figure_array_or_manifest() {
    let place = ran(&format!("{GRID}{LANDSCAPE}"));
    place.config(
        "m",
        "name = 'm'\nproblem = 'himmelblau'\noptimizer = 'sgd'\nlr = 0.01\nsteps = 5\n\
        x = { vary = 'start.x1', from = -1, to = 1, pixels = 64 }\n\
        y = { vary = 'start.x2', from = -1, to = 1, pixels = 64 }\n",
    );
    // A limit of files stands in for the disk; `scripts/try-accidents` has a real one.
    for (command, folder) in [("report results/x", "x/report"), ("map m.toml", "m")] {
        let runner = place.command(&[]).get_program().to_owned();
        let limited = |blocks: u64| {
            let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" {command}");
            let mut shell = Command::new("sh");
            shell.args(["-c", &script]).arg(&runner).current_dir(place.path());
            ended(&mut shell)
        };
        let folder = place.path().join("results").join(folder);
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
        let whole: Vec<&str> = command.split(' ').collect();
        said(&ended(&mut place.command(&whole)), 0);
        let complete = files();
        let largest = complete.iter().map(|(_, bytes)| bytes.len()).max().unwrap() as u64;
        fs::remove_dir_all(&folder).unwrap();
        for blocks in [8, largest / 512 - 1] {
            let message = said(&limited(blocks), 1);
            assert!(message.contains("can't write"), "{message}");
            for file in files() {
                assert!(complete.contains(&file), "{} is half a file", file.0);
            }
        }
        said(&ended(&mut place.command(&whole)), 0);
        assert!(files() == complete);
        limited(largest / 512 - 1);
        assert!(files() == complete, "what was there stays whole");
    }
}

#[test]
fn parts_of_unlike_cpus_are_told_of() {
    let place = Place::new();
    place.config(
        "x",
        &GRID.replacen("name", "engine = 'libtorch'\nname", 1).replace("['sgd']", "['sgd', 'adam']"),
    );
    for (shard, capability) in [("0/2", "default"), ("1/2", "avx2")] {
        let mut command = place.command(&["run", "x.toml", "--shard", shard]);
        said(&ended(command.env("ATEN_CPU_CAPABILITY", capability)), 0);
    }
    for command in ["status", "merge"] {
        let output = ended(&mut place.command(&[command, "x.toml"]));
        let all = said(&output, 0) + &String::from_utf8_lossy(&output.stdout);
        assert!(all.contains("CPUs of different kinds") && all.contains("avx2"), "{command}: {all}");
    }
    let timings = fs::read_to_string(place.results("x").join("timings.csv")).unwrap();
    assert!(timings.starts_with("key,host,cells,wall_us,cpu\n") && timings.contains("default"), "{timings}");
    // One kind is nothing to talk of, and the fused engine gives the same bits everywhere.
    let place = ran(GRID);
    let output = ended(&mut place.command(&["status", "x.toml"]));
    assert!(!String::from_utf8_lossy(&output.stdout).contains("CPU"));
}
