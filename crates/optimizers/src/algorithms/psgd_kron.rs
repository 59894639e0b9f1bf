use numeric::{Float, Stream};
use registry::options;
use tch::{Kind, Tensor};

use crate::lanes::{broadcast_lanes, norm};
use crate::shared::per_tensor::{Now, TensorRule, average, is_matrix, matrix, per_tensor, unbiased};
use crate::{Fusible, OptimizerSpec, TensorStepper};

options! {
    /// A preconditioner in two triangular factors, learned by its own gradient descent from random probes.
    ///
    /// ```text
    /// M ← momentum·M + (1 − momentum)·G,  M̂ = M/(1 − momentumᵏ)
    /// A = Q_L·M̂·Q_Rᵀ,  B = Q_L⁻ᵀ·V·Q_R⁻¹,  V ~ N(0, 1)
    /// Q_L ← Q_L − precondition_lr/‖A·Aᵀ + B·Bᵀ‖·triu(A·Aᵀ − B·Bᵀ)·Q_L,  and Q_R of Aᵀ·A and Bᵀ·B alike
    /// D = Q_Lᵀ·Q_L·M̂·Q_Rᵀ·Q_R,  D ← D·min(1, 1.1/(rms D + 1e-6))
    /// P ← P − lr·(D + weight_decay·P)
    /// ```
    /// Source: Li 2018, “Preconditioned stochastic gradient descent”; factors and their groups: Li 2019,
    /// “Preconditioner on matrix Lie group for SGD”.
    ///
    /// ‖·‖ is a lower bound of the spectral norm, two steps of the power method.
    ///
    /// The factors are learned at every step up to `flat`, and then ever more rarely: when 1/max(`least`,
    /// e^(−decay·(k − flat))) steps have passed. Vectors, and sides longer than `max_dim`, have a diagonal factor, and only
    /// matrices decay. Dimensions after a parameter's first are taken for columns. The probes depend on the step and
    /// on the element's place alone: all lanes have the same.
    ///
    /// Differs from the published code: the factors are in double precision; they aren't balanced, which would change
    /// rounding and nothing else.
    ///
    /// Checked against: `pytorch_optimizer.Kron` 4.1.0 in float64, given the same probes.
    ///
    /// ```
    /// use optimizers::Optimizer;
    /// let kron: Optimizer = serde_json::from_str(r#"{"psgd_kron": {"momentum": 0.5}}"#).unwrap();
    /// assert_eq!(kron.label(), "psgd_kron(momentum=0.5)");
    /// ```
    pub struct PsgdKron {
        /// Decay of the momentum.
        pub momentum: f64 = 0.9 => 0.0..1.0,
        /// The share of a matrix that a step of rate 1 would remove.
        pub weight_decay: f64 = 0.0 => 0.0..,
        /// The rate of the factors.
        pub precondition_lr: f64 = 0.1 => up_to(1.0),
        /// The steps at which the factors are learned without a pause.
        pub flat: u64 = 500,
        /// How soon they are learned more rarely after that.
        pub decay: f64 = 0.001 => 0.0..,
        /// The least share of steps at which they are learned.
        pub least: f64 = 0.03 => up_to(1.0),
        /// The longest side that has a triangular factor.
        pub max_dim: u64 = 8192 => STEPS,
    }
}

impl<F: Float> Fusible<F> for PsgdKron {}

impl OptimizerSpec for PsgdKron {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        per_tensor(self.clone())
    }

    fn memory(&self, shapes: &[Vec<u64>]) -> u64 {
        // In double precision.
        crate::matrices(shapes, self.max_dim).saturating_mul(2)
    }
}

/// One side's factor: upper triangles `[lanes, n, n]`, or diagonals `[lanes, n, 1]`. It acts from the left.
struct Side {
    factor: Tensor,
    triangular: bool,
}

impl Side {
    /// Q·x
    fn times(&self, x: &Tensor) -> Tensor {
        if self.triangular { self.factor.bmm(x) } else { &self.factor * x }
    }

    /// Qᵀ·x
    fn transposed_times(&self, x: &Tensor) -> Tensor {
        if self.triangular { self.factor.transpose(1, 2).bmm(x) } else { &self.factor * x }
    }

    /// Q⁻ᵀ·x
    fn divide(&self, x: &Tensor) -> Tensor {
        if self.triangular {
            self.factor.transpose(1, 2).linalg_solve_triangular(x, false, true, false)
        } else {
            x / &self.factor
        }
    }

