//! Streams that can't be written, signals, threads and paths: every program ends, with a documented code.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::limit::{code, in_a_line, signal, until, wait};
use crate::sandbox::{Ran, Sandbox, Words, result_files};

const GRID: &str = "name = \"x\"\nsteps = 60\nseeds = { tuning = 1, reporting = 2 }\nlr = [0.1]\n\
                    [[grid]]\nproblems = [\"direct_fit\"]\nlosses = [\"mse\"]\noptimizers = [\"sgd\", \"adam\"]\n";
/// Hours of runs.
const MAP: &str = "name = \"m\"\nproblem = \"himmelblau\"\noptimizer = \"adam\"\nlr = 1e-9\nsteps = 1000000\n\
                   x = { vary = \"start.x1\", from = -5, to = 5, pixels = 1000 }\n\
                   y = { vary = \"start.x2\", from = -5, to = 5, pixels = 1000 }\n";
const SMALL_MAP: &str = "name = \"m\"\nproblem = \"himmelblau\"\noptimizer = \"adam\"\nlr = 0.1\nsteps = 50\n\
                         x = { vary = \"start.x1\", from = -5, to = 5, pixels = 4 }\n\
                         y = { vary = \"start.x2\", from = -5, to = 5, pixels = 4 }\n";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with("x", GRID);
    sandbox.config("m", SMALL_MAP);
    sandbox
}

/// A thousand batches, each of which is done in no time.
fn long() -> String {
    let optimizers: Vec<String> = (1..1000).map(|k| format!("{{ adam = {{ beta1 = 0.{k:03} }} }}")).collect();
    GRID.replace("steps = 60", "steps = 20000")
        .replace("\"direct_fit\"", "{ direct_fit = { dim = 64 } }")
        .replace("\"sgd\", \"adam\"", &optimizers.join(", "))
}

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// A pipe that nobody reads, and never will.
fn closed() -> io::PipeWriter {
    io::pipe().unwrap().1
}

/// Two folders of results, and all commands that print.
fn printing(sandbox: &Sandbox) -> [&'static str; 20] {
    for out in ["results", "other"] {
        sandbox.run(["x.toml", "--out", out]).works();
    }
    [
        "x.toml",
        "plan x.toml",
        "merge x.toml",
        "status x.toml",
        "status x.toml --format json",
        "table results/x --no-write",
        "table results/x --no-write --format csv",
        "table results/x --no-write --format json",
        "list",
        "list optimizers",
        "list adam",
        "compare results other",
        "compare results other --format json",
        "report results/x --no-figures",
        "map m.toml",
        "diagnose --loss plateau --target 0 --start -2 --steps 300 --no-write",
        "slurm x.toml --shards 2",
        "--help",
        "run --help",
        "--version",
    ]
}

#[test]
fn standard_output_that_is_full_is_an_error_and_a_closed_pipe_is_none() {
    let sandbox = sandbox();
    for command in printing(&sandbox) {
        sandbox
            .run_anew(command, |to| to.stdout(full()))
            .fails(1)
            .says("can't write to standard output: No space left");
        sandbox.run_anew(command, |to| to.stdout(closed())).works();
    }
    // What is wrong otherwise keeps its code.
    sandbox.run_anew("nothere.toml", |to| to.stdout(full())).fails(2);
    // Nobody is to take a message for an answer.
    let help = sandbox.run("--help").works();
    let words = in_a_line(&help.stdout);
    assert!(words.contains("101 a fault of this program") && help.stderr.is_empty(), "{words}");
}

#[test]
fn standard_error_that_nobody_can_read_changes_no_code() {
    let sandbox = sandbox();
    for command in printing(&sandbox) {
        for to in [Stdio::from(full()), Stdio::from(closed())] {
            sandbox.run_anew(command, |command| command.stderr(to)).works();
        }
    }
    for wrong in ["nothere.toml", "compare nothere results", "list adm", "--nothere"] {
        sandbox.run_anew(wrong, |command| command.stderr(full()).stdout(full())).fails(2);
    }
}

