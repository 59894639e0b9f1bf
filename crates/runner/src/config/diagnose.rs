//! What a diagnosis is asked: a loss and a start, or a problem, and how its author trains it.

use std::path::Path;

use causes::Cause;
use losses::{Combine, Composite, File, Loss, Targets};
use optimizers::{Optimizer, Schedule};
use problems::{Losses, Problem};
use records::Dtype;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::error::{Source, folder_of};
use super::generators::{Classes, Draws, Normal, Values};
use super::{ConfigError, DtypeChoice, SHORTER, check_label, check_name};

/// How a prediction becomes what the target is given as.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Readout {
    /// It is that already.
    Identity,
    /// σ(p)
    Sigmoid,
    /// Over the last dimension.
    Softmax,
    /// max(p, 0)
    Relu,
    /// tanh(p)
    Tanh,
    /// eᵖ
    Exp,
    /// The product over the last dimension, such as a·b of pairs (a, b).
    Product,
    /// The first along the last dimension, such as the mean of a mean and a log-variance.
    First,
    /// What a module of your own returns: forward(prediction).
    TorchScript(Box<Exported>),
}

impl Readout {
    /// Whether it may be flat.
    #[must_use]
    pub fn is_activation(&self) -> bool {
        !matches!(self, Self::Identity | Self::Product | Self::First)
    }
}

/// See [`Readout::TorchScript`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    /// As `torch.jit.save` writes it, relative to the config's folder.
    pub file: File,
}

/// What the loss is handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Sees {
    /// The readout of the prediction, as a model whose last layer it is would hand over.
    Readout,
    /// The prediction itself: a loss of logits.
    Prediction,
}

/// A diagnosis as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Spanned<String>,
    #[serde(default)]
    loss: Option<Spanned<Loss>>,
    #[serde(default)]
    problem: Option<Spanned<Problem>>,
    #[serde(default)]
    start: Option<Spanned<Values>>,
    #[serde(default)]
    target: Option<Spanned<Values>>,
    #[serde(default)]
    readout: Option<Spanned<Readout>>,
    #[serde(default)]
    sees: Option<Spanned<Sees>>,
    #[serde(default)]
    noise: Option<Spanned<f64>>,
    #[serde(default)]
    optimizer: Option<Spanned<Optimizer>>,
    #[serde(default)]
    schedule: Option<Spanned<Schedule>>,
    #[serde(default)]
    lr: Option<Spanned<f64>>,
    #[serde(default)]
    steps: Option<Spanned<u64>>,
    #[serde(default)]
    tolerance: Option<Spanned<f64>>,
    #[serde(default)]
    dtype: DtypeChoice,
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    cause: Option<Spanned<String>>,
}

/// Cases with the causes that were planted in them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    case: Vec<Spanned<Entry>>,
}

/// One of the losses that are added.
#[derive(Clone, Debug)]
pub struct Term {
    /// What messages call it.
    pub name: String,
    /// The loss.
    pub loss: Loss,
    /// What it is multiplied by.
    pub weight: f64,
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
    /// The losses, which are added; at least one.
    pub terms: Vec<Term>,
    /// Where the predictions start.
    pub start: Values,
    /// Where they should end.
    pub target: Values,
    /// From prediction to target; `None` lets the diagnosis find out.
    pub readout: Option<Readout>,
    /// What the loss is handed; `None` lets the diagnosis find out.
    pub sees: Option<Sees>,
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
    /// The cause that was planted, in a suite.
    pub planted: Option<Cause>,
    /// The text that says all this.
    pub text: String,
}

/// Reads and checks a config of one diagnosis.
///
/// # Errors
/// If the file can't be read, or for the first mistake in it.
pub fn read_case(path: &Path) -> Result<Case, ConfigError> {
    let text = read_text(path)?;
    parse_in(&path.display().to_string(), folder_of(path), &text)
}

/// Reads and checks a file of many cases.
///
/// # Errors
/// As [`read_case`].
pub fn read_suite(path: &Path) -> Result<Vec<Case>, ConfigError> {
    let text = read_text(path)?;
    let file = path.display().to_string();
    let source = Source::new(&file, folder_of(path), &text);
    source.check_length()?;
    let suite: Suite = toml::from_str(&text).map_err(|error| source.toml(&error))?;
    suite.case.iter().map(|entry| check(&source, entry.as_ref(), true)).collect()
}

pub(super) fn read_text(path: &Path) -> Result<String, ConfigError> {
    files::read_text(path, files::TEXT)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
}

