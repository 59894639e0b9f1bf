//! What the engine trains needs no problem of the registry: a toy of each kind of objective that is to come goes
//! through the same training.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use config::plan::{Lane, Settings};
use engine::{Evaluator, LaneResult, Objective, Training, Until};
use optimizers::{Optimizer, Schedule};
use problems::{Draw, Graph, TensorProblem};
use records::{Dtype, Engine, Outcome, Role};
use tch::{Device, Kind, Tensor};

/// Trains on libtorch in float64 at these rates.
fn train(objective: &dyn Objective, optimizer: &str, rates: &[f64], steps: u64) -> Vec<LaneResult> {
    let lanes: Vec<Lane> = rates.iter().map(|lr| Lane { lr: *lr, seed: 1, role: Role::Reporting }).collect();
    let settings = Settings {
        steps,
        targets: vec![1e-3],
        hold: 1,
        record: Vec::new(),
        divergence: 1e6,
        dtype: Dtype::Float64,
    };
    Training {
        objective,
        optimizer: &Optimizer::named(optimizer).unwrap(),
        schedule: &Schedule::named("constant").unwrap(),
        lanes: &lanes,
        start: None,
        settings: &settings,
        engine: Engine::Libtorch,
        frozen: false,
        until: Until::Arrival,
        terms: false,
        ends: true,
    }
    .run(None)
}

/// A graph of operations on named tensors, as a PyTorch program has: y = w·x + b on data with a part held out, and
/// dropout that only training has.
struct Program(Arc<AtomicU64>);

struct ProgramLanes {
    lanes: i64,
    training: bool,
    dropped: Arc<AtomicU64>,
}

/// What it may do: names of inputs and what is made of them.
const GRAPH: [(&str, &str, [&str; 2]); 3] = [
    ("scaled", "mul", ["linear.weight", "x"]),
    ("dropped", "dropout", ["scaled", ""]),
    ("y", "add", ["dropped", "linear.bias"]),
];

impl Objective for Program {
    fn tensors(&self, seeds: &[u64], _kind: Kind) -> Box<dyn TensorProblem> {
        Box::new(ProgramLanes { lanes: seeds.len() as i64, training: true, dropped: self.0.clone() })
    }
}

impl ProgramLanes {
    fn forward(&self, x: &Tensor, parameters: &[Tensor]) -> Tensor {
        let mut known = vec![
            ("linear.weight", parameters[0].shallow_clone()),
            ("linear.bias", parameters[1].shallow_clone()),
        ];
        known.push(("x", x.shallow_clone()));
        for (name, operation, inputs) in GRAPH {
            let of = |name: &str| {
                known.iter().find(|(known, _)| *known == name).map(|(_, value)| value.shallow_clone())
            };
            let (a, b) = (of(inputs[0]).unwrap(), of(inputs[1]));
            let value = match operation {
                "mul" => a * b.unwrap(),
                "add" => a + b.unwrap(),
                "dropout" if self.training => {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                    a
                }
                "dropout" => a,
                other => panic!("unknown operation {other}"),
            };
            known.push((name, value));
        }
        known.pop().unwrap().1
    }
}

impl TensorProblem for ProgramLanes {
    fn start(&mut self) -> Vec<Tensor> {
        (0..2).map(|_| Tensor::zeros([self.lanes, 1], (Kind::Double, Device::Cpu))).collect()
    }
    fn names(&mut self) -> Vec<String> {
        ["linear.weight", "linear.bias"].map(str::to_owned).to_vec()
    }
    fn has(&self, _draw: Draw) -> bool {
        true
    }
    fn set_training(&mut self, training: bool) {
        self.training = training;
    }
    fn loss(&mut self, draw: Draw, parameters: &[Tensor]) -> Tensor {
        let x = match draw {
            // Minibatches of two.
            Draw::Step(step) if step % 2 == 0 => Tensor::from_slice(&[-1.0, 2.0]),
            Draw::Step(_) => Tensor::from_slice(&[1.0, 0.5]),
            Draw::Frozen | Draw::Redrawn(_) => Tensor::from_slice(&[-1.0, 2.0, 1.0, 0.5]),
            Draw::Validation => Tensor::from_slice(&[10.0]),
        };
        let truth: Tensor = &x * 3.0 + 2.0;
        (self.forward(&x.unsqueeze(0), parameters) - truth).square().mean_dim(1, false, None::<Kind>)
    }
    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        assert!(!self.training, "the error is that of evaluation");
        let _guard = tch::no_grad_guard();
        let loss = self.loss(Draw::Validation, parameters).sqrt();
        Vec::try_from(loss).unwrap()
    }
}

#[test]
fn a_program_is_trained_in_its_modes_and_validated_on_what_was_held_out() {
    let dropped = Arc::new(AtomicU64::new(0));
    let program = Program(dropped.clone());
    let runs = train(&program, "sgd", &[0.2, 1e-5], 2000);
    assert_eq!(runs.iter().map(|run| run.outcome).collect::<Vec<_>>(), [Outcome::Reached, Outcome::Budget]);
    assert!((runs[0].end[0] - 3.0).abs() < 1e-3 && (runs[0].end[1] - 2.0).abs() < 1e-3);
    // Once a step, and never where the error is evaluated.
    assert_eq!(dropped.load(Ordering::Relaxed), runs[1].steps + 1);
    let at = Evaluator::new(Arc::new(program), 1, Kind::Double).unwrap();
    assert_eq!(at.shapes[1], ("linear.bias".to_owned(), vec![1, 1]));
    let values = [Draw::Step(0), Draw::Frozen, Draw::Validation].map(|draw| at.at(&[3.0, 3.0], draw).0);
    assert_eq!(values, [1.0; 3]);
    assert_ne!(at.at(&[1.0, 0.0], Draw::Step(0)).0, at.at(&[1.0, 0.0], Draw::Step(1)).0);
}

