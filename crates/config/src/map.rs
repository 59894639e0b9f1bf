//! What a map shows: one training run a pixel, and the two things that vary over the picture.

use std::fmt;
use std::path::Path;

use losses::{Files, Loss, Python};
use optimizers::{Optimizer, Schedule};
use problems::Problem;
use records::{AxisScale, Dtype};
use registry::range::above;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use toml::Spanned;

use crate::entry;
use crate::error::{Source, read_text};
use crate::limits::{LONGEST_OF_MANY, MOST_CELLS, MOST_CSV_PIXELS, MOST_STEPS, grouped};
use crate::{ConfigError, DtypeChoice, check_name};

/// A map as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Spanned<String>,
    problem: Spanned<Problem>,
    loss: Option<Spanned<Loss>>,
    optimizer: Spanned<Optimizer>,
    schedule: Option<Spanned<Schedule>>,
    lr: Option<Spanned<f64>>,
    steps: Option<Spanned<u64>>,
    target: Option<Spanned<f64>>,
    hold: Option<Spanned<u64>>,
    divergence: Option<Spanned<f64>>,
    #[serde(default)]
    dtype: DtypeChoice,
    #[serde(default)]
    seed: u64,
    show: Option<Spanned<Show>>,
    #[serde(default)]
    csv: bool,
    x: Spanned<Side>,
    y: Spanned<Side>,
}

/// An axis as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Side {
    vary: Spanned<String>,
    from: f64,
    to: f64,
    #[serde(default)]
    scale: AxisScale,
    #[serde(default = "pixels")]
    pixels: Spanned<u32>,
}

fn pixels() -> Spanned<u32> {
    Spanned::new(0..0, 512)
}

/// What the colors stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Show {
    /// The steps until the error is at the target.
    #[default]
    Steps,
    /// The error at the end.
    Error,
    /// Which minimizer of a landscape was reached, darker the more steps it took.
    Minimizer,
}

/// What varies along an axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vary {
    /// The learning rate.
    Lr,
    /// A coordinate of the start, from 0.
    Start(usize),
    /// An option, by the path to it, such as `optimizer`, `momentum`.
    Option(Vec<String>),
}

impl Vary {
    /// Whether pixels that differ in it alone can be lanes of one batch.
    #[must_use]
    pub fn in_lanes(&self) -> bool {
        !matches!(self, Self::Option(_))
    }
}

impl Vary {
    /// As a config writes it: `lr`, `start.x1`, `optimizer.momentum`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Lr => "lr".to_owned(),
            Self::Start(element) => format!("start.x{}", element + 1),
            Self::Option(path) => path.join("."),
        }
    }
}

impl fmt::Display for Vary {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Lr => formatter.write_str("learning rate"),
            Self::Start(element) => write!(formatter, "start x{}", element + 1),
            Self::Option(path) => formatter.write_str(&path[1..].join(".")),
        }
    }
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What varies.
    pub vary: Vary,
    /// The lower end, at the edge of the first pixel.
    pub from: f64,
    /// The upper end, at the edge of the last pixel.
    pub to: f64,
    /// How the pixels are spread.
    pub scale: AxisScale,
    /// How many there are.
    pub pixels: usize,
}

impl Axis {
    /// The value in the middle of a pixel.
    #[must_use]
    pub fn value(&self, pixel: usize) -> f64 {
        let share = (pixel as f64 + 0.5) / self.pixels as f64;
        let between = |from: f64, to: f64| from + share * (to - from);
        match self.scale {
            AxisScale::Linear => between(self.from, self.to),
            AxisScale::Log => libm::pow(10.0, between(libm::log10(self.from), libm::log10(self.to))),
            AxisScale::Complement => {
                let [from, to] = [self.from, self.to].map(|end| libm::log10(1.0 - end));
                1.0 - libm::pow(10.0, between(from, to))
            }
        }
    }
}

