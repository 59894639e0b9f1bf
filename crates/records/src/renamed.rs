//! What results of schema 3 call otherwise: columns here, entries in their labels by [`registry::renamed`].

/// Columns that had another name in schema 3: the file, the old name, and today's.
pub const RENAMED_COLUMNS: [(&str, &str, &str); 11] = [
    ("curves.csv", "loss", "loss_value"),
    ("curves.csv", "lr", "step_lr"),
    ("terms.csv", "value", "term_value"),
    ("terms.csv", "gradient_norm", "term_gradient_norm"),
    ("terms.csv", "cosine", "term_cosine"),
    ("table.csv", "final_error", "final_error_median"),
    ("scores.csv", "final_error", "final_error_median"),
    ("map.csv", "learning_rate", "lr"),
    ("map.csv", "steps", "steps_to_target"),
    ("map.csv", "error", "final_error"),
    ("profile.csv", "value", "loss_value"),
];

/// The old name of a column of a file, if it had another one.
pub(crate) fn old_column(file: &str, name: &str) -> Option<&'static str> {
    RENAMED_COLUMNS.iter().find(|(of, _, today)| (*of, *today) == (file, name)).map(|(_, old, _)| *old)
}
