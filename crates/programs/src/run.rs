//! Evaluating a graph.

use numeric::panics::guarded;
use tch::{Kind, Tensor};

use crate::arg::{Arg, Inner};
use crate::call::{Call, Out};
use crate::graph::{Graph, Node};
use crate::lanes::Lanes;
use crate::operators::{Operator, Rule};
use crate::value::{Context, Number, Value};

/// Evaluates a graph.
///
/// # Errors
/// What an operator refuses, with its name and the line of the author's source.
pub(crate) fn evaluate(graph: &Graph, inputs: Vec<Value>, context: &Context) -> Result<Vec<Value>, String> {
    guarded(|| run(graph, inputs, context)).map_err(|reason| match context.at.take() {
        Some((name, place)) => format!("`{name}`{place}: {reason}"),
        None => reason,
    })
}

impl Inner for Graph {
    fn run(&self, inputs: Vec<Value>, context: &Context) -> Vec<Value> {
        run(self, inputs, context)
    }

    fn size(&self) -> usize {
        self.size()
    }

    fn is_random(&self) -> bool {
        self.is_random()
    }
}

/// As [`evaluate`], which panics.
fn run(graph: &Graph, inputs: Vec<Value>, context: &Context) -> Vec<Value> {
    let (wanted, given) = (graph.inputs.len(), inputs.len());
    assert!(wanted == given, "the graph inside takes {wanted} values, and is given {given}");
    let mut values: Vec<Option<Value>> = (0..graph.slots).map(|_| None).collect();
    for (slot, value) in graph.inputs.iter().zip(inputs) {
        values[*slot] = Some(value);
    }
    for node in &graph.nodes {
        context.at.set(Some((node.operator.name(), node.place.clone())));
        let outputs = called(node, &values, context);
        let (named, returned) = (node.outputs.len(), outputs.len());
        assert!(named <= returned, "it returns {returned} values, and the graph names {named}");
        for (slot, output) in node.outputs.iter().zip(outputs) {
            if let Some(slot) = slot {
                values[*slot] = Some(output);
            }
        }
        for slot in &node.spent {
            values[*slot] = None;
        }
    }
    context.at.set(None);
    let output = |arg: &Arg| match arg {
        Arg::Slot(slot) => vec![values[*slot].clone().expect("outputs live to the end")],
        Arg::Slots(slots) => slots.iter().flatten().filter_map(|slot| values[*slot].clone()).collect(),
        Arg::Int(number) => vec![Value::Number(Number::Int(*number))],
        Arg::Float(number) => vec![Value::Number(Number::Float(*number))],
        Arg::Bool(truth) => vec![Value::Number(Number::Bool(*truth))],
        _ => vec![Value::Number(Number::Int(0))],
    };
    graph.outputs.iter().flat_map(output).collect()
}

/// Refuses a result that is absurdly large before memory is taken for it, where the arguments tell its size.
fn check_size(node: &Node, call: &Call) {
    let lanes = if tensors(node, call.values).all(Lanes::is_shared) { 1 } else { call.context.lanes };
    for index in &node.sizes {
        call.context.room_for(call.count(*index) * lanes as f64);
    }
    let numbers = |lanes: &Lanes| lanes.any().numel() as f64;
    if node.arguments.iter().any(|argument| matches!(argument, Arg::Slots(_))) {
        // They are put together.
        call.context.room_for(tensors(node, call.values).map(numbers).sum());
    }
    if !matches!(node.operator.rule, Rule::Broadcast) {
        return;
    }
    // All pairs are the most that there can be, and most often few enough.
    if tensors(node, call.values).map(numbers).product::<f64>() <= FEW_NUMBERS {
        return;
    }
    let mut size: Vec<i64> = Vec::new();
    for own in tensors(node, call.values).filter(|lanes| !matches!(lanes, Lanes::Apart(_))) {
        for (place, length) in own.lane_size().into_iter().rev().enumerate() {
            size.resize(size.len().max(place + 1), 1);
            size[place] = size[place].max(length);
        }
    }
    call.context.room_for(size.iter().map(|length| *length as f64).product::<f64>() * lanes as f64);
}

/// So many numbers are never too many.
const FEW_NUMBERS: f64 = (1_u64 << 24) as f64;

/// The tensors among the arguments of a node.
fn tensors<'a>(node: &'a Node, values: &'a [Option<Value>]) -> impl Iterator<Item = &'a Lanes> {
    let slots = node.arguments.iter().flat_map(Arg::slots);
    slots.filter_map(|slot| match values[slot].as_ref() {
        Some(Value::Tensor(lanes)) => Some(lanes),
        _ => None,
    })
}

