//! What a `.pt2` file holds, as far as it is needed: `torch/_export/serde/schema.py` in PyTorch's wheel.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

/// The newest major version of the schema that is understood.
pub(crate) const NEWEST: u64 = 8;

#[derive(Deserialize)]
pub(crate) struct Exported {
    pub graph_module: GraphModule,
}

#[derive(Deserialize)]
pub(crate) struct Version {
    pub major: u64,
}

#[derive(Deserialize)]
pub(crate) struct GraphModule {
    pub graph: Graph,
    pub signature: Signature,
}

#[derive(Deserialize)]
pub(crate) struct Graph {
    pub inputs: Vec<Argument>,
    pub outputs: Vec<Argument>,
    pub nodes: Vec<Node>,
    #[serde(default)]
    pub tensor_values: BTreeMap<String, Typed>,
}

/// Of a value of the graph, whose size may be an expression.
#[derive(Deserialize)]
pub(crate) struct Typed {
    pub dtype: u64,
    #[serde(default)]
    pub sizes: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
pub(crate) struct Node {
    pub target: String,
    pub inputs: Vec<NamedArgument>,
    pub outputs: Vec<Argument>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    #[serde(default)]
    pub name: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct NamedArgument {
    pub name: String,
    pub arg: Argument,
}

#[derive(Deserialize)]
pub(crate) struct Name {
    pub name: String,
}

#[derive(Deserialize)]
pub(crate) struct NamedGraph {
    pub graph: Graph,
}

/// A number that is known, or the name of one that isn't.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Symbol<T> {
    AsName(String),
    #[serde(alias = "as_int", alias = "as_float", alias = "as_bool")]
    AsValue(T),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Optional {
    AsTensor(Name),
    AsNone(IgnoredAny),
}

/// JSON has no infinity and no NaN: PyTorch writes them as text.
pub(crate) struct Number(pub f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let number = match &value {
            serde_json::Value::String(text) => text.parse().ok(),
            other => other.as_f64(),
        };
        number.map(Self).ok_or_else(|| serde::de::Error::custom(format!("`{value}` is no number")))
    }
}

#[derive(Deserialize)]
pub(crate) struct Complex {
    pub real: Number,
    pub imag: Number,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::enum_variant_names, reason = "they are the names of the schema")]
pub(crate) enum Argument {
    AsNone(IgnoredAny),
    AsTensor(Name),
    AsTensors(Vec<Name>),
    AsOptionalTensor(Optional),
    AsOptionalTensors(Vec<Optional>),
    AsInt(i64),
    AsInts(Vec<i64>),
    AsFloat(Number),
    AsFloats(Vec<Number>),
    AsBool(bool),
    AsBools(Vec<bool>),
    AsString(String),
    AsSymInt(Symbol<i64>),
    AsSymInts(Vec<Symbol<i64>>),
    AsSymFloat(Symbol<Number>),
    AsSymBool(Symbol<bool>),
    AsComplex(Complex),
    AsScalarType(u64),
    AsGraph(Box<NamedGraph>),
    AsMemoryFormat(IgnoredAny),
    AsLayout(IgnoredAny),
    AsDevice(IgnoredAny),
}

#[derive(Deserialize)]
pub(crate) struct Signature {
    pub input_specs: Vec<InputSpec>,
    pub output_specs: Vec<OutputSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InputSpec {
    Parameter { parameter_name: String },
    Buffer { buffer_name: String },
    TensorConstant { tensor_constant_name: String },
    UserInput { arg: Argument },
    ConstantInput {},
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OutputSpec {
    UserOutput {},
    LossOutput {},
    BufferMutation { buffer_name: String },
    UserInputMutation {},
    ParameterMutation { parameter_name: String },
}

#[derive(Deserialize)]
pub(crate) struct Weights {
    pub config: BTreeMap<String, Weight>,
}

#[derive(Deserialize)]
pub(crate) struct Weight {
    pub path_name: String,
    #[serde(default)]
    pub use_pickle: bool,
    pub tensor_meta: TensorMeta,
}

#[derive(Deserialize)]
pub(crate) struct TensorMeta {
    pub dtype: u64,
    pub sizes: Vec<Symbol<i64>>,
    #[serde(default)]
    pub requires_grad: bool,
    #[serde(default)]
    pub strides: Vec<Symbol<i64>>,
    pub storage_offset: Symbol<i64>,
}