/// What is trained with what, at one place of the map.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The problem.
    pub problem: Problem,
    /// Its loss; `None` for a landscape.
    pub loss: Option<Loss>,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// The schedule.
    pub schedule: Schedule,
    /// The files that the config names.
    pub files: Files,
}

impl Setting {
    /// The same with an option set to a number.
    ///
    /// # Errors
    /// If there is no such option, or the number is out of its range.
    pub fn with(&self, path: &[String], number: f64) -> Result<Self, String> {
        let mut setting = self.clone();
        let (part, rest) = path.split_first().ok_or("no option is named")?;
        match part.as_str() {
            "problem" => setting.problem = self.replaced(&self.problem, rest, number)?,
            "optimizer" => setting.optimizer = self.replaced(&self.optimizer, rest, number)?,
            "schedule" => setting.schedule = self.replaced(&self.schedule, rest, number)?,
            _ => {
                let loss = self.loss.as_ref().ok_or("a landscape has no loss")?;
                setting.loss = Some(self.replaced(loss, rest, number)?);
            }
        }
        Ok(setting)
    }

    /// How many parameters there are, where the fused engine runs.
    fn fused_elements(&self) -> Option<usize> {
        let block = self.problem.block::<f32>(&[0], self.loss.as_ref())?;
        self.optimizer.stepper::<f32>(1).map(|_| block.elements())
    }

    /// An entry with one number in it replaced.
    fn replaced<T>(&self, entry: &T, path: &[String], number: f64) -> Result<T, String>
    where
        T: entry::Entry + Serialize + DeserializeOwned,
    {
        let mut entry = replaced(entry, path, number)?;
        // What was written and read again knows its files by name only. They are read already.
        entry.prepare(&mut self.files.clone())?;
        Ok(entry)
    }
}

/// As it would be written with one number in it replaced.
fn replaced<T: Serialize + DeserializeOwned>(entry: &T, path: &[String], number: f64) -> Result<T, String> {
    let mut value = serde_json::to_value(entry).map_err(|error| error.to_string())?;
    let whole = serde_json::from_value::<T>(with(value.clone(), path, (number.round() as i64).into()));
    value = with(value, path, number.into());
    // An option that counts something takes no fractions.
    serde_json::from_value(value).or(whole).map_err(|error| error.to_string())
}

/// A serialized entry (its name, or its name and the options that aren't the default) with an option set.
fn with(entry: Value, path: &[String], number: Value) -> Value {
    let Some((key, rest)) = path.split_first() else { return number };
    let mut options = match entry {
        Value::String(name) => {
            return json_of(&name, with(Value::Object(serde_json::Map::new()), path, number));
        }
        Value::Object(options) => options,
        _ => serde_json::Map::new(),
    };
    let tag = (options.len() == 1).then(|| options.keys().next().cloned()).flatten();
    if let Some(tag) = tag.filter(|tag| tag != key && options[tag].is_object()) {
        let inner = options.remove(&tag).unwrap_or_default();
        return json_of(&tag, with(inner, path, number));
    }
    let inner = options.remove(key).unwrap_or(Value::Null);
    options.insert(key.clone(), with(inner, rest, number));
    Value::Object(options)
}

fn json_of(key: &str, value: Value) -> Value {
    Value::Object([(key.to_owned(), value)].into_iter().collect())
}

/// A checked map.
#[derive(Clone, Debug)]
pub struct Map {
    /// The folder's name under `results/`.
    pub name: String,
    /// What doesn't vary.
    pub setting: Setting,
    /// The learning rate, where no axis is.
    pub lr: f64,
    /// The seed of all runs.
    pub seed: u64,
    /// The budget.
    pub steps: u64,
    /// The error that is good enough.
    pub target: f64,
    /// The consecutive steps that it must hold for.
    pub hold: u64,
    /// A run has diverged when its error is this many times the error it started with.
    pub divergence: f64,
    /// The type of the parameters.
    pub dtype: Dtype,
    /// What the colors stand for.
    pub show: Show,
    /// Whether to write a line a pixel, too.
    pub csv: bool,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// The text of the file.
    pub text: String,
}