/// f(p) = Σ (pᵢ − i)², computed by a program in another process, a line a point.
struct Elsewhere;

struct ElsewhereLanes {
    child: Child,
    lanes: usize,
    gradients: Option<Tensor>,
}

const PROGRAM: &str = "
import sys
for line in iter(sys.stdin.readline, ''):
    d = [float(x) - i for i, x in enumerate(line.split(), 1)]
    print(sum(x * x for x in d), *(2 * x for x in d), flush=True)
";

impl Objective for Elsewhere {
    fn tensors(&self, seeds: &[u64], _kind: Kind) -> Box<dyn TensorProblem> {
        let mut python = Command::new("python3");
        python.args(["-c", PROGRAM]).stdin(Stdio::piped()).stdout(Stdio::piped());
        Box::new(ElsewhereLanes { child: python.spawn().unwrap(), lanes: seeds.len(), gradients: None })
    }
    fn solutions(&self, _seed: u64) -> Vec<Vec<f64>> {
        vec![vec![1.0, 2.0, 3.0]]
    }
}

impl Drop for ElsewhereLanes {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl ElsewhereLanes {
    /// Value and gradient of a lane.
    fn ask(&mut self, point: &[f64]) -> Vec<f64> {
        let line: Vec<String> = point.iter().map(|p| format!("{p:e}")).collect();
        writeln!(self.child.stdin.as_mut().unwrap(), "{}", line.join(" ")).unwrap();
        let mut answer = String::new();
        BufReader::with_capacity(1, self.child.stdout.as_mut().unwrap()).read_line(&mut answer).unwrap();
        answer.split_whitespace().map(|number| number.parse().unwrap()).collect()
    }
}

impl TensorProblem for ElsewhereLanes {
    fn start(&mut self) -> Vec<Tensor> {
        vec![Tensor::zeros([self.lanes as i64, 3], (Kind::Double, Device::Cpu))]
    }
    fn loss(&mut self, _draw: Draw, parameters: &[Tensor]) -> Tensor {
        let points = Vec::<Vec<f64>>::try_from(parameters[0].detach()).unwrap();
        let answers: Vec<Vec<f64>> = points.iter().map(|point| self.ask(point)).collect();
        let gradients: Vec<f64> = answers.iter().flat_map(|answer| answer[1..].to_vec()).collect();
        self.gradients = Some(Tensor::from_slice(&gradients).reshape(parameters[0].size()));
        Tensor::from_slice(&answers.iter().map(|answer| answer[0]).collect::<Vec<f64>>())
    }
    fn gradients(&mut self, _loss: &Tensor, _parameters: &[Tensor], graph: Graph) -> Vec<Tensor> {
        assert_eq!(graph, Graph::Spend, "there are no second derivatives");
        vec![self.gradients.as_ref().unwrap().copy()]
    }
    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        Vec::try_from(self.loss(Draw::Frozen, parameters).sqrt()).unwrap()
    }
}

#[test]
fn an_evaluator_in_another_process_is_trained() {
    for optimizer in ["sgd", "lbfgs"] {
        let runs = train(&Elsewhere, optimizer, &[0.3, 0.1], 100);
        for run in runs {
            assert_eq!(run.outcome, Outcome::Reached, "{optimizer}: {}", run.message);
            assert!(run.end.iter().zip([1.0, 2.0, 3.0]).all(|(p, i)| (p - i).abs() < 1e-2), "{:?}", run.end);
        }
    }
}

/// A program whose gradient is scaled group by group, as rates of parameter groups do under SGD; groups go by name.
struct Grouped(Vec<(&'static str, f64)>);

struct GroupedLanes {
    inner: Box<dyn TensorProblem>,
    factors: Vec<f64>,
}

impl Objective for Grouped {
    fn tensors(&self, seeds: &[u64], kind: Kind) -> Box<dyn TensorProblem> {
        let mut inner = Program(Arc::default()).tensors(seeds, kind);
        let factor = |name: String| {
            let group = self.0.iter().find(|(suffix, _)| name.ends_with(suffix));
            group.map_or(1.0, |(_, factor)| *factor)
        };
        let factors = inner.names().into_iter().map(factor).collect();
        Box::new(GroupedLanes { inner, factors })
    }
}

impl TensorProblem for GroupedLanes {
    fn start(&mut self) -> Vec<Tensor> {
        self.inner.start()
    }
    fn set_training(&mut self, training: bool) {
        self.inner.set_training(training);
    }
    fn loss(&mut self, draw: Draw, parameters: &[Tensor]) -> Tensor {
        self.inner.loss(draw, parameters)
    }
    fn gradients(&mut self, loss: &Tensor, parameters: &[Tensor], graph: Graph) -> Vec<Tensor> {
        let gradients = self.inner.gradients(loss, parameters, graph);
        gradients.into_iter().zip(&self.factors).map(|(gradient, factor)| gradient * *factor).collect()
    }
    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        self.inner.error(parameters)
    }
}

#[test]
fn groups_of_parameters_go_by_their_names() {
    let still = train(&Grouped(vec![(".bias", 0.0)]), "sgd", &[0.1], 50).swap_remove(0);
    assert_eq!(still.end[1], 0.0);
    assert_ne!(still.end[0], 0.0);
    let all = train(&Grouped(vec![(".bias", 1.0)]), "sgd", &[0.1], 50).swap_remove(0);
    assert_ne!(all.end[1], 0.0);
}
