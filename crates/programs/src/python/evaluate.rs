//! Lanes of code that is evaluated in Python.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tch::{Kind, Tensor};

use super::Code;
use super::link::{self, Link, locked};
use crate::gradient::with_gradients;
use crate::lanes::Lanes;

thread_local! {
    static GRADIENTS: Cell<u64> = const { Cell::new(0) };
}

/// How many values with first derivatives alone this thread has made: where the number changes while a loss is evaluated,
/// the loss has no second derivatives.
#[must_use]
pub fn first_derivatives_only() -> u64 {
    GRADIENTS.get()
}

/// Code that a worker has loaded for some lanes.
#[derive(Debug)]
pub struct Session {
    link: Arc<Mutex<Link>>,
    id: Value,
}

/// What a step of a program is called with.
pub(crate) struct Call<'a> {
    pub training: bool,
    pub kind: Kind,
    pub seeds: &'a [u64],
    pub step: u64,
    /// Whether the gradients of its terms are wanted.
    pub terms: bool,
}

impl Code {
    /// Loads it for some lanes; `None` where Python mayn't be started.
    fn open(&self, options: Option<&BTreeMap<String, f64>>, lanes: usize) -> Result<Option<Session>, String> {
        if self.python.told().is_none() {
            return Ok(None);
        }
        let mut code = self.request.clone();
        if let Some(options) = options {
            code["options"] = json!(options);
        }
        let link = link::of_thread(&self.place)?;
        let request = json!({ "op": "open", "code": code, "about": self.about, "lanes": lanes });
        let (answer, _) = locked(&link, |link| link.ask_patiently(request, &[]))?;
        Ok(Some(Session { link, id: answer["id"].clone() }))
    }

    /// A function on lanes.
    pub(crate) fn lanes(&self, lanes: usize) -> Result<Option<Session>, String> {
        self.open(None, lanes)
    }

    /// An optimizer on lanes, with numbers for its options.
    ///
    /// # Errors
    /// If it can't be loaded.
    pub fn steps(&self, options: &BTreeMap<String, f64>, lanes: usize) -> Result<Steps, String> {
        let session = self.open(Some(options), lanes)?;
        session.map(Steps).ok_or_else(not_here)
    }
}

/// Why nothing is evaluated.
pub(crate) fn not_here() -> String {
    "it is evaluated in Python, which only run, diagnose and map start".into()
}

impl Session {
    fn ask(&self, mut request: Value, tensors: &[Tensor]) -> Result<(Value, Vec<Tensor>), String> {
        request["id"] = self.id.clone();
        locked(&self.link, |link| link.ask(request, tensors))
    }

    /// Parameters, then buffers, as they start with a seed.
    pub(crate) fn start(&self, seed: u64) -> Result<Vec<Tensor>, String> {
        Ok(self.ask(json!({ "op": "start", "seed": seed }), &[])?.1)
    }

