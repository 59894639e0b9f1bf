//! Cells that don't repeat, since a TorchScript module in them draws random numbers: what is said below a table.

use std::path::Path;

use crate::run::manifest;

/// The labels in a results folder's manifest.
pub(crate) fn labels(folder: &Path) -> Vec<String> {
    let manifest = manifest(folder).unwrap_or_default();
    let labels = manifest["random"].as_array().map_or(&[][..], Vec::as_slice);
    labels.iter().filter_map(|label| label.as_str().map(str::to_owned)).collect()
}

/// The note below a table, with an empty line before it; nothing where every cell repeats.
pub(crate) fn footnote(labels: &[String]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let list = labels.join("\n- ");
    format!(
        "\nThese may draw random numbers inside a TorchScript module: rows with them depend on -j and\n\
         don't repeat.\n\n- {list}\n"
    )
}
