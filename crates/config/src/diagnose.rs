//! What a diagnosis is asked: a loss and a start, or a problem, and how its author trains it.

use std::path::Path;

use losses::{Loss, Python, TargetKind};
use optimizers::{Optimizer, Schedule};
use problems::{Classes, Draws, FreeFit, LossInput, Normal, Problem, Readout, Values};
use records::Dtype;
use registry::range::above;
use serde::Deserialize;
use toml::Spanned;

use crate::error::{Source, read_text};
use crate::limits::LONGEST_OF_MANY;
use crate::{ConfigError, DtypeChoice, check_name};

/// A diagnosis as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Spanned<String>,
    loss: Option<Spanned<Loss>>,
    problem: Option<Spanned<Problem>>,
    start: Option<Spanned<Values>>,
    target: Option<Spanned<Values>>,
    readout: Option<Spanned<Readout>>,
    loss_input: Option<Spanned<LossInput>>,
    noise: Option<Spanned<f64>>,
    optimizer: Option<Spanned<Optimizer>>,
    schedule: Option<Spanned<Schedule>>,
    lr: Option<Spanned<f64>>,
    steps: Option<Spanned<u64>>,
    tolerance: Option<Spanned<f64>>,
    #[serde(default)]
    dtype: DtypeChoice,
    #[serde(default)]
    seed: u64,
    cause: Option<Spanned<String>>,
}

/// Cases with the causes that were planted in them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    case: Vec<Spanned<Entry>>,
}

/// What is trained.
#[derive(Clone, Debug)]
pub enum Subject {
    /// Predictions that are free, against a target.
    Fit(Fit),
    /// A problem of the registry, with its loss; none for a landscape.
    Problem(Box<Problem>, Option<Loss>),
}

/// Free predictions against a target.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The loss.
    pub loss: Loss,
    /// Where the predictions start.
    pub start: Values,
    /// Where they should end.
    pub target: Values,
    /// From prediction to target; `None` lets the diagnosis find out.
    pub readout: Option<Readout>,
    /// What the loss is handed; `None` lets the diagnosis find out.
    pub loss_input: Option<LossInput>,
    /// The standard deviation of noise that is added to the target at each step, in units of the target.
    pub noise: f64,
}

/// A checked case.
#[derive(Clone, Debug)]
pub struct Case {
    /// The folder's name under `results/`.
    pub name: String,
    /// What is trained.
    pub subject: Subject,
    /// What the author trains with.
    pub optimizer: Optimizer,
    /// And its schedule.
    pub schedule: Schedule,
    /// The author's learning rate.
    pub lr: f64,
    /// The author's budget.
    pub steps: u64,
    /// The error that is good enough; `None` is a twentieth of the error at the start.
    pub tolerance: Option<f64>,
    /// The author's number type.
    pub dtype: Dtype,
    /// What everything random is drawn from.
    pub seed: u64,
    /// The code of the cause that was planted, in a suite.
    pub planted: Option<String>,
    /// The files that the config names, and the SHA-256 of each, sorted.
    pub inputs: Vec<(String, String)>,
    /// The text that says all this.
    pub text: String,
}

/// Reads and checks a config of one diagnosis, for which Python may be started or not.
///
/// # Errors
/// If the file can't be read, or for the first mistake in it.
pub fn read_case(path: &Path, python: Python) -> Result<Case, ConfigError> {
    parse_case_with(path, &read_text(path)?, python)
}

/// Reads and checks a file of many cases, each with one of these causes.
///
/// # Errors
/// As [`read_case`].
pub fn read_suite(path: &Path, causes: &[&str]) -> Result<Vec<Case>, ConfigError> {
    let text = read_text(path)?;
    let source = Source::new(path, &text);
    let suite: Suite = source.read()?;
    suite.case.iter().map(|entry| check(&source, entry.as_ref(), Some(causes))).collect()
}

/// Checks the text of a config; `file` is what messages call it, and its folder is where its files are.
///
/// # Errors
/// For the first mistake in it.
pub fn parse_case(file: impl AsRef<Path>, text: &str) -> Result<Case, ConfigError> {
    parse_case_with(file, text, Python::default())
}

/// As [`parse_case`], where Python may be started for source files that the config names.
///
/// # Errors
/// As [`parse_case`]; also if such a file can't be exported or called.
pub fn parse_case_with(file: impl AsRef<Path>, text: &str, python: Python) -> Result<Case, ConfigError> {
    let source = Source::new(file.as_ref(), text).with_python(python);
    let entry: Entry = source.read()?;
    check(&source, &entry, None)
}

