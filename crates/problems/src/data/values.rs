//! Where the numbers of a target and a start come from.

use std::fmt;

use losses::File;
use numeric::Stream;
use registry::{grouped, range};
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor, value};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::data::dataset::read_tensors;

/// The most numbers of a target or a start: a dozen runs go side by side, with some twenty vectors of that length each.
pub const MOST_NUMBERS: u64 = 1_000_000;

/// Numbers and their shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Array {
    /// One after another, the last dimension the fastest.
    pub values: Vec<f64>,
    /// The shape.
    pub shape: Vec<i64>,
}

impl Array {
    fn filled(shape: &[i64], mut value: impl FnMut(usize) -> f64) -> Self {
        let count = shape.iter().product::<i64>() as usize;
        Self { values: (0..count).map(&mut value).collect(), shape: shape.to_vec() }
    }

    /// The same on libtorch.
    pub fn tensor(&self, kind: Kind) -> Tensor {
        Tensor::from_slice(&self.values).reshape(&self.shape).to_kind(kind)
    }
}

/// Numbers as a config writes them: one, a list, or a generator.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Values {
    /// As they stand.
    List(Vec<f64>),
    /// Drawn or read.
    Draws(Draws),
}

/// A generator of numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Draws {
    /// mean + std·N(0, 1)
    Normal(Normal),
    /// Evenly between two ends.
    Uniform(Uniform),
    /// One value everywhere.
    Constant(Constant),
    /// The target plus other numbers.
    Offset(Box<Values>),
    /// Classes 0 … count − 1, in turn.
    Classes(Classes),
    /// A tensor of an `.npz` or `.safetensors` file.
    File(FromFile),
    /// These numbers in this shape.
    Array(Array),
}

/// See [`Draws::Normal`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Normal {
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub std: f64,
    /// The shape; the target's, or `[16]`, if it isn't said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<i64>>,
}

impl Default for Normal {
    fn default() -> Self {
        Self { mean: 0.0, std: 1.0, shape: None }
    }
}

/// See [`Draws::Uniform`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Uniform {
    /// The lower end.
    pub from: f64,
    /// The upper end.
    pub to: f64,
    /// The shape; the target's, or `[16]`, if it isn't said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<i64>>,
}

impl Default for Uniform {
    fn default() -> Self {
        Self { from: 0.0, to: 1.0, shape: None }
    }
}

/// See [`Draws::Constant`]. May be written as its value alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Constant {
    /// The value.
    pub value: f64,
    /// The shape; the target's, or `[16]`, if it isn't said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<i64>>,
}

