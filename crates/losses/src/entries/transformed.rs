//! A loss seen through a function.

use numeric::{AutogradTensor, Dual, Float, LANES, Real, Row, rows, vectorize};
use registry::{options, range};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::kernel::check_lengths;
use crate::stable::guarded;
use crate::{BatchedLoss, Call, File, Files, Fusible, Kernel, Loss, LossSpec, Mse, TargetKind};

options! {
    /// Any loss through a function, such as its logarithm or its root.
    ///
    /// ```text
    /// loss = f(ℓ)
    /// scale: a·ℓ;  shift: ℓ + b;  log1p: ln(1 + ℓ);  sqrt: √ℓ;  power: ℓ^q;  tanh: tanh ℓ
    /// even: (ℓ(d) + ℓ(−d))/2;  folded: (ℓ(d) + ℓ(−d))/2 + |ℓ(d) − ℓ(−d)|/2,  ℓ(−d) that of 2·target − prediction
    /// ```
    /// f is applied to each value that the loss has: to every element's where it is elementwise, to the single
    /// number that a program returns. An increasing f keeps the minimizer of every element, and
    /// changes how steep the way there is.
    ///
    /// Where ℓ is 0, the slope of √ℓ and of ℓ^q (q < 1) is taken as 0 rather than infinite. A negative ℓ has no
    /// root: the run diverges by NaN. `even` drops what pulls to one side, and `folded` turns it around so that it pulls to
    /// the target from both.
    ///
    /// ```toml
    /// losses = [{ transformed = { loss = "plateau", by = "log1p" } }]
    /// ```
    /// Source: the question's “log-scale on certain components, squaring or square-rooting other components”.
    ///
    /// Checked against: the same expressions in PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::Loss;
    /// let loss: Loss = serde_json::from_str(r#"{"transformed": {"loss": "l1", "by": {"power": 2}}}"#).unwrap();
    /// let (mut slope, mut value) = ([[0.0; 16]], [[0.0; 16]]);
    /// loss.kernel::<f64>().unwrap().mean(1, &[[4.0; 16]], &[[1.0; 16]], &mut slope, &mut value);
    /// assert_eq!((value[0][0], slope[0][0]), (9.0, 6.0));
    /// ```
    pub struct Transformed {
        /// The loss.
        pub loss: Box<Loss> = Box::new(Loss::Mse(Mse::default())),
        /// The function: `log1p`, `sqrt`, `tanh`, `even`, `folded`, `{ scale = a }`, `{ shift = b }` or `{ power = q }`.
        pub by: Transform = Transform::default(),
    }
    check: Self::fitting,
}

/// A function of a loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transform {
    /// a·ℓ
    Scale(f64),
    /// ℓ + b
    Shift(f64),
    /// ln(1 + ℓ)
    #[default]
    Log1p,
    /// √ℓ
    Sqrt,
    /// ℓ^q
    Power(f64),
    /// tanh ℓ
    Tanh,
    /// The mean of both signs of the residual.
    Even,
    /// That, and half of how far they are apart: the larger of the two.
    Folded,
}

impl Transform {
    /// Whether it takes the loss of the other sign of the residual, too.
    fn mirrors(self) -> bool {
        matches!(self, Self::Even | Self::Folded)
    }

    /// f(ℓ); `there` is the loss of the other sign, where that is needed.
    #[inline(always)]
    fn apply<R: Real>(self, value: R, there: R) -> R {
        match self {
            Self::Even => (value + there) * 0.5,
            Self::Folded => (value.clone() + there.clone()) * 0.5 + (value - there).abs() * 0.5,
            Self::Scale(factor) => value * factor,
            Self::Shift(shift) => value + shift,
            Self::Log1p => value.ln_1p(),
            Self::Sqrt => guarded(value, R::sqrt),
            Self::Power(exponent) => guarded(value, |value| value.pow(exponent)),
            Self::Tanh => value.tanh(),
        }
    }
}

impl Transform {
    fn on_tensors(
        self,
        prediction: &Tensor,
        target: &Tensor,
        mut loss: impl FnMut(&Tensor) -> Tensor,
    ) -> Tensor {
        let here = loss(prediction);
        let there = if self.mirrors() { loss(&(target * 2.0 - prediction)) } else { here.shallow_clone() };
        self.apply(AutogradTensor(here), AutogradTensor(there)).0
    }
}

impl Transformed {
    fn fitting(&self) -> Result<(), String> {
        match self.by {
            Transform::Scale(factor) => range::check("scale", factor, &..)?,
            Transform::Power(exponent) => range::check("power", exponent, &range::above(0.0))?,
            Transform::Shift(shift) => range::check("shift", shift, &..)?,
            Transform::Even | Transform::Folded if self.targets() == TargetKind::Classes => {
                return Err("`by` even or folded needs a loss of values: classes have no residual".into());
            }
            _ => {}
        }
        self.loss.check()
    }
}