/// How many parts are there.
fn parts(sandbox: &Sandbox) -> usize {
    let files = fs::read_dir(sandbox.results("x").join("parts"));
    let is_part = |file: &fs::DirEntry| file.path().extension().is_some_and(|ending| ending == "part");
    files.into_iter().flatten().flatten().filter(is_part).count()
}

/// Starts a long run, and waits until it has made a part.
fn started(sandbox: &Sandbox, command: &mut Command, stderr: Stdio) -> Child {
    sandbox.config("long", &long());
    command.args(["long.toml", "--jobs", "2"]).stdout(Stdio::null()).stderr(stderr);
    let mut child = command.spawn().unwrap();
    goes_on(sandbox, &mut child, 1);
    child
}

/// Waits until there are so many parts.
fn goes_on(sandbox: &Sandbox, child: &mut Child, wanted: usize) {
    until("a part", || {
        assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
        parts(sandbox) >= wanted
    });
}

#[test]
fn a_run_is_stopped_whatever_became_of_standard_error() {
    let (_reader, mut stuck) = io::pipe().unwrap();
    // As much as a pipe holds, and nobody reads it.
    stuck.write_all(&vec![b'x'; 1 << 16]).unwrap();
    let streams: [(&str, &dyn Fn() -> Stdio); 3] = [
        ("full", &|| full().into()),
        ("closed", &|| closed().into()),
        ("stuck", &|| stuck.try_clone().unwrap().into()),
    ];
    for (what, to) in streams {
        for signals in [&["INT"][..], &["TERM"], &["INT", "INT"]] {
            let sandbox = Sandbox::new();
            let mut child = started(&sandbox, &mut sandbox.command(""), to());
            for name in signals {
                signal(&child, name);
                sleep(Duration::from_millis(30));
            }
            assert_eq!(code(wait(&mut child)), 130, "{what} {signals:?}");
        }
    }
}

#[test]
fn a_terminal_that_takes_nothing_more_holds_up_no_run() {
    if Command::new("script").arg("--version").output().is_err() {
        return eprintln!("left out: there is no `script` here, which makes a terminal");
    }
    let sandbox = Sandbox::new();
    sandbox.config("long", &long());
    // As over a connection that has stalled: what draws the terminal waits, and doesn't read it.
    let (_reader, mut stuck) = io::pipe().unwrap();
    stuck.write_all(&vec![b'x'; 1 << 16]).unwrap();
    let program = sandbox.command("").get_program().to_str().unwrap().to_owned();
    let mut script = Command::new("script")
        .args(["-qec", &format!("exec '{program}' long.toml --jobs 2"), "/dev/null"])
        .current_dir(sandbox.path())
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(stuck)
        .spawn()
        .unwrap();
    // More than it draws before the terminal is full.
    goes_on(&sandbox, &mut script, 300);
    let children = format!("/proc/{0}/task/{0}/children", script.id());
    let run = fs::read_to_string(children).unwrap().trim().to_owned();
    assert!(Command::new("kill").args(["-TERM", &run]).status().unwrap().success());
    let state = || fs::read_to_string(format!("/proc/{run}/stat")).unwrap_or_default();
    until("the end", || state().is_empty() || state().contains(") Z "));
    let _ = script.kill();
    let _ = script.wait();
}

#[test]
fn nohup_keeps_a_run_from_being_hung_up() {
    let sandbox = Sandbox::new();
    let mut command = wrapped(&sandbox, "trap '' HUP");
    let mut child = started(&sandbox, &mut command, Stdio::null());
    signal(&child, "HUP");
    // More than those that had begun.
    let wanted = parts(&sandbox) + 8;
    goes_on(&sandbox, &mut child, wanted);
    signal(&child, "TERM");
    assert_eq!(code(wait(&mut child)), 130);
}