impl<'de> Deserialize<'de> for Constant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            value: f64,
            shape: Option<Vec<i64>>,
        }
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Constant;
            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a number, or { value = 0.5, shape = [16] }")
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Constant, E> {
                Ok(Constant { value, shape: None })
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Constant, E> {
                self.visit_f64(value as f64)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Constant, A::Error> {
                let Table { value, shape } = Table::deserialize(value::MapAccessDeserializer::new(map))?;
                Ok(Constant { value, shape })
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// See [`Draws::Classes`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classes {
    /// How many classes.
    pub count: i64,
    /// The shape; the target's, or `[16]`, if it isn't said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<i64>>,
}

/// See [`Draws::File`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FromFile {
    /// Relative to the config's folder.
    pub path: File,
    /// Which tensor of it; the only one, if it isn't said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensor: Option<String>,
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Values;
            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a number, a list of numbers, or a generator such as { normal = { std = 2, shape = [16] } }")
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Values, E> {
                Ok(Values::List(vec![number]))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Values, E> {
                self.visit_f64(number as f64)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Values, A::Error> {
                Vec::deserialize(value::SeqAccessDeserializer::new(seq)).map(Values::List)
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Values, E> {
                match name {
                    "normal" => Ok(Values::Draws(Draws::Normal(Normal::default()))),
                    "uniform" => Ok(Values::Draws(Draws::Uniform(Uniform::default()))),
                    _ => Err(E::custom(format!(
                        "unknown generator `{name}`, expected one of `normal`, `uniform`, or a table"
                    ))),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Values, A::Error> {
                Draws::deserialize(value::MapAccessDeserializer::new(map)).map(Values::Draws)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl Values {
    /// The file that they are read from, to be loaded.
    pub fn file_mut(&mut self) -> Option<&mut File> {
        match self {
            Self::Draws(Draws::File(FromFile { path, .. })) => Some(path),
            Self::Draws(Draws::Offset(offset)) => offset.file_mut(),
            _ => None,
        }
    }

    /// The file that they are read from.
    #[must_use]
    pub fn file(&self) -> Option<&File> {
        match self {
            Self::Draws(Draws::File(FromFile { path, .. })) => Some(path),
            Self::Draws(Draws::Offset(offset)) => offset.file(),
            _ => None,
        }
    }

    /// Whether they are told from a target, and can't be one.
    #[must_use]
    pub fn is_offset(&self) -> bool {
        matches!(self, Self::Draws(Draws::Offset(_)))
    }

    /// What is wrong with the numbers themselves, if anything.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let finite = |name: &str, value: f64| range::check(name, value, &..).err();
        let sized = |shape: &Option<Vec<i64>>| {
            let shape = shape.as_ref()?;
            let count = shape.iter().fold(1, |product: i128, n| product.saturating_mul(i128::from(*n)));
            let sound = shape.iter().all(|n| *n > 0) && count <= i128::from(MOST_NUMBERS);
            (!sound).then(|| {
                let all = grouped(u64::try_from(count).unwrap_or(u64::MAX));
                let some = &shape[..shape.len().min(8)];
                let more = if shape.len() > some.len() { " and more" } else { "" };
                let most = grouped(MOST_NUMBERS);
                format!("`shape` must hold sizes of 1 or more, at most {most} numbers in all, and is {some:?}{more}: {all} numbers")
            })
        };
        match self {
            Self::List(list) if list.is_empty() => Some("the list is empty".into()),
            Self::List(list) if list.len() as u64 > MOST_NUMBERS => {
                let [count, most] = [list.len() as u64, MOST_NUMBERS].map(grouped);
                Some(format!("the list has {count} numbers, and may have at most {most}"))
            }
            Self::List(list) => list.iter().find_map(|value| finite("a number", *value)),
            Self::Draws(Draws::Normal(Normal { mean, std, shape })) => {
                let std_fault = (!(*std >= 0.0 && std.is_finite()))
                    .then(|| format!("`std` must be 0 or above, and is {std}"));
                finite("mean", *mean).or(std_fault).or_else(|| sized(shape))
            }
            Self::Draws(Draws::Uniform(Uniform { from, to, shape })) => {
                let order = (from > to).then(|| format!("`from` is {from} and `to` is {to}: exchange them"));
                finite("from", *from).or(finite("to", *to)).or(order).or_else(|| sized(shape))
            }
            Self::Draws(Draws::Constant(Constant { value, shape })) => {
                finite("value", *value).or_else(|| sized(shape))
            }
            Self::Draws(Draws::Offset(offset)) => match &**offset {
                Self::Draws(Draws::Offset(_) | Draws::Classes(_)) => {
                    Some("an offset must be numbers of its own: a number, a list, `normal`, `uniform`, `constant` or `file`".into())
                }
                other => other.fault(),
            },
            Self::Draws(Draws::Classes(Classes { count, shape })) => {
                // Of each target the start has a number for each class.
                let targets = shape.iter().flatten().fold(1, |all: i128, n| all.saturating_mul(i128::from(*n)));
                let logits = targets.saturating_mul(i128::from(*count));
                let [all, most] = [u64::try_from(logits).unwrap_or(u64::MAX), MOST_NUMBERS].map(grouped);
                let many = || format!("`count` times the targets may be at most {most}, and is {all}");
                (*count < 2)
                    .then(|| format!("`count` must be at least 2, and is {count}"))
                    .or_else(|| sized(shape))
                    .or_else(|| (logits > i128::from(MOST_NUMBERS)).then(many))
            }
            Self::Draws(Draws::Array(Array { values, shape })) => sized(&Some(shape.clone())).or_else(|| {
                let count = shape.iter().product::<i64>();
                (count != values.len() as i64)
                    .then(|| format!("`shape` {shape:?} holds {count} numbers, and there are {}", values.len()))
            }),
            Self::Draws(Draws::File(_)) => None,
        }
    }

    /// The numbers of a target, drawn for `seed` where they are random.
    ///
    /// # Errors
    /// If a file can't be read, or has no such tensor.
    pub fn target(&self, seed: u64) -> Result<Array, String> {
        self.draw("diagnose: target", seed, &[16], None)
    }

    /// The numbers of a start; those without a shape of their own take the target's.
    ///
    /// # Errors
    /// As [`target`](Self::target), and if an offset has not as many numbers as the target.
    pub fn start(&self, target: &Array, seed: u64) -> Result<Array, String> {
        self.draw("diagnose: start", seed, &target.shape, Some(target))
    }

    fn draw(
        &self,
        purpose: &str,
        seed: u64,
        default_shape: &[i64],
        target: Option<&Array>,
    ) -> Result<Array, String> {
        let mut stream = Stream::new(purpose, &[seed]);
        let shape = |shape: &Option<Vec<i64>>| shape.clone().unwrap_or_else(|| default_shape.to_vec());
        Ok(match self {
            Self::List(list) if list.len() == 1 && target.is_some() => {
                Array::filled(default_shape, |_| list[0])
            }
            Self::List(list) => Array { shape: vec![list.len() as i64], values: list.clone() },
            Self::Draws(Draws::Array(array)) => array.clone(),
            Self::Draws(Draws::Normal(Normal { mean, std, shape: own })) => {
                Array::filled(&shape(own), |_| mean + std * stream.normal())
            }
            Self::Draws(Draws::Uniform(Uniform { from, to, shape: own })) => {
                Array::filled(&shape(own), |_| from + (to - from) * stream.uniform())
            }
            Self::Draws(Draws::Constant(Constant { value, shape: own })) => {
                Array::filled(&shape(own), |_| *value)
            }
            Self::Draws(Draws::Classes(Classes { count, shape: own })) => {
                Array::filled(&shape(own), |i| (i as i64 % count) as f64)
            }
            Self::Draws(Draws::Offset(offset)) => {
                let target = target.ok_or("a target can't be an offset from itself")?;
                let offset = offset.draw(purpose, seed, default_shape, Some(target))?;
                if offset.values.len() != target.values.len() {
                    return Err(format!(
                        "the start is an offset of {} numbers from a target of {}: give them the same shape",
                        offset.values.len(),
                        target.values.len()
                    ));
                }
                let sum = target.values.iter().zip(&offset.values).map(|(t, o)| t + o).collect();
                Array { values: sum, shape: offset.shape }
            }
            Self::Draws(Draws::File(file)) => file.read()?,
        })
    }

    /// Whether another seed draws other numbers.
    pub(crate) fn is_random(&self) -> bool {
        match self {
            Self::Draws(Draws::Normal(Normal { std, .. })) => *std > 0.0,
            Self::Draws(Draws::Uniform(Uniform { from, to, .. })) => from < to,
            Self::Draws(Draws::Offset(offset)) => offset.is_random(),
            _ => false,
        }
    }
}

impl FromFile {
    fn read(&self) -> Result<Array, String> {
        let Self { path, tensor } = self;
        let shown = path.name();
        let tensors = read_tensors(path).map_err(|message| format!("{shown}: {message}"))?;
        let names = || tensors.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let found = match tensor {
            Some(name) => tensors
                .iter()
                .find(|(known, _)| known == name)
                .ok_or_else(|| format!("{shown} has no tensor `{name}`: it has {}", names()))?,
            None if tensors.len() == 1 => &tensors[0],
            None => {
                return Err(format!("{shown} has several tensors: choose by `tensor`, one of {}", names()));
            }
        };
        let values = Vec::<f64>::try_from(found.1.to_kind(Kind::Double).flatten(0, -1))
            .map_err(|error| format!("the tensor `{}` of {shown} isn't numbers: {error}", found.0))?;
        if values.is_empty() {
            return Err(format!("the tensor `{}` of {shown} is empty", found.0));
        }
        Ok(Array { values, shape: found.1.size() })
    }
}