/// Reads and checks a map's config, for which Python may be started or not.
///
/// # Errors
/// If the file can't be read, or for the first mistake in it.
pub fn read(path: &Path, python: Python) -> Result<Map, ConfigError> {
    parse_with(path, read_text(path)?, python)
}

/// Checks the text of a map's config; `file` is what messages call it, and its folder is where its files are.
///
/// # Errors
/// For the first mistake in it.
///
/// # Panics
/// Never: the registry has a constant schedule.
pub fn parse(file: impl AsRef<Path>, text: String) -> Result<Map, ConfigError> {
    parse_with(file.as_ref(), text, Python::default())
}

fn parse_with(file: &Path, text: String, python: Python) -> Result<Map, ConfigError> {
    let source = Source::new(file, &text).with_python(python);
    let entry: Entry = source.read()?;
    source.files.borrow_mut().expect_seed(entry.seed);
    let name = check_name(&source, &entry.name)?;
    let problem = source.entry(&entry.problem)?;
    let loss = entry.loss.as_ref().map(|loss| source.entry(loss)).transpose()?;
    source.check_pair(&problem, loss.as_ref())?;
    let optimizer = source.entry(&entry.optimizer)?.into_inner();
    let schedule = source.optional(entry.schedule.as_ref())?;
    let setting = Setting {
        problem: problem.into_inner(),
        loss: loss.map(Spanned::into_inner),
        optimizer,
        schedule: schedule.unwrap_or_else(|| Schedule::named("constant").expect("the registry has it")),
        files: source.files.borrow().clone(),
    };
    let axes = [&entry.x, &entry.y].map(|side| axis(&source, side, &setting));
    let [x, y] = axes;
    let (x, y) = (x?, y?);
    if x.vary == y.vary {
        let place = entry.y.as_ref().vary.span();
        return Err(source.at(place, "both axes vary the same", "vary something else along one of them"));
    }
    if entry.lr.is_none() && x.vary != Vary::Lr && y.vary != Vary::Lr {
        return Err(source.whole(
            "there is no learning rate",
            "add a line such as lr = 0.01, or vary = \"lr\" along an axis",
        ));
    }
    let show = entry.show.as_ref().map_or(Show::Steps, |show| *show.as_ref());
    if let Some(place) = entry.show.as_ref().filter(|_| show == Show::Minimizer) {
        let named = setting.problem.minimizers().len() > 1;
        source.require(
            place,
            named,
            &format!("`{}` hasn't several minimizers to tell apart", setting.problem.name()),
            "use show = \"steps\", or a landscape such as himmelblau",
        )?;
    }
    let steps = source.within(&(1..=LONGEST_OF_MANY), entry.steps.as_ref(), "steps")?.unwrap_or(500);
    let hold = source.hold(entry.hold.as_ref(), steps)?;
    check_size(&source, &entry, [x.pixels, y.pixels], steps)?;
    check_memory(&source, &entry, &setting, x.pixels.max(y.pixels) as u64)?;
    let hardest = setting.problem.targets().last().copied().unwrap_or(1e-3);
    Ok(Map {
        name,
        lr: source.within(&above(0.0), entry.lr.as_ref(), "lr")?.unwrap_or(1.0),
        seed: entry.seed,
        steps,
        target: source.within(&above(0.0), entry.target.as_ref(), "target")?.unwrap_or(hardest),
        hold,
        divergence: source.within(&above(1.0), entry.divergence.as_ref(), "divergence")?.unwrap_or(1e6),
        dtype: entry.dtype.into(),
        show,
        csv: entry.csv,
        x,
        y,
        setting,
        text,
    })
}

/// The most pixels along an axis.
const MOST: u32 = 8192;

/// Numbers that the runs of a line end at: 0.5 GB a thread.
const MOST_LINE: u64 = 1 << 26;

