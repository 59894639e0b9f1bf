//! Losses, models and optimizers in the style of public ones, trained for 20 steps as PyTorch trains them.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Read;
use std::path::Path;

use numeric::panics::guarded;
use programs::{Lanes, Mode, Program, Streams};
use safetensors::SafeTensors;
use serde_json::Value;
use tch::{Kind, Tensor};

/// What PyTorch made of an entry.
pub struct Golden {
    kind: String,
    lr: f64,
    inputs: Vec<String>,
    trained: Vec<String>,
    /// Those of an optimizer, in the order in which it takes them.
    options: Vec<f64>,
    tensors: HashMap<String, Tensor>,
}

impl Golden {
    pub fn read(bytes: &[u8]) -> Self {
        let (_, metadata) = SafeTensors::read_metadata(bytes).unwrap();
        let metadata = metadata.metadata().clone().unwrap();
        let names = |key: &str| -> Vec<String> {
            let list: Value = serde_json::from_str(&metadata[key]).unwrap();
            list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        let text = metadata.get("options").map_or("{}", String::as_str);
        let options: HashMap<String, f64> = serde_json::from_str(text).unwrap();
        let mut options: Vec<(String, f64)> = options.into_iter().collect();
        options.sort_by_key(|(name, _)| text.find(&format!("\"{name}\"")));
        let options = options.into_iter().map(|(_, value)| value).collect();
        let (inputs, trained) = (names("inputs"), names("trained"));
        let tensors = SafeTensors::deserialize(bytes).unwrap();
        let tensors = tensors.tensors().into_iter().map(|(name, view)| {
            let size: Vec<i64> = view.shape().iter().map(|size| *size as i64).collect();
            (name, Tensor::from_data_size(view.data(), &size, view.dtype().try_into().unwrap()))
        });
        let tensors = tensors.collect();
        Self {
            kind: metadata["kind"].clone(),
            lr: metadata["lr"].parse().unwrap(),
            inputs,
            trained,
            options,
            tensors,
        }
    }

    fn tensor(&self, name: &str, kind: Kind) -> Tensor {
        let tensor = &self.tensors[name];
        if tensor.is_floating_point() { tensor.to_kind(kind) } else { tensor.shallow_clone() }
    }
}

/// A tensor for each of some lanes.
fn spread(tensor: &Tensor, lanes: usize) -> Tensor {
    tensor.unsqueeze(0).repeat([lanes as i64].into_iter().chain(vec![1; tensor.dim()]).collect::<Vec<_>>())
}

/// The losses of the lanes: the mean of each lane's first output.
fn losses(output: &Lanes, lanes: usize) -> Tensor {
    let means: Vec<Tensor> = (0..lanes).map(|lane| output.lane(lane).mean(None::<Kind>)).collect();
    Tensor::stack(&means, 0)
}

fn model_losses(output: &Lanes, target: &Tensor, lanes: usize) -> Tensor {
    let of = |lane: usize| {
        let output = output.lane(lane);
        if target.is_floating_point() {
            output.mse_loss(target, tch::Reduction::Mean)
        } else {
            output.cross_entropy_loss(target, None::<Tensor>, tch::Reduction::Mean, -100, 0.0)
        }
    };
    Tensor::stack(&(0..lanes).map(of).collect::<Vec<_>>(), 0)
}

/// Losses at every step, `[steps, lanes]`.
pub fn train(
    program: &Program,
    golden: &Golden,
    kind: Kind,
    lanes: usize,
    steps: i32,
) -> Result<Tensor, String> {
    let seeds = vec![0; lanes];
    let streams = Streams { seeds: &seeds, step: 0 };
    if golden.kind == "optimizer" {
        return update(program, golden, (kind, lanes), &streams, steps);
    }
    let own = |variable: &programs::Variable| {
        // A module that differentiates inside is exported in another.
        let name = variable.name.trim_start_matches("module.");
        let value = golden.tensor(&format!("start.{name}"), kind);
        // Complex numbers are written as pairs.
        let value = if value.dim() > variable.shape.len() { value.view_as_complex() } else { value };
        spread(&value, lanes)
    };
    let mut parameters: Vec<Tensor> = program
        .parameters()
        .iter()
        .map(|variable| own(variable).set_requires_grad(variable.trained))
        .collect();
    let mut buffers: Vec<Lanes> =
        program.buffers().iter().map(|variable| Lanes::Together(own(variable))).collect();
    let mut inputs: Vec<(String, Lanes)> = Vec::new();
    for name in golden.inputs.iter().filter(|name| golden.kind == "loss" || *name != "target") {
        let tensor = golden.tensor(&format!("input.{name}"), kind);
        let lanes = if golden.trained.contains(name) {
            Lanes::Together(spread(&tensor, lanes).set_requires_grad(true))
        } else {
            Lanes::Shared(tensor)
        };
        inputs.push((name.clone(), lanes));
    }
    let mut moments: Vec<(Tensor, Tensor)> =
        parameters.iter().map(|p| (p.detach().zeros_like(), p.detach().zeros_like())).collect();
    let mut all = Vec::new();
    for step in 1..=steps {
        let own: Vec<Lanes> = parameters.iter().map(|p| Lanes::Together(p.shallow_clone())).collect();
        let values: Vec<Lanes> = inputs.iter().map(|(_, lanes)| lanes.clone()).collect();
        let evaluated = program.evaluate(Mode::Train, (kind, lanes), (&own, &buffers, &values), &streams)?;
        buffers = evaluated.buffers;
        let loss = match golden.tensors.get("input.target") {
            Some(_) if golden.kind == "model" => {
                model_losses(&evaluated.outputs[0], &golden.tensor("input.target", kind), lanes)
            }
            _ => losses(&evaluated.outputs[0], lanes),
        };
        all.push(loss.detach().copy());
        let mut leaves: Vec<Tensor> =
            parameters.iter().filter(|p| p.requires_grad()).map(Tensor::shallow_clone).collect();
        for (name, lanes) in &inputs {
            if let (true, Lanes::Together(tensor)) = (golden.trained.contains(name), lanes) {
                leaves.push(tensor.shallow_clone());
            }
        }
        if !loss.requires_grad() {
            return Err("it has no gradient".into());
        }
        let gradients = Tensor::run_backward(&[loss.sum(None::<Kind>)], &leaves, false, false);
        {
            // Not `no_grad`, which a panic would leave on.
            let _guard = tch::no_grad_guard();
            for (number, (leaf, gradient)) in leaves.iter_mut().zip(&gradients).enumerate() {
                if !gradient.defined() {
                    continue;
                }
                if golden.kind == "loss" {
                    let _ = leaf.g_sub_(&(gradient * golden.lr));
                } else {
                    let (first, second) = &mut moments[number];
                    *first = &*first * 0.9 + gradient * 0.1;
                    *second = &*second * 0.999 + gradient * gradient * 0.001;
                    let (c1, c2) = (1.0 - 0.9_f64.powi(step), 1.0 - 0.999_f64.powi(step));
                    let change = &*first / (second.sqrt() / c2.sqrt() + 1e-8) * (golden.lr / c1);
                    let _ = leaf.g_sub_(&change);
                }
            }
        }
        parameters = parameters.iter().map(|p| p.detach().set_requires_grad(p.requires_grad())).collect();
        for (_, lanes) in &mut inputs {
            if let Lanes::Together(tensor) = lanes {
                *tensor = tensor.detach().set_requires_grad(true);
            }
        }
    }
    Ok(Tensor::stack(&all, 0))
}

/// Updates by an optimizer on least squares.
fn update(
    program: &Program,
    golden: &Golden,
    (kind, lanes): (Kind, usize),
    streams: &Streams,
    steps: i32,
) -> Result<Tensor, String> {
    let [a, b] = ["input.a", "input.b"].map(|name| golden.tensor(name, kind));
    let mut w = spread(&golden.tensor("start.w", kind), lanes);
    let mut state: Vec<Lanes> = (0..)
        .map_while(|number| {
            golden
                .tensors
                .contains_key(&format!("start.state.{number}"))
                .then(|| format!("start.state.{number}"))
        })
        .map(|name| Lanes::Together(spread(&golden.tensor(&name, kind), lanes)))
        .collect();
    let mut all = Vec::new();
    for step in 1..=steps {
        let leaf = w.detach().set_requires_grad(true);
        let residual = a.matmul(&leaf) - &b;
        let dims: Vec<i64> = (1..residual.dim() as i64).collect();
        let loss = residual.square().sum_dim_intlist(&dims[..], false, None::<Kind>) / a.size()[0] as f64;
        let gradient = Tensor::run_backward(&[loss.sum(None::<Kind>)], &[&leaf], false, false).swap_remove(0);
        all.push(loss.detach());
        let mut inputs = vec![Lanes::Together(w.detach()), Lanes::Together(gradient)];
        inputs.extend(state.iter().cloned());
        let numbers = [golden.lr, f64::from(step)].into_iter().chain(golden.options.iter().copied());
        inputs.extend(numbers.map(|number| Lanes::Shared(Tensor::from(number).to_kind(kind))));
        let _guard = tch::no_grad_guard();
        let evaluated = program.evaluate(Mode::Train, (kind, lanes), (&[], &[], &inputs), streams)?;
        w = evaluated.outputs[0].together(lanes)?;
        state = evaluated.outputs.into_iter().skip(1).collect();
    }
    Ok(Tensor::stack(&all, 0))
}

/// The files of an archive of the tests, by name.
pub fn files(archive: &str) -> BTreeMap<String, Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(archive);
    let mut archive = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
    let count = archive.len();
    let read = |index: usize| {
        let mut file = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        (file.name().to_owned(), bytes)
    };
    (0..count).map(read).collect()
}