/// What a node returns. Integers that become floats by themselves become those of the run: libtorch's default is float32.
fn called<'a>(node: &'a Node, values: &'a [Option<Value>], context: &'a Context<'a>) -> Vec<Value> {
    let single = |lanes: &Lanes| lanes.any().kind() == Kind::Float;
    let of_single = |value: &Value| matches!(value, Value::Tensor(lanes) if single(lanes));
    let outputs = called_with(node, values, context, false);
    for output in &outputs {
        if let Value::Tensor(lanes) = output {
            context.room_for(lanes.any().numel() as f64);
        }
    }
    if context.kind == Kind::Double && outputs.iter().any(of_single) && !tensors(node, values).any(single) {
        return called_with(node, values, context, true);
    }
    outputs
}

fn called_with<'a>(
    node: &'a Node,
    values: &'a [Option<Value>],
    context: &'a Context<'a>,
    promoted: bool,
) -> Vec<Value> {
    let (mut shared, mut apart, mut rank) = (true, false, 0);
    for lanes in tensors(node, values) {
        shared &= lanes.is_shared();
        apart |= matches!(lanes, Lanes::Apart(_));
        rank = rank.max(lanes.rank());
    }
    let operator = node.operator;
    let mut call = Call {
        name: &node.name,
        arguments: &node.arguments,
        values,
        context,
        shift: 0,
        rank: 0,
        lane: None,
        folded: None,
        promoted,
    };
    check_size(node, &call);
    if shared || matches!(operator.rule, Rule::Whole) {
        return values_of((operator.run)(&call), Lanes::Shared);
    }
    if !apart {
        match operator.rule {
            Rule::Broadcast => {
                (call.shift, call.rank) = (1, rank.max(1));
                if rank == 0 {
                    call.rank = 0;
                    // All of them are numbers: those that lanes share need no dimension.
                    call.shift = 0;
                }
                return values_of((operator.run)(&call), Lanes::Together);
            }
            Rule::Shifted => {
                call.shift = 1;
                return values_of((operator.run)(&call), Lanes::Together);
            }
            Rule::ShiftedIf(possible) => {
                call.shift = 1;
                if possible(&call) {
                    return values_of((operator.run)(&call), Lanes::Together);
                }
                call.shift = 0;
            }
            Rule::Folded(dims) => {
                let own = tensors(node, values).filter(|lanes| !lanes.is_shared()).count();
                if let (1, Some(Value::Tensor(Lanes::Together(first)))) = (own, call.value(0))
                    && first.dim() == dims + 1
                {
                    call.folded = Some(first.flatten(0, 1));
                    let lanes = [context.lanes as i64, -1];
                    let apart = |tensor: Tensor| tensor.unflatten(0, lanes);
                    let out = match (operator.run)(&call) {
                        Out::One(tensor) => Out::One(apart(tensor)),
                        Out::Many(tensors) => Out::Many(tensors.into_iter().map(apart).collect()),
                        other => other,
                    };
                    return values_of(out, Lanes::Together);
                }
            }
            Rule::Looped | Rule::Whole => {}
        }
    }
    one_by_one(operator, call)
}

/// What an operator returned, as values: tensors of all lanes, or that all lanes share.
fn values_of(out: Out, wrap: fn(Tensor) -> Lanes) -> Vec<Value> {
    let value = |tensor: Tensor| Value::Tensor(wrap(tensor));
    match out {
        Out::One(tensor) => vec![value(tensor)],
        Out::Many(tensors) => tensors.into_iter().map(value).collect(),
        Out::Number(value) => vec![value],
        Out::Values(values) => values,
    }
}

/// Calls an operator for every lane by itself.
fn one_by_one(operator: &Operator, mut call: Call) -> Vec<Value> {
    let mut outputs: Vec<Vec<Tensor>> = Vec::new();
    for lane in 0..call.context.lanes {
        call.lane = Some(lane);
        let own = match (operator.run)(&call) {
            Out::One(tensor) => vec![tensor],
            Out::Many(tensors) => tensors,
            Out::Number(value) => vec![value.to_tensor(call.context.kind)],
            Out::Values(values) => values.iter().map(|value| value.to_tensor(call.context.kind)).collect(),
        };
        outputs.resize_with(own.len(), Vec::new);
        outputs.iter_mut().zip(own).for_each(|(all, own)| all.push(own));
    }
    outputs.into_iter().map(|all| Value::Tensor(Lanes::of(all))).collect()
}
