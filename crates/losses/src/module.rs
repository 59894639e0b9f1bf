//! TorchScript modules.

use std::cell::Cell;

use numeric::panics::reason;
use programs::Script;
use tch::{CModule, Device, IValue, Kind, Tensor};

use crate::{File, Parameters};

/// A TorchScript module for each lane, whose parameters are views of tensors `[lanes, …]`; or one for
/// all lanes where it has no parameters and no state that a call may change.
///
/// What a module does in a call reaches nobody else: where its code may change the tensors that it is given, or libtorch's
/// grad mode, it is given copies, and the mode is afterward what it was before.
#[derive(Debug)]
pub struct Replicas {
    name: String,
    script: Script,
    /// Shows by its gradient in which mode libtorch is.
    witness: Tensor,
    modules: Vec<CModule>,
    /// The names of the parameters, sorted.
    names: Vec<String>,
    /// The parameters of each lane's module, in that order.
    leaves: Vec<Vec<Tensor>>,
}

/// One module, with the name of its file for messages.
struct Loaded {
    module: CModule,
    parameters: Vec<(String, Tensor)>,
    script: Script,
}

fn load(file: &File, (kind, device): (Kind, Device)) -> Result<Loaded, String> {
    thread_local!(static READY: Cell<bool> = const { Cell::new(false) });
    if !READY.replace(true) {
        // The profiling executor compiles anew while it runs, and double backward fails after that; the
        // last of these holds for one thread.
        tch::jit::set_profiling_mode(false);
        tch::jit::set_tensor_expr_fuser_enabled(false);
        tch::jit::set_graph_executor_optimize(false);
    }
    let bytes = file.bytes()?;
    let name = file.name();
    let no_module = |message: String| {
        format!(
            "`{name}` is no TorchScript module: {message}; write it with torch.jit.script(module).save({name:?})"
        )
    };
    let script = file.script().map_err(no_module)?;
    let mut module =
        CModule::load_data_on_device(&mut &*bytes, device).map_err(|error| no_module(reason(&error)))?;
    let list = |module: &CModule| {
        module
            .named_parameters()
            .map_err(|error| format!("can't list the parameters of `{name}`: {}", reason(&error)))
    };
    let mut parameters = list(&module)?;
    // Not where it has the type already: integer buffers would be made floats too.
    if kind != Kind::Float || parameters.iter().any(|(_, parameter)| parameter.kind() != kind) {
        module.to(device, kind, false);
        parameters = list(&module)?;
    }
    parameters.sort_by(|a, b| a.0.cmp(&b.0));
    parameters.retain(|(_, parameter)| parameter.requires_grad());
    Ok(Loaded { module, parameters, script })
}

impl Replicas {
    /// Makes a module, once for each lane if it has parameters to be trained or keeps state.
    ///
    /// # Errors
    /// If it is no TorchScript module.
    pub fn load(file: &File, lanes: usize, options: (Kind, Device)) -> Result<Self, String> {
        let first = load(file, options)?;
        let script = first.script;
        let names = first.parameters.iter().map(|(name, _)| name.clone()).collect();
        let copies = if first.parameters.is_empty() && !script.keeps_state { 1 } else { lanes };
        let (mut modules, mut leaves) = (Vec::new(), Vec::new());
        let others = (1..copies).map(|_| load(file, options));
        for loaded in std::iter::once(Ok(first)).chain(others) {
            let Loaded { module, parameters, .. } = loaded?;
            modules.push(module);
            leaves.push(parameters.into_iter().map(|(_, parameter)| parameter).collect());
        }
        let witness = Tensor::from(1.0).set_requires_grad(true);
        Ok(Self { name: file.name().to_owned(), script, witness, modules, names, leaves })
    }

    /// Whether a call may change what later calls return, so that no lane may see the calls of another.
    #[must_use]
    pub fn keeps_state(&self) -> bool {
        self.script.keeps_state
    }

    /// The names of the parameters.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Calls a method of a lane's module with tensors, which stay as they are.
    ///
    /// # Errors
    /// What libtorch says, in one line, with the file's name.
    pub fn call(&self, lane: usize, method: &str, inputs: &[&Tensor]) -> Result<IValue, String> {
        let module = self.modules.get(lane).unwrap_or(&self.modules[0]);
        let copy = if self.script.has_effects { Tensor::alias_copy } else { Tensor::shallow_clone };
        let inputs: Vec<IValue> = inputs.iter().map(|tensor| IValue::Tensor(copy(tensor))).collect();
        let call = || module.method_is(method, &inputs);
        let returned = if self.script.has_effects { self.keeping_grad_mode(call) } else { call() };
        returned.map_err(|error| {
            let reason = reason(&error);
            // Only tensors that the code makes itself can be elsewhere: the parameters were moved.
            let elsewhere = reason.contains(" backend") || reason.contains("same device");
            let remedy = if elsewhere { "; make its tensors on the device of its inputs" } else { "" };
            format!("`{}`: {reason}{remedy}", self.name)
        })
    }

