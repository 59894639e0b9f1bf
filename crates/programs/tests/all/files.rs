//! Files that are damaged, made by hand, or hostile: each is a good one with an edit.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use numeric::Stream;
use numeric::panics::guarded;
use programs::{Lanes, Mode, Program, Streams, operators};
use serde_json::{Value, json};
use tch::{Kind, Tensor};
use zip::write::FileOptions;

use crate::zoo::{self, Golden};

const GRAPH: &str = "models/model.json";
const WEIGHTS: &str = "data/weights/model_weights_config.json";
const ABOUT: &str = "extra/optbench.json";

/// The entries of an archive, below its own folder.
#[derive(Clone)]
struct File(BTreeMap<String, Vec<u8>>);

impl File {
    /// An objective of a small net, with starts and samples.
    fn good() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../problems/tests/models/objective.pt2");
        Self::read(&fs::read(path).unwrap())
    }

    fn read(bytes: &[u8]) -> Self {
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let read = |index: usize| {
            let mut entry = archive.by_index(index).unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.name().split_once('/').unwrap().1.to_owned(), bytes)
        };
        Self((0..zip::ZipArchive::new(Cursor::new(bytes)).unwrap().len()).map(read).collect())
    }

    fn bytes(&self) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in &self.0 {
            let packing = if bytes.len() > 1 << 20 {
                zip::CompressionMethod::Deflated
            } else {
                zip::CompressionMethod::Stored
            };
            let options = FileOptions::default().compression_method(packing);
            writer.start_file(format!("edited/{name}"), options).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn with(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.0.insert(name.to_owned(), bytes.into());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.0.remove(name).expect("the good file has it");
        self
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.0[name]).unwrap()
    }

    fn edit(self, name: &str, edit: impl FnOnce(&mut Value)) -> Self {
        let mut value = self.json(name);
        edit(&mut value);
        self.with(name, value.to_string())
    }

    /// Edits the node that makes a value.
    fn node(self, output: &str, edit: impl FnOnce(&mut Value)) -> Self {
        self.edit(GRAPH, |file| {
            let nodes = file["graph_module"]["graph"]["nodes"].as_array_mut().unwrap();
            edit(nodes.iter_mut().find(|node| node["name"] == output).expect("there is such a node"));
        })
    }

    /// Computes something else of the value that a node was given, in the line of that node.
    fn instead(self, output: &str, target: &str, others: &[(&str, Value)]) -> Self {
        self.node(output, |node| {
            node["target"] = json!(format!("torch.ops.aten.{target}"));
            let inputs = node["inputs"].as_array_mut().unwrap();
            inputs.truncate(1);
            inputs.extend(others.iter().map(|(name, value)| json!({"name": name, "arg": value})));
        })
    }

    /// Replaces text by one that is as long.
    fn text(mut self, name: &str, from: &str, to: &str) -> Self {
        assert_eq!(from.len(), to.len());
        let bytes = self.0.get_mut(name).unwrap();
        let at = bytes.windows(from.len()).position(|part| part == from.as_bytes()).expect("it is there");
        bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
        self
    }
}

/// What is wrong with a file, which doesn't take long to find out.
fn wrong(bytes: &[u8]) -> String {
    let begin = Instant::now();
    let read = guarded(|| Program::read(bytes)).expect("no panic");
    let message = read.and_then(|program| program.check()).err().unwrap_or_default();
    assert!(begin.elapsed() < Duration::from_secs(20), "{message} took {:?}", begin.elapsed());
    message
}

fn ints(numbers: &[i64]) -> Value {
    json!({ "as_ints": numbers })
}