/// Refuses a map of too many runs, or of runs that are too long together.
fn check_size(source: &Source, entry: &Entry, pixels: [usize; 2], steps: u64) -> Result<(), ConfigError> {
    let runs = pixels[0] as u64 * pixels[1] as u64;
    let place = || entry.x.as_ref().pixels.span();
    let place = || if place().is_empty() { entry.x.span() } else { place() };
    let [width, height] = pixels;
    let refuse = |what: String, most: u64, help: &str| {
        let message =
            format!("the map has {width} × {height} pixels, {what}, and may have at most {}", grouped(most));
        Err(source.at(place(), &message, help))
    };
    if runs > MOST_CELLS {
        return refuse(
            format!("{} runs", grouped(runs)),
            MOST_CELLS,
            "take fewer pixels: 4096 × 4096 are 16,777,216",
        );
    }
    let all = runs.saturating_mul(steps);
    if all > MOST_STEPS {
        let what = format!("{} steps together ({steps} a run)", grouped(all));
        return refuse(what, MOST_STEPS, "take fewer pixels or steps");
    }
    if entry.csv && runs > MOST_CSV_PIXELS {
        let what = format!("{} rows of map.csv", grouped(runs));
        return refuse(what, MOST_CSV_PIXELS, "leave out `csv`: the numbers are in the .npy files too");
    }
    Ok(())
}

/// Refuses a line of runs whose ends memory couldn't hold.
fn check_memory(source: &Source, entry: &Entry, setting: &Setting, runs: u64) -> Result<(), ConfigError> {
    let elements = setting.fused_elements().unwrap_or(0) as u64;
    let message = format!(
        "a line of the map has {} runs of {} parameters each, and may have at most {} numbers",
        grouped(runs),
        grouped(elements),
        grouped(MOST_LINE)
    );
    let help = "take fewer parameters, or fewer pixels";
    source.require(&entry.problem, runs.saturating_mul(elements) <= MOST_LINE, &message, help)
}

