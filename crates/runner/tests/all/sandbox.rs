//! Running the program in a folder of its own, in sentences: `sandbox.run("plan x.toml").fails(2).says("no problem")`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::limit::{code, in_a_line, output};
use crate::loaded;

/// Whether tests of a chosen size, such as the planted causes, the kills and the fuzz corpus, run in full.
pub fn is_full() -> bool {
    env::var_os("OPTBENCH_FULL").is_some()
}

/// How often something is killed at a random moment: `OPTBENCH_KILLS`, or what there is time for.
pub fn kills(few: u32, many: u32) -> u32 {
    let count = env::var("OPTBENCH_KILLS").ok();
    count.map_or(if is_full() { many } else { few }, |count| {
        count.parse().expect("OPTBENCH_KILLS is a number")
    })
}

/// Names another build of the program, to see a test fail.
const PROGRAM: &str = "OPTBENCH_PROGRAM";

/// An empty folder to run in.
pub struct Sandbox(TempDir);

impl Sandbox {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder that holds one config, `<name>.toml`.
    pub fn with(name: &str, config: &str) -> Self {
        let sandbox = Self::new();
        sandbox.config(name, config);
        sandbox
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a config, `<name>.toml`.
    pub fn config(&self, name: &str, text: &str) {
        fs::write(self.path().join(format!("{name}.toml")), text).unwrap();
    }

    /// The program, to be run here: this build, or the one that [`PROGRAM`] names.
    pub fn command(&self, words: impl Words) -> Command {
        let program = env::var_os(PROGRAM);
        let mut command = Command::new(program.unwrap_or_else(|| env!("CARGO_BIN_EXE_optbench").into()));
        command.args(words.words()).current_dir(self.path()).env("NO_COLOR", "1");
        command
    }

    /// Runs the program here, to its end, in a process that has loaded it already.
    #[must_use = "say how it should end"]
    pub fn run(&self, words: impl Words) -> Ran {
        self.run_within(words, None)
    }

    /// As [`run`](Self::run), with at most so many bytes of address space: what it allocates in vain ends it.
    #[must_use = "say how it should end"]
    pub fn run_within(&self, words: impl Words, memory: impl Into<Option<u64>>) -> Ran {
        if env::var_os(PROGRAM).is_some() {
            return self.run_anew(words, |command| command);
        }
        let words = words.words();
        Ran::new(format!("optbench {words:?}"), loaded::output(&words, self.path(), memory.into()))
    }

    /// As [`run`](Self::run), started anew, in another folder, environment or with other streams.
    #[must_use = "say how it should end"]
    pub fn run_anew(&self, words: impl Words, change: impl FnOnce(&mut Command) -> &mut Command) -> Ran {
        Ran::with(&mut self.command(words), change)
    }

    /// Where a grid's results lie.
    pub fn results(&self, name: &str) -> PathBuf {
        self.path().join("results").join(name)
    }
}

/// Arguments: a line, taken apart as a shell does it, or words as they are.
pub trait Words {
    fn words(self) -> Vec<OsString>;
}

impl Words for &str {
    fn words(self) -> Vec<OsString> {
        shlex::split(self).expect("the quotes are closed").into_iter().map(Into::into).collect()
    }
}

impl Words for &String {
    fn words(self) -> Vec<OsString> {
        self.as_str().words()
    }
}

impl<S: AsRef<OsStr>> Words for &[S] {
    fn words(self) -> Vec<OsString> {
        self.iter().map(|word| word.as_ref().to_owned()).collect()
    }
}

impl<S: AsRef<OsStr>, const N: usize> Words for [S; N] {
    fn words(self) -> Vec<OsString> {
        self.as_slice().words()
    }
}

/// A program that has ended.
pub struct Ran {
    /// What was run, for the message of a test that fails.
    what: String,
    /// The exit code; the negative number of a signal that ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Runs a program to its end.
    pub fn of(command: &mut Command) -> Self {
        Self::with(command, |command| command)
    }

    /// As [`of`](Self::of), with what is to be changed last, such as its streams.
    pub fn with(command: &mut Command, change: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let output = output(command, change);
        Self::new(format!("{command:?}"), output)
    }

    fn new(what: String, output: Output) -> Self {
        let [stdout, stderr] =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let ran = Self { what, code: code(output.status), stdout, stderr };
        ran.check(!ran.stderr.contains("panicked"), "panics");
        ran
    }

    #[track_caller]
    fn check(&self, is_right: bool, wrong: &str) {
        let Self { what, code, stdout, stderr } = self;
        assert!(
            is_right,
            "{what}\n{wrong}; it ended with {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        );
    }

    #[track_caller]
    pub fn fails(self, code: i32) -> Self {
        self.check(self.code == code, &format!("should end with {code}"));
        self
    }

    #[track_caller]
    pub fn works(self) -> Self {
        self.fails(0)
    }

    /// Something is said on standard error, wherever its lines are broken.
    #[track_caller]
    pub fn says(self, part: &str) -> Self {
        self.check(self.said().contains(part), &format!("should say `{part}`"));
        self
    }

    #[track_caller]
    pub fn never_says(self, part: &str) -> Self {
        self.check(!self.said().contains(part), &format!("should not say `{part}`"));
        self
    }

    /// Something is printed on standard output.
    #[track_caller]
    pub fn prints(self, part: &str) -> Self {
        self.check(self.stdout.contains(part), &format!("should print `{part}`"));
        self
    }

    #[track_caller]
    pub fn never_prints(self, part: &str) -> Self {
        self.check(!self.stdout.contains(part), &format!("should not print `{part}`"));
        self
    }

    #[track_caller]
    pub fn prints_nothing(self) -> Self {
        self.check(self.stdout.is_empty(), "should print nothing");
        self
    }

    /// What is said on standard error, in one line.
    pub fn said(&self) -> String {
        in_a_line(&self.stderr)
    }

    /// What is printed, as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        let value = serde_json::from_str(&self.stdout);
        self.check(value.is_ok(), "should print JSON");
        value.unwrap()
    }
}

/// What a program printed.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The files that are a function of the config, as bytes.
pub fn result_files(folder: &Path) -> Vec<(&'static str, Vec<u8>)> {
    ["cells.csv", "curves.csv", "table.csv", "manifest.json"]
        .into_iter()
        .map(|name| (name, fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))))
        .collect()
}
