//! What a run takes over from the results before it: parts of the same batch and the same build, and no other.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use super::run;
use crate::sandbox::{Sandbox, result_files};

/// Every setting of it decides something: 20 diverges, heavy ball passes its targets and comes back.
const BASE: &str = "name = 'v'\nengine = 'auto'\ndtype = 'float32'\nsteps = 60\nhold = 1\ndivergence = 1e6\n\
lr = [0.3, 20]\ntargets = [0.3, 0.1]\nrecord = { every = 20 }\nseeds = { tuning = [1], reporting = [3, 4] }\n\
extend = false\n[[grid]]\nproblems = [{ direct_fit = { dim = 4 } }]\n\
losses = [{ asymmetric = { scale = 2.0 } }, { program = { file = 'mine.pt2' } }]\n\
optimizers = [{ heavy_ball = { momentum = 0.95 } }]\nschedules = ['constant']\n";

fn modules() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../losses/tests/modules"))
}

fn place_with(module: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::copy(modules().join(module), sandbox.path().join("mine.pt2")).unwrap();
    sandbox
}

#[test]
fn a_changed_line_of_the_config_changes_the_results_as_if_nothing_had_been_there() {
    let base = place_with("plateau.pt2");
    run(&base, BASE);
    let before = result_files(&base.results("v"));
    for (from, to) in [
        ("engine = 'auto'", "engine = 'libtorch'"),
        ("dtype = 'float32'", "dtype = 'float64'"),
        ("steps = 60", "steps = 70"),
        ("hold = 1", "hold = 9"),
        ("divergence = 1e6", "divergence = 1e3"),
        ("lr = [0.3, 20]", "lr = [0.2, 20]"),
        ("targets = [0.3, 0.1]", "targets = [0.3, 0.2]"),
        ("targets = [0.3, 0.1]", "targets = [0.3, 0.1, 0.01]"),
        ("record = { every = 20 }", "record = { every = 30 }"),
        ("tuning = [1], reporting = [3, 4]", "tuning = [1], reporting = [3, 5]"),
        ("tuning = [1], reporting = [3, 4]", "tuning = [3], reporting = [1, 4]"),
        ("extend = false", "extend = true"),
        ("dim = 4", "dim = 5"),
        ("scale = 2.0", "scale = 3.0"),
        ("momentum = 0.95", "momentum = 0.9"),
        ("['constant']", "['cosine']"),
        // Another file of the same name.
        ("plateau.pt2", "asymmetric.pt2"),
    ] {
        let changed = BASE.replace(from, to);
        let (sandbox, module) = if changed == BASE {
            (place_with("plateau.pt2"), to)
        } else {
            (place_with("plateau.pt2"), "plateau.pt2")
        };
        run(&sandbox, BASE);
        assert_eq!(result_files(&sandbox.results("v")), before);
        fs::copy(modules().join(module), sandbox.path().join("mine.pt2")).unwrap();
        run(&sandbox, &changed);
        let ours = result_files(&sandbox.results("v"));
        let fresh = place_with(module);
        run(&fresh, &changed);
        assert_eq!(ours, result_files(&fresh.results("v")), "{to}: what was there before shows");
        // The results themselves, not only the manifest.
        assert!((0..2).any(|file| ours[file] != before[file]), "{to} changes nothing");
    }
}

/// Names of the parts, and which file each is.
fn parts(sandbox: &Sandbox) -> BTreeMap<String, u64> {
    let folder = fs::read_dir(sandbox.results("v").join("parts")).unwrap().map(|entry| entry.unwrap());
    folder.map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().ino())).collect()
}

#[test]
fn parts_are_kept_unless_they_are_to_be_made_anew() {
    let sandbox = place_with("plateau.pt2");
    run(&sandbox, BASE);
    let first = parts(&sandbox);
    assert!(first.len() >= 2);
    run(&sandbox, BASE);
    assert_eq!(parts(&sandbox), first, "a second run makes parts again");
    sandbox.run("config.toml --fresh").works();
    let fresh = parts(&sandbox);
    assert!(fresh.keys().eq(first.keys()));
    assert!(fresh.iter().all(|(name, file)| first[name] != *file), "--fresh keeps a part");
}

#[test]
fn results_of_another_build_are_not_ours() {
    let sandbox = place_with("plateau.pt2");
    run(&sandbox, BASE);
    let merged = || sandbox.run("status config.toml --format json").json()["merged"].as_bool().unwrap();
    assert!(merged());
    let path = sandbox.results("v").join("manifest.json");
    let mut manifest: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let build = manifest["build"].as_str().unwrap().to_owned();
    assert_eq!(build.len(), 16, "{build}");
    manifest["build"] = format!("{:016x}", !u64::from_str_radix(&build, 16).unwrap()).into();
    let other = serde_json::to_string_pretty(&manifest).unwrap() + "\n";
    fs::write(&path, &other).unwrap();
    // Put together from parts of this build, they are its own, and the same as what the other wrote.
    assert!(merged());
    run(&sandbox, BASE);
    assert_eq!(fs::read_to_string(&path).unwrap(), other, "nothing but the build is another");
    assert!(merged());
    let timings = sandbox.results("v").join("timings.csv");
    let text = fs::read_to_string(&timings).unwrap();
    let part = text.lines().nth(1).unwrap().split(',').nth(1).unwrap();
    fs::write(&timings, text.replace(part, "0123456789abcdef.part")).unwrap();
    assert!(!merged(), "results of another build count as those of this one");
    // What is another result has another manifest.
    manifest["cells"] = 1.into();
    fs::write(&path, serde_json::to_string_pretty(&manifest).unwrap()).unwrap();
    run(&sandbox, BASE);
    assert!(fs::read_to_string(&path).unwrap().contains(&build));
}

#[test]
fn every_manifest_has_the_hashes_of_the_files_that_its_config_names() {
    let sandbox = place_with("plateau.pt2");
    sandbox.config("grid", BASE);
    sandbox.config(
        "map",
        "name = 'm'\nproblem = 'direct_fit'\nloss = { program = { file = 'mine.pt2' } }\noptimizer = 'sgd'\n\
         steps = 2\nx = { vary = 'lr', from = 0.1, to = 1, pixels = 2 }\n\
         y = { vary = 'optimizer.l2', from = 0, to = 0.1, pixels = 2 }\n",
    );
    sandbox.config("diagnosis", "name = 'd'\nloss = { program = { file = 'mine.pt2' } }\nsteps = 20\n");
    let bytes = fs::read(sandbox.path().join("mine.pt2")).unwrap();
    let wanted = serde_json::json!([["mine.pt2", records::digest(bytes.as_slice()).unwrap()]]);
    for (command, config, name) in
        [("run", "grid.toml", "v"), ("map", "map.toml", "m"), ("diagnose", "diagnosis.toml", "d")]
    {
        let _ = sandbox.run([command, config]).works();
        let manifest = fs::read(sandbox.results(name).join("manifest.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(manifest["inputs"], wanted, "{command}");
    }
}
