//! The subcommands, one a file: its options, its help, and what it does.

pub(crate) mod compare;
pub(crate) mod diagnose;
pub(crate) mod list;
pub(crate) mod map;
pub(crate) mod merge;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod slurm;
pub(crate) mod status;
pub(crate) mod table;

use clap::Subcommand;

use crate::exit::Outcome;

macro_rules! commands {
    ($($Command:ident($module:ident::$Args:ident),)*) => {
        /// A subcommand and its options.
        #[derive(Subcommand)]
        pub(crate) enum Command { $($Command(Box<$module::$Args>)),* }

        impl Command {
            /// Runs it.
            pub(crate) fn run(&self) -> Outcome {
                match self { $(Self::$Command(args) => $module::run(args)),* }
            }
        }
    };
}

commands! {
    Run(run::RunArgs),
    Plan(plan::PlanArgs),
    Merge(merge::MergeArgs),
    Status(status::StatusArgs),
    Slurm(slurm::SlurmArgs),
    Table(table::TableArgs),
    Compare(compare::CompareArgs),
    Diagnose(diagnose::DiagnoseArgs),
    Map(map::MapArgs),
    Report(report::ReportArgs),
    List(list::ListArgs),
}
