//! Results are a function of the config: not of threads, interruptions, leftovers or accidents.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use records::Cells;

use crate::place::{Place, result_files, text};

/// Both engines, diverging lanes among them, in some thirty parts and about a second.
const CONFIG: &str = r#"
name = "x"
steps = 3000
seeds = { tuning = 2, reporting = 3 }
lr = [0.01, 0.1, 10]

[[grid]]
problems = [{ direct_fit = { dim = 64 } }, "diabetes_linear"]
losses = ["plateau", "mse", "huber"]
optimizers = ["sgd", "adam"]
schedules = ["constant", "reduce_on_plateau"]

[[grid]]
problems = ["digits_mlp"]
losses = ["cross_entropy"]
optimizers = ["adam"]
steps = 40
"#;

fn undisturbed(place: &Place) -> Vec<(&'static str, Vec<u8>)> {
    let file = place.config("x", CONFIG);
    let output = place.run(&[&file, "--jobs", "2"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    result_files(&place.results("x"))
}

fn parts(place: &Place) -> Vec<PathBuf> {
    let folder = fs::read_dir(place.results("x").join("parts"));
    folder.into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn threads_do_not_matter() {
    let (one, two) = (Place::new(), Place::new());
    let file = one.config("x", CONFIG);
    assert_eq!(one.run(&[&file, "--jobs", "1"]).status.code(), Some(0));
    assert_eq!(result_files(&one.results("x")), undisturbed(&two));
    let cells = text(&fs::read(one.results("x").join("cells.csv")).unwrap());
    assert!(cells.contains(",diverged,") && cells.contains(",reached,") && cells.contains(",budget,"));
}

/// How many times to kill; CI has time for few.
fn kills() -> u32 {
    std::env::var("OPTBENCH_KILLS").map_or(24, |count| count.parse().expect("OPTBENCH_KILLS is a number"))
}

/// The page and the figures of a report, by name.
fn report_files(place: &Place) -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = place.results("x");
    let figures = fs::read_dir(folder.join("report")).unwrap().map(|entry| entry.unwrap().path());
    // What a killed report was writing stays for an hour, under a name of its own.
    let whole = figures.filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with(".writing-"));
    let all = whole.chain([folder.join("report.html")]);
    all.map(|path| (path.strip_prefix(&folder).unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

#[test]
fn what_is_killed_at_random_moments_ends_with_the_same_bytes() {
    let (calm, place) = (Place::new(), Place::new());
    let file = place.config("x", CONFIG);
    let begin = Instant::now();
    let expected = undisturbed(&calm);
    let running = begin.elapsed();
    let timed = |command: &[&str]| {
        let begin = Instant::now();
        let output = calm.run(command);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        begin.elapsed()
    };
    let merging = timed(&["merge", &file]);
    let reporting = timed(&["report", "results/x"]);
    let page = report_files(&calm);
    let commands: [(&[&str], Duration); 5] = [
        (&["run", &file], running),
        (&["run", &file, "--shard", "0/2"], running),
        (&["run", &file, "--shard", "1/2"], running),
        (&["merge", &file], merging),
        (&["report", "results/x"], reporting),
    ];
    let mut killed = 0;
    // Where a command is killed goes through a cycle that has no common measure with its length, and
    // parts that were made are taken away again, so that there is always something left to kill.
    for round in 0_u32.. {
        let fraction = f64::from(round).mul_add(0.618_033_988_75, 0.1).fract();
        let (command, whole) = commands[round as usize % commands.len()];
        let makes_parts = command[0] == "run";
        if !makes_parts {
            assert_eq!(place.run(&[&file]).status.code(), Some(0));
        }
        let signal = ["KILL", "TERM", "INT"][(round / 5) as usize % 3];
        let mut child = place.command(command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(whole.mul_f64(fraction));
        let id = child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &id]).stderr(Stdio::null()).status();
        let ended = child.wait().unwrap();
        // A run that is asked to stop ends its batches; others end at once whatever the signal.
        killed +=
            u32::from(sent.unwrap().success() && (ended.signal().is_some() || ended.code() == Some(130)));
        if let Ok(html) = fs::read(place.results("x").join("report.html")) {
            assert!(html == page[Path::new("report.html")], "the page is half-written");
        }
        if killed >= kills() {
            break;
        }
        assert!(round < 50 + 10 * kills(), "only {killed} of {round} could be killed before their end");
        for part in parts(&place).iter().skip(round as usize % 3).step_by(3) {
            let _ = fs::remove_file(part);
        }
    }
    let output = place.run(&[&file, "--jobs", "2"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(result_files(&place.results("x")), expected);
    assert_eq!(place.run(&["report", "results/x"]).status.code(), Some(0));
    assert!(report_files(&place) == page, "the report isn't what it is without kills");
}

#[test]
fn ctrl_c_keeps_what_is_done_and_says_how_to_go_on() {
    let (calm, place) = (Place::new(), Place::new());
    let begin = Instant::now();
    let expected = undisturbed(&calm);
    let whole = begin.elapsed();
    let file = place.config("x", CONFIG);
    // A run may be over before it is interrupted; then it is tried again.
    let stopped = (1..20).find_map(|attempt| {
        let _ = fs::remove_dir_all(place.results("x"));
        let child = place.command(&[&file]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        sleep(whole.mul_f64(0.8 / f64::from(attempt)));
        let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        (kill.success() && output.status.code() == Some(130)).then_some(output)
    });
    let message = text(&stopped.expect("no run could be interrupted").stderr);
    assert!(message.contains("stopped: ") && message.contains("run the same command to go on"), "{message}");
    assert!(!place.results("x").join("cells.csv").exists());
    assert_eq!(place.run(&[&file]).status.code(), Some(0));
    assert_eq!(result_files(&place.results("x")), expected);
}

#[test]
fn damaged_parts_are_made_again_and_foreign_ones_are_not_used() {
    let place = Place::new();
    let expected = undisturbed(&place);
    let all = parts(&place);
    let truncated = fs::read(&all[0]).unwrap();
    fs::write(&all[0], &truncated[..truncated.len() / 2]).unwrap();
    fs::write(&all[1], "").unwrap();
    let mut flipped = fs::read(&all[2]).unwrap();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(&all[2], flipped).unwrap();
    // Another batch's part under this one's name, and a part of another build or config.
    fs::copy(&all[4], &all[3]).unwrap();
    let stranger = all[0].with_file_name("0123456789abcdef.part");
    fs::copy(&all[4], &stranger).unwrap();

    let output = place.run(&["x.toml"]);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{message}");
    assert_eq!(result_files(&place.results("x")), expected);
    assert!(
        message.contains(&format!("{} of {} parts were there already", all.len() - 4, all.len())),
        "{message}"
    );
    assert!(message.contains("1 parts of another build or config were removed"), "{message}");
    assert!(!stranger.exists());
}

#[test]
fn another_config_of_the_same_name_shares_only_what_is_the_same() {
    let (place, fresh) = (Place::new(), Place::new());
    let before = undisturbed(&place);
    let changed = CONFIG.replace("\"huber\"", "{ huber = { delta = 2 } }");
    let file = place.config("x", &changed);
    let output = place.run(&[&file]);
    let message = text(&output.stderr);
    // 24 parts on the fused engine, of which a third is Huber's, and one a seed for the digits.
    assert!(message.contains("21 of 29 parts were there already"), "{message}");
    let file = fresh.config("x", &changed);
    assert_eq!(fresh.run(&[&file, "--jobs", "1"]).status.code(), Some(0));
    assert_eq!(result_files(&place.results("x")), result_files(&fresh.results("x")));
    assert_ne!(result_files(&place.results("x")), before);
}

#[test]
fn another_target_of_one_grid_is_another_column_for_all() {
    let place = Place::new();
    undisturbed(&place);
    let file = place.config("x", &CONFIG.replace("steps = 40", "steps = 40\ntargets = [0.7]"));
    let output = place.run(&[&file]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn a_rate_at_the_edge_extends_its_grid_and_the_extension_resumes() {
    // Mean squared error on four parameters is fastest at a rate of 2, above this grid.
    let config = "name = 'x'\nsteps = 200\nextend = true\ndtype = 'float64'\nlr = [0.01, 0.1]\n[[grid]]\n\
        problems = [{ direct_fit = { dim = 4 } }]\nlosses = ['mse', { poorly_conditioned = { linear = 0, quadratic = 1e-9 } }]\noptimizers = ['sgd']\n";
    let place = Place::new();
    let file = place.config("x", config);
    assert_eq!(place.run(&[&file]).status.code(), Some(0));
    let files = result_files(&place.results("x"));
    let rates = |loss: &str| {
        let cells = Cells::open(place.results("x").join("cells.csv")).unwrap().map(Result::unwrap);
        let mut rates: Vec<f64> =
            cells.filter(|cell| cell.loss.starts_with(loss)).map(|cell| cell.lr).collect();
        rates.sort_by(f64::total_cmp);
        rates.dedup();
        rates
    };
    // Two rates suffice for the one, whose best lies inside then. The other wants more than it may have.
    assert_eq!(rates("mse"), [0.01, 0.1, 1.0, 10.0]);
    assert_eq!(rates("poorly"), [0.01, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5]);
    let table = text(&files[2].1);
    assert!(table.lines().any(|line| line.contains(",mse,") && !line.contains(",high,")), "{table}");

    let part = parts(&place).pop().unwrap();
    fs::remove_file(part).unwrap();
    let output = place.run(&[&file, "--jobs", "1"]);
    let message = text(&output.stderr);
    assert!(message.contains("parts were there already"), "{message}");
    assert_eq!(result_files(&place.results("x")), files);
}

#[test]
fn a_full_disk_is_said_and_nothing_is_half_written() {
    let place = Place::new();
    let file = place.config("x", CONFIG);
    // A limit on the size of files stands in for a full disk: writing fails in the same way, and needs
    // no rights. Some parts fit, some don't.
    let script = format!("trap '' XFSZ; ulimit -f 16; exec {} {file}", env!("CARGO_BIN_EXE_runner"));
    let limited = || Command::new("sh").args(["-c", &script]).current_dir(place.path()).output().unwrap();
    let output = limited();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("can't write") && message.contains("make room"), "{message}");
    assert!(message.contains(".part") && message.contains("File too large"), "{message}");
    assert!(!place.results("x").join("cells.csv").exists());
    let whole: HashMap<PathBuf, Vec<u8>> =
        parts(&place).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    assert_eq!(place.run(&[&file]).status.code(), Some(0));
    for (path, content) in whole {
        assert_eq!(fs::read(&path).unwrap(), content, "{} was not whole", path.display());
    }
}

#[test]
fn failing_to_write_the_last_files_keeps_the_old_ones() {
    let place = Place::new();
    let expected = undisturbed(&place);
    // The parts fit, the curves put together don't.
    let script = format!("trap '' XFSZ; ulimit -f 100; exec {} x.toml", env!("CARGO_BIN_EXE_runner"));
    let output = Command::new("sh").args(["-c", &script]).current_dir(place.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(result_files(&place.results("x")), expected);
}
