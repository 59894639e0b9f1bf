//! Mistakes in a config, with the place and the remedy.

use std::cell::RefCell;
use std::ops::{Range, RangeBounds};
use std::path::{Path, PathBuf};

use losses::{Files, Python};
use miette::{Diagnostic, NamedSource, SourceSpan};
use registry::range;
use serde::de::DeserializeOwned;
use thiserror::Error;
use toml::Spanned;

use crate::limits::{MOST_TEXT, bytes};
use crate::values::{Numbers, SeedChoice, Seeds};

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

/// The text of a config file.
pub(crate) fn read_text(path: &Path) -> Result<String, ConfigError> {
    files::read_text(path, files::TEXT)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
}

/// A config's text, to make errors that point into it.
pub(crate) struct Source<'a> {
    file: String,
    text: &'a str,
    /// Those that it names, relative to its folder.
    pub(crate) files: RefCell<Files>,
}

impl<'a> Source<'a> {
    /// The text of a file, or of what messages call so.
    pub(crate) fn new(file: &Path, text: &'a str) -> Self {
        let folder = file.parent().unwrap_or(Path::new(""));
        Self { file: file.display().to_string(), text, files: Files::new(folder).into() }
    }

    /// The same, for which Python may be started or not.
    pub(crate) fn with_python(self, python: Python) -> Self {
        Self { files: self.files.into_inner().with_python(python).into(), ..self }
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        self.text
    }

