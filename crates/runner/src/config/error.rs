//! Mistakes in a config, with the place and the remedy.

use std::ops::Range;
use std::path::{Path, PathBuf};

use miette::{Diagnostic, NamedSource, SourceSpan};
use thiserror::Error;
use toml::Spanned;

use super::values::{Numbers, SeedChoice, Seeds};

/// Why a config can't be used.
#[derive(Debug, Error, Diagnostic)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("can't read the config {}", path.display())]
    #[diagnostic(help("name a TOML file, such as configs/smoke.toml"))]
    Unreadable {
        /// What was asked for.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{message}")]
    Wrong {
        /// What.
        message: String,
        /// The file.
        #[source_code]
        text: NamedSource<String>,
        /// Where.
        #[label("here")]
        place: Option<SourceSpan>,
        /// What would be right.
        #[help]
        help: Option<String>,
    },
}

/// The folder that a file is in.
pub(super) fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// A config's text, to make errors that point into it.
pub(super) struct Source<'a> {
    file: &'a str,
    folder: &'a Path,
    text: &'a str,
}

impl<'a> Source<'a> {
    /// A text that messages call `file`; its folder is apart, since it need not be UTF-8.
    pub(super) fn new(file: &'a str, folder: &'a Path, text: &'a str) -> Self {
        Self { file, folder, text }
    }

    /// The folder that files in it are relative to.
    pub(super) fn folder(&self) -> &'a Path {
        self.folder
    }

    fn wrong(&self, place: Option<Range<usize>>, message: &str, help: &str) -> ConfigError {
        ConfigError::Wrong {
            message: message.to_owned(),
            text: NamedSource::new(self.file, self.text.to_owned()).with_language("toml"),
            place: place.map(SourceSpan::from),
            help: (!help.is_empty()).then(|| help.to_owned()),
        }
    }

    /// A mistake at a place.
    pub(super) fn at(&self, place: Range<usize>, message: &str, help: &str) -> ConfigError {
        self.wrong(Some(place), message, help)
    }

    /// A mistake of the whole file.
    pub(super) fn whole(&self, message: &str, help: &str) -> ConfigError {
        self.wrong(None, message, help)
    }

    /// A mistake at `value` unless `holds`.
    pub(super) fn require<T>(
        &self,
        value: &Spanned<T>,
        holds: bool,
        message: &str,
        help: &str,
    ) -> Result<(), ConfigError> {
        if holds { Ok(()) } else { Err(self.at(value.span(), message, help)) }
    }

    /// Checked numbers, ascending.
    pub(super) fn numbers(&self, numbers: &Spanned<Numbers>, what: &str) -> Result<Vec<f64>, ConfigError> {
        match numbers.as_ref().fault() {
            None => Ok(numbers.as_ref().values()),
            Some((fault, help)) => Err(self.at(numbers.span(), &format!("{what} {fault}"), help)),
        }
    }

    /// Checked seeds.
    pub(super) fn seeds(&self, seeds: &Spanned<Seeds>) -> Result<SeedChoice, ConfigError> {
        match seeds.as_ref().fault() {
            None => Ok(seeds.as_ref().choose()),
            Some((fault, help)) => Err(self.at(seeds.span(), &fault, help)),
        }
    }

    /// What the TOML reader found, in words for people who don't write Rust.
    pub(super) fn toml(&self, error: &toml::de::Error) -> ConfigError {
        let mut message = error.message().to_owned();
        for (rust, plain) in [
            ("expected u64", "expected a whole number, 0 or above"),
            ("expected u32", "expected a whole number, 0 or above"),
            ("expected usize", "expected a whole number, 0 or above"),
            ("expected f64", "expected a number"),
            ("expected a sequence", "expected a list in square brackets"),
            ("expected a map", "expected a table"),
            ("invalid type: floating point", "invalid type: the number"),
        ] {
            message = message.replace(rust, plain);
        }
        let help = match misspelt(&message) {
            Some(near) => format!("did you mean `{near}`?"),
            None if message.starts_with("invalid") => "configs/smoke.toml shows how keys are written".into(),
            None => String::new(),
        };
        match error.span() {
            Some(place) => self.at(place, &message, &help),
            None => self.whole(&message, &help),
        }
    }
}

/// The nearest valid name, where the message is of the form "unknown …`a`, expected … `b`, `c`".
fn misspelt(message: &str) -> Option<&str> {
    let names: Vec<&str> = message.strip_prefix("unknown ")?.split('`').skip(1).step_by(2).collect();
    let (wrong, valid) = names.split_first()?;
    registry::nearest(wrong, valid.iter().copied())
}
