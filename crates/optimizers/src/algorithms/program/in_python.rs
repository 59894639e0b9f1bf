//! An optimizer that is evaluated in Python, where its state is.

use std::collections::BTreeMap;
use std::sync::Arc;

use programs::{Program, Steps};
use tch::{Kind, Tensor};

use crate::lanes::{flatten, unflatten};
use crate::{Oracle, TensorStepper};

/// The steps that Python takes.
pub(super) struct InPython {
    name: String,
    read: Arc<Result<Program, String>>,
    together: bool,
    options: BTreeMap<String, f64>,
    steps: Option<Steps>,
}

impl InPython {
    /// Before the first step.
    pub fn new(
        name: String,
        read: Arc<Result<Program, String>>,
        together: bool,
        options: BTreeMap<String, f64>,
    ) -> Self {
        Self { name, read, together, options, steps: None }
    }

    fn step(
        &mut self,
        lr: &Tensor,
        parameters: &[Tensor],
        gradients: &[Tensor],
        oracle: &mut dyn Oracle,
    ) -> Result<Vec<Tensor>, String> {
        let program = Result::as_ref(&self.read).map_err(Clone::clone)?;
        let code = program.python().ok_or("it isn't evaluated in Python")?;
        let lanes = lr.size()[0] as usize;
        let steps = match &mut self.steps {
            Some(steps) => steps,
            steps => steps.insert(code.steps(&self.options, lanes)?),
        };
        // An Optimizer sees the tensors as they are; update gets vectors, as an exported one does.
        let views = |tensors: &[Tensor]| -> Vec<Tensor> {
            let own = |tensor: &Tensor| match program.rank() {
                0 => tensor.shallow_clone(),
                _ => tensor.flatten(1, -1),
            };
            if self.together { vec![flatten(tensors)] } else { tensors.iter().map(own).collect() }
        };
        let back = |stepped: &[Tensor]| -> Vec<Tensor> {
            if self.together {
                return unflatten(&stepped[0], parameters);
            }
            stepped.iter().zip(parameters).map(|(stepped, p)| stepped.reshape(p.size())).collect()
        };
        let losses: Vec<f64> = Vec::try_from(oracle.loss().to_kind(Kind::Double))
            .map_err(|error: tch::TchError| error.to_string())?;
        let mut evaluate = |lane: usize, own: &[Tensor]| {
            let points: Vec<Tensor> = parameters.iter().map(|p| p.detach().copy()).collect();
            let own: Vec<Tensor> = own.iter().map(|own| own.unsqueeze(0)).collect();
            let at_lane: Vec<Tensor> = points.iter().map(|p| p.narrow(0, lane as i64, 1)).collect();
            let own = if self.together { unflatten(&own[0], &at_lane) } else { own };
            for (point, own) in at_lane.iter().zip(&own) {
                point.shallow_clone().copy_(&own.reshape(point.size()));
            }
            let asking: Vec<bool> = (0..lanes).map(|other| other == lane).collect();
            let (loss, gradients) = oracle.evaluate(&points, &asking);
            let gradients = views(&gradients).iter().map(|g| g.get(lane as i64)).collect();
            (loss.double_value(&[lane as i64]), gradients)
        };
        let stepped =
            steps.step((&rates(lr), &losses), &views(parameters), &views(gradients), &mut evaluate)?;
        Ok(back(&stepped))
    }
}

/// Learning rates as PyTorch has them: the shortest decimal numbers that are these in their type, such as 0.1.
fn rates(lr: &Tensor) -> Vec<f64> {
    let all: Vec<f64> = Vec::try_from(lr.to_kind(Kind::Double)).expect("a rate a lane");
    let short = |rate: f64| (rate as f32).to_string().parse().unwrap_or(rate);
    if lr.kind() == Kind::Float { all.into_iter().map(short).collect() } else { all }
}

impl TensorStepper for InPython {
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        oracle: &mut dyn Oracle,
    ) {
        let _guard = tch::no_grad_guard();
        let stepped = self.step(lr, parameters, gradients, oracle);
        let stepped = stepped.unwrap_or_else(|message| panic!("`{}`: {message}", self.name));
        parameters.iter_mut().zip(&stepped).for_each(|(p, stepped)| p.copy_(stepped));
    }
}