/// How far two tensors are apart, in units of how far the losses moved, or of their size.
fn apart(ours: &Tensor, theirs: &Tensor) -> f64 {
    let scale = theirs.abs().max().double_value(&[]).max(1e-3);
    (ours.to_kind(Kind::Double) - theirs).abs().max().double_value(&[]) / scale
}

#[test]
fn every_entry_is_trained_as_pytorch_does_it() {
    tch::set_num_threads(1);
    let mut wrong = Vec::new();
    let files = files("zoo.zip");
    let goldens: Vec<(&str, &[u8])> = files
        .iter()
        .filter_map(|(name, bytes)| Some((name.strip_suffix(".safetensors")?, &**bytes)))
        .collect();
    assert!(goldens.len() > 250, "{}", goldens.len());
    for (name, golden) in &goldens {
        let golden = Golden::read(golden);
        let program = match Program::read(&files[&format!("{name}.pt2")]) {
            Ok(program) => program,
            Err(message) => {
                wrong.push(format!("{name}: {message}"));
                continue;
            }
        };
        // Numbers that a person writes as float32 tensors are no others in float64.
        let single = ["soft_actor_critic", "lambda_rank", "expectile"].contains(name);
        let exact = if single { 1e-7 } else { 1e-9 };
        for (dtype, kind, tolerance) in [("float64", Kind::Double, exact), ("float32", Kind::Float, 2e-4)] {
            // In float32 a lane by itself is tried in full only.
            let one = kind == Kind::Double || crate::is_full();
            for lanes in if one { &[1, 3][..] } else { &[3] }.iter().copied() {
                match guarded(|| train(&program, &golden, kind, lanes, 20)).and_then(|result| result) {
                    Ok(ours) => {
                        for lane in 0..lanes {
                            let distance = apart(
                                &ours.select(1, lane as i64),
                                &golden.tensors[&format!("{dtype}.loss")],
                            );
                            if distance.is_nan() || distance > tolerance {
                                wrong.push(format!(
                                    "{name} in {dtype}, lane {lane} of {lanes}: {distance:e} apart"
                                ));
                            }
                        }
                    }
                    Err(message) => wrong.push(format!("{name} in {dtype}, {lanes} lanes: {message}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), goldens.len(), wrong.join("\n"));
}
