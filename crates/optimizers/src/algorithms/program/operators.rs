//! An update on libtorch, operator by operator.

use std::sync::Arc;

use programs::{Lanes, Mode, Program, Streams};
use tch::{Kind, Tensor};

use super::{Scalar, laid_out};
use crate::lanes::{broadcast_lanes, flatten, unflatten};
use crate::{Oracle, TensorStepper};

/// The update and the states of all tensors.
pub(super) struct Stepper {
    name: String,
    read: Arc<Result<Program, String>>,
    together: bool,
    scalars: Vec<Scalar>,
    step: u64,
    /// Of each tensor.
    states: Vec<Vec<Lanes>>,
    /// The lanes that the program has refused: they are NaN.
    refused: Vec<bool>,
}

impl Stepper {
    /// Before the first step. `read` holds a program.
    pub fn new(
        name: String,
        read: Arc<Result<Program, String>>,
        together: bool,
        scalars: Vec<Scalar>,
    ) -> Self {
        Self { name, read, together, scalars, step: 0, states: Vec::new(), refused: Vec::new() }
    }

    fn program(&self) -> &Program {
        Result::as_ref(&self.read).expect("a stepper is made of what was read")
    }

    /// A tensor as the program gets it, which nothing else changes.
    fn view(&self, tensor: &Tensor) -> Tensor {
        let size = tensor.size();
        let own: Vec<u64> = size[1..].iter().map(|size| *size as u64).collect();
        let own = laid_out(&own, self.program().rank()).into_iter().map(|size| size as i64);
        tensor.detach().copy().reshape(size[..1].iter().copied().chain(own).collect::<Vec<_>>())
    }

    /// What the program returns. Lanes that it refuses are computed with the numbers of another, so that the others go on;
    /// none where it refuses all, since their numbers aren't finite.
    fn call(&mut self, mode: Mode, kind: Kind, inputs: &[Lanes]) -> Result<Option<Vec<Lanes>>, String> {
        let refusal = match self.evaluate(mode, kind, inputs) {
            Err(message) => message,
            outputs => return outputs,
        };
        let of = |lane: usize| inputs.iter().map(|input| Lanes::Shared(input.lane(lane))).collect::<Vec<_>>();
        let alone = |lane: usize| evaluate(self.program(), mode, (kind, 1), &of(lane));
        let refused = self.refused.iter().enumerate().map(|(lane, refused)| *refused || alone(lane).is_err());
        let refused: Vec<bool> = refused.collect();
        let is_finite =
            |lane: usize| of(lane).iter().all(|input| input.lane(0).isfinite().all().int64_value(&[]) == 1);
        let finite = (0..refused.len()).any(is_finite);
        if refused == self.refused || (finite && !refused.contains(&false)) {
            return Err(refusal);
        }
        self.refused = refused;
        self.evaluate(mode, kind, inputs)
    }

    fn evaluate(&self, mode: Mode, kind: Kind, inputs: &[Lanes]) -> Result<Option<Vec<Lanes>>, String> {
        let Some(good) = self.refused.iter().position(|refused| !refused) else { return Ok(None) };
        let own = |(lane, refused): (usize, &bool)| if *refused { good as i64 } else { lane as i64 };
        let sources = || Tensor::from_slice(&self.refused.iter().enumerate().map(own).collect::<Vec<_>>());
        let sources = self.refused.contains(&true).then(sources);
        let borrowed = |input: &Lanes| match (input, &sources) {
            (Lanes::Together(all), Some(sources)) => Lanes::Together(all.index_select(0, sources)),
            (other, _) => other.clone(),
        };
        let inputs: Vec<Lanes> = inputs.iter().map(borrowed).collect();
        evaluate(self.program(), mode, (kind, self.refused.len()), &inputs).map(Some)
    }

