//! Every operator of the table against PyTorch, value and gradient: the cases of `scripts/golden/operators.py`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::Path;

use numeric::panics::guarded;
use programs::{Lanes, Mode, Program, Streams};
use serde_json::Value;
use tch::{Kind, Tensor};

/// A call, with what PyTorch made of it.
struct Case {
    name: String,
    targets: BTreeSet<String>,
    program: Result<Program, String>,
    /// Which inputs gradients are taken by.
    wanted: Vec<bool>,
    sets: Vec<Set>,
}

/// Inputs, and the results in float64.
struct Set {
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
    gradients: Vec<Option<Tensor>>,
}

/// The numbers of all cases, in their order.
struct Numbers<'a>(&'a [f64]);

impl Numbers<'_> {
    fn tensor(&mut self, kind: &str, shape: &[i64]) -> Tensor {
        let count = shape.iter().product::<i64>() as usize * if kind == "complex" { 2 } else { 1 };
        let (own, rest) = self.0.split_at(count);
        self.0 = rest;
        let flat = Tensor::from_slice(own);
        match kind {
            "float" => flat.reshape(shape),
            "complex" => flat.reshape([shape, &[2]].concat()).view_as_complex(),
            "bool" => flat.to_kind(Kind::Bool).reshape(shape),
            "int32" => flat.to_kind(Kind::Int).reshape(shape),
            _ => flat.to_kind(Kind::Int64).reshape(shape),
        }
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("a list").iter()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn shape(value: &Value) -> Vec<i64> {
    list(value).map(|size| size.as_i64().expect("a size")).collect()
}

/// The operators of a graph, and of those inside it.
fn targets(graph: &Value, found: &mut BTreeSet<String>) {
    for node in list(&graph["nodes"]) {
        found.insert(text(&node["target"]).trim_start_matches("torch.ops.").to_owned());
        for argument in list(&node["inputs"]) {
            if let Some(inner) = argument["arg"].get("as_graph") {
                targets(&inner["graph"], found);
            }
        }
    }
}

/// A `.pt2` of a graph alone.
fn archive(graph: &Value) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("case/models/model.json", zip::write::FileOptions::default()).unwrap();
    writer.write_all(graph.to_string().as_bytes()).unwrap();
    writer.finish().unwrap().into_inner()
}

impl Case {
    fn new(value: &Value, numbers: &mut Numbers) -> Self {
        let mut own = BTreeSet::new();
        targets(&value["program"]["graph_module"]["graph"], &mut own);
        let kinds: Vec<String> = list(&value["inputs"]).map(text).collect();
        let wanted: Vec<bool> = list(&value["gradients"]).map(|is| is.as_bool().unwrap()).collect();
        let shapes: Vec<&Value> = list(&value["shapes"]).collect();
        let sets = (0..3).map(|set| {
            // Shapes that are those of all sets are written once.
            let shapes = shapes[set.min(shapes.len() - 1)];
            let inputs: Vec<Tensor> = kinds
                .iter()
                .zip(list(&shapes[0]))
                .map(|(kind, size)| numbers.tensor(kind, &shape(size)))
                .collect();
            let outputs = list(&shapes[1])
                .map(|output| numbers.tensor(output[0].as_str().unwrap(), &shape(&output[1])))
                .collect();
            let mut gradient = |(number, input): (usize, &Tensor)| {
                wanted[number].then(|| numbers.tensor(&kinds[number], &input.size()))
            };
            let gradients = inputs.iter().enumerate().map(&mut gradient).collect();
            Set { inputs, outputs, gradients }
        });
        let sets = sets.collect();
        Self {
            name: text(&value["name"]),
            targets: own,
            program: Program::read(&archive(&value["program"])),
            wanted,
            sets,
        }
    }
}

