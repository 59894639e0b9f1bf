use numeric::Float;
use registry::options;
use tch::{Kind, Tensor};

use crate::lanes::{broadcast_lanes, norm, size};
use crate::shared::per_tensor::{Now, TensorRule, average, is_matrix, per_tensor};
use crate::{Fusible, OptimizerSpec, TensorStepper};

options! {
    /// The gradient, divided by a root mean square of which a matrix keeps only that of its rows and columns.
    ///
    /// ```text
    /// β = 1 − k^beta2_decay                                      at step k = 1, 2, …
    /// R ← β·R + (1 − β)·mean over columns of G²,  C likewise over rows
    /// V = R·C/max(mean of R, eps1)                               a vector keeps V ← β·V + (1 − β)·G² itself
    /// U = G/√max(V, eps1²),  U ← U/max(1, rms(U)/d)
    /// P ← P − lr·weight_decay·P − max(eps2, rms(P))·min(lr, 1/√k)·U
    /// ```
    /// Source: Shazeer & Stern 2018, “Adafactor: adaptive learning rates with sublinear memory cost”, algorithms 4 and
    /// 5.
    ///
    /// Differs from the paper: eps1 bounds V from below instead of being added to G², and the decay, both as in
    /// PyTorch. rms(P) is taken before the decay.
    ///
    /// Checked against: `torch.optim.Adafactor` of PyTorch 2.13.
    ///
    /// ```
    /// use optimizers::{Adafactor, OptimizerSpec};
    /// use tch::Tensor;
    /// let mut stepper = Adafactor::default().tensor();
    /// let mut p = [Tensor::from_slice(&[2.0_f64]).reshape([1, 1])];
    /// stepper.step(&Tensor::from_slice(&[0.1_f64]), &mut p, &[Tensor::from_slice(&[5.0_f64]).reshape([1, 1])]);
    /// // A share of 0.1 of the parameter's size.
    /// assert!((f64::try_from(&p[0]).unwrap() - 1.8).abs() < 1e-12);
    /// ```
    pub struct Adafactor {
        /// The power of the step that 1 − β falls with.
        pub beta2_decay: f64 = -0.8 => ..=0.0,
        /// The least root mean square; the type's machine epsilon, if it is not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub eps1: Option<f64> = None => above(0.0),
        /// The least size of a parameter.
        pub eps2: f64 = 1e-3 => 0.0..,
        /// The largest root mean square of a step, in parameter sizes and rates.
        pub d: f64 = 1.0 => above(0.0),
        /// The share of a parameter that a step of rate 1 would remove.
        pub weight_decay: f64 = 0.0 => 0.0..,
    }
}

impl<F: Float> Fusible<F> for Adafactor {}

impl OptimizerSpec for Adafactor {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        per_tensor(self.clone())
    }
}

/// The second moment, whole or of rows and columns.
pub(crate) enum Moment {
    Whole(Tensor),
    Factors { rows: Tensor, columns: Tensor },
}

fn mean(tensor: &Tensor, dim: i64) -> Tensor {
    tensor.mean_dim([dim].as_slice(), true, None::<Kind>)
}

fn rms(tensor: &Tensor) -> Tensor {
    broadcast_lanes(&(norm(tensor) / size(tensor).sqrt()), tensor)
}

impl TensorRule for Adafactor {
    type State = Moment;
    fn start(&self, parameter: &Tensor) -> Moment {
        if is_matrix(parameter) {
            let zeros = parameter.zeros_like();
            Moment::Factors { rows: mean(&zeros, -1), columns: mean(&zeros, -2) }
        } else {
            Moment::Whole(parameter.zeros_like())
        }
    }

    fn update(&self, now: &Now<'_>, state: &mut Moment) -> Tensor {
        let eps1 = self.eps1.unwrap_or(match now.p.kind() {
            Kind::Double => f64::EPSILON,
            _ => f64::from(f32::EPSILON),
        });
        let step = now.step as f64;
        let beta = 1.0 - libm::pow(step, self.beta2_decay);
        let square = now.g.square();
        let moment = match state {
            Moment::Whole(moment) => {
                *moment = average(moment, beta, &square);
                moment.shallow_clone()
            }
            Moment::Factors { rows, columns } => {
                *rows = average(rows, beta, &mean(&square, -1));
                *columns = average(columns, beta, &mean(&square, -2));
                // The quotient first: a product of two squares overflows early. Where the squares themselves have
                // overflowed, the moment is to be ∞ and not NaN, so that nothing moves.
                let size = mean(rows, -2).clamp_min(eps1);
                let share = &*rows / &size;
                share.ones_like().where_self(&size.isinf(), &share) * &*columns
            }
        };
        let update = now.g * moment.clamp_min(eps1 * eps1).rsqrt();
        let update = &update / (rms(&update) / self.d).clamp_min(1.0);
        let rate = rms(now.p).clamp_min(self.eps2) * now.lr.clamp_max(1.0 / step.sqrt());
        now.p - &now.lr * self.weight_decay * now.p - rate * update
    }
}
