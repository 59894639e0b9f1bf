//! The program as a person meets it: run in an empty folder, judged by files, messages and exit codes.

mod diagnose;
mod map;
mod mistakes;
mod place;
mod reference;
mod resume;
mod shards;
mod table;