    /// Runs this and puts libtorch's grad mode back to what it was: it is that of the thread, and what else runs there
    /// would have no gradients.
    fn keeping_grad_mode<T>(&self, run: impl FnOnce() -> T) -> T {
        let on = self.witness.neg().requires_grad();
        let _back = tch::no_grad_guard();
        if on { tch::with_grad(run) } else { run() }
    }

    /// As [`call`](Self::call), where a tensor is to come back.
    ///
    /// # Errors
    /// As [`call`](Self::call), and if something else comes back.
    pub fn tensor(&self, lane: usize, method: &str, inputs: &[&Tensor]) -> Result<Tensor, String> {
        match self.call(lane, method, inputs)? {
            IValue::Tensor(tensor) => Ok(tensor),
            other => {
                Err(format!("`{}`: `{method}` returns {}: return one tensor", self.name, kind_of(&other)))
            }
        }
    }

    /// As [`call`](Self::call), where several tensors are to come back: a tuple or a list of them, or
    /// one tensor that is taken apart along its first dimension.
    ///
    /// # Errors
    /// As [`call`](Self::call), and if something else comes back.
    pub fn tensors(&self, lane: usize, method: &str, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
        let wrong = |value: &IValue| {
            format!(
                "`{}`: `{method}` returns {}: return a tensor, a tuple or a list of tensors",
                self.name,
                kind_of(value)
            )
        };
        match self.call(lane, method, inputs)? {
            IValue::Tensor(tensor) if tensor.dim() > 0 => Ok(tensor.unbind(0)),
            IValue::Tensor(tensor) => Ok(vec![tensor]),
            IValue::TensorList(tensors) => Ok(tensors),
            IValue::Tuple(values) | IValue::GenericList(values) => {
                let tensor =
                    |value| if let IValue::Tensor(tensor) = value { Ok(tensor) } else { Err(wrong(&value)) };
                values.into_iter().map(tensor).collect()
            }
            other => Err(wrong(&other)),
        }
    }

    /// Whether the modules have a method.
    #[must_use]
    pub fn has(&self, method: &str) -> bool {
        // There is no way to ask but to call it: without arguments, so that nothing is computed.
        let Err(error) = self.modules[0].method_is::<IValue>(method, &[]) else { return true };
        !error.to_string().contains(&format!("Method '{method}' is not defined"))
    }

    /// The name of the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Parameters for Replicas {
    fn parameters(&self) -> usize {
        self.leaves[0].len()
    }

    fn bind(&mut self, parameters: &[Tensor]) {
        let _guard = tch::no_grad_guard();
        for (lane, leaves) in self.leaves.iter_mut().enumerate() {
            for (leaf, all) in leaves.iter_mut().zip(parameters) {
                let view = all.get(lane as i64).view_as(leaf);
                if leaf.data_ptr() != view.data_ptr() {
                    leaf.set_data(&view);
                }
            }
        }
    }

    fn leaves(&self) -> Vec<Vec<Tensor>> {
        let of = |k: usize| self.leaves.iter().map(|leaves| leaves[k].shallow_clone()).collect();
        (0..self.parameters()).map(of).collect()
    }

    fn start(&self) -> Vec<Tensor> {
        let of = |k: usize| {
            let all: Vec<Tensor> = self.leaves.iter().map(|leaves| leaves[k].detach()).collect();
            let all = Tensor::stack(&all, 0);
            if all.dim() == 1 { all.unsqueeze(1) } else { all }
        };
        (0..self.leaves[0].len()).map(of).collect()
    }
}

/// What a value is called in messages.
fn kind_of(value: &IValue) -> &'static str {
    match value {
        IValue::None => "nothing",
        IValue::Double(_) => "a Python number, which has no gradient",
        IValue::Int(_) | IValue::Bool(_) => "a Python number",
        IValue::Tuple(_) => "a tuple",
        IValue::GenericList(_) | IValue::TensorList(_) => "a list",
        IValue::GenericDict(_) => "a dict",
        _ => "something else than a tensor",
    }
}
