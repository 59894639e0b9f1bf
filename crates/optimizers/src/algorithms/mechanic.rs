use numeric::Float;
use registry::options;
use tch::{Kind, Tensor};

use crate::lanes::{broadcast_lanes, copies, dot};
use crate::{Fusible, Optimizer, OptimizerSpec, Oracle, Sgd, TensorStepper};

/// Betas of the six tuners: 1 − 10⁻ⁱ.
const BETAS: [f64; 6] = [0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999_999];

options! {
    /// Any optimizer, with its way from the start scaled by what would have been best so far.
    ///
    /// ```text
    /// Δ ← Δ + (the optimizer's step down)               Δ = (p₀ − p)/Σs, of the steps so far
    /// h = ⟨g + weight_decay·Σs·‖g‖/‖p‖·p, Δ before⟩
    /// for each tuner:  m ← max(β·m, |h| + eps),  v ← β²·v + h²,  r ← β·r + clip(h, ±m before)·s
    ///                  s ← (s_init/6·m + max(r, 0))/(√v + eps)
    /// p ← p₀ − Σs·Δ
    /// ```
    /// Source: Cutkosky, Defazio & Mehta 2023, “Mechanic: a learning rate tuner”, algorithm 1.
    ///
    /// The learning rate is the optimizer's; what remains of it is tuned.
    ///
    /// Differs from the paper: h is clipped, and `s_init` is 1e-6 where the paper has 1e-8, both as in optax.
    ///
    /// Checked against: `optax.contrib.mechanize` of optax 0.2.8.
    ///
    /// ```
    /// use optimizers::Optimizer;
    /// let mechanic: Optimizer = serde_json::from_str(r#"{"mechanic": {"optimizer": "adam"}}"#).unwrap();
    /// assert_eq!(mechanic.label(), "mechanic(optimizer=adam)");
    /// ```
    pub struct Mechanic {
        /// Whose steps are scaled.
        pub optimizer: Box<Optimizer> = Box::new(Optimizer::Sgd(Sgd::default())),
        /// Decay in what the tuners see.
        pub weight_decay: f64 = 0.01 => 0.0..,
        /// Added to denominators.
        pub eps: f64 = 1e-8 => above(0.0),
        /// The first scale.
        pub s_init: f64 = 1e-6 => above(0.0),
    }
    check: |mechanic| mechanic.optimizer.check(),
}

impl<F: Float> Fusible<F> for Mechanic {}

impl OptimizerSpec for Mechanic {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        Box::new(Stepper { options: self.clone(), inner: self.optimizer.tensor(), state: None })
    }

    fn inner(&self) -> Option<&Optimizer> {
        Some(&self.optimizer)
    }

    fn inner_mut(&mut self) -> Option<&mut Optimizer> {
        Some(&mut self.optimizer)
    }
}

struct Stepper {
    options: Mechanic,
    inner: Box<dyn TensorStepper>,
    state: Option<State>,
}

/// The start, and of each lane and tuner, `[lanes, 6]` in double precision: products of two sums over all
/// parameters overflow early.
struct State {
    start: Vec<Tensor>,
    r: Tensor,
    m: Tensor,
    v: Tensor,
    s: Tensor,
}

impl State {
    fn new(parameters: &[Tensor], lanes: i64, s_init: f64) -> Self {
        let zeros = || Tensor::zeros([lanes, 6], (Kind::Double, parameters[0].device()));
        let (r, m, v, s) = (zeros(), zeros(), zeros(), zeros() + s_init);
        Self { start: copies(parameters), r, m, v, s }
    }

    /// Σs of each lane.
    fn scale(&self) -> Tensor {
        self.s.sum_dim_intlist(1, false, Kind::Double)
    }

    fn tune(&mut self, h: &Tensor, eps: f64, s_init: f64) {
        let betas = Tensor::from_slice(&BETAS).to_device(h.device());
        let h = h.unsqueeze(1);
        let clipped = h.maximum(&self.m.neg()).minimum(&self.m);
        self.m = (&betas * &self.m).maximum(&(h.abs() + eps));
        self.v = betas.square() * &self.v + h.square();
        self.r = &betas * &self.r + clipped * &self.s;
        let wealth = &self.m * (s_init / 6.0) + self.r.clamp_min(0.0);
        self.s = wealth / (self.v.sqrt() + eps);
    }
}

impl TensorStepper for Stepper {
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        oracle: &mut dyn Oracle,
    ) {
        let mut stepped = copies(parameters);
        self.inner.step_with(lr, &mut stepped, gradients, oracle);
        let _guard = tch::no_grad_guard();
        let Mechanic { weight_decay, eps, s_init, .. } = self.options;
        let state = self.state.get_or_insert_with(|| State::new(parameters, lr.size()[0], s_init));
        let wide =
            |tensors: &[Tensor]| -> Vec<Tensor> { tensors.iter().map(|t| t.to_kind(Kind::Double)).collect() };
        let (p, g) = (wide(parameters), wide(gradients));
        let (start, stepped) = (wide(&state.start), wide(&stepped));
        let scale = state.scale();
        let way: Vec<Tensor> = start
            .iter()
            .zip(&p)
            .map(|(start, p)| (start - p) / broadcast_lanes(&(&scale + eps), p))
            .collect();
        let decay = &scale * dot(&g, &g).sqrt() / (dot(&p, &p).sqrt() + eps) * weight_decay;
        state.tune(&(dot(&g, &way) + decay * dot(&p, &way)), eps, s_init);
        let scale = state.scale();
        for (index, parameter) in parameters.iter_mut().enumerate() {
            let way = &way[index] + (&p[index] - &stepped[index]);
            parameter.copy_(&(&start[index] - broadcast_lanes(&scale, &way) * way));
        }
    }
}
