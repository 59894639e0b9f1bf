//! The graph of a program, typed: names are slots, operators are entries of the table, arguments are in its order.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::arg::{Arg, Size, Slot};
use crate::operators::{self, Operator};
use crate::schema::{self, Argument, Symbol};

/// A graph of operators.
#[derive(Debug)]
pub(crate) struct Graph {
    pub inputs: Vec<Slot>,
    pub nodes: Vec<Node>,
    pub outputs: Vec<Arg>,
    pub slots: usize,
}

/// An operator with its arguments.
#[derive(Debug)]
pub(crate) struct Node {
    pub operator: &'static Operator,
    /// As the operator's table lists them; what isn't given is [`Arg::None`].
    pub arguments: Vec<Arg>,
    pub outputs: Vec<Option<Slot>>,
    /// What nobody needs after it.
    pub spent: Vec<Slot>,
    /// Its name in the graph.
    pub name: String,
    /// The line of the author's source, for messages.
    pub place: Arc<str>,
}

/// Names of values, as slots.
#[derive(Default)]
struct Names(HashMap<String, Slot>);

impl Names {
    fn new_slot(&mut self, name: &str) -> Result<Slot, String> {
        let slot = self.0.len();
        match self.0.insert(name.to_owned(), slot) {
            None => Ok(slot),
            Some(_) => Err(format!("two values are called `{name}`")),
        }
    }

    fn slot(&self, name: &str) -> Result<Slot, String> {
        self.0.get(name).copied().ok_or_else(|| format!("`{name}` is used before there is such a value"))
    }

    fn arg(&self, argument: &Argument) -> Result<Arg, String> {
        let tensor = |name: &schema::Name| self.slot(&name.name);
        let optional = |optional: &schema::Optional| match optional {
            schema::Optional::AsTensor(name) => tensor(name).map(Some),
            schema::Optional::AsNone(_) => Ok(None),
        };
        Ok(match argument {
            Argument::AsNone(_)
            | Argument::AsMemoryFormat(_)
            | Argument::AsLayout(_)
            | Argument::AsDevice(_) => Arg::None,
            Argument::AsTensor(name) => Arg::Slot(tensor(name)?),
            Argument::AsTensors(names) => {
                Arg::Slots(names.iter().map(|name| tensor(name).map(Some)).collect::<Result<_, _>>()?)
            }
            Argument::AsOptionalTensor(one) => optional(one)?.map_or(Arg::None, Arg::Slot),
            Argument::AsOptionalTensors(all) => {
                Arg::Slots(all.iter().map(optional).collect::<Result<_, _>>()?)
            }
            Argument::AsInt(number) | Argument::AsSymInt(Symbol::AsValue(number)) => Arg::Int(*number),
            Argument::AsInts(numbers) => Arg::Ints(numbers.iter().copied().map(Size::Known).collect()),
            Argument::AsFloat(number) | Argument::AsSymFloat(Symbol::AsValue(number)) => Arg::Float(number.0),
            Argument::AsFloats(numbers) => Arg::Floats(numbers.iter().map(|number| number.0).collect()),
            Argument::AsComplex(number) => Arg::Complex(number.real.0, number.imag.0),
            Argument::AsBool(truth) | Argument::AsSymBool(Symbol::AsValue(truth)) => Arg::Bool(*truth),
            Argument::AsBools(truths) => {
                Arg::Ints(truths.iter().map(|truth| Size::Known(i64::from(*truth))).collect())
            }
            Argument::AsString(text) => Arg::Text(text.clone()),
            Argument::AsSymInt(Symbol::AsName(name))
            | Argument::AsSymFloat(Symbol::AsName(name))
            | Argument::AsSymBool(Symbol::AsName(name)) => Arg::Slot(self.slot(name)?),
            Argument::AsSymInts(all) => {
                let size = |symbol: &Symbol<i64>| match symbol {
                    Symbol::AsValue(number) => Ok(Size::Known(*number)),
                    Symbol::AsName(name) => self.slot(name).map(Size::Slot),
                };
                Arg::Ints(all.iter().map(size).collect::<Result<_, String>>()?)
            }
            Argument::AsScalarType(kind) => Arg::Kind(*kind),
            Argument::AsGraph(named) => Arg::Graph(Arc::new(Graph::new(&named.graph)?)),
        })
    }

    /// Slots for what a node returns.
    fn outputs(&mut self, arguments: &[Argument]) -> Result<Vec<Option<Slot>>, String> {
        let mut slots = Vec::new();
        let mut add = |name: &str| -> Result<(), String> {
            slots.push(if name.is_empty() { None } else { Some(self.new_slot(name)?) });
            Ok(())
        };
        for argument in arguments {
            match argument {
                Argument::AsTensor(name) | Argument::AsOptionalTensor(schema::Optional::AsTensor(name)) => {
                    add(&name.name)?;
                }
                Argument::AsTensors(names) => names.iter().try_for_each(|name| add(&name.name))?,
                Argument::AsSymInt(Symbol::AsName(name))
                | Argument::AsSymFloat(Symbol::AsName(name))
                | Argument::AsSymBool(Symbol::AsName(name)) => add(name)?,
                _ => add("")?,
            }
        }
        Ok(slots)
    }
}

