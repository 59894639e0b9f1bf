//! One macro list an axis of the grid: losses, optimizers, schedules, problems.
//!
//! From a [`registry!`] list come the enum that the config is read into, the defaults, the label in
//! the results, what `optbench list` prints, and the entries that the contract tests go through.
//! Adding a thing is one file and one line in the list.

mod info;
pub mod range;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub use info::{Info, OptionInfo};

use serde::de::{self, DeserializeSeed, Deserializer, Visitor};
use serde_json::Value;

#[doc(hidden)]
pub use {serde, serde_json};

// The path that `options!` gives serde's derives, in the tests here.
#[cfg(test)]
extern crate self as registry;

/// An entry that can say what it is, and what its options may be.
pub trait Described {
    /// What a person reads about it. [`options!`] reads it from the doc comment; an entry that is another one, in
    /// another place, changes the summary of that one's.
    fn info(&self) -> Info;

    /// Whether the options are in their ranges and fit together. An entry whose options don't still computes
    /// something, so a config is checked before it runs.
    ///
    /// # Errors
    /// What is wrong: the name of the option, what it may be, and what it is.
    fn check(&self) -> Result<(), String>;
}

/// What an entry reads or compiles where it is loaded; none before that. It follows from the options: any two are equal.
#[derive(Debug)]
pub struct Loaded<T>(pub Option<Arc<T>>);

impl<T> Default for Loaded<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Clone for Loaded<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> PartialEq for Loaded<T> {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

/// Entries and keys of version 0.1.0 that have another name today, and that name.
pub const RENAMED: [(&str, &str); 6] = [
    ("biased_minimiser", "biased_minimizer"),
    ("chain", "deep_linear_chain"),
    ("gradient_descent", "backtracking_gd"),
    ("learnt_gaussian_nll", "learned_gaussian_nll"),
    ("matrix_factorisation", "matrix_factorization"),
    ("sees", "loss_input"),
];

/// The nearest of `names` to a misspelled `name`, if one is near enough to be meant; of an old name, today's.
#[must_use]
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase().replace('-', "_");
    let today = RENAMED.iter().find(|(old, _)| *old == name).map_or(&*name, |(_, new)| new);
    names
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(today, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A label of version 0.1.0 as it is today: an old name of an entry is replaced where it is the entry, or the value of
/// an option. What a formula or the name of a file holds stays.
///
/// ```
/// use registry::renamed;
///
/// assert_eq!(renamed("chain(depth=3)"), "deep_linear_chain(depth=3)");
/// assert_eq!(renamed("cautious(rule=gradient_descent)"), "cautious(rule=backtracking_gd)");
/// assert_eq!(renamed("torchscript(file=chain.pt)"), "torchscript(file=chain.pt)");
/// ```
#[must_use]
pub fn renamed(label: &str) -> Cow<'_, str> {
    if !RENAMED.iter().any(|(old, _)| label.contains(old)) {
        return Cow::Borrowed(label);
    }
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let mut today = String::with_capacity(label.len() + 16);
    let mut rest = label;
    while !rest.is_empty() {
        let word = &rest[..rest.find(|character| !is_word(character)).unwrap_or(rest.len())];
        let after = &rest[word.len()..];
        // `=` behind a name gives a value; in a formula it may be half of `==` or `<=`.
        let begins = match today.strip_suffix('=') {
            Some(before) => before.ends_with(is_word),
            None => today.is_empty(),
        };
        let ends = after.is_empty() || after.starts_with(['(', ',', ')', ']', '}']);
        let entry = RENAMED.iter().find(|(old, _)| begins && ends && *old == word);
        today += entry.map_or(word, |(_, new)| new);
        let mut others = after.chars();
        today.extend(others.next());
        rest = others.as_str();
    }
    Cow::Owned(today)
}

/// A number with its digits in groups of three.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A label for people and for results: the name, and in brackets the options that differ from the
/// defaults, such as `adam(beta1=0.95)`. Takes the serialized entry: a name, or `{name: options}`. An
/// option that is a table of numbers itself stands in braces.
#[must_use]
pub fn label(entry: &Value) -> String {
    match entry {
        Value::String(name) => name.clone(),
        Value::Object(table) => {
            let part = |(name, value): (&String, &Value)| match value {
                Value::Object(options) => {
                    let options: Vec<String> =
                        options.iter().map(|(key, value)| format!("{key}={}", label(value))).collect();
                    format!("{name}({})", options.join(", "))
                }
                other => format!("{name}={}", label(other)),
            };
            let parts = table.iter().map(part).collect::<Vec<_>>().join(", ");
            if table.values().all(Value::is_object) { parts } else { format!("{{{parts}}}") }
        }
        Value::Array(items) => format!("[{}]", items.iter().map(label).collect::<Vec<_>>().join(", ")),
        other => {
            let text = other.to_string();
            text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
        }
    }
}

/// The options of `entry` that differ from `default`, both serialized.
#[doc(hidden)]
#[must_use]
pub fn changed(entry: Value, default: &Value) -> Value {
    match entry {
        Value::Object(mut options) => {
            options.retain(|key, value| default.get(key.as_str()) != Some(value));
            Value::Object(options)
        }
        other => other,
    }
}

#[doc(hidden)]
#[must_use]
pub fn unknown<E: de::Error>(kind: &str, name: &str, names: &[&str]) -> E {
    let hint = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", names.join(", ")),
    };
    E::custom(format!("there is no {kind} `{name}`: {hint}"))
}

