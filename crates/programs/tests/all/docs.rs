//! The page of operators in the book, made of the table, the cases of `operators.zip` and the zoo.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write as _;
use std::fs;

use safetensors::SafeTensors;
use serde_json::{Map, Value};

use crate::cases::entry;
use crate::zoo;

/// How the page is written anew.
const REMEDY: &str = "OPTBENCH_UPDATE=1 cargo test --test all operators_in_the_docs";

/// A name without PyTorch's prefix and the overload.
fn short(name: &str) -> &str {
    let name = name.trim_start_matches("aten.");
    if name.starts_with("_operator") || name.starts_with("torch.") || name.starts_with("math.") {
        return name;
    }
    name.split_once('.').map_or(name, |(name, overload)| if name == "higher_order" { overload } else { name })
}

fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: BTreeSet<&str> = names.into_iter().collect();
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" ")
}

/// The operators, a row for each family.
fn table() -> String {
    let mut families: Vec<(&str, [Vec<&str>; 2])> = Vec::new();
    for operator in programs::operators() {
        if families.last().is_none_or(|(family, _)| *family != operator.family) {
            families.push((operator.family, [Vec::new(), Vec::new()]));
        }
        let (_, own) = families.last_mut().expect("a family");
        own[usize::from(operator.is_looped)].push(short(operator.name));
    }
    let mut text = String::from(
        "| family | computed for all lanes at once | for each lane by itself |\n|---|---|---|\n",
    );
    for (family, [together, looped]) in families {
        let _ = writeln!(text, "| {family} | {} | {} |", listed(together), listed(looped));
    }
    text
}

/// The entries of the zoo by kind.
fn zoo_table() -> String {
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, bytes) in zoo::files("zoo.zip") {
        if let Some(name) = name.strip_suffix(".safetensors") {
            let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
            let kind = metadata.metadata().as_ref().unwrap()["kind"].clone();
            kinds.entry(kind).or_default().push(name.to_owned());
        }
    }
    let mut text = String::from("| kind | count | entries |\n|---|---|---|\n");
    for (kind, names) in kinds {
        let _ = writeln!(text, "| {kind} | {} | {} |", names.len(), listed(names.iter().map(String::as_str)));
    }
    text
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

/// The page.
fn page() -> String {
    let cases: Value = serde_json::from_slice(&entry("cases.json")).unwrap();
    let left_out: Value = serde_json::from_slice(&entry("left_out.json")).unwrap();
    let (unknown, refused) = (object(&left_out["unknown"]), object(&left_out["refused"]));
    let names = |case: &Value| case["name"].as_str().unwrap().split(' ').next().unwrap().to_owned();
    let works: BTreeSet<String> = cases.as_array().unwrap().iter().map(names).collect();
    let functional = works.iter().filter_map(|name| name.strip_prefix("nn.functional."));
    let users = |users: &Value| listed(users.as_array().unwrap().iter().map(|user| user.as_str().unwrap()));
    let mut text = format!(
        "# Operators of PyTorch programs\n\nWritten by\n\n    {REMEDY}\n\nfrom the table of operators, the cases of \
         scripts/golden/operators.py and the zoo.\n\n## The table\n\n{} operators; overloads, such as those for numbers, are \
         written once.\n\n{}\n## Losses, models and optimizers that were trained as in PyTorch\n\nOf \
         crates/programs/tests/zoo.\n\n{}\n## torch.nn.functional\n\nThese are held to PyTorch, value and gradient: {}\n",
        programs::operators().len(),
        table(),
        zoo_table(),
        listed(functional)
    );
    text += "\n## What doesn't work\n\nOperators that torch.export writes and that aren't known here, with the function of PyTorch \
             that came to them:\n\n| operator | from |\n|---|---|\n";
    for (operator, from) in unknown {
        let _ = writeln!(text, "| `{}` | {} |", operator.trim_start_matches("aten."), users(from));
    }
    text += "\nWhat torch.export refuses, in PyTorch's words (scripts/export.py writes `gaussian_nll_loss` in another \
             form):\n\n| function | reason |\n|---|---|\n";
    for (name, reason) in
        refused.iter().filter(|(name, _)| !works.contains(*name) && !name.starts_with("aten."))
    {
        let reason = reason.as_str().unwrap().replace('|', "\\|");
        let _ = writeln!(text, "| `{name}` | {reason} |");
    }
    text
}

#[test]
fn the_operators_in_the_docs_are_those_of_the_sources() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/operators.md");
    let page = page();
    if env::var_os("OPTBENCH_UPDATE").is_some() {
        fs::write(path, &page).unwrap();
    }
    assert!(
        fs::read_to_string(path).is_ok_and(|text| text == page),
        "docs/src/operators.md is another: {REMEDY}"
    );
}
