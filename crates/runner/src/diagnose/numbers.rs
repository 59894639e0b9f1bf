//! The numbers that a config's generators stand for.

use numeric::Stream;
use problems::read_tensors;
use tch::{Kind, Tensor};

use crate::config::generators::{Classes, Constant, Draws, FromFile, Normal, Uniform, Values};

/// Numbers and their shape.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    pub values: Vec<f64>,
    pub shape: Vec<i64>,
}

impl Array {
    fn filled(shape: &[i64], mut value: impl FnMut(usize) -> f64) -> Self {
        let count = shape.iter().product::<i64>() as usize;
        Self { values: (0..count).map(&mut value).collect(), shape: shape.to_vec() }
    }

    pub fn tensor(&self, kind: Kind) -> Tensor {
        Tensor::from_slice(&self.values).reshape(&self.shape).to_kind(kind)
    }
}

/// The target.
pub(super) fn target(values: &Values, seed: u64) -> Result<Array, String> {
    draw(values, "diagnose: target", seed, &[16], None)
}

/// The start; numbers without a shape of their own take the target's.
pub(super) fn start(values: &Values, target: &Array, seed: u64) -> Result<Array, String> {
    draw(values, "diagnose: start", seed, &target.shape, Some(target))
}

fn draw(
    values: &Values,
    purpose: &str,
    seed: u64,
    default_shape: &[i64],
    target: Option<&Array>,
) -> Result<Array, String> {
    let mut stream = Stream::new(purpose, &[seed]);
    let shape = |shape: &Option<Vec<i64>>| shape.clone().unwrap_or_else(|| default_shape.to_vec());
    Ok(match values {
        Values::List(list) if list.len() == 1 && target.is_some() => {
            Array::filled(default_shape, |_| list[0])
        }
        Values::List(list) => Array { shape: vec![list.len() as i64], values: list.clone() },
        Values::Draws(Draws::Normal(Normal { mean, std, shape: own })) => {
            Array::filled(&shape(own), |_| mean + std * stream.normal())
        }
        Values::Draws(Draws::Uniform(Uniform { from, to, shape: own })) => {
            Array::filled(&shape(own), |_| from + (to - from) * stream.uniform())
        }
        Values::Draws(Draws::Constant(Constant { value, shape: own })) => {
            Array::filled(&shape(own), |_| *value)
        }
        Values::Draws(Draws::Classes(Classes { count, shape: own })) => {
            Array::filled(&shape(own), |i| (i as i64 % count) as f64)
        }
        Values::Draws(Draws::Offset(offset)) => {
            let target = target.expect("only a start is an offset");
            let offset = draw(offset, purpose, seed, default_shape, Some(target))?;
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
        Values::Draws(Draws::File(file)) => read(file)?,
    })
}

fn read(FromFile { path, tensor }: &FromFile) -> Result<Array, String> {
    let shown = path.name();
    let tensors = read_tensors(path).map_err(|message| format!("{shown}: {message}"))?;
    let names = || tensors.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let found = match tensor {
        Some(name) => tensors
            .iter()
            .find(|(known, _)| known == name)
            .ok_or_else(|| format!("{shown} has no tensor `{name}`: it has {}", names()))?,
        None if tensors.len() == 1 => &tensors[0],
        None => return Err(format!("{shown} has several tensors: choose by `tensor`, one of {}", names())),
    };
    let values = Vec::<f64>::try_from(found.1.to_kind(Kind::Double).flatten(0, -1))
        .map_err(|error| format!("the tensor `{}` of {shown} isn't numbers: {error}", found.0))?;
    if values.is_empty() {
        return Err(format!("the tensor `{}` of {shown} is empty", found.0));
    }
    Ok(Array { values, shape: found.1.size() })
}