/// A tensor that a graph is given twice as much of with every node.
fn doubled(file: File, times: usize) -> File {
    file.edit(GRAPH, |file| {
        let nodes = file["graph_module"]["graph"]["nodes"].as_array_mut().unwrap();
        for number in 0..times {
            let from = if number == 0 { "sub_10".to_owned() } else { format!("double_{}", number - 1) };
            let double = json!({
                "target": "torch.ops.aten.cat.default",
                "inputs": [{"name": "tensors", "arg": {"as_tensors": [{"name": from}, {"name": from}]}}],
                "outputs": [{"as_tensor": {"name": format!("double_{number}")}}],
                "metadata": {},
            });
            nodes.push(double);
        }
        let last = format!("double_{}", times - 1);
        file["graph_module"]["graph"]["outputs"][3] = json!({"as_tensor": {"name": last}});
    })
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of files")]
fn what_is_wrong_with_a_file_is_said_with_a_remedy() {
    let good = File::good;
    let whole = good().bytes();
    Program::read(&whole).unwrap().check().unwrap();
    let graph = |file: &mut Value, edit: &dyn Fn(&mut Value)| edit(&mut file["graph_module"]["graph"]);
    let (mut flipped, weight) = (whole.clone(), &good().0["data/weights/weight_1"]);
    let at =
        whole.windows(weight.len()).position(|part| part == weight.as_slice()).expect("weights are stored");
    flipped[at] ^= 1;
    let region = json!({"as_graph": {"name": "region", "graph": {"inputs": [], "outputs": [], "nodes": []}}});
    let enabled = json!({"as_bool": false});
    let deep = "[".repeat(100_000);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("truncated", whole[..whole.len() / 2].to_vec()),
        ("not a zip", b"a model".to_vec()),
        ("a flipped bit", flipped),
        ("no program", good().without(GRAPH).bytes()),
        ("huge", good().with(GRAPH, vec![b' '; (64 << 20) + 1]).bytes()),
        ("no JSON", good().with(GRAPH, "{").bytes()),
        ("no text", good().with(GRAPH, [0xff, 0xfe]).bytes()),
        ("deep", good().with(GRAPH, deep).bytes()),
        ("another JSON", good().with(GRAPH, r#"{"schema_version": {"major": 8}, "graph_module": 3}"#).bytes()),
        ("a newer schema", good().edit(GRAPH, |file| file["schema_version"]["major"] = json!(9)).bytes()),
        ("big-endian", good().with("byteorder", "big").bytes()),
        ("no weights", good().without("data/weights/weight_1").bytes()),
        ("no value", good().edit(WEIGHTS, |file| {
            file["config"].as_object_mut().unwrap().remove("net.0.bias");
        }).bytes()),
        ("a pickle", good().edit(WEIGHTS, |file| file["config"]["scale"]["use_pickle"] = json!(true)).bytes()),
        ("a cycle", good().node("tanh", |node| node["inputs"][0]["arg"] = json!({"as_tensor": {"name": "linear_1"}})).bytes()),
        ("dangling", good().node("tanh", |node| node["inputs"][0]["arg"] = json!({"as_tensor": {"name": "lost"}})).bytes()),
        ("dangling result", good().edit(GRAPH, |file| graph(file, &|graph| graph["outputs"][0] = json!({"as_tensor": {"name": "lost"}}))).bytes()),
        ("twice", good().node("tanh", |node| node["outputs"][0] = json!({"as_tensor": {"name": "linear"}})).bytes()),
        ("unknown operator", good().instead("tanh", "frobnicate.default", &[]).bytes()),
        ("unknown namespace", good().node("tanh", |node| node["target"] = json!("torch.ops.mine.save.default")).bytes()),
        ("in place", good().instead("tanh", "tanh_.default", &[]).bytes()),
        ("unknown argument", good().instead("tanh", "tanh.default", &[("speed", json!({"as_int": 3}))]).bytes()),
        ("missing argument", good().instead("linear", "linear.default", &[]).bytes()),
        ("a number for a tensor", good().node("tanh", |node| node["inputs"][0]["arg"] = json!({"as_string": "x"})).bytes()),
        ("one result of two", good().node("tanh", |node| node["outputs"].as_array_mut().unwrap().push(json!({"as_tensor": {"name": "more"}}))).bytes()),
        ("wrong arity", good().edit(GRAPH, |file| {
            file["graph_module"]["signature"]["input_specs"].as_array_mut().unwrap().pop();
        }).bytes()),
        ("names of another program", good().edit(ABOUT, |about| about["inputs"] = json!(["x", "y"])).bytes()),
        ("results of another program", good().edit(ABOUT, |about| about["outputs"] = json!(["loss", "error"])).bytes()),
        ("starts of another program", good().text("data/optbench.safetensors", "start.1.net.0.bias", "start.1.net.2.bias").text("data/optbench.safetensors", "start.1.net.2.bias\":{\"dtype\":\"F32\",\"shape\":[1", "start.1.net.0.bias\":{\"dtype\":\"F32\",\"shape\":[1").bytes()),
        ("a buffer that isn't there", good().edit(GRAPH, |file| {
            file["graph_module"]["signature"]["output_specs"][1] = json!({"buffer_mutation": {"arg": {"name": "mean"}, "buffer_name": "calls"}});
        }).bytes()),
        ("a parameter that it changes", good().edit(GRAPH, |file| {
            file["graph_module"]["signature"]["output_specs"][1] = json!({"parameter_mutation": {"arg": {"name": "mean"}, "parameter_name": "scale"}});
        }).bytes()),
        ("a graph inside", good().node("tanh", |node| {
            node["target"] = json!("torch.ops.higher_order.wrap_with_set_grad_enabled");
            let given = node["inputs"][0]["arg"].clone();
            node["inputs"] = json!([{"name": "", "arg": enabled}, {"name": "", "arg": region}, {"name": "", "arg": given}]);
        }).bytes()),
        ("unknown number type", good().edit(WEIGHTS, |file| file["config"]["scale"]["tensor_meta"]["dtype"] = json!(99)).bytes()),
        ("another number type", good().edit(WEIGHTS, |file| file["config"]["scale"]["tensor_meta"]["dtype"] = json!(8)).bytes()),
        ("integers for floats", good().instead("stack", "to.dtype", &[("dtype", json!({"as_scalar_type": 5}))]).node("stack", |node| node["inputs"][0] = json!({"name": "self", "arg": {"as_tensor": {"name": "div"}}})).bytes()),
        ("an axis out of range", good().instead("squeeze", "squeeze.dim", &[("dim", json!({"as_int": 7}))]).bytes()),
        ("a smallest integer", good().instead("squeeze", "squeeze.dim", &[("dim", json!({"as_int": i64::MIN}))]).bytes()),
        ("other sizes", good().instead("squeeze", "view.default", &[("size", ints(&[5, 5]))]).bytes()),
        ("expanded", good().instead("square", "expand.default", &[("size", ints(&[1_000_000_000_000, 4, 3]))]).bytes()),
        ("repeated", good().instead("square", "repeat.default", &[("repeats", ints(&[1_000_000, 1_000_000, 1]))]).bytes()),
        ("tiled", good().instead("square", "tile.default", &[("dims", ints(&[1_000_000, 1_000_000, 1]))]).bytes()),
        ("padded", good().instead("square", "constant_pad_nd.default", &[("pad", ints(&[0, 1_000_000_000_000]))]).bytes()),
        ("overflowing", good().instead("square", "expand.default", &[("size", ints(&[i64::MAX, 4, 3]))]).bytes()),
        ("created", good().instead("square", "new_zeros.default", &[("size", ints(&[1_000_000, 1_000_000]))]).bytes()),
        ("a range", good().node("square", |node| {
            node["target"] = json!("torch.ops.aten.arange.default");
            node["inputs"] = json!([{"name": "end", "arg": {"as_float": 1e12}}]);
        }).bytes()),
        ("drawn", good().node("square", |node| {
            node["target"] = json!("torch.ops.aten.randn.default");
            node["inputs"] = json!([{"name": "size", "arg": {"as_ints": [1_000_000, 1_000_000]}}]);
        }).bytes()),
        ("doubled", doubled(good(), 60).bytes()),
        ("a weight of absurd size", good().edit(WEIGHTS, |file| {
            let meta = &mut file["config"]["net.0.bias"]["tensor_meta"];
            meta["sizes"] = json!([{"as_int": 1_000_000_000_000_i64}]);
            meta["strides"] = json!([{"as_int": 0}]);
        }).bytes()),
        ("a weight of negative size", good().edit(WEIGHTS, |file| {
            file["config"]["net.0.weight"]["tensor_meta"]["sizes"] = json!([{"as_int": -4}, {"as_int": -3}]);
        }).bytes()),
        ("a weight of no size", good().edit(WEIGHTS, |file| {
            file["config"]["net.0.weight"]["tensor_meta"]["sizes"] = json!([{"as_int": 0}, {"as_int": i64::MAX}, {"as_int": i64::MAX}]);
        }).bytes()),
        ("a weight from elsewhere", good().edit(WEIGHTS, |file| {
            file["config"]["net.0.weight"]["tensor_meta"]["storage_offset"] = json!({"as_int": -1});
        }).bytes()),
        ("NaN", good().node("mul_21", |node| node["inputs"][1]["arg"] = json!({"as_float": "NaN"})).bytes()),
        ("another weight", good().with("data/weights/weight_0", 0.75_f32.to_le_bytes()).bytes()),
    ];
    let peak = memory();
    let messages: Vec<(&str, String)> = cases.iter().map(|(what, bytes)| (*what, wrong(bytes))).collect();
    let taken: Vec<&str> =
        messages.iter().filter(|(_, message)| message.is_empty()).map(|(what, _)| *what).collect();
    assert!(taken.is_empty(), "these are taken for good: {taken:?}");
    assert!(memory() < peak + (3 << 20), "{} KiB, and {peak} before", memory());
    let lines: Vec<String> = messages.iter().map(|(what, message)| format!("{what}: {message}")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// The most memory that the process has had so far, in KiB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn an_operator_that_refuses_leaves_gradients_on() {
    let bad = File::good().edit(GRAPH, |file| {
        let nodes = file["graph_module"]["graph"]["nodes"].as_array_mut().unwrap();
        let at = nodes.iter().position(|node| node["name"] == "square").unwrap();
        let weight = nodes[at]["inputs"][0]["arg"].clone();
        nodes[at]["target"] = json!("torch.ops.aten.scatter_reduce.two");
        nodes[at]["inputs"] = json!([
            {"name": "self", "arg": weight}, {"name": "dim", "arg": {"as_int": 0}},
            {"name": "index", "arg": {"as_tensor": {"name": "nine"}}}, {"name": "src", "arg": weight},
            {"name": "reduce", "arg": {"as_string": "amax"}},
        ]);
        let nine = json!({
            "target": "torch.ops.aten.full.default", "metadata": {}, "outputs": [{"as_tensor": {"name": "nine"}}],
            "inputs": [{"name": "size", "arg": {"as_ints": [4, 3]}}, {"name": "fill_value", "arg": {"as_int": 9}}],
        });
        nodes.insert(at, nine);
    });
    let program = Program::read(&bad.bytes()).unwrap();
    let (parameters, _) = program.start(0, Kind::Float).unwrap();
    let parameters: Vec<Lanes> = parameters.into_iter().map(Lanes::Shared).collect();
    let mut inputs: Vec<Lanes> =
        (0..4).map(|_| Lanes::Shared(Tensor::ones([3], (Kind::Float, tch::Device::Cpu)))).collect();
    inputs.push(Lanes::Shared(Tensor::from(1_i64)));
    let draws = Streams { seeds: &[0], step: 0 };
    let values = (&*parameters, &[][..], &*inputs);
    let message = program.evaluate(Mode::Train, (Kind::Float, 1), values, &draws).unwrap_err();
    assert!(message.contains("scatter_reduce") && message.contains("out of bounds"), "{message}");
    assert!(has_gradients());
}

fn has_gradients() -> bool {
    (Tensor::from(1.0).set_requires_grad(true) * 2.0).requires_grad()
}

/// Numbers that somebody may have thought of.
const NUMBERS: [i64; 12] = [0, 1, -1, 2, 3, -7, 100, 4096, 1_000_000, 1_000_000_000_000, i64::MAX, i64::MIN];

/// An edit of a graph that isn't thought about.
fn mutate(file: &mut Value, stream: &mut Stream) {
    let mut below = |count: usize| (stream.uniform() * count as f64) as usize;
    let nodes = file["graph_module"]["graph"]["nodes"].as_array_mut().unwrap();
    let (at, other) = (below(nodes.len()), below(nodes.len()));
    let another = nodes[other].clone();
    let node = &mut nodes[at];
    let count = node["inputs"].as_array().map_or(0, Vec::len);
    match below(7) {
        0 => node["target"] = another["target"].clone(),
        1 => {
            let names = operators();
            node["target"] = json!(format!("torch.ops.{}", names[below(names.len())].name));
            // By their places.
            for input in node["inputs"].as_array_mut().unwrap() {
                input["name"] = json!("");
            }
        }
        2 if count > 0 => {
            node["inputs"].as_array_mut().unwrap().remove(below(count));
        }
        3 if count > 0 => node["inputs"][below(count)]["arg"] = another["inputs"][0]["arg"].clone(),
        4 => drop(nodes.remove(at)),
        _ if count > 0 => {
            let argument = &mut node["inputs"][below(count)]["arg"];
            let number = NUMBERS[below(NUMBERS.len())];
            if let Some(all) =
                argument.get_mut("as_ints").and_then(Value::as_array_mut).filter(|all| !all.is_empty())
            {
                let place = below(all.len());
                all[place] = json!(number);
            } else if argument.get("as_float").is_some() {
                *argument = json!({"as_float": (["NaN", "Infinity", "-1", "0", "1e300"])[below(5)]});
            } else {
                *argument = json!({"as_int": number});
            }
        }
        _ => {}
    }
}

#[test]
fn no_edit_of_a_graph_ends_the_process_or_hangs() {
    tch::set_num_threads(1);
    let files = zoo::files("zoo.zip");
    let (mut read, mut ran) = (0, 0);
    let names = files.keys().filter_map(|name| name.strip_suffix(".safetensors"));
    for (number, name) in names.enumerate() {
        let good = File::read(&files[&format!("{name}.pt2")]);
        let golden = Golden::read(&files[&format!("{name}.safetensors")]);
        for attempt in 0..EDITS {
            let mut stream = Stream::new("edits of a graph", &[number as u64, attempt]);
            let edited = good.clone().edit(GRAPH, |file| mutate(file, &mut stream)).bytes();
            let begin = Instant::now();
            let Ok(program) = guarded(|| Program::read(&edited)).expect("no panic") else { continue };
            read += 1;
            ran += usize::from(
                guarded(|| zoo::train(&program, &golden, Kind::Float, 2, 2))
                    .is_ok_and(|trained| trained.is_ok()),
            );
            assert!(begin.elapsed() < Duration::from_secs(20), "edit {attempt} of {name} hangs");
            assert!(has_gradients(), "edit {attempt} of {name} leaves gradients off");
        }
    }
    assert!(read > 100 && ran > 20, "{read} were read, and {ran} of them ran");
}

/// How many edits of each program are tried.
const EDITS: u64 = 6;
