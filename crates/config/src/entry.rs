//! Entries of the registries: loaded and checked here, and nowhere else.

use std::collections::HashSet;
use std::ops::Range;

use losses::{Files, Loss, TargetKind};
use optimizers::{Optimizer, Schedule};
use problems::{Losses, Problem};
use toml::Spanned;

use crate::ConfigError;
use crate::error::Source;
use crate::limits::{MOST_ENTRIES, MOST_LABEL};

/// What a config names of a registry.
pub(crate) trait Entry: Clone {
    const KIND: &'static str;

    fn label(&self) -> String;

    /// Reads its files and compiles its formulas; refuses options out of their range.
    fn prepare(&mut self, files: &mut Files) -> Result<(), String>;

    /// The entries that it stands for in a list; at most a few more than a list may have.
    fn expanded(&self) -> Vec<Self> {
        vec![self.clone()]
    }
}

macro_rules! entry {
    ($Type:ident, |$own:ident, $files:ident| $prepare:expr $(, expanded: $expanded:expr)?) => {
        impl Entry for $Type {
            const KIND: &'static str = $Type::KIND;

            fn label(&self) -> String {
                $Type::label(self)
            }

            fn prepare(&mut self, $files: &mut Files) -> Result<(), String> {
                let $own = self;
                $prepare
            }

            $(fn expanded(&self) -> Vec<Self> {
                let expanded: fn(&Self) -> Vec<Self> = $expanded;
                expanded(self)
            })?
        }
    };
}
entry!(Problem, |entry, files| entry.load(files).and_then(|()| entry.check()));
entry!(Loss, |entry, files| entry.load(files).and_then(|()| entry.check()));
entry!(
    Optimizer,
    |entry, files| entry.load(files).and_then(|()| entry.check()),
    expanded: |entry| entry.expanded(MOST_ENTRIES)
);
entry!(Schedule, |entry, _files| entry.check());

/// What to do about a long label.
const SHORTER: &str = "a label is the name and the options that aren't the defaults, a formula as it is written: shorten it, \
                       or put the loss into a file (`optbench list program`)";

impl Source<'_> {
    /// An entry, loaded and checked.
    pub(crate) fn entry<T: Entry>(&self, entry: &Spanned<T>) -> Result<Spanned<T>, ConfigError> {
        let length = entry.as_ref().label().chars().count();
        let long = format!("its label would have {length} characters, and may have at most {MOST_LABEL}");
        // First, since a formula takes long to read.
        self.require(entry, length <= MOST_LABEL, &long, SHORTER)?;
        let mut loaded = entry.as_ref().clone();
        let prepared = loaded.prepare(&mut self.files.borrow_mut());
        prepared.map_err(|message| self.at(entry.span(), &message, ""))?;
        Ok(Spanned::new(entry.span(), loaded))
    }

    /// As [`entry`](Self::entry), if there is one.
    pub(crate) fn optional<T: Entry>(&self, entry: Option<&Spanned<T>>) -> Result<Option<T>, ConfigError> {
        entry.map(|entry| self.entry(entry).map(Spanned::into_inner)).transpose()
    }

    /// A list of entries, of which none may stand there twice, each loaded and checked.
    pub(crate) fn entries<T: Entry>(
        &self,
        list: &Spanned<Vec<Spanned<T>>>,
    ) -> Result<Vec<Spanned<T>>, ConfigError> {
        let one = |entry: &Spanned<T>| {
            let place = entry.span();
            entry.as_ref().expanded().into_iter().map(move |one| Spanned::new(place.clone(), one))
        };
        let entries: Vec<_> = list.as_ref().iter().flat_map(one).collect();
        let remedy = format!("name at least one {}: see `optbench list`", T::KIND);
        self.require(list, !entries.is_empty(), "the list is empty, so there is nothing to run", &remedy)?;
        let many = format!("the list has {} entries, and may have at most {MOST_ENTRIES}", entries.len());
        self.require(list, entries.len() <= MOST_ENTRIES, &many, "make several [[grid]] tables of it")?;
        let mut labels = HashSet::new();
        let one = |entry: &Spanned<T>| {
            let loaded = self.entry(entry)?;
            let label = entry.as_ref().label();
            let twice = format!("`{label}` stands here twice");
            self.require(entry, labels.insert(label), &twice, "leave one out")?;
            Ok(loaded)
        };
        entries.iter().map(one).collect()
    }

    /// Refuses a problem that can't be trained with these losses, which are named at a place, or not at all.
    pub(crate) fn check_pairs(
        &self,
        problem: &Spanned<Problem>,
        losses: Option<(&[Spanned<Loss>], Range<usize>)>,
        remedies: &Remedies,
    ) -> Result<(), ConfigError> {
        let name = problem.as_ref().name();
        match (problem.as_ref().losses(), losses) {
            (Losses::Own, None) | (Losses::ValuesOrClasses, Some(_)) => Ok(()),
            (Losses::Own, Some((_, place))) => {
                Err(self.at(place, &format!("`{name}` is a landscape and its own loss"), remedies.landscape))
            }
            (_, None) => {
                let message = format!("`{name}` needs {}", remedies.needed);
                Err(self.at(problem.span(), &message, remedies.needs))
            }
            (Losses::Values, Some((losses, _))) => {
                let classes = |loss: &&Spanned<Loss>| loss.as_ref().targets() == TargetKind::Classes;
                let Some(loss) = losses.iter().find(classes) else { return Ok(()) };
                let message = format!("`{}` needs classes, which `{name}` hasn't", loss.as_ref().name());
                Err(self.at(loss.span(), &message, remedies.values))
            }
        }
    }

    /// As [`check_pairs`](Self::check_pairs), of a problem with one loss at most.
    pub(crate) fn check_pair(
        &self,
        problem: &Spanned<Problem>,
        loss: Option<&Spanned<Loss>>,
    ) -> Result<(), ConfigError> {
        let losses = loss.map(|loss| (std::slice::from_ref(loss), loss.span()));
        self.check_pairs(problem, losses, &OF_ONE)
    }
}

/// What to do about a problem and losses that don't go together.
pub(crate) struct Remedies {
    landscape: &'static str,
    needed: &'static str,
    needs: &'static str,
    values: &'static str,
}

/// In a `[[grid]]`.
pub(crate) const OF_GRID: Remedies = Remedies {
    landscape: "put it into a [[grid]] of its own, without `losses`",
    needed: "losses",
    needs: "add a line such as losses = [\"mse\", \"huber\"]; `optbench list losses` names them",
    values: "put it into a [[grid]] with a classification",
};

const OF_ONE: Remedies = Remedies {
    landscape: "leave `loss` out",
    needed: "a loss",
    needs: "add a line such as loss = \"mse\"; `optbench list losses` names them",
    values: "use it with a classification, such as problem = \"digits_mlp\"",
};