    /// The state of a tensor before the first step.
    fn start(&mut self, p: &Tensor) -> Result<Vec<Lanes>, String> {
        let wanted = self.program().inputs() - self.scalars.len() - 2;
        if wanted == 0 {
            return Ok(Vec::new());
        }
        if !self.program().has_init() {
            return Err(
                "it doesn't say what its state starts from: write it with scripts/export.py --optimizer"
                    .into(),
            );
        }
        let state = self.call(Mode::Init, p.kind(), &[Lanes::Together(p.copy())])?;
        match state {
            Some(state) if state.len() != wanted => {
                Err(format!("init returns {} tensors, and update takes {wanted}", state.len()))
            }
            state => Ok(state.unwrap_or_default()),
        }
    }

    /// A tensor after a step, and its state.
    fn update(
        &mut self,
        lr: &Tensor,
        (p, g): (&Tensor, Tensor),
        state: Vec<Lanes>,
    ) -> Result<(Tensor, Vec<Lanes>), String> {
        let kind = p.kind();
        let scalar = |scalar: &Scalar| match scalar {
            Scalar::Lr => Lanes::Together(lr.shallow_clone()),
            Scalar::Step(Kind::Float) => Lanes::Shared(Tensor::from(self.step as f64).to_kind(kind)),
            Scalar::Step(own) => Lanes::Shared(Tensor::from(self.step as i64).to_kind(*own)),
            Scalar::Option(number) => Lanes::Shared(Tensor::from(*number).to_kind(kind)),
        };
        let count = state.len();
        let scalars: Vec<Lanes> = self.scalars.iter().map(scalar).collect();
        let tensors = [Lanes::Together(p.shallow_clone()), Lanes::Together(g)];
        let inputs: Vec<Lanes> = tensors.into_iter().chain(state.iter().cloned()).chain(scalars).collect();
        let Some(mut outputs) = self.call(Mode::Train, kind, &inputs)? else {
            return Ok((p.full_like(f64::NAN), state));
        };
        if outputs.len() != count + 1 {
            return Err(format!(
                "update returns {} tensors, and (parameter, state…) are {}",
                outputs.len(),
                count + 1
            ));
        }
        let next = outputs.remove(0).together(self.refused.len())?;
        if next.size() != p.size() {
            let [own, returned] = [p, &next].map(|tensor| tensor.size().split_off(1));
            return Err(format!("update returns a parameter of size {returned:?}, and takes one of {own:?}"));
        }
        let next = if self.refused.contains(&true) {
            next.masked_fill(&broadcast_lanes(&Tensor::from_slice(&self.refused), &next), f64::NAN)
        } else {
            next
        };
        Ok((next, outputs))
    }
}

fn evaluate(
    program: &Program,
    mode: Mode,
    lanes: (Kind, usize),
    inputs: &[Lanes],
) -> Result<Vec<Lanes>, String> {
    let draws = Streams { seeds: &[0], step: 0 };
    program.evaluate(mode, lanes, (&[], &[], inputs), &draws).map(|evaluated| evaluated.outputs)
}

impl TensorStepper for Stepper {
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        _oracle: &mut dyn Oracle,
    ) {
        let _guard = tch::no_grad_guard();
        let whole = |tensors: &[Tensor]| {
            let each = tensors.iter().map(Tensor::shallow_clone);
            if self.together { vec![flatten(tensors)] } else { each.collect() }
        };
        let (p, g) = (whole(parameters), whole(gradients));
        if self.step == 0 {
            self.refused = vec![false; lr.size()[0] as usize];
            self.states = p.iter().map(|_| Vec::new()).collect();
        }
        self.step += 1;
        let mut next = Vec::new();
        for (index, (p, g)) in p.iter().zip(&g).enumerate() {
            let (seen, g) = (self.view(p), self.view(g));
            let step = || {
                let state =
                    if self.step == 1 { self.start(&seen)? } else { std::mem::take(&mut self.states[index]) };
                let (next, state) = self.update(lr, (&seen, g), state)?;
                self.states[index] = state;
                Ok(next.reshape(p.size()))
            };
            let stepped: Result<Tensor, String> = step();
            next.push(stepped.unwrap_or_else(|message| panic!("`{}`: {message}", self.name)));
        }
        let next = if self.together { unflatten(&next[0], parameters) } else { next };
        parameters.iter_mut().zip(&next).for_each(|(p, next)| p.copy_(next));
    }
}