#[test]
fn a_map_ends_within_a_second_of_a_signal() {
    let sandbox = Sandbox::new();
    sandbox.config("m", MAP);
    for name in ["INT", "TERM"] {
        let mut child = sandbox.command("map m.toml").stderr(Stdio::piped()).spawn().unwrap();
        until("the folder", || sandbox.results("m").exists());
        sleep(Duration::from_millis(300));
        let begin = Instant::now();
        signal(&child, name);
        assert_eq!(code(wait(&mut child)), 130);
        // A second, and what a busy machine adds.
        assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
        let said = io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert!(said.contains("stopped: a map is made in one go, and nothing was written"), "{said}");
        let names = fs::read_dir(sandbox.results("m")).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), [".lock"]);
        fs::remove_dir_all(sandbox.results("m")).unwrap();
    }
}

#[test]
fn commands_that_have_nothing_left_to_finish_end_by_the_signal() {
    let sandbox = sandbox();
    sandbox.run("x.toml").works();
    // A pipe that is full holds each where it prints.
    for command in [
        "list",
        "table results/x --no-write",
        "compare results results",
        "plan x.toml",
        "x.toml",
        "map m.toml",
    ] {
        let (_reader, mut stuck) = io::pipe().unwrap();
        stuck.write_all(&vec![b'x'; 1 << 16]).unwrap();
        let mut child = sandbox.command(command).stdout(stuck).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(1500));
        signal(&child, "TERM");
        let code = code(wait(&mut child));
        assert!(code == -15 || code == 130, "{command}: {code}");
    }
}

/// A shell that does something first and becomes the program.
fn wrapped(sandbox: &Sandbox, first: &str) -> Command {
    let program = sandbox.command("").get_program().to_owned();
    let mut command = Command::new("bash");
    command.args(["-c", &format!("{first}; exec \"$@\""), "bash"]).arg(program);
    command.current_dir(sandbox.path()).env("NO_COLOR", "1");
    command
}

#[test]
fn without_threads_there_is_a_message() {
    let sandbox = sandbox();
    sandbox.run("x.toml").works();
    // No stack of this size can be had, so that no thread can be started, whoever runs this.
    let without = |command: &str| sandbox.run_anew(command, |to| to.env("RUST_MIN_STACK", "99999999999999"));
    for command in ["x.toml", "merge x.toml", "status x.toml", "x.toml --shard 0/2", "map m.toml"] {
        without(command).fails(1).says("can't start").says("--jobs");
    }
    // One thread is enough for these.
    for command in [
        "plan x.toml",
        "table results/x",
        "compare results results",
        "report results/x",
        "diagnose --loss plateau --target 0 --start -2 --steps 300",
        "list",
    ] {
        without(command).works();
    }
}

#[test]
fn a_file_that_grows_beyond_its_limit_is_one_that_cannot_be_written() {
    let sandbox = sandbox();
    sandbox.config("x", &GRID.replace("reporting = 2", "reporting = 100"));
    sandbox.run("x.toml").works();
    for command in [
        "x.toml --out elsewhere",
        "merge x.toml",
        "map m.toml",
        "table results/x",
        "report results/x",
        "diagnose --loss plateau --target 0 --start -2 --steps 300",
    ] {
        // In units of 1024 bytes.
        let mut shell = wrapped(&sandbox, "ulimit -f 2");
        // A file that takes what is printed would have the limit, too.
        shell.args(command.words());
        Ran::with(&mut shell, |to| to.stdout(Stdio::null()))
            .fails(1)
            .says("can't write")
            .says("File too large");
    }
}

#[test]
fn cores_that_slurm_cannot_have_given_are_refused() {
    let sandbox = sandbox();
    for variable in ["SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"] {
        for value in ["0", "1000000000", "-1", "many", "1e3"] {
            for command in ["x.toml", "plan x.toml", "map m.toml"] {
                sandbox
                    .run_anew(command, |to| to.env(variable, value))
                    .fails(2)
                    .says(&format!("{variable} is `{value}`"));
            }
        }
    }
    sandbox
        .run_anew("x.toml", |to| to.env("SLURM_CPUS_PER_TASK", "2").env("SLURM_CPUS_ON_NODE", "many"))
        .works()
        .says("on 2 threads");
    sandbox.run_anew("x.toml --jobs 1", |to| to.env("SLURM_CPUS_PER_TASK", "many")).works();
}

