//! The operators of PyTorch that a program may use: one table, one file a family.
//!
//! An entry is the operator's name with those of its arguments, its rule for lanes, and what it does. Nothing else is
//! interpreted, so that a program can do arithmetic and nothing more.

mod attention;
mod control;
mod convolution;
mod creation;
mod elementwise;
mod indexing;
mod linear;
mod losses;
mod normalization;
mod random;
mod recurrent;
mod reduction;
mod shape;
mod spectral;

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use crate::call::{Call, Out};

/// What an operator does with lanes.
#[derive(Clone, Copy)]
pub(crate) enum Rule {
    /// Shapes are broadcast: those of the lanes are filled up with ones behind the lanes.
    Broadcast,
    /// It counts its dimensions behind that of the lanes.
    Shifted,
    /// So it does where this holds, and is called for each lane where not.
    ShiftedIf(fn(&Call) -> bool),
    /// Lanes are folded into its first dimension, a batch, where only the first argument has lanes, in so many dimensions.
    Folded(usize),
    /// It is called for each lane.
    Looped,
    /// It takes its values as they are.
    Whole,
}

/// An operator.
pub(crate) struct Operator {
    /// Its name, and those of its arguments.
    pub signature: &'static str,
    pub rule: Rule,
    pub run: fn(&Call) -> Out,
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.signature)
    }
}

impl Operator {
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.signature.split(' ').next().unwrap_or_default()
    }

    /// The names of its arguments.
    pub fn arguments(&self) -> impl Iterator<Item = &'static str> {
        self.signature.split(' ').skip(1)
    }
}

/// Writes a table: a rule, and the operators that have it.
macro_rules! operators {
    ($($rule:expr => { $($signature:literal $c:ident => $run:expr;)* })*) => {
        pub(super) const TABLE: &[$crate::operators::Operator] = &[$($($crate::operators::Operator {
            signature: $signature,
            rule: $rule,
            run: |$c: &$crate::call::Call| -> $crate::call::Out { ($run).into() },
        },)*)*];
    };
}
use operators;

const TABLES: &[(&str, &[Operator])] = &[
    ("elementwise", elementwise::TABLE),
    ("reduction", reduction::TABLE),
    ("shape", shape::TABLE),
    ("indexing", indexing::TABLE),
    ("creation", creation::TABLE),
    ("random", random::TABLE),
    ("linear", linear::TABLE),
    ("losses", losses::TABLE),
    ("normalization", normalization::TABLE),
    ("convolution", convolution::TABLE),
    ("recurrent", recurrent::TABLE),
    ("attention", attention::TABLE),
    ("spectral", spectral::TABLE),
    ("control", control::TABLE),
];

/// The operator of this name.
pub(crate) fn find(name: &str) -> Option<&'static Operator> {
    static BY_NAME: LazyLock<HashMap<&str, &Operator>> =
        LazyLock::new(|| all().map(|(_, operator)| (operator.name(), operator)).collect());
    BY_NAME.get(name).copied()
}

/// Whether an operator draws random numbers.
pub(crate) fn is_random(operator: &Operator) -> bool {
    random::TABLE.iter().any(|random| random.name() == operator.name())
}

/// All operators, each with its family.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static Operator)> {
    TABLES.iter().flat_map(|(family, table)| table.iter().map(move |operator| (*family, operator)))
}
