//! The cases that `scripts/golden/operators.py` wrote: calls of operators, and what PyTorch made of them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::Path;

use programs::Program;
use serde_json::Value;
use tch::{Kind, Tensor};

/// A call, with what PyTorch made of it.
pub struct Case {
    pub name: String,
    pub targets: BTreeSet<String>,
    pub program: Result<Program, String>,
    /// Which inputs gradients are taken by.
    pub wanted: Vec<bool>,
    pub sets: Vec<Set>,
}

/// Inputs, and the results in float64.
pub struct Set {
    pub inputs: Vec<Tensor>,
    pub outputs: Vec<Tensor>,
    pub gradients: Vec<Option<Tensor>>,
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

pub fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("a list").iter()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn shape(value: &Value) -> Vec<i64> {
    list(value).map(|size| size.as_i64().expect("a size")).collect()
}

/// The operators of a graph, and of those inside it.
pub fn targets(graph: &Value, found: &mut BTreeSet<String>) {
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

/// All of them.
pub fn cases() -> Vec<Case> {
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
