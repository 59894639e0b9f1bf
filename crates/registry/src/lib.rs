//! One macro list an axis of the grid: losses, optimizers, schedules, problems.
//!
//! From a [`registry!`] list come the enum that the config is read into, the defaults, the label in
//! the results, what `runner list` prints, and the entries that the contract tests go through.
//! Adding a thing is one file and one line in the list.

pub mod range;

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, Visitor};
use serde_json::Value;

#[doc(hidden)]
pub use {serde, serde_json};

// The path that `options!` gives serde's derives, in the tests here.
#[cfg(test)]
extern crate self as registry;

/// What a person reads about an entry in `runner list`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// One sentence, without the full stop.
    pub summary: &'static str,
    /// The formula, in the symbols of the paper; several lines where it needs them.
    pub formula: &'static str,
    /// Authors, year and title of the paper, or who defined it.
    pub source: &'static str,
}

/// An entry that can say what it is, and what its options may be.
pub trait Described {
    /// Summary, formula and source.
    fn info(&self) -> Info;

    /// Whether the options are in their ranges and fit together. An entry whose options don't still computes
    /// something, so a config is checked before it runs.
    ///
    /// # Errors
    /// What is wrong: the name of the option, what it may be, and what it is.
    fn check(&self) -> Result<(), String>;
}

/// The nearest of `names` to a misspelt `name`, if one is near enough to be meant.
#[must_use]
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase().replace('-', "_");
    names
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
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
/// defaults, such as `adam(beta1=0.95)`. Takes the serialised entry: a name, or `{name: options}`. An
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

/// The options of `entry` that differ from `default`, both serialised.
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

/// Makes the struct that holds the options of an entry, with their defaults and what `runner list` shows.
///
/// The options are read from a table that may leave any of them out and has no others. Behind the default of a number
/// stands its range: any range of Rust, or one of [`range`], whose items are in scope there. `check` is a function for
/// what ranges can't say.
///
/// ```
/// use registry::{Described, options};
///
/// options! {
///     /// A ring.
///     pub struct Ring {
///         /// How far the hole reaches.
///         pub inner: f64 = 1.0 => 0.0..,
///         /// How far it reaches.
///         pub outer: f64 = 2.0 => above(0.0),
///     }
///     summary: "a ring",
///     formula: "π·(outer² − inner²)",
///     source: "Euclid",
///     check: |ring| if ring.inner < ring.outer { Ok(()) } else { Err("`inner` must be below `outer`".into()) },
/// }
/// assert_eq!(Ring::default().info().source, "Euclid");
/// assert_eq!(Ring::default().check(), Ok(()));
/// assert_eq!(Ring { inner: 1.0, outer: 0.0 }.check().unwrap_err(), "`outer` must be above 0, and is 0");
/// assert_eq!(Ring { inner: 3.0, outer: 2.0 }.check().unwrap_err(), "`inner` must be below `outer`");
/// ```
#[macro_export]
macro_rules! options {
    (
        $(#[$doc:meta])*
        $vis:vis struct $Type:ident {
            $($(#[$attribute:meta])* $field_vis:vis $field:ident: $Field:ty = $value:expr $(=> $range:expr)?,)*
        }
        summary: $summary:expr,
        formula: $formula:expr,
        source: $source:expr,
        $(check: $check:expr,)?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, $crate::serde::Serialize, $crate::serde::Deserialize)]
        #[serde(crate = "registry::serde", default, deny_unknown_fields)]
        $vis struct $Type {
            $($(#[$attribute])* $field_vis $field: $Field),*
        }

        impl Default for $Type {
            fn default() -> Self {
                Self { $($field: $value),* }
            }
        }

        impl $crate::Described for $Type {
            fn info(&self) -> $crate::Info {
                $crate::Info { summary: $summary, formula: $formula, source: $source }
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

/// Makes an enum out of a list of names and the types that hold their options.
///
/// In a config an entry is its name (`"adam"`), or a table with one key (`{ adam = { beta1 = 0.95 } }`).
/// The types come from [`options!`], or implement themselves what it does, and implement the trait named, which has
/// [`Described`] above it. The enum dereferences to the trait.
#[macro_export]
macro_rules! registry {
    (
        $(#[$doc:meta])*
        $vis:vis enum $Enum:ident: $kind:literal, dyn $Entry:path {
            $($name:literal => $Variant:ident($Type:ty)),* $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        $vis enum $Enum {
            $(#[doc = concat!("`", $name, "`")] $Variant($Type)),*
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
                    $($name => Some(Self::$Variant(<$Type>::default())),)*
                    _ => None,
                }
            }

            /// Every entry at its defaults, in the order of the registry.
            #[must_use]
            pub fn all() -> Vec<Self> {
                vec![$(Self::$Variant(<$Type>::default())),*]
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

    options! {
        struct Circle {
            radius: f64 = 1.0,
            colour: String = "red".into(),
        }
        summary: "a circle",
        formula: "π r²",
        source: "Euclid",
    }
    impl Shape for Circle {
        fn area(&self) -> f64 {
            3.0 * self.radius
        }
    }

    options! {
        struct Framed {
            shape: Option<Box<Any>> = None,
        }
        summary: "a shape in a frame",
        formula: "",
        source: "",
    }
    impl Shape for Framed {
        fn area(&self) -> f64 {
            self.shape.as_ref().map_or(0.0, |shape| shape.area())
        }
    }

    registry! {
        /// A shape.
        enum Any: "shape", dyn Shape {
            "circle" => Circle(Circle),
            "framed" => Framed(Framed),
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
        #[derive(PartialOrd)]
        struct Square {
            side: f64 = 2.0,
            #[serde(skip)]
            area: Option<f64> = Some(4.0),
        }
        summary: "a square",
        formula: concat!("a", "²"),
        source: "Euclid",
    }

    #[test]
    fn options_keep_their_attributes_and_defaults() {
        assert!(Square::default() < Square { side: 3.0, ..Square::default() });
        assert_eq!(Square::default().info().formula, "a²");
        assert_eq!(serde_json::to_string(&Square::default()).unwrap(), r#"{"side":2.0}"#);
        assert_eq!(serde_json::from_str::<Square>("{}").unwrap(), Square::default());
        assert!(serde_json::from_str::<Square>(r#"{"area": 1.0}"#).is_err());
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
                "unknown field `raduis`, expected `radius` or `colour`",
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
