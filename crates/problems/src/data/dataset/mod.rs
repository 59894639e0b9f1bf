//! Data from a file: read, checked, split into what is trained on and what is tested on.

mod csv;
mod names;
mod npz;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use losses::File;
use numeric::Stream;
use registry::Loaded;
use safetensors::SafeTensors;
use serde::Serialize;
use tch::{Kind, Tensor};

use self::csv::Csv;
pub use names::Names;

/// Inputs and targets, a row for each example.
#[derive(Debug)]
pub(crate) struct Examples {
    pub inputs: Tensor,
    pub targets: Tensor,
}

/// What is trained on, and what the error is computed on.
#[derive(Debug)]
pub(crate) struct Dataset {
    pub train: Examples,
    pub test: Examples,
    /// How many classes there are, where the targets are classes.
    pub classes: Option<i64>,
}

/// What a config says about the data.
#[derive(Serialize)]
pub(crate) struct Source<'a> {
    pub data: &'a File,
    pub test_data: &'a File,
    pub inputs: &'a Names,
    pub targets: &'a Names,
    /// Whether the targets of a CSV file are classes.
    pub classes: bool,
    /// The share that is held out.
    pub test: f64,
    pub standardize: bool,
}

/// The endings of the files that can be read.
const FORMATS: [&str; 3] = ["safetensors", "npz", "csv"];

fn format_of(file: &File) -> Option<&'static str> {
    let extension = Path::new(file.name()).extension()?.to_str()?.to_lowercase();
    FORMATS.into_iter().find(|format| *format == extension)
}

/// Refuses a file whose ending says that it can't be read.
pub(crate) fn check_format(option: &str, file: &File) -> Result<(), String> {
    if file.is_named() && format_of(file).is_none() {
        let known = FORMATS.join(", .");
        return Err(format!("`{option}` must end in .{known}, and is `{}`", file.name()));
    }
    Ok(())
}