/// Checks the text of a config; `file` is what messages call it.
///
/// # Errors
/// For the first mistake in it.
pub fn parse_case(file: &str, text: &str) -> Result<Case, ConfigError> {
    parse_in(file, folder_of(Path::new(file)), text)
}

fn parse_in(file: &str, folder: &Path, text: &str) -> Result<Case, ConfigError> {
    let source = Source::new(file, folder, text);
    source.check_length()?;
    let entry: Entry = toml::from_str(text).map_err(|error| source.toml(&error))?;
    check(&source, &entry, false)
}

fn check(source: &Source, entry: &Entry, suite: bool) -> Result<Case, ConfigError> {
    // A case of a suite has no folder, so its name may be a sentence.
    let name = if suite { entry.name.as_ref().to_owned() } else { check_name(source, &entry.name)? };
    let subject = match &entry.problem {
        Some(problem) => problem_of(source, entry, problem)?,
        None => Subject::Fit(fit(source, entry)?),
    };
    let optimizer = checked(source, entry.optimizer.as_ref(), |o| o.check())?;
    let schedule = checked(source, entry.schedule.as_ref(), |s| s.check())?;
    let positive = |value: &Option<Spanned<f64>>, what: &str| match value {
        Some(value) => {
            let number = *value.as_ref();
            let message = format!("`{what}` must be above 0 and finite, and is {number}");
            source.require(value, number > 0.0 && number.is_finite(), &message, "").map(|()| Some(number))
        }
        None => Ok(None),
    };
    if let Some(steps) = &entry.steps {
        let sound = (1..=10_000_000).contains(steps.as_ref());
        source.require(
            steps,
            sound,
            "`steps` must be from 1 to 10000000",
            "it is the budget of your own training run",
        )?;
    }
    let planted = match &entry.cause {
        Some(cause) => {
            let known = Cause::named(cause.as_ref());
            let near = registry::nearest(cause.as_ref(), Cause::ALL.iter().map(|cause| cause.code()));
            let help = near.map(|near| format!("did you mean `{near}`?")).unwrap_or_default();
            let message = format!("there is no cause `{}`", cause.as_ref());
            source.require(cause, known.is_some(), &message, &help)?;
            known
        }
        None => None,
    };
    Ok(Case {
        name,
        subject,
        optimizer: optimizer.unwrap_or_else(|| Optimizer::named("sgd").expect("the registry has it")),
        schedule: schedule.unwrap_or_else(|| Schedule::named("constant").expect("the registry has it")),
        lr: positive(&entry.lr, "lr")?.unwrap_or(0.1),
        steps: entry.steps.as_ref().map_or(2000, |steps| *steps.as_ref()),
        tolerance: positive(&entry.tolerance, "tolerance")?,
        dtype: entry.dtype.into(),
        seed: entry.seed,
        planted,
        text: source.text().to_owned(),
    })
}

pub(super) fn checked<T: Clone + Serialize>(
    source: &Source,
    value: Option<&Spanned<T>>,
    check: impl Fn(&T) -> Result<(), String>,
) -> Result<Option<T>, ConfigError> {
    let Some(value) = value else { return Ok(None) };
    let label = serde_json::to_value(value.as_ref()).map(|entry| registry::label(&entry)).unwrap_or_default();
    // Before the check, which reads formulas.
    check_label(&label).map_err(|message| source.at(value.span(), &message, SHORTER))?;
    check(value.as_ref()).map_err(|message| source.at(value.span(), &message, ""))?;
    Ok(Some(value.as_ref().clone()))
}

/// The loss, with the places of its files.
fn checked_loss(source: &Source, entry: &Entry) -> Result<Option<Loss>, ConfigError> {
    checked(source, entry.loss.as_ref(), |loss| {
        source.files().locate(loss.files());
        loss.check()
    })
}

/// A sum of losses as its terms, so that each can be looked at, weighted and dropped.
pub(crate) fn terms_of(loss: Loss) -> Vec<Term> {
    match loss {
        Loss::Composite(Composite { terms, combine: Combine::Sum }) => terms
            .into_iter()
            .map(|term| Term { name: term.loss.label(), loss: term.loss, weight: term.weight })
            .collect(),
        loss => vec![Term { name: loss.label(), loss, weight: 1.0 }],
    }
}