/// The file that `scripts/golden/operators.py` wrote, by entry.
pub fn entry(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operators.zip");
    let mut archive = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
    let mut bytes = Vec::new();
    archive.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn cases() -> Vec<Case> {
    let numbers: Vec<f64> = entry("numbers.f64")
        .chunks_exact(8)
        .map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    let mut numbers = Numbers(&numbers);
    let values: Value = serde_json::from_slice(&entry("cases.json")).unwrap();
    let cases = list(&values).map(|value| Case::new(value, &mut numbers)).collect();
    assert!(numbers.0.is_empty(), "numbers are left over");
    cases
}

/// Floats in the type of the run.
fn of_kind(tensor: &Tensor, kind: Kind) -> Tensor {
    match tensor.kind() {
        Kind::Double => tensor.to_kind(kind),
        Kind::ComplexDouble if kind == Kind::Float => tensor.to_kind(Kind::ComplexFloat),
        _ => tensor.shallow_clone(),
    }
}

/// Real numbers, those of a complex one beside each other.
fn real(tensor: &Tensor) -> Tensor {
    if tensor.is_complex() { tensor.resolve_conj().view_as_real() } else { tensor.resolve_neg() }
}

/// The weights of the sum that gradients are taken of.
fn weights(count: i64, kind: Kind) -> Tensor {
    ((Tensor::arange(count, (Kind::Int64, tch::Device::Cpu)) * 7).remainder(11) + 1).to_kind(kind) / 8.0
}

/// Outputs and gradients of some lanes.
struct Run {
    outputs: Vec<Lanes>,
    gradients: Vec<Option<Tensor>>,
}

impl Run {
    /// What belongs to a lane: outputs, then gradients; where there is none, zeros.
    fn lane(&self, lane: usize) -> Vec<Tensor> {
        let gradients = self.gradients.iter().flatten().map(|gradient| gradient.get(lane as i64));
        self.outputs.iter().map(|output| output.lane(lane).detach()).chain(gradients).collect()
    }
}

/// Runs a case. Of inputs that lanes don't share gradients are taken.
fn run(case: &Case, kind: Kind, lanes: usize, inputs: &[Lanes]) -> Result<Run, String> {
    let program = case.program.as_ref().map_err(Clone::clone)?;
    let own: Vec<Lanes> = inputs
        .iter()
        .zip(&case.wanted)
        .map(|(input, wanted)| match input {
            Lanes::Together(tensor) if *wanted => Lanes::Together(tensor.detach().set_requires_grad(true)),
            other => other.clone(),
        })
        .collect();
    let seeds = vec![0; lanes];
    let streams = Streams { seeds: &seeds, step: 0 };
    guarded(|| {
        let evaluated = program.evaluate(Mode::Train, (kind, lanes), (&[], &[], &own), &streams)?;
        let mut total = Tensor::zeros([], (kind, tch::Device::Cpu));
        let mut add = |tensor: &Tensor, shift: i64| {
            if tensor.requires_grad() {
                let flat = real(tensor);
                let flat =
                    if flat.dim() as i64 == shift { flat.unsqueeze(-1) } else { flat.flatten(shift, -1) };
                let count = flat.size()[shift as usize];
                total = &total + (flat * weights(count, kind)).sum(kind);
            }
        };
        for output in &evaluated.outputs {
            match output {
                Lanes::Shared(tensor) => add(tensor, 0),
                Lanes::Together(tensor) => add(tensor, 1),
                Lanes::Apart(tensors) => tensors.iter().for_each(|tensor| add(tensor, 0)),
            }
        }
        let leaves: Vec<Option<&Tensor>> = own
            .iter()
            .map(|input| match input {
                Lanes::Together(tensor) if tensor.requires_grad() => Some(tensor),
                _ => None,
            })
            .collect();
        let wanted: Vec<&Tensor> = leaves.iter().flatten().copied().collect();
        let mut found = if total.requires_grad() && !wanted.is_empty() {
            Tensor::run_backward(&[total], &wanted, false, false)
        } else {
            wanted.iter().map(|_| Tensor::new()).collect()
        }
        .into_iter();
        let gradients = leaves
            .iter()
            .map(|leaf| {
                let leaf = (*leaf)?;
                let gradient = found.next()?;
                Some(if gradient.defined() { gradient.resolve_conj() } else { leaf.zeros_like().detach() })
            })
            .collect();
        Ok(Run { outputs: evaluated.outputs, gradients })
    })
    .and_then(|result| result)
}

/// One lane's inputs.
fn alone(set: &Set, kind: Kind) -> Vec<Lanes> {
    set.inputs.iter().map(|input| Lanes::Together(of_kind(input, kind).unsqueeze(0))).collect()
}

fn together(sets: &[&[Tensor]], kind: Kind) -> Vec<Lanes> {
    (0..sets[0].len())
        .map(|number| {
            let all: Vec<Tensor> = sets.iter().map(|set| of_kind(&set[number], kind)).collect();
            Lanes::Together(Tensor::stack(&all, 0))
        })
        .collect()
}

/// How far two tensors are apart, in units of the largest number, but at least 1e-3; infinite where one is NaN or of
/// another kind or shape and the other isn't.
fn apart(ours: &Tensor, theirs: &Tensor) -> f64 {
    let class =
        |tensor: &Tensor| (tensor.is_complex(), tensor.is_floating_point(), tensor.kind() == Kind::Bool);
    if ours.size() != theirs.size() || class(ours) != class(theirs) {
        return f64::INFINITY;
    }
    let [ours, theirs] = [ours, theirs].map(|tensor| real(tensor).to_kind(Kind::Double));
    if theirs.numel() == 0 {
        return 0.0;
    }
    let same = ours.eq_tensor(&theirs).logical_or(&ours.isnan().logical_and(&theirs.isnan()));
    let scale = theirs.nan_to_num(0.0, 0.0, 0.0).abs().max().double_value(&[]).max(1e-3);
    let distance = (&ours - &theirs).abs().nan_to_num(f64::INFINITY, f64::INFINITY, f64::INFINITY);
    distance.masked_fill(&same, 0.0).max().double_value(&[]) / scale
}

/// The bits of a tensor's numbers; one NaN is like another.
fn bits(tensor: &Tensor) -> Vec<u64> {
    let numbers: Vec<f64> =
        real(tensor).to_kind(Kind::Double).contiguous().flatten(0, -1).try_into().unwrap();
    numbers.iter().map(|number| if number.is_nan() { u64::MAX } else { number.to_bits() }).collect()
}

/// How far lanes are from another run of them; 0 where bits are the same, and at least the smallest number where not.
fn moved(ours: &[Tensor], theirs: &[Tensor]) -> f64 {
    if ours.len() != theirs.len() {
        return f64::INFINITY;
    }
    let distance = |(ours, theirs): (&Tensor, &Tensor)| {
        if ours.size() == theirs.size() && bits(ours) == bits(theirs) {
            return 0.0;
        }
        apart(ours, theirs).max(f64::MIN_POSITIVE)
    };
    ours.iter().zip(theirs).map(distance).fold(0.0, f64::max)
}

/// A case in one type of floats, and what is wrong with it.
struct Check<'a> {
    case: &'a Case,
    kind: Kind,
    wrong: Vec<String>,
}

