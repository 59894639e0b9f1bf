//! The program as a person meets it: run in an empty folder, judged by files, messages and exit codes.

mod browser;
mod diagnose;
mod map;
mod mistakes;
mod owner;
mod reference;
mod report;
mod resume;
mod shards;
mod table;
mod unfinished;