impl LossSpec for Transformed {
    fn targets(&self) -> TargetKind {
        self.loss.targets()
    }
    fn load(&mut self, files: &mut Files) -> Result<(), String> {
        self.loss.load(files)
    }

    fn tensor(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        self.by.on_tensors(prediction, target, |prediction| self.loss.tensor(prediction, target))
    }

    fn files(&self) -> Vec<&File> {
        self.loss.files()
    }

    fn instantiate(
        &self,
        seeds: &[u64],
        options: (Kind, Device),
    ) -> Option<Result<Box<dyn BatchedLoss>, String>> {
        let made = self.loss.instantiate(seeds, options)?;
        Some(made.map(|inner| Box::new(OnLanes { inner, by: self.by }) as Box<dyn BatchedLoss>))
    }
}

struct OnLanes {
    inner: Box<dyn BatchedLoss>,
    by: Transform,
}

impl BatchedLoss for OnLanes {
    fn values(&mut self, call: &Call, prediction: &Tensor, target: &Tensor) -> Tensor {
        self.by.on_tensors(prediction, target, |prediction| self.inner.values(call, prediction, target))
    }

    fn start(&self) -> Vec<Tensor> {
        self.inner.start()
    }
}

impl<F: Float> Fusible<F> for Transformed {
    fn kernel(&self) -> Option<Box<dyn Kernel<F>>> {
        // Of a single number, a function isn't the mean of functions.
        let inner: Box<dyn Kernel<F>> = self.loss.kernel()?;
        inner.has_values().then(|| Box::new(Through { inner, by: self.by }) as Box<dyn Kernel<F>>)
    }
}

/// A kernel, and what its values go through.
struct Through<F> {
    inner: Box<dyn Kernel<F>>,
    by: Transform,
}

/// Rows that are computed at once: their values stay in the first-level cache.
const TILE: usize = 16;

impl<F: Float> Kernel<F> for Through<F> {
    fn mean(
        &self,
        elements: usize,
        prediction: &[Row<F>],
        target: &[Row<F>],
        slope: &mut [Row<F>],
        value: &mut [Row<F>],
    ) {
        check_lengths(elements, prediction, target, slope, value);
        let scale = F::from_f64(1.0) / F::from_f64(elements as f64);
        let [mut values, mut mirrored, mut values_there, mut slopes_there] = [[rows::zero::<F>(); TILE]; 4];
        for (chunk, value) in value.iter_mut().enumerate() {
            let mut sum = rows::zero::<F>();
            for from in (0..elements).step_by(TILE) {
                let count = TILE.min(elements - from);
                let own = chunk * elements + from..chunk * elements + from + count;
                let (values, slopes) = (&mut values[..count], &mut slope[own.clone()]);
                // A mean over one element is its value.
                self.inner.mean(1, &prediction[own.clone()], &target[own.clone()], slopes, values);
                if self.by.mirrors() {
                    mirror(&prediction[own.clone()], &target[own.clone()], &mut mirrored);
                    let there = (&mut slopes_there[..count], &mut values_there[..count]);
                    self.inner.mean(1, &mirrored[..count], &target[own], there.0, there.1);
                }
                vectorize(
                    #[inline(always)]
                    || through(self.by, scale, values, slopes, (&values_there, &slopes_there), &mut sum),
                );
            }
            *value = sum.map(|sum| sum * scale);
        }
    }
}

/// 2·target − prediction
fn mirror<F: Float>(prediction: &[Row<F>], target: &[Row<F>], mirrored: &mut [Row<F>]) {
    for ((p, t), mirrored) in prediction.iter().zip(target).zip(mirrored) {
        for lane in 0..LANES {
            mirrored[lane] = t[lane] + t[lane] - p[lane];
        }
    }
}

/// Adds f of the values to the sum, and puts its slopes, scaled, in the place of theirs. Those of the other sign come
/// after them, by its own residual.
#[inline(always)]
fn through<F: Float>(
    by: Transform,
    scale: F,
    values: &[Row<F>],
    slopes: &mut [Row<F>],
    there: (&[Row<F>], &[Row<F>]),
    sum: &mut Row<F>,
) {
    for (((value, slope), value_there), slope_there) in values.iter().zip(slopes).zip(there.0).zip(there.1) {
        let (v, mut s, v_there, s_there) = (*value, *slope, *value_there, *slope_there);
        for lane in 0..LANES {
            let there = Dual { value: v_there[lane], derivative: -s_there[lane] };
            let through = by.apply(Dual { value: v[lane], derivative: s[lane] }, there);
            sum[lane] += through.value;
            s[lane] = through.derivative * scale;
        }
        *slope = s;
    }
}
