//! Diagnoses that lie beside the results.

use std::fs;
use std::path::Path;

use files::Folder;
use serde_json::Value;

/// Names and answers of the `diagnosis.json` in the folders beside this one, by name. What can't be read is left out.
pub(super) fn beside(folder: &Path) -> Vec<(String, Value)> {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let beside = folder.parent().and_then(|parent| fs::read_dir(parent).ok());
    let mut diagnoses: Vec<(String, Value)> = beside
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            // A link isn't one.
            if !entry.file_type().ok()?.is_dir() {
                return None;
            }
            let text = Folder::new(entry.path()).read_text("diagnosis.json", files::TEXT).ok()?;
            Some((entry.file_name().to_string_lossy().into_owned(), serde_json::from_str(&text).ok()?))
        })
        .collect();
    diagnoses.sort_by(|a, b| a.0.cmp(&b.0));
    diagnoses
}