    /// One step for A and B.
    fn learn(&mut self, a: &Tensor, b: &Tensor, lr: f64) {
        // What is added so that nothing is divided by 0, as in the published code.
        const TINY: f64 = 1.175_494_350_822_287_5e-38;
        if self.triangular {
            let (a, b) = (a.bmm(&a.transpose(1, 2)), b.bmm(&b.transpose(1, 2)));
            let size = spectral_norm(&(&a + &b)) + TINY;
            let step = ((a - b) * lr).triu(0) / broadcast_lanes(&size, &self.factor);
            self.factor = &self.factor - step.bmm(&self.factor);
        } else {
            let squares = |x: &Tensor| x.square().sum_dim_intlist(2, true, None::<Kind>);
            let (a, b) = (squares(a), squares(b));
            let size = (&a + &b).amax([1], true) + TINY;
            self.factor = &self.factor - (a - b) * lr / size * &self.factor;
        }
    }
}

/// A lower bound of each symmetric matrix's spectral norm, `[lanes]`: two products with its longest column.
fn spectral_norm(matrices: &Tensor) -> Tensor {
    // As multiples of the largest element, so that no square overflows.
    let largest = matrices.abs().amax([1, 2], false);
    let scaled = matrices / broadcast_lanes(&largest.where_scalarother(&largest.gt(0.0), 1.0), matrices);
    let longest = scaled.square().sum_dim_intlist(1, false, None::<Kind>).argmax(1, true);
    let column = scaled.gather(2, &longest.unsqueeze(1).expand([-1, scaled.size()[1], 1], false), false);
    let x = scaled.bmm(&column);
    largest * norm(&scaled.bmm(&(&x / broadcast_lanes(&norm(&x).clamp_min(f64::MIN_POSITIVE), &x))))
}

pub(crate) struct Kept {
    momentum: Tensor,
    /// Rows, and columns if there are any: those are the rows of the transposed.
    sides: Vec<Side>,
    /// The steps since the factors were learned.
    since: u64,
}

impl Kept {
    /// What the sides do one after the other, each to rows.
    fn both(&self, x: &Tensor, act: impl Fn(&Side, &Tensor) -> Tensor) -> Tensor {
        let rows = act(&self.sides[0], x);
        self.sides
            .get(1)
            .map_or(rows.shallow_clone(), |side| act(side, &rows.transpose(1, 2)).transpose(1, 2))
    }
}

impl TensorRule for PsgdKron {
    type State = Kept;
    fn start(&self, parameter: &Tensor) -> Kept {
        let momentum = matrix(parameter).to_kind(Kind::Double).zeros_like();
        let (size, options) = (momentum.size(), (Kind::Double, parameter.device()));
        let side = |n: &i64| {
            let triangular = is_matrix(parameter) && *n > 1 && *n as u64 <= self.max_dim;
            let one = if triangular { Tensor::eye(*n, options) } else { Tensor::ones([*n, 1], options) };
            Side { factor: one.unsqueeze(0).repeat([size[0], 1, 1]), triangular }
        };
        let sides = if is_matrix(parameter) { &size[1..] } else { &size[1..2] };
        Kept { momentum, sides: sides.iter().map(side).collect(), since: 0 }
    }

    fn update(&self, now: &Now<'_>, kept: &mut Kept) -> Tensor {
        kept.momentum = average(&kept.momentum, self.momentum, &matrix(now.g).to_kind(Kind::Double));
        let m = &kept.momentum / unbiased(self.momentum, now.step);
        kept.since += 1;
        let share = libm::exp(-self.decay * ((now.step - 1) as f64 - self.flat as f64));
        if kept.since as f64 >= 1.0 / share.clamp(self.least, 1.0) {
            kept.since = 0;
            let probe = probe(now, &m);
            let (a, b) = (kept.both(&m, Side::times), kept.both(&probe, Side::divide));
            kept.sides[0].learn(&a, &b, self.precondition_lr);
            if let Some(columns) = kept.sides.get_mut(1) {
                columns.learn(&a.transpose(1, 2), &b.transpose(1, 2), self.precondition_lr);
            }
        }
        let direction = kept.both(&m, |side, x| side.transposed_times(&side.times(x)));
        let rms = direction.square().mean_dim([1, 2].as_slice(), true, None::<Kind>).sqrt();
        let direction = direction * ((rms + 1e-6).reciprocal() * 1.1).clamp_max(1.0);
        let decay = if is_matrix(now.p) { self.weight_decay } else { 0.0 };
        now.p - &now.lr * (direction.reshape(now.p.size()).to_kind(now.p.kind()) + now.p * decay)
    }
}

/// Normal numbers in the shape of `like`, the same for all lanes.
fn probe(now: &Now<'_>, like: &Tensor) -> Tensor {
    let mut stream = Stream::new("psgd: probe", &[now.step, now.index]);
    let numbers: Vec<f64> = (0..like.numel() as i64 / like.size()[0]).map(|_| stream.normal()).collect();
    let size = like.size();
    Tensor::from_slice(&numbers).to_device(like.device()).reshape([1, size[1], size[2]]).expand_as(like)
}
