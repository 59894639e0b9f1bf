//! Situations that version 0.1.0 fell over: hostile folders, files that change, absurd sizes, closed streams.

#[path = "../cli/place.rs"]
mod place;

mod limits;
