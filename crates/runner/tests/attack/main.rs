//! Situations that version 0.1.0 fell over: hostile folders, files that change, absurd sizes, closed streams.

mod modules;
#[path = "../cli/place.rs"]
mod place;
