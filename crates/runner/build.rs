//! Lets the binary find libtorch, and gives it a fingerprint of the sources it was built from.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

fn main() {
    if let Ok(folder) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    }
    // Results depend on the code, not on the commit or the profile: two builds of the same sources may
    // share parts, and a build of other sources must not.
    let mut files = Vec::new();
    for crate_folder in [
        "records",
        "config",
        "files",
        "formulas",
        "losses",
        "numeric",
        "optimizers",
        "problems",
        "registry",
        "runner",
    ] {
        for folder in ["src", "data"] {
            let folder = Path::new("..").join(crate_folder).join(folder);
            println!("cargo::rerun-if-changed={}", folder.display());
            collect(&folder, &mut files);
        }
    }
    let lock = PathBuf::from("../../Cargo.lock");
    if lock.exists() {
        println!("cargo::rerun-if-changed={}", lock.display());
        files.push(lock);
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in &files {
        let content = std::fs::read(file).expect("a source file can be read");
        hash.update(file.to_string_lossy().as_bytes());
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(&content);
    }
    let fingerprint = base16ct::lower::encode_string(&hash.finalize()[..8]);
    println!("cargo::rustc-env=OPTBENCH_BUILD={fingerprint}");
    println!("cargo::rerun-if-changed=build.rs");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