    /// What the code returns, with the gradients that somebody may ask for, and its new buffers.
    pub(crate) fn evaluate(
        &self,
        code: &Code,
        call: &Call,
        (parameters, buffers, inputs): (&[Lanes], &[Lanes], &[Lanes]),
    ) -> Result<(Vec<Lanes>, Vec<Lanes>), String> {
        let about = &code.about;
        let of_parameters = about.parameters.iter().zip(parameters);
        let of_parameters = of_parameters.filter(|(variable, value)| variable.trained && value.is_recorded());
        let of_inputs = inputs.iter().enumerate().filter(|(_, value)| value.is_recorded());
        let sources: Vec<(String, &Lanes)> = of_parameters
            .map(|(variable, value)| (format!("parameter.{}", variable.name), value))
            .chain(of_inputs.map(|(number, value)| (format!("input.{number}"), value)))
            .collect();
        let (mut shared, mut tensors) = (Vec::new(), Vec::new());
        for value in parameters.iter().chain(buffers).chain(inputs) {
            let (Lanes::Shared(tensor) | Lanes::Together(tensor)) = value else {
                return Err("its arguments have unlike shapes in its lanes".into());
            };
            shared.push(value.is_shared());
            tensors.push(tensor.shallow_clone());
        }
        let request = json!({
            "op": "call", "training": call.training, "step": call.step, "seeds": call.seeds,
            "double": call.kind == Kind::Double, "shared": shared, "terms": call.terms,
            "gradients": sources.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        });
        let (answer, tensors) = self.ask(request, &tensors)?;
        let lanes = call.seeds.len();
        let mut tensors = tensors.into_iter();
        let apart = answer["apart"].as_array().ok_or("its answer has no results")?.clone();
        let result = |apart: &Value| {
            let count = if apart.as_bool() == Some(true) { lanes } else { 1 };
            let own: Vec<Tensor> = tensors.by_ref().take(count).collect();
            let whole = own.len() == count && (count > 1 || own[0].size().first() == Some(&(lanes as i64)));
            let mut own = if whole { own } else { return Err("its answer lacks a result".to_owned()) };
            Ok(if count == 1 { Lanes::Together(own.remove(0)) } else { Lanes::Apart(own) })
        };
        let mut results = apart.iter().map(result).collect::<Result<Vec<_>, String>>()?;
        let (outputs, kept) = (about.outputs.len(), about.buffers.len());
        if results.len() < outputs + kept {
            return Err("its answer lacks a result".into());
        }
        let mut gradients = results.split_off(outputs + kept);
        let buffers = results.split_off(outputs);
        if answer["has_gradient"].as_bool() == Some(true) && !sources.is_empty() {
            GRADIENTS.set(GRADIENTS.get() + 1);
            let is_term = |number: &usize| *number > 0 && about.outputs[*number].starts_with("terms.");
            let valued = [0].into_iter().chain((0..outputs).filter(|number| call.terms && is_term(number)));
            for number in valued {
                if gradients.len() < sources.len() {
                    return Err("its answer lacks a gradient".into());
                }
                let rest = gradients.split_off(sources.len());
                let own = std::mem::replace(&mut gradients, rest);
                let pairs = sources.iter().map(|(_, source)| *source).zip(own).collect();
                results[number] = with_gradients(&results[number], lanes, pairs)?;
            }
        }
        Ok((results, buffers))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Where its process is gone there is nothing to close.
        let _ = self.ask(json!({ "op": "close" }), &[]);
    }
}

/// An optimizer that is evaluated in Python, with a state a lane.
#[derive(Debug)]
pub struct Steps(Session);

/// Loss and gradients of a lane at other parameters.
pub type Closure<'a> = &'a mut dyn FnMut(usize, &[Tensor]) -> (f64, Vec<Tensor>);

impl Steps {
    /// The parameters after a step, `[lanes, …]` each, with a rate and a loss of each lane. What it asks for where it calls
    /// its closure again is computed by `evaluate`.
    ///
    /// # Errors
    /// What the code raises, with its traceback; or that its process ended.
    pub fn step(
        &mut self,
        (lr, loss): (&[f64], &[f64]),
        parameters: &[Tensor],
        gradients: &[Tensor],
        evaluate: Closure,
    ) -> Result<Vec<Tensor>, String> {
        let all: Vec<Tensor> = parameters.iter().chain(gradients).map(Tensor::shallow_clone).collect();
        let double = parameters.first().is_some_and(|p| p.kind() == Kind::Double);
        let mut request = json!({ "op": "step", "double": double, "lr": lr, "loss": numbers(loss) });
        let mut tensors = all;
        loop {
            let (answer, received) = self.0.ask(request, &tensors)?;
            let Some(lane) = answer["evaluate"].as_u64() else {
                let alike = received.len() == parameters.len()
                    && received.iter().zip(parameters).all(|(after, before)| after.size() == before.size());
                return if alike {
                    Ok(received)
                } else {
                    Err("it returns other parameters than it takes".into())
                };
            };
            let (loss, gradients) = evaluate(lane as usize, &received);
            request = json!({ "op": "evaluated", "loss": numbers(&[loss])[0] });
            tensors = gradients;
        }
    }
}

/// As JSON that Python reads, which has no infinite numbers: text stands for those.
fn numbers(all: &[f64]) -> Vec<Value> {
    all.iter()
        .map(|number| if number.is_finite() { json!(number) } else { json!(number.to_string()) })
        .collect()
}
