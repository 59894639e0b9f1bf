//! What a run takes over from the results before it: parts of the same batch and the same build, and no other.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use super::run;
use crate::place::{Place, result_files, text};

/// Every setting of it decides something: 20 diverges, heavy ball passes its targets and comes back.
const BASE: &str = "name = 'v'\nengine = 'auto'\ndtype = 'float32'\nsteps = 60\nhold = 1\ndivergence = 1e6\n\
lr = [0.3, 20]\ntargets = [0.3, 0.1]\nrecord = { every = 20 }\nseeds = { tuning = [1], reporting = [3, 4] }\n\
extend = false\n[[grid]]\nproblems = [{ direct_fit = { dim = 4 } }]\n\
losses = [{ asymmetric = { scale = 2.0 } }, { torchscript = { file = 'mine.pt' } }]\n\
optimizers = [{ heavy_ball = { momentum = 0.95 } }]\nschedules = ['constant']\n";

fn modules() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../losses/tests/modules"))
}

fn place_with(module: &str) -> Place {
    let place = Place::new();
    fs::copy(modules().join(module), place.path().join("mine.pt")).unwrap();
    place
}

#[test]
fn a_changed_line_of_the_config_changes_the_results_as_if_nothing_had_been_there() {
    let base = place_with("plateau.pt");
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
        ("plateau.pt", "asymmetric.pt"),
    ] {
        let changed = BASE.replace(from, to);
        let (place, module) = if changed == BASE {
            (place_with("plateau.pt"), to)
        } else {
            (place_with("plateau.pt"), "plateau.pt")
        };
        run(&place, BASE);
        assert_eq!(result_files(&place.results("v")), before);
        fs::copy(modules().join(module), place.path().join("mine.pt")).unwrap();
        run(&place, &changed);
        let ours = result_files(&place.results("v"));
        let fresh = place_with(module);
        run(&fresh, &changed);
        assert_eq!(ours, result_files(&fresh.results("v")), "{to}: what was there before shows");
        // The results themselves, not only the manifest.
        assert!((0..2).any(|file| ours[file] != before[file]), "{to} changes nothing");
    }
}

/// Names of the parts, and which file each is.
fn parts(place: &Place) -> BTreeMap<String, u64> {
    let folder = fs::read_dir(place.results("v").join("parts")).unwrap().map(|entry| entry.unwrap());
    folder.map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().ino())).collect()
}

#[test]
fn parts_are_kept_unless_they_are_to_be_made_anew() {
    let place = place_with("plateau.pt");
    run(&place, BASE);
    let first = parts(&place);
    assert!(first.len() >= 2);
    run(&place, BASE);
    assert_eq!(parts(&place), first, "a second run makes parts again");
    let output = place.run(&["config.toml", "--fresh"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let fresh = parts(&place);
    assert!(fresh.keys().eq(first.keys()));
    assert!(fresh.iter().all(|(name, file)| first[name] != *file), "--fresh keeps a part");
}

#[test]
fn results_of_another_build_are_not_ours() {
    let place = place_with("plateau.pt");
    run(&place, BASE);
    let merged = || {
        let output = place.run(&["status", "config.toml", "--json"]);
        let status: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
        status["merged"].as_bool().unwrap()
    };
    assert!(merged());
    let path = place.results("v").join("manifest.json");
    let mut manifest: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let build = manifest["build"].as_str().unwrap().to_owned();
    assert_eq!(build.len(), 16, "{build}");
    manifest["build"] = format!("{:016x}", !u64::from_str_radix(&build, 16).unwrap()).into();
    fs::write(&path, serde_json::to_string_pretty(&manifest).unwrap()).unwrap();
    assert!(!merged(), "results of another build count as those of this one");
}