fn problem_of(source: &Source, entry: &Entry, problem: &Spanned<Problem>) -> Result<Subject, ConfigError> {
    checked(source, Some(problem), |problem| {
        source.files().locate(problem.files());
        problem.check()
    })?;
    let owned = "a problem brings its own: leave the line out";
    for (key, place) in [
        ("start", entry.start.as_ref().map(Spanned::span)),
        ("target", entry.target.as_ref().map(Spanned::span)),
        ("readout", entry.readout.as_ref().map(Spanned::span)),
        ("sees", entry.sees.as_ref().map(Spanned::span)),
        ("noise", entry.noise.as_ref().map(Spanned::span)),
    ] {
        if let Some(place) = place {
            return Err(source.at(place, &format!("`{key}` doesn't go with `problem`"), owned));
        }
    }
    let loss = checked_loss(source, entry)?;
    check_pair(source, problem, entry.loss.as_ref())?;
    Ok(Subject::Problem(Box::new(problem.as_ref().clone()), loss))
}

/// A problem must be trainable with its loss.
pub(super) fn check_pair(
    source: &Source,
    problem: &Spanned<Problem>,
    loss: Option<&Spanned<Loss>>,
) -> Result<(), ConfigError> {
    let name = problem.as_ref().name();
    match (problem.as_ref().losses(), loss) {
        (Losses::Own, Some(loss)) => Err(source.at(
            loss.span(),
            &format!("`{name}` is a landscape and its own loss"),
            "leave `loss` out",
        )),
        (Losses::Values | Losses::ValuesOrClasses, None) => Err(source.at(
            problem.span(),
            &format!("`{name}` needs a loss"),
            "add a line such as loss = \"mse\"; `runner list losses` names them",
        )),
        (Losses::Values, Some(loss)) if loss.as_ref().targets() == Targets::Classes => Err(source.at(
            loss.span(),
            &format!("`{}` needs classes, which `{name}` hasn't", loss.as_ref().name()),
            "use it with a classification, such as problem = \"digits_mlp\"",
        )),
        _ => Ok(()),
    }
}

fn fit(source: &Source, entry: &Entry) -> Result<Fit, ConfigError> {
    let Some(loss) = checked_loss(source, entry)? else {
        return Err(source.whole(
            "there is no loss to diagnose",
            "add a line such as loss = \"plateau\", loss = { formula = { value = \"abs(d)\" } } or problem = \"rosenbrock\"",
        ));
    };
    let terms = terms_of(loss);
    let generator = |values: &Option<Spanned<Values>>| {
        let Some(values) = values else { return Ok(None) };
        if let Some(fault) = values.as_ref().fault() {
            return Err(source.at(values.span(), &fault, ""));
        }
        source.files().locate(values.as_ref().file());
        Ok(Some(values.as_ref().clone()))
    };
    if let Some(target) = &entry.target {
        let is_offset = matches!(target.as_ref(), Values::Draws(Draws::Offset(_)));
        source.require(
            target,
            !is_offset,
            "a target can't be an offset from itself",
            "give `start` the offset",
        )?;
    }
    let noise = entry.noise.as_ref().map_or(0.0, |noise| *noise.as_ref());
    if let Some(place) = &entry.noise {
        let message = format!("`noise` must be 0 or above, and is {noise}");
        source.require(place, noise >= 0.0 && noise.is_finite(), &message, "it is a standard deviation")?;
    }
    let mut default = Fit::default();
    let target = generator(&entry.target)?;
    if terms.iter().any(|term| term.loss.targets() == Targets::Classes) {
        default.set_classes(target.as_ref());
    }
    let readout = entry.readout.as_ref().map(Spanned::as_ref);
    if let (Some(place), Some(Readout::TorchScript(exported))) = (&entry.readout, readout) {
        source.files().locate([&exported.file]);
        exported.file.check().map_err(|message| source.at(place.span(), &message, ""))?;
    }
    Ok(Fit {
        terms,
        start: generator(&entry.start)?.unwrap_or(default.start),
        target: target.unwrap_or(default.target),
        readout: readout.cloned(),
        sees: entry.sees.as_ref().map(|sees| *sees.as_ref()),
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
}

impl Default for Fit {
    /// Sixteen predictions around sixteen targets.
    fn default() -> Self {
        let normal = |std, shape| Values::Draws(Draws::Normal(Normal { mean: 0.0, std, shape }));
        Self {
            terms: Vec::new(),
            start: Values::Draws(Draws::Offset(Box::new(normal(2.0, None)))),
            target: normal(1.0, Some(vec![16])),
            readout: None,
            sees: None,
            noise: 0.0,
        }
    }
}
