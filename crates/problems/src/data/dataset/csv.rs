//! Comma-separated numbers under a line of names.

use std::collections::HashSet;

use csv::{ReaderBuilder, Trim};

/// A table, row by row.
pub(super) struct Csv {
    pub names: Vec<String>,
    pub values: Vec<f64>,
}

impl Csv {
    /// Reads a table. The messages say line and column.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(bytes);
        let names: Vec<String> =
            reader.headers().map_err(|error| error.to_string())?.iter().map(str::to_owned).collect();
        if names.is_empty() {
            return Err("it is empty: the first line names the columns, and rows of numbers follow".into());
        }
        if names.iter().all(|name| name.parse::<f64>().is_ok()) {
            return Err("the first line holds numbers: put one that names the columns above it".into());
        }
        let mut seen = HashSet::with_capacity(names.len());
        if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(format!("two columns are called `{twice}`: rename one"));
        }
        let mut values = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| error.to_string())?;
            let line = record.position().map_or(0, csv::Position::line);
            if record.len() != names.len() {
                return Err(format!(
                    "line {line} has {} fields, and the first line names {} columns: fill it up or take it out",
                    record.len(),
                    names.len()
                ));
            }
            for (name, text) in names.iter().zip(&record) {
                let number: f64 = text.parse().map_err(|_| {
                    format!(
                        "line {line}, column `{name}`: `{text}` is no number: write it as one, or leave the column \
                         out by naming the others in `inputs`"
                    )
                })?;
                values.push(number);
            }
        }
        Ok(Self { names, values })
    }
}
