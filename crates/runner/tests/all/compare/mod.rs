//! `optbench compare` as a person meets it: in repositories and folders of its own, judged by answer,
//! message and exit code.

mod benches;
mod gate;
mod history;
mod old;
mod rerun;
mod wrong;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::sandbox::{Ran, Sandbox, text};

/// What stands before the rows of a `cells.csv`.
const HEADER: &str = "key,problem,loss,optimizer,schedule,lr,seed,role,engine,dtype,outcome,budget,steps,\
evaluations,start_loss,final_loss,best_loss,start_error,final_error,best_error,steps_to_0.1,\
evaluations_to_0.1,message\n";

/// A `cells.csv` of eight seeds for each optimizer, which reach their target around this step.
fn cells(optimizers: &[(&str, u64)]) -> String {
    let mut file = HEADER.to_owned();
    for (number, (optimizer, step)) in optimizers.iter().enumerate() {
        for seed in 1..=8 {
            let (key, step) = (number as u64 * 100 + seed, step + seed);
            let _ = writeln!(
                file,
                "{key:016x},fit,mse,{optimizer},constant,0.1,{seed},reporting,fused,float64,reached,500,\
                 {step},{step},1,0.01,0.01,1,0.1,0.1,{step},{step},"
            );
        }
    }
    file
}

/// A place with a repository in it.
struct Repository(Sandbox);

impl Repository {
    fn new() -> Self {
        let repository = Self(Sandbox::new());
        repository.git(&["init", "--quiet", "--initial-branch", "main"]);
        repository
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Self::git_in(self.0.path(), arguments);
        assert!(output.status.success(), "git {arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn git_in(folder: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]);
        command.args(arguments).current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap()
    }

    /// Writes a grid's cells into the working tree.
    fn write(&self, grid: &str, content: impl AsRef<[u8]>) {
        let folder = self.0.results(grid);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("cells.csv"), content).unwrap();
    }

    fn commit(&self, tag: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", tag]);
        self.git(&["tag", tag]);
    }

    /// Runs `optbench compare`.
    fn compare(&self, line: &str) -> Ran {
        compare(&self.0, line)
    }

    /// Runs `optbench compare`, which must refuse.
    fn refuses(&self, line: &str) -> Ran {
        self.compare(line).fails(2).prints_nothing()
    }
}

fn compare(sandbox: &Sandbox, line: &str) -> Ran {
    sandbox.run(&format!("compare {line}"))
}