#[test]
fn paths_need_not_be_utf8() {
    let sandbox = Sandbox::new();
    let name = OsStr::from_bytes(b"caf\xe9");
    let folder = sandbox.path().join(name);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("x.toml"), GRID).unwrap();
    fs::write(folder.join("m.toml"), SMALL_MAP).unwrap();
    fs::write(folder.join("data.pt2"), "no archive").unwrap();
    let loss = "{ program = { file = \"data.pt2\" } }";
    fs::write(folder.join("file.toml"), GRID.replace("\"mse\"", loss)).unwrap();
    fs::write(folder.join("case.toml"), format!("name = \"c\"\nloss = {loss}\n")).unwrap();
    fs::write(
        folder.join("map.toml"),
        SMALL_MAP.replace("\"himmelblau\"", &format!("\"line_fit\"\nloss = {loss}")),
    )
    .unwrap();
    let path = |file: &str| folder.join(file).into_os_string();
    let go = |words: &[&OsStr]| sandbox.run(words);
    let os = OsStr::new;
    // A file that a config names is found beside it: what is wrong is what is in it.
    for (command, file) in [("run", "file.toml"), ("map", "map.toml"), ("diagnose", "case.toml")] {
        let ran = go(&[os(command), &path(file)]).never_says("can't read");
        assert_ne!(ran.code, 0, "{command}");
    }
    let _ = fs::remove_dir_all(sandbox.path().join("results"));
    for command in [
        &[os("run"), &path("x.toml"), os("--out"), &path("out")][..],
        &[os("status"), &path("x.toml"), os("--out"), &path("out")],
        &[os("merge"), &path("x.toml"), os("--out"), &path("out")],
        &[os("table"), &path("out/x")],
        &[os("report"), &path("out/x")],
        &[os("compare"), &path("out"), &path("out/x")],
        &[os("map"), &path("m.toml"), os("--out"), &path("out")],
    ] {
        go(command).works();
    }
    assert!(folder.join("out/x/report.html").exists() && folder.join("out/m/map.png").exists());
    // Nothing went to a folder of another name.
    assert_eq!(fs::read_dir(sandbox.path()).unwrap().count(), 1);
    go(&[os("slurm"), &path("x.toml"), os("--shards"), os("2")])
        .fails(2)
        .says("what isn't UTF-8 can't be written into a batch script");
    go(&[os("compare"), os("HEAD"), name]).fails(2);
}