    /// What it says, before anything of it is checked.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        if self.text.len() <= MOST_TEXT {
            return toml::from_str(self.text).map_err(|error| self.toml(&error));
        }
        let (length, most) = (bytes(self.text.len() as u64), bytes(MOST_TEXT as u64));
        Err(ConfigError::Wrong {
            message: format!("the config is too long: it has {length}, and may have at most {most}"),
            text: NamedSource::new(&self.file, String::new()),
            place: None,
            help: Some("make several configs of it; long lists of numbers go into a file".into()),
        })
    }

    fn wrong(&self, place: Option<Range<usize>>, message: &str, help: &str) -> ConfigError {
        let (text, place) = shortened(self.text, place);
        ConfigError::Wrong {
            message: message.to_owned(),
            text: NamedSource::new(&self.file, text).with_language("toml"),
            place: place.map(SourceSpan::from),
            help: (!help.is_empty()).then(|| help.to_owned()),
        }
    }

    /// A mistake at a place.
    pub(crate) fn at(&self, place: Range<usize>, message: &str, help: &str) -> ConfigError {
        self.wrong(Some(place), message, help)
    }

    /// A mistake of the whole file.
    pub(crate) fn whole(&self, message: &str, help: &str) -> ConfigError {
        self.wrong(None, message, help)
    }

    /// For how many steps a target must hold: no longer than a run is.
    pub(crate) fn hold(&self, value: Option<&Spanned<u64>>, steps: u64) -> Result<u64, ConfigError> {
        let Some(value) = value else { return Ok(1) };
        let (hold, most) = (*value.as_ref(), steps.saturating_add(1));
        let message = format!(
            "`hold` must be from 1 to {most}, one more than the {steps} steps of a run, and is {hold}"
        );
        let help = "1 counts the first step at the target; for more than all its steps no run could hold it";
        self.require(value, (1..=most).contains(&hold), &message, help)?;
        Ok(hold)
    }

    /// A mistake at `value` unless `holds`.
    pub(crate) fn require<T>(
        &self,
        value: &Spanned<T>,
        holds: bool,
        message: &str,
        help: &str,
    ) -> Result<(), ConfigError> {
        if holds { Ok(()) } else { Err(self.at(value.span(), message, help)) }
    }

    /// A number in its range, if there is one.
    pub(crate) fn within<N: range::Number>(
        &self,
        range: &impl RangeBounds<N>,
        value: Option<&Spanned<N>>,
        what: &str,
    ) -> Result<Option<N>, ConfigError> {
        let Some(value) = value else { return Ok(None) };
        range::check(what, *value.as_ref(), range).map_err(|message| self.at(value.span(), &message, ""))?;
        Ok(Some(*value.as_ref()))
    }

    /// Checked numbers, ascending.
    pub(crate) fn numbers(&self, numbers: &Spanned<Numbers>, what: &str) -> Result<Vec<f64>, ConfigError> {
        match numbers.as_ref().fault() {
            None => Ok(numbers.as_ref().values()),
            Some((fault, help)) => Err(self.at(numbers.span(), &format!("{what} {fault}"), help)),
        }
    }

    /// Checked seeds.
    pub(crate) fn seeds(&self, seeds: &Spanned<Seeds>) -> Result<SeedChoice, ConfigError> {
        match seeds.as_ref().fault() {
            None => Ok(seeds.as_ref().choose()),
            Some((fault, help)) => Err(self.at(seeds.span(), &fault, help)),
        }
    }

    /// What the TOML reader found, in words for people who don't write Rust.
    fn toml(&self, error: &toml::de::Error) -> ConfigError {
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
        let help = match misspelled(&message) {
            _ if names_torchscript(&message) => TORCHSCRIPT.into(),
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

/// For configs of version 0.1.0.
const TORCHSCRIPT: &str = "TorchScript is at its end: export the code anew with scripts/export.py, and name the .pt2 file: \
                           { program = { file = … } } for a loss or a readout, { model = { file = …, data = … } } for a model";

/// The longest line that is shown whole, and what is shown of a longer one before the place and from there.
const LONGEST_LINE: usize = 400;
const SHOWN: [usize; 2] = [60, 200];

/// The text with its long lines cut to what is near the place, and where the place is then: a terminal is no place for
/// a line of a megabyte.
fn shortened(text: &str, place: Option<Range<usize>>) -> (String, Option<Range<usize>>) {
    if text.lines().all(|line| line.len() <= LONGEST_LINE) {
        return (text.to_owned(), place);
    }
    let (mut short, mut moved, mut begin) = (String::new(), None, 0);
    for line in text.split_inclusive('\n') {
        let here = place.clone().filter(|place| (begin..begin + line.len()).contains(&place.start));
        let at = here.as_ref().map_or(0, |place| place.start - begin);
        let mut from = if line.len() <= LONGEST_LINE { 0 } else { at.saturating_sub(SHOWN[0]) };
        let mut to = if line.len() <= LONGEST_LINE { line.len() } else { line.len().min(at + SHOWN[1]) };
        while !line.is_char_boundary(from) {
            from -= 1;
        }
        while !line.is_char_boundary(to) {
            to += 1;
        }
        if from > 0 {
            short.push('…');
        }
        if let Some(place) = here {
            let start = short.len() + at - from;
            // A place of several lines is marked on its first.
            let length = (place.end - place.start).min(to - at);
            moved = Some(start..start + length);
        }
        short += &line[from..to];
        if to < line.len() {
            short += "…\n";
        }
        begin += line.len();
    }
    (short, moved)
}

/// Whether this is about an entry or a readout that isn't there any more.
fn names_torchscript(message: &str) -> bool {
    let gone = [
        "there is no loss `torchscript`",
        "there is no problem `torchscript`",
        "unknown variant `torchscript`",
    ];
    gone.iter().any(|gone| message.starts_with(gone))
}

/// The nearest valid name, where the message is of the form "unknown …`a`, expected … `b`, `c`".
fn misspelled(message: &str) -> Option<&str> {
    let names: Vec<&str> = message.strip_prefix("unknown ")?.split('`').skip(1).step_by(2).collect();
    let (wrong, valid) = names.split_first()?;
    registry::nearest(wrong, valid.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("name = 1\nx = '{}', wrong, '{}'\nend", "é".repeat(1000), "b".repeat(1000));
        let at = text.find("wrong").unwrap();
        let (short, place) = shortened(&text, Some(at..at + 5));
        assert_eq!(&short[place.unwrap()], "wrong");
        let lines: Vec<&str> = short.lines().collect();
        assert_eq!((lines.len(), lines[0], lines[2]), (3, "name = 1", "end"));
        assert!(lines[1].starts_with('…') && lines[1].ends_with('…') && lines[1].len() < LONGEST_LINE);
        assert_eq!(shortened("short", Some(1..2)), ("short".to_owned(), Some(1..2)));
        let all = shortened(&text, Some(0..text.len())).1.unwrap();
        assert_eq!(all, 0..9);
    }
}
