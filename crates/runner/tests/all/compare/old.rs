//! Results of an older schema: those of 3 are read as what they are today, others are refused.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::compare::Repository;

const CONFIG: &str = "name = 'x'\nsteps = 50\nseeds = { tuning = 1, reporting = 3 }\nlr = [0.1, 0.2]\n\
                      [[grid]]\nproblems = [{ deep_linear_chain = { depth = 3 } }]\nlosses = ['mse']\n\
                      optimizers = ['backtracking_gd', 'sgd', 'adam']\n";

/// Changes a file, and its hash in the manifest.
fn change(folder: &Path, name: &str, change: impl FnOnce(String) -> String) {
    let text = change(fs::read_to_string(folder.join(name)).unwrap());
    fs::write(folder.join(name), &text).unwrap();
    let digest = records::digest(text.as_bytes()).unwrap();
    change_manifest(folder, |manifest| {
        for file in manifest["files"].as_array_mut().unwrap() {
            if file[0] == name {
                file[1] = digest.clone().into();
            }
        }
    });
}

fn change_manifest(folder: &Path, change: impl FnOnce(&mut Value)) {
    let path = folder.join("manifest.json");
    let mut manifest: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut manifest);
    fs::write(path, manifest.to_string()).unwrap();
}

/// The results of the config as version 0.1.0 wrote them.
fn as_schema_3(folder: &Path) {
    let old = |text: &str| {
        text.replace("\nk", "\n")
            .replace("backtracking_gd", "gradient_descent")
            .replace("deep_linear_chain", "chain")
    };
    change(folder, "cells.csv", |text| old(&text));
    change(folder, "curves.csv", |text| {
        old(&text).replacen("loss_value", "loss", 1).replacen("step_lr", "lr", 1)
    });
    change_manifest(folder, |manifest| {
        let conditions = old(&manifest["conditions"].to_string());
        manifest["conditions"] = serde_json::from_str(&conditions).unwrap();
        manifest["schema"] = json!(3);
    });
}

fn ran() -> Repository {
    let repository = Repository::new();
    repository.0.config("x", CONFIG);
    let _ = repository.0.run("x.toml").works();
    repository
}

#[test]
fn results_of_schema_3_are_read_by_every_command() {
    let repository = ran();
    let sandbox = &repository.0;
    let old = sandbox.path().join("old/x");
    fs::create_dir_all(&old).unwrap();
    for name in ["cells.csv", "curves.csv", "manifest.json"] {
        fs::copy(sandbox.results("x").join(name), old.join(name)).unwrap();
    }
    as_schema_3(&old);
    let cells = fs::read_to_string(old.join("cells.csv")).unwrap();
    assert!(cells.contains(",chain(depth=3),mse,gradient_descent,") && !cells.contains("\nk"), "{cells}");

    let _ = sandbox.run("compare old results").works().prints("3 identical").never_prints("appeared");
    let table =
        |folder: &str| sandbox.run(["table", folder, "--format", "markdown", "--no-write"]).works().stdout;
    assert_eq!(table("old/x"), table("results/x"));
    // The page has their curves, which are found by the old keys and columns.
    let data = |folder: &str| {
        let _ = sandbox.run(["report", folder, "--no-figures"]).works();
        let page = fs::read_to_string(sandbox.path().join(folder).join("report.html")).unwrap();
        let data = page.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0.to_owned();
        assert!(data.contains("backtracking_gd") && data.len() > 1000, "{data}");
        data
    };
    assert_eq!(data("old/x"), data("results/x"));

    for (schema, help) in
        [(2, "run its config again"), (5, "read it with the version of optbench that wrote it")]
    {
        change_manifest(&old, |manifest| manifest["schema"] = json!(schema));
        for command in ["table old/x", "report old/x", "compare old results"] {
            let wanted = format!("is of schema {schema}, and this version reads 3 to 4: {help}");
            let _ = sandbox.run(command).fails(2).says(&wanted);
        }
    }
}