/// What was made of files when a config was read, while no other thread looks at it: a tensor may be sent to another thread
/// and not be seen by two.
pub(crate) fn with_loaded<D, T>(
    data: &Loaded<Result<Mutex<D>, String>>,
    used: impl FnOnce(&D) -> T,
) -> Result<T, String> {
    let data = data.0.as_ref().ok_or("the data aren't loaded")?;
    let data = Result::as_ref(data).map_err(Clone::clone)?;
    Ok(used(&data.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// How many rows of these are held out: this share, and one at least where there is one.
pub(crate) fn held_out(share: f64, rows: usize) -> usize {
    if share == 0.0 { 0 } else { ((share * rows as f64).round() as usize).max(1) }
}

/// The order of rows of which the first are held out, the same for every seed.
pub(crate) fn split_order(rows: usize) -> Vec<usize> {
    Stream::new("dataset: split", &[]).permutation(rows)
}

/// Every tensor of an `.npz` or `.safetensors` file, by name.
///
/// # Errors
/// If it can't be read, or is neither: what is wrong, without the file's name.
pub fn read_tensors(file: &File) -> Result<Vec<(String, Tensor)>, String> {
    match format_of(file) {
        None | Some("csv") => Err("it is neither .npz nor .safetensors".into()),
        format => tensors(file.bytes()?, format),
    }
}

/// Every column of a file of data, by name: tensors, or the columns of a table.
///
/// # Errors
/// If it can't be read: what is wrong, without the file's name.
pub(crate) fn read_columns(file: &File) -> Result<Vec<(String, Tensor)>, String> {
    if format_of(file) != Some("csv") {
        return read_tensors(file);
    }
    let Csv { names, values } = Csv::read(file.bytes()?)?;
    let table = Tensor::from_slice(&values).reshape([-1, names.len() as i64]);
    Ok(names.into_iter().zip(table.unbind(1)).collect())
}

fn tensors(bytes: &[u8], format: Option<&str>) -> Result<Vec<(String, Tensor)>, String> {
    if format == Some("npz") {
        return npz::read(bytes);
    }
    let remedy = |error: String| {
        format!("it is no safetensors file ({error}): write it with safetensors.torch.save_file")
    };
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| remedy(error.to_string()))?;
    let tensor = |(name, view): (String, _)| Ok((name, Tensor::try_from(view)?));
    let tensors: Result<_, tch::TchError> = tensors.tensors().into_iter().map(tensor).collect();
    tensors.map_err(|error| remedy(numeric::panics::reason(&error)))
}

impl Source<'_> {
    /// Reads the data.
    ///
    /// # Errors
    /// If a file can't be used: its name, what is wrong with it, and what to do.
    pub(crate) fn load(&self) -> Result<Dataset, String> {
        let all = self.examples(self.data)?;
        let (mut train, mut test) = if self.test_data.is_named() {
            let test = self.examples(self.test_data)?;
            self.check_alike(&all, &test)?;
            (all, test)
        } else {
            self.split(all)?
        };
        let classes = (train.targets.kind() == Kind::Int64).then(|| {
            let most = |targets: &Tensor| targets.max().int64_value(&[]);
            most(&train.targets).max(most(&test.targets)) + 1
        });
        if self.standardize {
            standardize(&mut train.inputs, &mut test.inputs);
            standardize(&mut train.targets, &mut test.targets);
        }
        Ok(Dataset { train, test, classes })
    }

    /// The examples of one file.
    fn examples(&self, file: &File) -> Result<Examples, String> {
        let name = file.name();
        let read = || {
            let bytes = file.bytes()?;
            if bytes.is_empty() {
                return Err("it is empty: write the data anew".to_owned());
            }
            match format_of(file) {
                Some("csv") => self.columns(Csv::read(bytes)?),
                format => self.named(&tensors(bytes, format)?),
            }
        };
        read().and_then(Examples::check).map_err(|message| format!("`{name}`: {message}"))
    }

    /// Two of a file's tensors.
    fn named(&self, tensors: &[(String, Tensor)]) -> Result<Examples, String> {
        let find = |option: &str, names: &Names, default: &str| {
            let name = match names.0.as_slice() {
                [] => default,
                [name] => name,
                names => {
                    return Err(format!(
                        "`{option}` names {} tensors: name one, and put them together in it",
                        names.len()
                    ));
                }
            };
            let found = tensors.iter().find(|(own, _)| own == name).map(|(_, tensor)| tensor.shallow_clone());
            found.ok_or_else(|| {
                let mut there: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
                there.sort_unstable();
                format!("there is no `{name}` in it, only {}: say {option} = \"…\"", there.join(", "))
            })
        };
        let (inputs, targets) = (find("inputs", self.inputs, "x")?, find("targets", self.targets, "y")?);
        let (inputs, targets) = (number(inputs, "inputs")?, number(targets, "targets")?);
        Ok(Examples { inputs, targets })
    }

    /// Columns of a table: the last is the target, and all others are inputs, where no names are given.
    fn columns(&self, Csv { names, values }: Csv) -> Result<Examples, String> {
        let places: HashMap<&str, usize> =
            names.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
        let find = |option: &str, wanted: &Names| {
            let place = |name: &String| {
                let found = places.get(name.as_str()).copied();
                found.ok_or_else(|| {
                    format!("`{option}` names the column `{name}`, and there are {}", names.join(", "))
                })
            };
            wanted.0.iter().map(place).collect::<Result<Vec<usize>, String>>()
        };
        let mut targets = find("targets", self.targets)?;
        if targets.is_empty() {
            targets.push(names.len() - 1);
        }
        let mut inputs = find("inputs", self.inputs)?;
        if inputs.is_empty() {
            let targets: HashSet<&usize> = targets.iter().collect();
            inputs = (0..names.len()).filter(|column| !targets.contains(column)).collect();
        }
        if inputs.is_empty() {
            return Err(format!(
                "it has no column beside `{}`: there is nothing to learn from",
                names.join("`, `")
            ));
        }
        let table = Tensor::from_slice(&values).reshape([-1, names.len() as i64]);
        let pick = |columns: &[usize]| {
            let columns: Vec<i64> = columns.iter().map(|column| *column as i64).collect();
            table.index_select(1, &Tensor::from_slice(&columns))
        };
        let inputs = pick(&inputs);
        // One column is what a model of one output is told: [n].
        let single = targets.len() == 1;
        let mut targets = if single { pick(&targets).squeeze_dim(1) } else { pick(&targets) };
        if self.classes {
            let whole = targets.to_kind(Kind::Int64);
            if whole.to_kind(Kind::Double) != targets {
                return Err(
                    "with classes = true the targets are whole numbers from 0, and some aren't".into()
                );
            }
            targets = whole;
        }
        Ok(Examples { inputs, targets })
    }

    /// Holds a share out, the same for every seed.
    fn split(&self, all: Examples) -> Result<(Examples, Examples), String> {
        let rows = all.rows();
        if self.test == 0.0 {
            let again = Examples { inputs: all.inputs.shallow_clone(), targets: all.targets.shallow_clone() };
            return Ok((all, again));
        }
        let held_out = held_out(self.test, rows);
        if held_out >= rows {
            return Err(format!(
                "`{}`: {held_out} of {rows} rows are held out, and none is left to train on: lower `test`",
                self.data.name()
            ));
        }
        let order = split_order(rows);
        let (test, train) = order.split_at(held_out);
        Ok((all.pick(train), all.pick(test)))
    }

    /// Refuses test data that look unlike the training data.
    fn check_alike(&self, train: &Examples, test: &Examples) -> Result<(), String> {
        for (what, train, test) in
            [("inputs", &train.inputs, &test.inputs), ("targets", &train.targets, &test.targets)]
        {
            let integers = [train, test].map(|tensor| tensor.kind() == Kind::Int64);
            if train.size()[1..] != test.size()[1..] || integers[0] != integers[1] {
                return Err(format!(
                    "`{}`: the {what} are {:?} of {:?}, and those of `{}` are {:?} of {:?}: rows of both must look alike",
                    self.test_data.name(),
                    test.size(),
                    test.kind(),
                    self.data.name(),
                    train.size(),
                    train.kind()
                ));
            }
        }
        Ok(())
    }
}

impl Examples {
    pub(crate) fn rows(&self) -> usize {
        self.inputs.size()[0] as usize
    }

    /// Some rows.
    fn pick(&self, rows: &[usize]) -> Self {
        let rows = Tensor::from_slice(&rows.iter().map(|row| *row as i64).collect::<Vec<_>>());
        Self { inputs: self.inputs.index_select(0, &rows), targets: self.targets.index_select(0, &rows) }
    }

    /// Refuses what no model can be trained on.
    fn check(self) -> Result<Self, String> {
        let (inputs, targets) = (self.inputs.size(), self.targets.size());
        if inputs.first() != targets.first() || inputs.is_empty() {
            return Err(format!(
                "the inputs are {inputs:?} and the targets {targets:?}: the first dimension counts the examples, \
                 and must be the same"
            ));
        }
        if self.inputs.numel() == 0 || self.targets.numel() == 0 {
            return Err("there is no row in it: a few examples at least are needed".into());
        }
        for (what, tensor) in [("inputs", &self.inputs), ("targets", &self.targets)] {
            let finite = tensor.isfinite().view([tensor.size()[0], -1]).all_dim(1, false);
            if !bool::try_from(finite.all()).expect("one truth value") {
                let row = finite.logical_not().to_kind(Kind::Int).argmax(0, false).int64_value(&[]);
                return Err(format!(
                    "the {what} of example {row} (from 0) hold NaN or infinity: fill them in or take it out"
                ));
            }
        }
        if self.targets.kind() == Kind::Int64 && self.targets.min().int64_value(&[]) < 0 {
            return Err("integer targets are classes and count from 0, and there is a negative one: number them anew, or \
                        store floats if they are values".into());
        }
        Ok(self)
    }
}

/// Floats as they are, and integers as `int64`: indices to look up, or classes.
fn number(tensor: Tensor, what: &str) -> Result<Tensor, String> {
    match tensor.kind() {
        Kind::Float | Kind::Double | Kind::Int64 => Ok(tensor),
        Kind::Half | Kind::BFloat16 => Ok(tensor.to_kind(Kind::Float)),
        // Bytes are pictures when they are inputs, which a model wants as floats, and classes when they are targets.
        Kind::Uint8 if what == "inputs" => Err(
            "the inputs are uint8, which no layer takes: store float32, such as x.astype('float32') / 255"
                .into(),
        ),
        Kind::Int | Kind::Int16 | Kind::Int8 | Kind::Uint8 => Ok(tensor.to_kind(Kind::Int64)),
        other => Err(format!("the {what} are of {other:?}: store float32, or int64")),
    }
}

/// Moves columns to mean 0 and scales them to standard deviation 1, both of the training rows; integers stay.
fn standardize(train: &mut Tensor, test: &mut Tensor) {
    if train.kind() == Kind::Int64 {
        return;
    }
    let exact = train.to_kind(Kind::Double);
    let mean = exact.mean_dim(0, true, None::<Kind>);
    let deviation = (&exact - &mean).square().mean_dim(0, true, None::<Kind>).sqrt();
    // A column that never changes says nothing: it becomes 0.
    let deviation = deviation.where_scalarother(&deviation.gt(0.0), 1.0);
    for tensor in [train, test] {
        let kind = tensor.kind();
        *tensor = ((tensor.to_kind(Kind::Double) - &mean) / &deviation).to_kind(kind);
    }
}