impl Check<'_> {
    fn say(&mut self, what: &str, distance: f64, most: f64) {
        if distance.is_nan() || distance > most {
            self.wrong.push(format!("{} in {:?}, {what}: {distance:.1e} apart", self.case.name, self.kind));
        }
    }

    /// The results of lanes; `None` where it is refused, which is wrong.
    fn run(&mut self, what: &str, lanes: usize, inputs: &[Lanes]) -> Option<Run> {
        run(self.case, self.kind, lanes, inputs)
            .map_err(|message| {
                self.wrong.push(format!("{} in {:?}, {what}: {message}", self.case.name, self.kind))
            })
            .ok()
    }

    /// One set by itself, against PyTorch: with lanes, of which there is one, and without.
    fn single(&mut self, number: usize) -> Option<Vec<Tensor>> {
        let set = &self.case.sets[number];
        let exact = if self.kind == Kind::Double { 1e-9 } else { 1e-4 };
        let ours = self.run(&format!("set {number}"), 1, &alone(set, self.kind))?.lane(0);
        let theirs: Vec<&Tensor> = set.outputs.iter().chain(set.gradients.iter().flatten()).collect();
        self.say("number of results", ours.len().abs_diff(theirs.len()) as f64, 0.0);
        for (place, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            let what = if place < set.outputs.len() { "output" } else { "gradient" };
            self.say(&format!("set {number}, {what} {place}"), apart(ours, theirs), exact);
        }
        let shared: Vec<Lanes> =
            set.inputs.iter().map(|input| Lanes::Shared(of_kind(input, self.kind))).collect();
        for (ours, theirs) in self.run("shared", 1, &shared)?.outputs.iter().zip(&set.outputs) {
            self.say(&format!("set {number}, shared"), apart(&ours.lane(0), theirs), exact);
        }
        Some(ours)
    }

    /// Lanes against each of some by itself.
    fn lanes(&mut self, what: &str, inputs: &[Lanes], singles: &[Vec<Tensor>]) {
        let Some(run) = self.run(what, 3, inputs) else { return };
        for (lane, single) in singles.iter().enumerate() {
            let most = tolerance(self.case, self.kind);
            self.say(&format!("{what}, lane {lane}"), moved(&run.lane(lane), single), most);
        }
    }

    fn all(&mut self) {
        let (case, kind) = (self.case, self.kind);
        let Some(singles) = (0..3).map(|number| self.single(number)).collect::<Option<Vec<_>>>() else {
            return;
        };
        let sets: Vec<&[Tensor]> = case.sets.iter().map(|set| &*set.inputs).collect();
        self.lanes("three lanes", &together(&sets, kind), &singles);
        for shared in 0..sets[0].len() {
            let mix = |all: Vec<Lanes>| {
                let swap = |(number, lanes)| {
                    if number == shared { Lanes::Shared(of_kind(&sets[0][shared], kind)) } else { lanes }
                };
                all.into_iter().enumerate().map(swap).collect::<Vec<_>>()
            };
            let own = case.sets.iter().map(|set| Ok(run(case, kind, 1, &mix(alone(set, kind)))?.lane(0)));
            // Such a mixture needn't be valid.
            if let Ok(own) = own.collect::<Result<Vec<_>, String>>() {
                self.lanes(&format!("input {shared} shared"), &mix(together(&sets, kind)), &own);
            }
        }
        let poison = |tensor: &Tensor| {
            let is_float = tensor.is_floating_point() || tensor.is_complex();
            if is_float { tensor.full_like(f64::NAN) } else { tensor.shallow_clone() }
        };
        let poisoned: Vec<Tensor> = sets[1].iter().map(poison).collect();
        self.lanes("beside NaN", &together(&[sets[0], &poisoned, &poisoned], kind), &singles[..1]);
    }
}

/// What lanes may differ by from one by one: matrix products add in another order when there are more of them.
fn tolerance(_case: &Case, _kind: Kind) -> f64 {
    0.0
}

#[test]
fn every_operator_computes_what_pytorch_does() {
    tch::set_num_threads(1);
    let filter = std::env::var("CASE").unwrap_or_default();
    let cases = cases();
    let mut wrong = Vec::new();
    for case in cases.iter().filter(|case| case.name.contains(&filter)) {
        for kind in [Kind::Double, Kind::Float] {
            let mut check = Check { case, kind, wrong: Vec::new() };
            check.all();
            wrong.append(&mut check.wrong);
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