fn check(source: &Source, entry: &Entry, suite: Option<&[&str]>) -> Result<Case, ConfigError> {
    source.files.borrow_mut().expect_seed(entry.seed);
    // A case of a suite has no folder, so its name may be a sentence.
    let name =
        if suite.is_some() { entry.name.as_ref().to_owned() } else { check_name(source, &entry.name)? };
    let subject = match &entry.problem {
        Some(problem) => problem_of(source, entry, problem)?,
        None => Subject::Fit(fit(source, entry)?),
    };
    let optimizer = source.optional(entry.optimizer.as_ref())?;
    let schedule = source.optional(entry.schedule.as_ref())?;
    if let (Some(cause), Some(causes)) = (&entry.cause, suite) {
        let planted = cause.as_ref().as_str();
        let near = registry::nearest(planted, causes.iter().copied());
        let help = near.map(|near| format!("did you mean `{near}`?")).unwrap_or_default();
        source.require(cause, causes.contains(&planted), &format!("there is no cause `{planted}`"), &help)?;
    }
    Ok(Case {
        name,
        subject,
        optimizer: optimizer.unwrap_or_else(|| Optimizer::named("sgd").expect("the registry has it")),
        schedule: schedule.unwrap_or_else(|| Schedule::named("constant").expect("the registry has it")),
        lr: source.within(&above(0.0), entry.lr.as_ref(), "lr")?.unwrap_or(0.1),
        steps: source.within(&(1..=LONGEST_OF_MANY), entry.steps.as_ref(), "steps")?.unwrap_or(2000),
        tolerance: source.within(&above(0.0), entry.tolerance.as_ref(), "tolerance")?,
        dtype: entry.dtype.into(),
        seed: entry.seed,
        planted: entry.cause.as_ref().map(|cause| cause.as_ref().clone()),
        inputs: source.files.borrow().digests(),
        text: source.text().to_owned(),
    })
}

fn problem_of(source: &Source, entry: &Entry, problem: &Spanned<Problem>) -> Result<Subject, ConfigError> {
    let problem = source.entry(problem)?;
    let owned = "a problem brings its own: leave the line out";
    for (key, place) in [
        ("start", entry.start.as_ref().map(Spanned::span)),
        ("target", entry.target.as_ref().map(Spanned::span)),
        ("readout", entry.readout.as_ref().map(Spanned::span)),
        ("loss_input", entry.loss_input.as_ref().map(Spanned::span)),
        ("noise", entry.noise.as_ref().map(Spanned::span)),
    ] {
        if let Some(place) = place {
            return Err(source.at(place, &format!("`{key}` doesn't go with `problem`"), owned));
        }
    }
    let loss = entry.loss.as_ref().map(|loss| source.entry(loss)).transpose()?;
    source.check_pair(&problem, loss.as_ref())?;
    Ok(Subject::Problem(Box::new(problem.into_inner()), loss.map(Spanned::into_inner)))
}

fn fit(source: &Source, entry: &Entry) -> Result<Fit, ConfigError> {
    let Some(loss) = source.optional(entry.loss.as_ref())? else {
        return Err(source.whole(
            "there is no loss to diagnose",
            "add a line such as loss = \"plateau\", loss = { formula = { value = \"abs(d)\" } } or problem = \"rosenbrock\"",
        ));
    };
    let generator = |values: &Option<Spanned<Values>>| {
        let Some(values) = values else { return Ok(None) };
        if let Some(fault) = values.as_ref().fault() {
            return Err(source.at(values.span(), &fault, ""));
        }
        let mut loaded = values.as_ref().clone();
        let read = loaded.file_mut().map_or(Ok(()), |file| file.load(&mut source.files.borrow_mut()));
        read.map_err(|message| source.at(values.span(), &message, ""))?;
        Ok(Some(loaded))
    };
    if let Some(target) = entry.target.as_ref().filter(|target| target.as_ref().is_offset()) {
        let message = "a target can't be an offset from itself";
        return Err(source.at(target.span(), message, "give `start` the offset"));
    }
    let noise = source.within(&(0.0..), entry.noise.as_ref(), "noise")?.unwrap_or(0.0);
    let target = generator(&entry.target)?;
    let mut default = Fit::new(loss);
    if default.loss.targets() == TargetKind::Classes {
        default.set_classes(target.as_ref());
    }
    let mut readout = entry.readout.as_ref().map(|readout| readout.as_ref().clone());
    if let (Some(place), Some(Readout::Program(exported))) = (&entry.readout, &mut readout) {
        let read = exported.load(&mut source.files.borrow_mut());
        read.map_err(|message| source.at(place.span(), &message, ""))?;
    }
    Ok(Fit {
        loss: default.loss,
        start: generator(&entry.start)?.unwrap_or(default.start),
        target: target.unwrap_or(default.target),
        readout,
        loss_input: entry.loss_input.as_ref().map(|loss_input| *loss_input.as_ref()),
        noise,
    })
}

impl Fit {
    /// Sixteen of ten classes, or as many as the target says, and logits for each.
    fn set_classes(&mut self, target: Option<&Values>) {
        let (count, shape) = match target {
            Some(Values::Draws(Draws::Classes(Classes { count, shape }))) => (*count, shape.clone()),
            _ => (10, None),
        };
        let shape = shape.unwrap_or_else(|| vec![16]);
        let logits = shape.iter().copied().chain([count]).collect();
        self.target = Values::Draws(Draws::Classes(Classes { count, shape: Some(shape) }));
        self.start = Values::Draws(Draws::Normal(Normal { mean: 0.0, std: 1.0, shape: Some(logits) }));
    }

    /// Sixteen predictions around sixteen targets.
    fn new(loss: Loss) -> Self {
        let FreeFit { start, target, noise, .. } = FreeFit::default();
        Self { loss, start, target, readout: None, loss_input: None, noise }
    }
}
