//! Lets tests find libtorch, and gives the engine a fingerprint of the sources that results depend on.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};

fn main() {
    if let Ok(folder) = env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    }
    // Results depend on the code, not on the commit or the profile: two builds of the same sources may share parts, and
    // a build of other sources must not. That code is this crate and those of the workspace that it is built from.
    let metadata = metadata();
    let root = PathBuf::from(metadata["workspace_root"].as_str().expect("a workspace has a root"));
    let mut crates = BTreeSet::new();
    add_with_dependencies("engine", &metadata, &mut crates);
    let mut files = vec![root.join("Cargo.lock")];
    for (_, folder) in &crates {
        collect(folder, &mut files);
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in &files {
        println!("cargo::rerun-if-changed={}", file.display());
        let content = std::fs::read(file).expect("a source file can be read");
        hash.update(file.strip_prefix(&root).expect("it is in the workspace").to_string_lossy().as_bytes());
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(&content);
    }
    for (_, folder) in &crates {
        // New files, too.
        println!("cargo::rerun-if-changed={}", folder.join("src").display());
        println!("cargo::rerun-if-changed={}", folder.join("Cargo.toml").display());
    }
    let fingerprint = base16ct::lower::encode_string(&hash.finalize()[..8]);
    let names: Vec<&str> = crates.iter().map(|(name, _)| name.as_str()).collect();
    println!("cargo::rustc-env=OPTBENCH_BUILD={fingerprint}");
    println!("cargo::rustc-env=OPTBENCH_BUILD_CRATES={}", names.join(" "));
    println!("cargo::rustc-env=OPTBENCH_BUILD_OUT={}", env::var("OUT_DIR").expect("cargo sets it"));
}

fn metadata() -> Value {
    let cargo = env::var_os("CARGO").expect("cargo runs build scripts");
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("metadata are JSON")
}

/// Adds a crate of the workspace, and those that it is built from, each with its folder.
fn add_with_dependencies(name: &str, metadata: &Value, crates: &mut BTreeSet<(String, PathBuf)>) {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let package = list(&metadata["packages"]).into_iter().find(|package| package["name"] == name);
    let Some(package) = package else { panic!("the workspace has no crate {name}") };
    let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
    if !crates.insert((name.to_owned(), manifest.parent().expect("a folder").to_owned())) {
        return;
    }
    for dependency in list(&package["dependencies"]) {
        // What tests alone are built from changes no result.
        if !dependency["path"].is_null() && dependency["kind"] != "dev" {
            add_with_dependencies(dependency["name"].as_str().expect("a name"), metadata, crates);
        }
    }
}

/// The sources of a crate, and data that it holds.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for part in ["src", "data"] {
        let mut folders = vec![folder.join(part)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
    }
}
