use registry::options;

use crate::{Clip, Fusible, Optimizer, OptimizerSpec, Sgd, Stepper, TensorStepper};

options! {
    /// Any optimizer, with its gradient clipped before each step.
    ///
    /// ```text
    /// g ← min(max(g, −value), value)            each element
    /// g ← g · min(1, norm/(‖g‖ + 1e-6))         ‖g‖ over all parameters
    /// then the optimizer's step
    /// ```
    /// Source: Pascanu, Mikolov & Bengio 2013, “On the difficulty of training recurrent neural networks”.
    ///
    /// The clipping itself is [`Clip`], and whoever has the whole gradient applies it before the step.
    ///
    /// Differs from the paper: the 1e-6, as in PyTorch.
    ///
    /// Checked against: `torch.nn.utils.clip_grad_value_`, then `clip_grad_norm_`, then `torch.optim`'s step,
    /// in PyTorch 2.13.
    ///
    /// ```
    /// use optimizers::{Clip, OptimizerSpec, Optimizer};
    /// let clipped: Optimizer = serde_json::from_str(r#"{"clipped": {"optimizer": "adam", "value": 0.5}}"#).unwrap();
    /// assert_eq!(clipped.clip(), Some(Clip { norm: None, value: Some(0.5) }));
    /// assert_eq!(clipped.label(), "clipped(optimizer=adam, value=0.5)");
    /// ```
    pub struct Clipped {
        /// What steps along the clipped gradient.
        pub optimizer: Box<Optimizer> = Box::new(Optimizer::Sgd(Sgd::default())),
        /// The largest norm; 1 if neither `norm` nor `value` is given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub norm: Option<f64> = None => above(0.0),
        /// The largest absolute value of an element.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub value: Option<f64> = None => above(0.0),
    }
    check: |clipped| match &clipped.optimizer {
        inner if inner.clip().is_some() => Err(format!(
            "`clipped` can't hold `{}`, which clips already: give `norm` and `value` together",
            inner.name()
        )),
        inner => inner.check(),
    },
}

impl Fusible<f32> for Clipped {
    fn stepper(&self, rows: usize) -> Option<Box<dyn Stepper<f32>>> {
        self.optimizer.stepper(rows)
    }
}

impl Fusible<f64> for Clipped {
    fn stepper(&self, rows: usize) -> Option<Box<dyn Stepper<f64>>> {
        self.optimizer.stepper(rows)
    }
}

impl OptimizerSpec for Clipped {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        self.optimizer.tensor()
    }

    fn clip(&self) -> Option<Clip> {
        let norm = if self.value.is_none() { self.norm.or(Some(1.0)) } else { self.norm };
        Some(Clip { norm, value: self.value })
    }

    fn inner(&self) -> Option<&Optimizer> {
        Some(&self.optimizer)
    }

    fn inner_mut(&mut self) -> Option<&mut Optimizer> {
        Some(&mut self.optimizer)
    }
}
