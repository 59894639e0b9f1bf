//! One reader, named by `READER`. With `SEEDS`, writes what it begins with into that folder.
#![no_main]

#[path = "../../tests/readers/mod.rs"]
mod readers;

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use readers::{READERS, Reader, kept};

static READER: LazyLock<&Reader> = LazyLock::new(|| {
    let name = std::env::var("READER").unwrap_or_default();
    let names = || READERS.iter().map(|reader| reader.name).collect::<Vec<_>>().join(" ");
    READERS
        .iter()
        .find(|reader| reader.name == name)
        .unwrap_or_else(|| panic!("READER should be one of: {}", names()))
});

fuzz_target!(
    init: {
        if let Some(folder) = std::env::var_os("SEEDS").map(PathBuf::from) {
            let found = kept().into_iter().filter(|(name, _)| *name == READER.name).map(|(_, bytes)| bytes);
            for (at, bytes) in (READER.seeds)().into_iter().chain(found).enumerate() {
                fs::write(folder.join(format!("seed-{at}")), bytes).expect("the folder of SEEDS is there");
            }
        }
    },
    |bytes: &[u8]| (READER.read)(bytes)
);