/// Reads a key of a table and checks it against the names, so that an error points at the key.
#[doc(hidden)]
pub struct Name {
    pub kind: &'static str,
    pub names: &'static [&'static str],
}

impl<'de> DeserializeSeed<'de> for Name {
    type Value = &'static str;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = &'static str;
    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "the name of {}", self.kind)
    }
    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        self.names
            .iter()
            .find(|known| **known == name)
            .copied()
            .ok_or_else(|| unknown(self.kind, name, self.names))
    }
}

/// Makes the struct that holds the options of an entry, with their defaults.
///
/// The options are read from a table that may leave any of them out and has no others. Behind the default of a number
/// stands its range: any range of Rust, or one of [`range`], whose items are in scope there. `check` is a function for
/// what ranges can't say.
///
/// The doc comments are what `optbench list` shows, too ([`Info`]): the first paragraph, which is one sentence; the first
/// block of `text`; the first of `toml`; the paragraphs that begin with `Source:` and `Checked against:`; and those of the
/// options. They come before other attributes, and have no links. The rest is for who reads the docs.
///
/// ```
/// use registry::{Described, options};
///
/// options! {
///     /// A ring.
///     ///
///     /// ```text
///     /// π·(outer² − inner²)
///     /// ```
///     /// Source: Euclid, “Elements”.
///     pub struct Ring {
///         /// How far the hole reaches.
///         pub inner: f64 = 1.0 => 0.0..,
///         /// How far it reaches.
///         pub outer: f64 = 2.0 => above(0.0),
///     }
///     check: |ring| if ring.inner < ring.outer { Ok(()) } else { Err("`inner` must be below `outer`".into()) },
/// }
/// let info = Ring::default().info();
/// assert_eq!([info.summary, info.source], ["A ring", "Euclid, “Elements”"]);
/// assert_eq!([&*info.options[1].about, &*info.options[1].range], ["How far it reaches", "above 0"]);
/// assert_eq!(Ring::default().check(), Ok(()));
/// assert_eq!(Ring { inner: 1.0, outer: 0.0 }.check().unwrap_err(), "`outer` must be above 0, and is 0");
/// assert_eq!(Ring { inner: 3.0, outer: 2.0 }.check().unwrap_err(), "`inner` must be below `outer`");
/// ```
#[macro_export]
macro_rules! options {
    (
        $(#[doc = $doc:literal])*
        $vis:vis struct $Type:ident {
            $(
                $(#[doc = $about:literal])* $(#[serde($($serde:tt)*)])?
                $field_vis:vis $field:ident: $Field:ty = $value:expr $(=> $range:expr)?,
            )*
        }
        $(check: $check:expr,)?
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, $crate::serde::Serialize, $crate::serde::Deserialize)]
        #[serde(crate = "registry::serde", default, deny_unknown_fields)]
        $vis struct $Type {
            $($(#[doc = $about])* $(#[serde($($serde)*)])? $field_vis $field: $Field),*
        }

        impl Default for $Type {
            fn default() -> Self {
                Self { $($field: $value),* }
            }
        }

        impl $crate::Described for $Type {
            fn info(&self) -> $crate::Info {
                $crate::Info::new(concat!($($doc, "\n"),*), ::std::vec![$($crate::OptionInfo::new(
                    stringify!($field),
                    concat!($($about, "\n"),*),
                    concat!($(stringify!($($serde)*))?),
                    <[::std::string::String]>::concat(&[$({
                        use $crate::range::*;
                        text(self.$field, &$range)
                    })?]),
                )),*])
            }

            fn check(&self) -> ::std::result::Result<(), ::std::string::String> {
                $($({
                    use $crate::range::*;
                    check(stringify!($field), self.$field, &$range)?;
                })?)*
                $({
                    let check: fn(&Self) -> ::std::result::Result<(), ::std::string::String> = $check;
                    check(self)?;
                })?
                Ok(())
            }
        }
    };
}

/// Makes an enum out of a list of names and the types that hold their options, and re-exports these types, and those
/// named behind `with`, from their modules: `"lbfgs" => lbfgs::Lbfgs with LineSearch`, or
/// `"saddle" => saddle::Saddle in landscapes`, where the module is inside another.
///
/// In a config an entry is its name (`"adam"`), or a table with one key (`{ adam = { beta1 = 0.95 } }`).
/// The types come from [`options!`], or implement themselves what it does, and implement the trait named, which has
/// [`Described`] above it. The enum dereferences to the trait.
///
/// A text that is no name may be code, `my_code.py:Name`, where an entry is named behind `code:`, whose `of_code` makes of
/// the text an entry, or none.
#[macro_export]
macro_rules! registry {
    (
        $(#[$doc:meta])*
        $vis:vis enum $Enum:ident: $kind:literal, dyn $Entry:path $(, code: $Code:ident)? {
            $($name:literal => $module:ident::$Variant:ident $(in $folder:ident)? $(with $($Other:ident),+)?),* $(,)?
        }
    ) => {
        $($vis use $($folder::)? $module::{$Variant $($(, $Other)+)?};)*

        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        $vis enum $Enum {
            $(#[doc = concat!("`", $name, "`")] $Variant($Variant)),*
        }

        impl $Enum {
            /// What an entry is called in messages.
            pub const KIND: &'static str = $kind;
            /// Every name, in the order of the registry.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The entry with this name, at its defaults.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$Variant(<$Variant>::default())),)*
                    _ => None,
                }
            }

            /// Every entry at its defaults, in the order of the registry.
            #[must_use]
            pub fn all() -> Vec<Self> {
                vec![$(Self::$Variant(<$Variant>::default())),*]
            }

            /// Its name in configs.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$Variant(_) => $name),*
                }
            }

            /// Its options with their values, as JSON.
            ///
            /// # Panics
            /// Never: options are plain data.
            #[must_use]
            pub fn options(&self) -> $crate::serde_json::Value {
                match self {
                    $(Self::$Variant(options) => {
                        $crate::serde_json::to_value(options).expect("options are plain data")
                    })*
                }
            }

            /// Its name and, in brackets, the options that differ from the defaults.
            ///
            /// # Panics
            /// Never: options are plain data.
            #[must_use]
            pub fn label(&self) -> String {
                $crate::label(&$crate::serde_json::to_value(self).expect("options are plain data"))
            }
        }

        impl ::std::ops::Deref for $Enum {
            type Target = dyn $Entry;
            fn deref(&self) -> &Self::Target {
                match self {
                    $(Self::$Variant(options) => options),*
                }
            }
        }

        impl ::std::ops::DerefMut for $Enum {
            fn deref_mut(&mut self) -> &mut Self::Target {
                match self {
                    $(Self::$Variant(options) => options),*
                }
            }
        }

        impl $crate::serde::Serialize for $Enum {
            fn serialize<S: $crate::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use $crate::serde::ser::SerializeMap;
                let default = Self::named(self.name()).map(|entry| entry.options()).unwrap_or_default();
                let changed = $crate::changed(self.options(), &default);
                if changed.as_object().is_none_or(|options| options.is_empty()) {
                    return serializer.serialize_str(self.name());
                }
                let mut table = serializer.serialize_map(Some(1))?;
                table.serialize_entry(self.name(), &changed)?;
                table.end()
            }
        }

        impl<'de> $crate::serde::Deserialize<'de> for $Enum {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl<'de> $crate::serde::de::Visitor<'de> for Visitor {
                    type Value = $Enum;
                    fn expecting(&self, formatter: &mut ::std::fmt::Formatter) -> ::std::fmt::Result {
                        formatter.write_str(concat!(
                            "the name of a ", $kind, ", or a table with one key such as { ",
                            $crate::first!($($name),*), " = { option = 1 } }"
                        ))
                    }
                    fn visit_str<E: $crate::serde::de::Error>(self, name: &str) -> Result<$Enum, E> {
                        $(if let Some(entry) = <$Code>::of_code(name) {
                            return Ok($Enum::$Code(entry));
                        })?
                        $Enum::named(name).ok_or_else(|| $crate::unknown($kind, name, $Enum::NAMES))
                    }
                    fn visit_map<A: $crate::serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$Enum, A::Error> {
                        use $crate::serde::de::Error;
                        let names = || $crate::Name { kind: $kind, names: $Enum::NAMES };
                        let entry = match map.next_key_seed(names())? {
                            $(Some($name) => $Enum::$Variant(map.next_value()?),)*
                            _ => return Err(A::Error::custom(concat!("the table is empty: it needs the name of a ", $kind))),
                        };
                        match map.next_key_seed(names())? {
                            None => Ok(entry),
                            Some(second) => Err(A::Error::custom(format!(
                                concat!("one ", $kind, " a table: `{}` and `{}` are two; write each as a table of its own"),
                                entry.name(), second
                            ))),
                        }
                    }
                }
                deserializer.deserialize_any(Visitor)
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! first {
    ($first:literal $(, $rest:literal)*) => {
        $first
    };
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    trait Shape: Described {
        fn area(&self) -> f64;
    }

    mod circle {
        use super::*;

        options! {
            /// A circle.
            ///
            /// Source: Euclid.
            pub struct Circle {
                radius: f64 = 1.0,
                color: String = "red".into(),
            }
        }
        impl Shape for Circle {
            fn area(&self) -> f64 {
                3.0 * self.radius
            }
        }
    }

    mod framed {
        use super::*;

        options! {
            pub struct Framed {
                shape: Option<Box<Any>> = None,
            }
        }
        impl Shape for Framed {
            fn area(&self) -> f64 {
                self.shape.as_ref().map_or(0.0, |shape| shape.area())
            }
        }
    }

    registry! {
        /// A shape.
        enum Any: "shape", dyn Shape {
            "circle" => circle::Circle,
            "framed" => framed::Framed,
        }
    }

    #[test]
    fn every_entry_is_listed_in_order() {
        assert_eq!(Any::KIND, "shape");
        let names: Vec<&str> = Any::all().iter().map(Any::name).collect();
        assert_eq!(names, Any::NAMES);
        assert_eq!(Any::all()[0].info().source, "Euclid");
    }

    options! {
        /// A square.
        struct Square {
            /// How long a
            /// side is.
            side: f64 = 2.0 => above(0.0),
            /// How often it is turned.
            #[serde(skip_serializing_if = "Option::is_none")]
            turns: Option<u64> = None,
            #[serde(skip)]
            area: Loaded<f64> = Loaded(Some(4.0.into())),
        }
    }

    #[test]
    fn options_keep_their_attributes_and_defaults() {
        let square = Square::default();
        assert_eq!(
            square,
            Square { area: Loaded::default(), ..square.clone() },
            "what is loaded is no option"
        );
        assert_eq!(serde_json::to_string(&square).unwrap(), r#"{"side":2.0}"#);
        assert_eq!(serde_json::from_str::<Square>("{}").unwrap(), square);
        assert!(serde_json::from_str::<Square>(r#"{"area": 1.0}"#).is_err());
        let side = OptionInfo { name: "side", about: "How long a side is".into(), range: "above 0".into() };
        let turns =
            OptionInfo { name: "turns", about: "How often it is turned".into(), range: String::new() };
        assert_eq!(square.info().options, [side, turns]);
        assert_eq!(square.info().summary, "A square");
    }

    #[derive(Deserialize, Debug)]
    struct Config {
        shape: Any,
    }

    fn read(text: &str) -> Result<Any, toml::de::Error> {
        toml::from_str::<Config>(text).map(|config| config.shape)
    }

    #[test]
    fn a_name_and_a_table_are_read_and_written_back() {
        assert_eq!(read("shape = 'circle'").unwrap(), Any::Circle(Circle::default()));
        let shape = read("shape = { framed = { shape = { circle = { radius = 2 } } } }").unwrap();
        assert_eq!(shape.label(), "framed(shape=circle(radius=2))");
        assert_eq!(shape.area(), 6.0);
        let text = serde_json::to_string(&shape).unwrap();
        assert_eq!(text, r#"{"framed":{"shape":{"circle":{"radius":2.0}}}}"#);
        assert_eq!(serde_json::from_str::<Any>(&text).unwrap(), shape);
    }

    #[test]
    fn a_table_of_numbers_stands_in_braces() {
        let entry = serde_json::json!({ "formula": { "constants": { "a": 1.0, "b": 0.5 }, "value": "a*d" } });
        assert_eq!(label(&entry), "formula(constants={a=1, b=0.5}, value=a*d)");
    }

    #[test]
    fn an_old_name_leads_to_that_of_today() {
        assert_eq!(nearest("chain", ["deep_linear_chain", "quadratic"]), Some("deep_linear_chain"));
        assert_eq!(nearest("sees", ["loss_input", "seed"]), Some("loss_input"));
        assert_eq!(nearest("chain", ["quadratic"]), None);
    }

    #[test]
    fn labels_of_old_results_have_todays_names() {
        for (old, today) in [
            ("gradient_descent", "backtracking_gd"),
            ("matrix_factorisation(rank=2)", "matrix_factorization(rank=2)"),
            (
                "composite(terms=[{loss=learnt_gaussian_nll, weight=2}, {loss=mse}])",
                "composite(terms=[{loss=learned_gaussian_nll, weight=2}, {loss=mse}])",
            ),
            ("cautious(rule=gradient_descent(c=2))", "cautious(rule=backtracking_gd(c=2))"),
        ] {
            assert_eq!(renamed(old), today);
            assert_eq!(renamed(today), today);
        }
        for same in [
            "",
            "chained",
            "my_chain",
            "torchscript(file=chain.pt)",
            "formula(constants={sees=1}, value=where(d<=chain, sees*d, chain))",
            "formula(value=(d==chain)*1 + chain*d - 損失)",
        ] {
            assert_eq!(renamed(same), same);
        }
    }

    #[test]
    fn errors_name_the_nearest_and_point_at_the_place() {
        for (text, message, marked) in [
            ("shape = 'cirlce'", "there is no shape `cirlce`: did you mean `circle`?", "'cirlce'"),
            (
                "shape = { cirle = { radius = 2 } }",
                "there is no shape `cirle`: did you mean `circle`?",
                "cirle",
            ),
            ("shape = 'zebra'", "there is no shape `zebra`: there are circle, framed", "'zebra'"),
            ("shape = { circle = { radius = 'x' } }", "invalid type: string \"x\", expected f64", "'x'"),
            (
                "shape = { circle = { raduis = 1 } }",
                "unknown field `raduis`, expected `radius` or `color`",
                "raduis",
            ),
            ("shape = {}", "the table is empty: it needs the name of a shape", "{}"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.message(), message);
            assert_eq!(&text[error.span().unwrap()], marked, "{message}");
        }
        let two = read("shape = { circle = {}, framed = {} }").unwrap_err();
        assert!(two.message().starts_with("one shape a table: `circle` and `framed` are two"));
        let number = read("shape = 3").unwrap_err();
        assert_eq!(
            number.message(),
            "invalid type: integer `3`, expected the name of a shape, or a table with one key such as { circle = { option = 1 } }"
        );
    }
}