#[test]
fn nothing_of_others_moves_the_cursor_or_turns_text_around() {
    let sandbox = sandbox();
    let harmless = |what: &str, ran: &Ran| {
        let text = ran.stdout.clone() + &ran.stderr;
        let wrong = |c: &char| {
            c.is_control() && *c != '\n' || matches!(*c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert_eq!(text.chars().find(wrong), None, "{what}: {text:?}");
    };
    for evil in ["a\u{202e}b", "a\u{1b}[2Jb", "a\u{9b}2Jb"] {
        let escaped = format!("a{}", evil.chars().nth(1).unwrap().escape_default());
        // As TOML escapes it: eight digits.
        let digits: Vec<String> = evil.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect();
        let toml = digits.concat();
        for (config, what) in [
            (format!("{GRID}\"{toml}\" = 1\n"), "a key"),
            (GRID.replace("\"mse\"", &format!("\"{toml}\"")), "a loss"),
            (GRID.replace("\"mse\"", &format!("{{ formula = {{ value = \"{toml}\" }} }}")), "a formula"),
            (GRID.replace("\"mse\"", &format!("{{ program = {{ file = \"{toml}.pt2\" }} }}")), "a file"),
            (GRID.replace("\"x\"", &format!("\"{toml}\"")), "the name"),
            (format!("{GRID}# {evil}\nnothere = 1\n"), "a comment"),
        ] {
            sandbox.config("evil", &config);
            harmless(what, &sandbox.run("evil.toml").fails(2));
        }
        // Names of files, and arguments that are none.
        fs::write(sandbox.path().join(evil), "nothing").unwrap();
        for command in [
            &["run", evil][..],
            &["table", evil],
            &["list", evil],
            &["compare", evil, evil],
            &["run", "x.toml", "--out", evil, evil],
            &[evil, evil],
        ] {
            harmless("an argument", &sandbox.run(command).fails(2));
        }
        fs::remove_file(sandbox.path().join(evil)).unwrap();
        // Labels and messages in results of others.
        sandbox.run("x.toml --fresh").works();
        let cells = fs::read_to_string(sandbox.results("x").join("cells.csv")).unwrap();
        fs::create_dir_all(sandbox.path().join("evil/x")).unwrap();
        let cells = cells.replace(",mse,", &format!(",{evil},")).replace(",adam,", &format!(",{evil},"));
        fs::write(sandbox.path().join("evil/x/cells.csv"), cells).unwrap();
        for command in [
            "table evil/x --no-write",
            "table evil/x --no-write --format markdown",
            "table evil/x --no-write --format json",
            "compare evil evil",
            "compare evil results",
            "compare evil results --format markdown",
            "compare evil results --format json",
        ] {
            let ran = sandbox.run(command);
            harmless(command, &ran);
            if command.ends_with("json") {
                // Escaped as JSON does it, it is the same text.
                assert!(ran.json().to_string().contains(&serde_json::to_string(evil).unwrap()), "{command}");
            } else if command != "compare evil evil" {
                assert!(ran.stdout.replace("\\\\", "\\").contains(&escaped), "{command}: {}", ran.stdout);
            }
        }
    }
}

#[test]
fn a_path_becomes_no_line_of_a_batch_script() {
    let sandbox = sandbox();
    for out in ["a\n#SBATCH --uid=0", "a\"b", "a\\b", "a\u{202e}b", "a\rb"] {
        sandbox
            .run(["slurm", "x.toml", "--shards", "2", "--out", out])
            .fails(2)
            .prints_nothing()
            .says("can't be written into a batch script");
        let folder = sandbox.path().join(out);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("x.toml"), GRID).unwrap();
        sandbox.run(["slurm", folder.join("x.toml").to_str().unwrap(), "--shards", "2"]).fails(2);
    }
    for out in ["a b", "it's", "100 %", "$HOME", "é"] {
        sandbox.run(["slurm", "x.toml", "--shards", "2", "--out", out]).works();
    }
}

#[test]
fn languages_and_time_zones_change_nothing() {
    let files = |locale: &str, zone: &str| {
        let sandbox = sandbox();
        for command in ["x.toml --jobs 2", "table results/x", "map m.toml"] {
            sandbox
                .run_anew(command, |to| to.env("LC_ALL", locale).env("LANG", locale).env("TZ", zone))
                .works();
        }
        let more = ["x/table.md", "x/scores.json", "m/map.png", "m/steps_to_target.npy"];
        let more = more.map(|file| fs::read(sandbox.path().join("results").join(file)).unwrap());
        (result_files(&sandbox.results("x")), more)
    };
    let plain = files("C", "UTC");
    for (locale, zone) in [("de_DE.UTF-8", "Asia/Kathmandu"), ("tr_TR.UTF-8", "<x>-14"), ("nothere", "")] {
        assert!(files(locale, zone) == plain, "{locale} {zone}");
    }
}

#[test]
fn no_command_needs_a_folder_for_temporary_files() {
    let sandbox = sandbox();
    for command in printing(&sandbox).into_iter().filter(|command| !command.starts_with('-')) {
        sandbox.run_anew(command, |to| to.env("TMPDIR", "/dev/full")).works();
    }
}
