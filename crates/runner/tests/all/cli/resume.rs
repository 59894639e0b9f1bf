//! Results are a function of the config: not of threads, interruptions, leftovers or accidents.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Instant;

use records::Cells;

use crate::sandbox::{Ran, Sandbox, kills, result_files, text};

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

fn undisturbed(sandbox: &Sandbox) -> Vec<(&'static str, Vec<u8>)> {
    sandbox.config("x", CONFIG);
    sandbox.run("x.toml --jobs 2").works();
    result_files(&sandbox.results("x"))
}

fn parts(sandbox: &Sandbox) -> Vec<PathBuf> {
    let folder = fs::read_dir(sandbox.results("x").join("parts"));
    folder.into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn threads_do_not_matter() {
    let (one, two) = (Sandbox::new(), Sandbox::new());
    one.config("x", CONFIG);
    one.run("x.toml --jobs 1").works();
    assert_eq!(result_files(&one.results("x")), undisturbed(&two));
    let cells = text(&fs::read(one.results("x").join("cells.csv")).unwrap());
    assert!(cells.contains(",diverged,") && cells.contains(",reached,") && cells.contains(",budget,"));
}

/// The page and the figures of a report, by name.
fn report_files(sandbox: &Sandbox) -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = sandbox.results("x");
    let figures = fs::read_dir(folder.join("report")).unwrap().map(|entry| entry.unwrap().path());
    // What a killed report was writing stays for an hour, under a name of its own.
    let whole = figures.filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with(".writing-"));
    let all = whole.chain([folder.join("report.html")]);
    all.map(|path| (path.strip_prefix(&folder).unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

#[test]
fn what_is_killed_at_random_moments_ends_with_the_same_bytes() {
    let (calm, sandbox) = (Sandbox::new(), Sandbox::new());
    sandbox.config("x", CONFIG);
    let begin = Instant::now();
    let expected = undisturbed(&calm);
    let running = begin.elapsed();
    let timed = |command: &str| {
        let begin = Instant::now();
        calm.run(command).works();
        begin.elapsed()
    };
    let merging = timed("merge x.toml");
    let reporting = timed("report results/x");
    let page = report_files(&calm);
    let commands = [
        ("run x.toml", running),
        ("run x.toml --shard 0/2", running),
        ("run x.toml --shard 1/2", running),
        ("merge x.toml", merging),
        ("report results/x", reporting),
    ];
    let (mut killed, kills) = (0, kills(10, 24));
    // Where a command is killed goes through a cycle that has no common measure with its length, and
    // parts that were made are taken away again, so that there is always something left to kill.
    for round in 0_u32.. {
        let fraction = f64::from(round).mul_add(0.618_033_988_75, 0.1).fract();
        let (command, whole) = commands[round as usize % commands.len()];
        let makes_parts = command.starts_with("run");
        if !makes_parts {
            sandbox.run("x.toml").works();
        }
        let signal = ["KILL", "TERM", "INT"][(round / 5) as usize % 3];
        let mut child = sandbox.command(command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(whole.mul_f64(fraction));
        let id = child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &id]).stderr(Stdio::null()).status();
        let ended = child.wait().unwrap();
        // A run that is asked to stop ends its batches; others end at once whatever the signal.
        killed +=
            u32::from(sent.unwrap().success() && (ended.signal().is_some() || ended.code() == Some(130)));
        if let Ok(html) = fs::read(sandbox.results("x").join("report.html")) {
            assert!(html == page[Path::new("report.html")], "the page is half-written");
        }
        if killed >= kills {
            break;
        }
        assert!(round < 50 + 10 * kills, "only {killed} of {round} could be killed before their end");
        for part in parts(&sandbox).iter().skip(round as usize % 3).step_by(3) {
            let _ = fs::remove_file(part);
        }
    }
    sandbox.run("x.toml --jobs 2").works();
    assert_eq!(result_files(&sandbox.results("x")), expected);
    sandbox.run("report results/x").works();
    assert!(report_files(&sandbox) == page, "the report isn't what it is without kills");
}

#[test]
fn ctrl_c_keeps_what_is_done_and_says_how_to_go_on() {
    let (calm, sandbox) = (Sandbox::new(), Sandbox::new());
    let begin = Instant::now();
    let expected = undisturbed(&calm);
    let whole = begin.elapsed();
    sandbox.config("x", CONFIG);
    // A run may be over before it is interrupted; then it is tried again.
    let stopped = (1..20).find_map(|attempt| {
        let _ = fs::remove_dir_all(sandbox.results("x"));
        let child = sandbox.command("x.toml").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        sleep(whole.mul_f64(0.8 / f64::from(attempt)));
        let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        (kill.success() && output.status.code() == Some(130)).then_some(output)
    });
    let message = text(&stopped.expect("no run could be interrupted").stderr);
    assert!(message.contains("stopped: ") && message.contains("run the same command to go on"), "{message}");
    assert!(!sandbox.results("x").join("cells.csv").exists());
    sandbox.run("x.toml").works();
    assert_eq!(result_files(&sandbox.results("x")), expected);
}

#[test]
fn damaged_parts_are_made_again_and_foreign_ones_are_not_used() {
    let sandbox = Sandbox::new();
    let expected = undisturbed(&sandbox);
    let all = parts(&sandbox);
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

    sandbox
        .run("x.toml")
        .works()
        .says(&format!("{} of {} parts were there already", all.len() - 4, all.len()))
        .says("1 parts of another build or config were removed");
    assert_eq!(result_files(&sandbox.results("x")), expected);
    assert!(!stranger.exists());
}

#[test]
fn another_config_of_the_same_name_shares_only_what_is_the_same() {
    let (sandbox, fresh) = (Sandbox::new(), Sandbox::new());
    let before = undisturbed(&sandbox);
    let changed = CONFIG.replace("\"huber\"", "{ huber = { delta = 2 } }");
    sandbox.config("x", &changed);
    // 24 parts on the fused engine, of which a third is Huber's, and one a seed for the digits.
    sandbox.run("x.toml").works().says("21 of 29 parts were there already");
    fresh.config("x", &changed);
    fresh.run("x.toml --jobs 1").works();
    assert_eq!(result_files(&sandbox.results("x")), result_files(&fresh.results("x")));
    assert_ne!(result_files(&sandbox.results("x")), before);
}

#[test]
fn another_target_of_one_grid_is_another_column_for_all() {
    let sandbox = Sandbox::new();
    undisturbed(&sandbox);
    sandbox.config("x", &CONFIG.replace("steps = 40", "steps = 40\ntargets = [0.7]"));
    sandbox.run("x.toml").works();
}

#[test]
fn a_rate_at_the_edge_extends_its_grid_and_the_extension_resumes() {
    // Mean squared error on four parameters is fastest at a rate of 2, above this grid.
    let config = "name = 'x'\nsteps = 200\nextend = true\ndtype = 'float64'\nlr = [0.01, 0.1]\n[[grid]]\n\
        problems = [{ direct_fit = { dim = 4 } }]\nlosses = ['mse', { poorly_conditioned = { linear = 0, quadratic = 1e-9 } }]\noptimizers = ['sgd']\n";
    let sandbox = Sandbox::new();
    sandbox.config("x", config);
    sandbox.run("x.toml").works();
    let files = result_files(&sandbox.results("x"));
    let rates = |loss: &str| {
        let cells = Cells::open(sandbox.results("x").join("cells.csv")).unwrap().map(Result::unwrap);
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

    let part = parts(&sandbox).pop().unwrap();
    fs::remove_file(part).unwrap();
    sandbox.run("x.toml --jobs 1").works().says("parts were there already");
    assert_eq!(result_files(&sandbox.results("x")), files);
}

/// A run that can write files of so many blocks.
fn limited(sandbox: &Sandbox, blocks: u32) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" x.toml")]);
    command.arg(sandbox.command("").get_program()).current_dir(sandbox.path());
    command
}

#[test]
fn a_full_disk_is_said_and_nothing_is_half_written() {
    let sandbox = Sandbox::new();
    sandbox.config("x", CONFIG);
    // A limit on the size of files stands in for a full disk: writing fails in the same way, and needs
    // no rights. Some parts fit, some don't.
    Ran::of(&mut limited(&sandbox, 16))
        .fails(1)
        .says("can't write")
        .says("make room")
        .says(".part")
        .says("File too large");
    assert!(!sandbox.results("x").join("cells.csv").exists());
    let whole: HashMap<PathBuf, Vec<u8>> =
        parts(&sandbox).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    sandbox.run("x.toml").works();
    for (path, content) in whole {
        assert_eq!(fs::read(&path).unwrap(), content, "{} was not whole", path.display());
    }
}

#[test]
fn failing_to_write_the_last_files_keeps_the_old_ones() {
    let sandbox = Sandbox::new();
    let expected = undisturbed(&sandbox);
    // The parts fit, the curves put together don't.
    Ran::of(&mut limited(&sandbox, 100)).fails(1);
    assert_eq!(result_files(&sandbox.results("x")), expected);
}
