//! A sentence, and the values that it shows.

use std::fmt;

use records::number::short;
use serde::Serialize;

/// What a sentence shows: `{x}` has three significant digits, `{x:#}` is a share as a percentage.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A number; one that isn't finite is `null` in JSON.
    Number(f64),
    /// A whole number, such as steps.
    Count(u64),
    /// The shape of a tensor.
    Shape(Vec<i64>),
    /// A name, or a place.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Number(share) if formatter.alternate() => write!(formatter, "{} %", short(100.0 * share)),
            Self::Number(value) if value.is_nan() => formatter.write_str("NaN"),
            Self::Number(value) => formatter.write_str(&short(*value)),
            Self::Count(count) => write!(formatter, "{count}"),
            Self::Shape(shape) => write!(formatter, "{shape:?}"),
            Self::Text(text) => formatter.write_str(text),
        }
    }
}

macro_rules! values {
    ($($Type:ty: $value:ident => $variant:expr;)*) => {$(
        impl From<$Type> for Value {
            fn from($value: $Type) -> Self {
                $variant
            }
        }
    )*};
}

values! {
    f64: value => Self::Number(value);
    u64: count => Self::Count(count);
    &Vec<i64>: shape => Self::Shape(shape.clone());
    &str: text => Self::Text(text.to_owned());
}

/// Evidence of a cause.
pub(crate) struct Found {
    pub(crate) sentence: String,
    pub(crate) values: Vec<(&'static str, Value)>,
}

impl Found {
    /// Goes on with another part, if there is one.
    pub(crate) fn and(mut self, more: impl Into<Option<Self>>) -> Self {
        if let Some(more) = more.into() {
            self.sentence += &more.sentence;
            self.values.extend(more.values);
        }
        self
    }
}

/// A sentence that shows these values. It may show words that are variables, too, which aren't values.
macro_rules! say {
    (@ $name:ident) => { $name };
    (@ $name:ident $value:expr) => { $value };
    ($sentence:literal $(, $name:ident $(= $value:expr)?)*) => {{
        $(let $name = $crate::Value::from(say!(@ $name $($value)?));)*
        $crate::found::Found { sentence: format!($sentence), values: vec![$((stringify!($name), $name)),*] }
    }};
}
pub(crate) use say;
