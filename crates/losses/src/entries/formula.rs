//! A loss that a config writes itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use formulas::{Compiled, Loops, compile};
use numeric::{Float, Row};
use registry::{Loaded, options};
use serde::{Deserialize, Deserializer};
use tch::Tensor;

use crate::kernel::check_lengths;
use crate::{Files, Fusible, Kernel, LossSpec, TargetKind};

options! {
    /// A formula of your own over prediction, target and d, their difference.
    ///
    /// ```text
    /// d = prediction − target
    /// loss = value
    /// value: + - * / ** abs sqrt square exp expm1 log log1p tanh sigmoid softplus sin cos sign relu
    ///        pow min max clamp where; < <= > >= == != and or not; pi
    /// ```
    /// ```toml
    /// losses = [{ formula = { value = "where(abs(d) <= edge, abs(d), 0.001*abs(d) + 0.4995)", constants = { edge = 0.5 } } }]
    /// ```
    /// The formula is one expression over `prediction`, `target`, `d`, `pi`, numbers and the names in
    /// `constants`, written as in Python:
    ///
    /// - `+ - * /` and `**` (or `^`, which is a power here too);
    /// - `abs sqrt square exp expm1 log log1p tanh sigmoid softplus sin cos sign relu`, `pow(x, y)`,
    ///   `min(a, b)`, `max(a, b)` (also `minimum`, `maximum`), `clamp(x, low, high)`;
    /// - `where(condition, yes, no)`, with `< <= > >= == !=`, joined by `and`, `or`, `not` or by `&`, `|`, `~`.
    ///
    /// At most 4096 bytes, and at most 64 brackets, powers and signs inside one another. The derivative is
    /// exact. At kinks it is PyTorch's: `abs'(0) = 0`, `relu'(0) = 0`, `sign' = 0`, `max` and `min` halve it
    /// where both are equal, `clamp` keeps it at its ends, and `where` takes that of the branch that is taken.
    ///
    /// Differs from PyTorch: a branch that isn't taken adds nothing to the slope, even where its own is
    /// infinite; `torch.where` gives NaN there, since it multiplies by 0. `softplus` is exact above 20 too.
    ///
    /// In loops, the formula is computed over tiles of rows; on libtorch, operation by operation, and equal
    /// operations once.
    ///
    /// Source: yours.
    ///
    /// Checked against: PyTorch 2.13 on the same texts, value and gradient.
    ///
    /// # Errors
    /// [`check`](registry::Described::check) refuses a formula that can't be read, or doesn't depend on the prediction, with
    /// the place of the mistake. A kernel or a tensor of such a formula panics with the same message.
    ///
    /// ```
    /// use losses::{Formula, Fusible};
    /// use registry::Described;
    ///
    /// let text = "where(abs(d) <= edge, 0.5*d**2, edge*(abs(d) - 0.5*edge))";
    /// let huber = Formula::new(text, [("edge", 2.0)]);
    /// let (mut slope, mut value) = ([[0.0; 16]], [[0.0; 16]]);
    /// Fusible::<f64>::kernel(&huber).unwrap().mean(1, &[[-3.0; 16]], &[[0.0; 16]], &mut slope, &mut value);
    /// assert_eq!((value[0][0], slope[0][0]), (4.0, -2.0));
    ///
    /// let message = Formula::new("abz(d)", []).check().unwrap_err();
    /// assert!(message.starts_with("unknown name `abz` at character 1: did you mean `abs`?"));
    /// ```
    pub struct Formula {
        /// The loss of one element. What a config breaks into lines is read as one.
        #[serde(deserialize_with = "in_one_line")]
        value: String = "d**2".into(),
        /// Numbers that the formula has names for.
        constants: BTreeMap<String, f64> = BTreeMap::new(),
        #[serde(skip)]
        compiled: Loaded<Compiled> = Loaded::default(),
    }
    check: |formula| formula.compile().map(|_| ()),
}

/// Spaces and line breaks as one space each, so that labels and messages stay on their lines.
fn in_one_line<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

impl Formula {
    /// A formula and the numbers that it has names for. It is compiled where it is [loaded](LossSpec::load), or else
    /// whenever it is used.
    #[must_use]
    pub fn new<'a>(value: &str, constants: impl IntoIterator<Item = (&'a str, f64)>) -> Self {
        let constants = constants.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { value: value.to_owned(), constants, compiled: Loaded::default() }
    }

    fn compile(&self) -> Result<Arc<Compiled>, String> {
        let compiled = self.compiled.0.clone().map_or_else(|| compile(&self.value, &self.constants), Ok);
        compiled.map_err(|error| error.to_string())
    }

    fn compiled(&self) -> Arc<Compiled> {
        self.compile().unwrap_or_else(|message| panic!("the formula can't be read: {message}"))
    }
}

impl<F: Float> Fusible<F> for Formula {
    fn kernel(&self) -> Option<Box<dyn Kernel<F>>> {
        Some(Box::new(self.compiled().loops()))
    }
}

impl<F: Float> Kernel<F> for Loops<F> {
    fn mean(
        &self,
        elements: usize,
        prediction: &[Row<F>],
        target: &[Row<F>],
        slope: &mut [Row<F>],
        value: &mut [Row<F>],
    ) {
        check_lengths(elements, prediction, target, slope, value);
        self.mean(elements, prediction, target, slope, value);
    }

    fn has_values(&self) -> bool {
        self.has_values()
    }
}

impl LossSpec for Formula {
    fn targets(&self) -> TargetKind {
        TargetKind::Values
    }
    fn load(&mut self, _files: &mut Files) -> Result<(), String> {
        self.compiled.0 = Some(self.compile()?);
        Ok(())
    }
    fn tensor(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        self.compiled().tensor(prediction, target)
    }
}