fn axis(source: &Source, side: &Spanned<Side>, setting: &Setting) -> Result<Axis, ConfigError> {
    let Side { vary, from, to, scale, pixels } = side.as_ref();
    let sized = (1..=MOST).contains(pixels.as_ref());
    source.require(pixels, sized, &format!("`pixels` must be from 1 to {MOST}"), "the default is 512")?;
    let ordered = from.is_finite() && to.is_finite() && from < to;
    let range = match scale {
        AxisScale::Linear => ordered,
        AxisScale::Log => ordered && *from > 0.0,
        AxisScale::Complement => ordered && *to < 1.0,
    };
    let needs = match scale {
        AxisScale::Linear => "an axis goes from a smaller to a larger number",
        AxisScale::Log => "a logarithmic axis goes from a number above 0 to a larger one",
        AxisScale::Complement => "an axis of scale complement goes from a smaller to a larger number below 1",
    };
    source.require(side, range, &format!("{needs}, and this from {from} to {to}"), "")?;
    let help = "vary lr; a coordinate of the start: start.x1, start.x2; or an option: optimizer.momentum, \
                schedule.NAME, loss.NAME, problem.NAME (`optbench list NAME` shows them)";
    let place = || vary.span();
    let text: &str = vary.as_ref();
    let known = match text.split('.').collect::<Vec<_>>()[..] {
        ["lr"] => Vary::Lr,
        ["start", coordinate] => {
            let number = coordinate.strip_prefix('x').and_then(|number| number.parse::<usize>().ok());
            let Some(element) = number.and_then(|number| number.checked_sub(1)) else {
                return Err(source.at(place(), &format!("`{coordinate}` is no coordinate"), help));
            };
            let Some(elements) = setting.fused_elements() else {
                let message = "the start can only be varied where the fused engine runs";
                return Err(source.at(place(), message, "`optbench list NAME` says which engines run what"));
            };
            let message = format!("there is no x{}: there are {elements} parameters", element + 1);
            source.require(vary, element < elements, &message, "the first is start.x1")?;
            Vary::Start(element)
        }
        ["problem" | "loss" | "optimizer" | "schedule", _, ..] => {
            Vary::Option(text.split('.').map(str::to_owned).collect())
        }
        _ => return Err(source.at(place(), &format!("`{text}` is nothing to vary"), help)),
    };
    let pixels = *pixels.as_ref() as usize;
    let axis = Axis { vary: known, from: *from, to: *to, scale: *scale, pixels };
    match &axis.vary {
        Vary::Lr => source.require(side, *from >= 0.0, "a learning rate can't be below 0", "")?,
        Vary::Start(_) => {}
        Vary::Option(path) => {
            for pixel in 0..pixels {
                let value = axis.value(pixel);
                let wrong = |message: String| source.at(place(), &format!("at {value}: {message}"), help);
                setting.with(path, value).map_err(wrong)?;
            }
        }
    }
    Ok(axis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(optimizer: &str) -> Setting {
        let optimizer = serde_json::from_str(optimizer).unwrap();
        let [problem, schedule] = ["himmelblau", "constant"];
        Setting {
            problem: Problem::named(problem).unwrap(),
            loss: Loss::named("huber"),
            optimizer,
            schedule: Schedule::named(schedule).unwrap(),
            files: Files::default(),
        }
    }

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn options_are_reached_through_names_and_wrappers() {
        for (optimizer, vary, number, label) in [
            (r#""adam""#, "optimizer.beta1", 0.5, "adam(beta1=0.5)"),
            (r#"{"adam": {"beta2": 0.9}}"#, "optimizer.beta1", 0.5, "adam(beta1=0.5, beta2=0.9)"),
            (r#"{"adam": {"beta1": 0.1}}"#, "optimizer.beta1", 0.5, "adam(beta1=0.5)"),
            (
                r#"{"clipped": {"norm": 1.0, "optimizer": "adam"}}"#,
                "optimizer.optimizer.beta1",
                0.5,
                "clipped(norm=1, optimizer=adam(beta1=0.5))",
            ),
        ] {
            let setting = setting(optimizer).with(&path(vary), number).unwrap();
            assert_eq!(setting.optimizer.label(), label);
        }
        let loss = setting(r#""adam""#).with(&path("loss.delta"), 2.5).unwrap().loss.unwrap();
        assert_eq!(loss.label(), "huber(delta=2.5)");
        let wrong = setting(r#""adam""#).with(&path("optimizer.momentum"), 0.5).unwrap_err();
        assert!(wrong.contains("unknown field `momentum`"), "{wrong}");
        let outside = setting(r#""adam""#).with(&path("optimizer.beta1"), 1.5).unwrap_err();
        assert!(outside.contains("beta1"), "{outside}");
    }

    #[test]
    fn files_stay_relative_to_the_config_where_options_vary() {
        let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../problems/tests/models/x.toml");
        let text = "name = 'x'\nproblem = { model = { file = 'mlp.pt2', data = 'digits.npz' } }\n\
            loss = 'cross_entropy'\noptimizer = 'sgd'\n\
            x = { vary = 'problem.batch', from = 8, to = 64, pixels = 2 }\n\
            y = { vary = 'lr', from = 0.1, to = 1, pixels = 2 }\n";
        let map = parse(config, text.to_owned()).unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(map.x.pixels, 2);
    }

    #[test]
    fn an_axis_has_the_middles_of_its_pixels() {
        let axis = |from, to, scale| Axis { vary: Vary::Lr, from, to, scale, pixels: 2 };
        let values = |axis: Axis| [axis.value(0), axis.value(1)];
        assert_eq!(values(axis(0.0, 4.0, AxisScale::Linear)), [1.0, 3.0]);
        for (got, wanted) in [
            (values(axis(1.0, 1e4, AxisScale::Log)), [10.0, 1000.0]),
            (values(axis(0.0, 0.9999, AxisScale::Complement)), [0.9, 0.999]),
        ] {
            assert!(
                got.iter().zip(wanted).all(|(got, wanted)| (got - wanted).abs() < 1e-9 * wanted),
                "{got:?}"
            );
        }
    }
}