impl Graph {
    /// Types a graph.
    ///
    /// # Errors
    /// If an operator isn't in the table, or has other arguments, or a value is used that isn't there.
    pub fn new(graph: &schema::Graph) -> Result<Self, String> {
        let mut names = Names::default();
        let mut inputs = Vec::new();
        for input in &graph.inputs {
            match &*names.outputs(std::slice::from_ref(input))? {
                [Some(slot)] => inputs.push(*slot),
                // A constant that the author passed: it is in the graph already.
                _ => inputs.push(names.new_slot(&format!("an input without a name, {}", inputs.len()))?),
            }
        }
        let mut nodes =
            graph.nodes.iter().map(|node| Node::new(node, &mut names)).collect::<Result<Vec<_>, _>>()?;
        let outputs = graph.outputs.iter().map(|output| names.arg(output)).collect::<Result<Vec<_>, _>>()?;
        let mut needed: BTreeSet<Slot> = outputs.iter().flat_map(Arg::slots).collect();
        for node in nodes.iter_mut().rev() {
            let own =
                node.arguments.iter().flat_map(Arg::slots).chain(node.outputs.iter().flatten().copied());
            node.spent = own.filter(|slot| needed.insert(*slot)).collect();
        }
        Ok(Self { inputs, nodes, outputs, slots: names.0.len() })
    }

    /// Whether it may draw random numbers.
    pub fn is_random(&self) -> bool {
        self.nodes.iter().any(|node| {
            let inner = |arg: &Arg| matches!(arg, Arg::Graph(graph) if graph.is_random());
            let idle =
                node.operator.name().contains("dropout") && matches!(node.arguments[2], Arg::Bool(false));
            operators::is_random(node.operator) && !idle || node.arguments.iter().any(inner)
        })
    }

    /// How many operators there are, those of graphs inside included.
    pub fn size(&self) -> usize {
        let inner = |arg: &Arg| if let Arg::Graph(graph) = arg { graph.size() } else { 0 };
        self.nodes.iter().map(|node| 1 + node.arguments.iter().map(inner).sum::<usize>()).sum()
    }
}

impl Node {
    fn new(node: &schema::Node, names: &mut Names) -> Result<Self, String> {
        let place = place(node.metadata.get("stack_trace").map_or("", String::as_str));
        let name = node.name.clone().unwrap_or_default();
        let target = node.target.trim_start_matches("torch.ops.");
        let operator = operators::find(target).ok_or_else(|| unknown(target, &place))?;
        let mut arguments: Vec<Arg> = operator.arguments().map(|_| Arg::None).collect();
        for (number, given) in node.inputs.iter().enumerate() {
            let wrong = || {
                format!(
                    "`{target}`{place} has an argument `{}` that isn't known here: {}",
                    given.name, operator.signature
                )
            };
            // Python's own operators name theirs a, b, …, or not at all.
            let position = if !target.starts_with("aten.") || given.name.is_empty() {
                number
            } else {
                operator.arguments().position(|name| name == given.name).ok_or_else(wrong)?
            };
            *arguments.get_mut(position).ok_or_else(wrong)? = names.arg(&given.arg)?;
        }
        let outputs = names.outputs(&node.outputs)?;
        Ok(Self { operator, arguments, outputs, spent: Vec::new(), name, place: place.into() })
    }
}

fn unknown(target: &str, place: &str) -> String {
    let operator = target.trim_start_matches("aten.");
    let (name, _) = operator.split_once('.').unwrap_or((operator, ""));
    if name.ends_with('_') && operators::find(&format!("aten.{}", operator.replacen("_.", ".", 1))).is_some()
    {
        return format!(
            "`{name}`{place} changes a tensor in place: export it with scripts/export.py, which writes it without"
        );
    }
    format!(
        "the operator `{target}`{place} isn't known here: write it by others, such as sums, products and `torch.where`"
    )
}

/// The innermost line of a stack trace that isn't PyTorch's own.
fn place(trace: &str) -> String {
    let lines: Vec<&str> = trace.lines().collect();
    let mut own = lines.windows(2).filter_map(|pair| {
        let rest = pair[0].trim().strip_prefix("File \"")?;
        let (file, rest) = rest.split_once("\", line ")?;
        let number = rest.split(',').next()?;
        (!file.contains("site-packages")).then(|| {
            let file = file.rsplit(['/', '\\']).next().unwrap_or(file);
            format!(" ({file}, line {number}: `{}`)", pair[1].trim())
        })
    });
    own.next_back().unwrap_or_default()
}
