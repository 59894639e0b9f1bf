//! What of a run can be seen while it runs.

use std::io;

use files::Folder;
use records::{SCHEMA, parts};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::plan::Plan;

/// The folder of the parts.
pub(crate) const PARTS: &str = "parts";

/// What a run is making, so that others can read the parts while they are made: `running.json`, which is there as long
/// as the result files aren't those of this run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Running {
    schema: u32,
    pub name: String,
    /// The file of the config, relative to the results folder.
    #[serde(default)]
    pub source: Option<String>,
    pub config: String,
    /// Runs in all.
    pub cells: u64,
    /// The columns of the parts' cells.
    pub targets: Vec<f64>,
    /// The parts, in their order.
    pub keys: Vec<String>,
}

impl Running {
    pub(crate) const FILE: &str = "running.json";

    /// The most bytes that it has: twenty for each of ten million parts.
    const MOST: u64 = 200 << 20;

    /// That of a plan's parts with these keys; `source` is the file of the config.
    pub(crate) fn new(config: &Config, plan: &Plan, keys: &[String], source: Option<String>) -> Self {
        Self {
            schema: SCHEMA,
            name: config.name.clone(),
            source,
            config: config.text.clone(),
            cells: plan.cells(),
            targets: plan.targets.clone(),
            keys: keys.to_vec(),
        }
    }

    pub(crate) fn write(&self, folder: &Folder) -> io::Result<()> {
        folder.write(Self::FILE, |file| Ok(serde_json::to_writer(file, self)?))
    }

    /// That of a results folder; `None` if there is none, or one of another form.
    pub(crate) fn read(folder: &Folder) -> Option<Self> {
        let text = folder.read_text(Self::FILE, Self::MOST).ok()?;
        let running: Self = serde_json::from_str(&text).ok()?;
        (running.schema == SCHEMA && running.keys.iter().all(|key| parts::is_key(key))).then_some(running)
    }
}
