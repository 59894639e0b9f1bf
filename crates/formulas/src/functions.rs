//! What a formula may call.

use crate::graph::{Binary, Graph, Id, Unary};

/// How a function is built from its arguments.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Function {
    Unary(Unary),
    Pow,
    Square,
    Relu,
    Clamp,
    /// Two or more arguments; of the largest or the smallest.
    Extreme(bool),
    /// The first argument is a comparison.
    Where,
}

/// Names, each with what it calls and the arguments that a person is told of.
pub(crate) const FUNCTIONS: [(&str, Function, &str); 25] = [
    ("abs", Function::Unary(Unary::Abs), "x"),
    ("sqrt", Function::Unary(Unary::Sqrt), "x"),
    ("square", Function::Square, "x"),
    ("exp", Function::Unary(Unary::Exp), "x"),
    ("expm1", Function::Unary(Unary::ExpM1), "x"),
    ("log", Function::Unary(Unary::Ln), "x"),
    ("log1p", Function::Unary(Unary::Ln1P), "x"),
    ("tanh", Function::Unary(Unary::Tanh), "x"),
    ("sigmoid", Function::Unary(Unary::Sigmoid), "x"),
    ("softplus", Function::Unary(Unary::Softplus), "x"),
    ("sin", Function::Unary(Unary::Sin), "x"),
    ("cos", Function::Unary(Unary::Cos), "x"),
    ("sign", Function::Unary(Unary::Sign), "x"),
    ("relu", Function::Relu, "x"),
    ("pow", Function::Pow, "x, exponent"),
    ("min", Function::Extreme(false), "a, b, …"),
    ("max", Function::Extreme(true), "a, b, …"),
    ("minimum", Function::Extreme(false), "a, b, …"),
    ("maximum", Function::Extreme(true), "a, b, …"),
    ("clamp", Function::Clamp, "x, low, high"),
    ("clip", Function::Clamp, "x, low, high"),
    ("where", Function::Where, "condition, yes, no"),
    // Names from elsewhere.
    ("ln", Function::Unary(Unary::Ln), "x"),
    ("logistic", Function::Unary(Unary::Sigmoid), "x"),
    ("select", Function::Where, "condition, yes, no"),
];

/// The numbers and variables that every formula knows.
pub(crate) const NAMES: [&str; 4] = ["prediction", "target", "d", "pi"];

/// The words that are operators.
pub(crate) const WORDS: [&str; 3] = ["and", "or", "not"];

/// Whether a name means something in every formula.
pub(crate) fn is_known(name: &str) -> bool {
    NAMES.contains(&name) || WORDS.contains(&name) || Function::named(name).is_some()
}

impl Function {
    pub fn named(name: &str) -> Option<(Self, &'static str)> {
        FUNCTIONS
            .iter()
            .find(|(known, ..)| *known == name)
            .map(|(_, function, arguments)| (*function, *arguments))
    }

    /// Whether it takes so many arguments.
    pub fn takes(self, arguments: usize) -> bool {
        match self {
            Self::Unary(_) | Self::Square | Self::Relu => arguments == 1,
            Self::Pow => arguments == 2,
            Self::Extreme(_) => arguments >= 2,
            Self::Clamp | Self::Where => arguments == 3,
        }
    }

    /// Its value; there are as many arguments as it takes.
    pub fn call(self, graph: &mut Graph, arguments: &[Id]) -> Id {
        let [x, rest @ ..] = arguments else { unreachable!("every function takes an argument") };
        match self {
            Self::Unary(op) => graph.unary(op, *x),
            Self::Pow => graph.binary(Binary::Pow, *x, rest[0]),
            Self::Square => {
                let two = graph.constant(2.0);
                graph.binary(Binary::Pow, *x, two)
            }
            Self::Relu => graph.relu(*x),
            Self::Clamp => graph.clamp(*x, rest[0], rest[1]),
            Self::Extreme(largest) => {
                rest.iter().fold(*x, |so_far, next| graph.extreme(largest, so_far, *next))
            }
            Self::Where => graph.select(*x, rest[0], rest[1]),
        }
    }
}
