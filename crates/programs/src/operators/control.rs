//! Graphs inside a graph, numbers that sizes are computed from, and checks.

use super::{Rule, operators};
use crate::arg::Arg;
use crate::call::{Call, Out};
use crate::lanes::Lanes;
use crate::value::{Number, Value};

/// The values of the arguments from one on, or of the list that it is.
fn operands(c: &Call, from: usize) -> Vec<Value> {
    let value = |slot: usize| c.values[slot].clone().expect("a value lives until its last use");
    let of = |arg: &Arg| match arg {
        Arg::Slot(slot) => vec![value(*slot)],
        Arg::Slots(slots) => slots.iter().flatten().map(|slot| value(*slot)).collect(),
        _ => Vec::new(),
    };
    c.arguments[from..].iter().flat_map(of).collect()
}

/// A graph without gradients, or with them.
fn with_grad(c: &Call) -> Out {
    let graph = c.graph(1);
    if c.bool(0) {
        return Out::Values(graph.run(operands(c, 2), c.context));
    }
    let _guard = tch::no_grad_guard();
    let detached = |value: Value| match value {
        Value::Tensor(lanes) => Value::Tensor(lanes.detached()),
        number @ Value::Number(_) => number,
    };
    Out::Values(graph.run(operands(c, 2), c.context).into_iter().map(detached).collect())
}

/// One graph or the other; lanes that differ in which are evaluated one by one.
fn cond(c: &Call) -> Out {
    let operands = operands(c, 3);
    let of = |value: &Value, lane: usize| match value {
        Value::Tensor(lanes) => Value::from(lanes.lane(lane)),
        number @ Value::Number(_) => number.clone(),
    };
    let Some(Value::Tensor(condition)) = c.value(0) else {
        let graph = c.graph(if c.bool(0) { 1 } else { 2 });
        return Out::Values(graph.run(operands, c.context));
    };
    let holds = |lane: usize| condition.lane(lane).int64_value(&[]) != 0;
    let lanes = if condition.is_shared() { 1 } else { c.context.lanes };
    if (1..lanes).all(|lane| holds(lane) == holds(0)) {
        let graph = c.graph(if holds(0) { 1 } else { 2 });
        return Out::Values(graph.run(operands, c.context));
    }
    let mut results: Vec<Vec<tch::Tensor>> = Vec::new();
    for lane in 0..lanes {
        let graph = c.graph(if holds(lane) { 1 } else { 2 });
        let own = graph.run(operands.iter().map(|value| of(value, lane)).collect(), c.context);
        results.resize_with(own.len(), Vec::new);
        for (all, value) in results.iter_mut().zip(own) {
            all.push(value.to_tensor(c.context.kind));
        }
    }
    Out::Values(results.into_iter().map(|all| Value::Tensor(Lanes::of(all))).collect())
}

/// A number of two numbers.
fn number(c: &Call, whole: fn(i64, i64) -> i64, floats: fn(f64, f64) -> f64) -> Value {
    Value::Number(match (c.scalar(0), c.scalar(1)) {
        (Number::Float(a), b) => Number::Float(floats(a, b.to_float())),
        (a, Number::Float(b)) => Number::Float(floats(a.to_float(), b)),
        (a, b) => Number::Int(whole(a.to_int(), b.to_int())),
    })
}

fn compared(c: &Call, holds: fn(f64, f64) -> bool) -> Value {
    Value::Number(Number::Bool(holds(c.float(0), c.float(1))))
}

fn rounded(c: &Call, round: fn(f64) -> f64) -> Value {
    Value::Number(Number::Int(round(c.float(0)) as i64))
}

/// The number that a tensor is; lanes that differ in it keep theirs.
fn item(c: &Call) -> Value {
    match c.value(0) {
        Some(Value::Tensor(lanes)) if !lanes.is_shared() => Value::Tensor(lanes.detached()),
        _ => Value::Number(c.scalar(0)),
    }
}

fn nothing() -> Out {
    Out::Values(vec![Value::Number(Number::Int(0))])
}

operators! {
    Rule::Whole => {
        "higher_order.wrap_with_set_grad_enabled enabled graph operands operand1 operand2 operand3 operand4 operand5 operand6 operand7 operand8 operand9 operand10 operand11 operand12 operand13 operand14 operand15" c => with_grad(c);
        "higher_order.cond pred true_graph false_graph operands" c => cond(c);
        "_operator.add a b" c => number(c, i64::wrapping_add, |a, b| a + b);
        "_operator.sub a b" c => number(c, i64::wrapping_sub, |a, b| a - b);
        "_operator.mul a b" c => number(c, i64::wrapping_mul, |a, b| a * b);
        "_operator.floordiv a b" c => number(c, |a, b| if b == 0 { 0 } else { a.div_euclid(b) }, |a, b| (a / b).floor());
        "_operator.mod a b" c => number(c, |a, b| if b == 0 { 0 } else { a.rem_euclid(b) }, f64::rem_euclid);
        "_operator.truediv a b" c => Value::Number(Number::Float(c.float(0) / c.float(1)));
        "_operator.pow a b" c => number(c, |a, b| a.wrapping_pow(b.clamp(0, 63) as u32), f64::powf);
        "_operator.neg a" c => match c.scalar(0) {
            Number::Float(a) => Value::Number(Number::Float(-a)),
            a => Value::Number(Number::Int(-a.to_int())),
        };
        "_operator.eq a b" c => compared(c, |a, b| a == b);
        "_operator.ne a b" c => compared(c, |a, b| a != b);
        "_operator.lt a b" c => compared(c, |a, b| a < b);
        "_operator.le a b" c => compared(c, |a, b| a <= b);
        "_operator.gt a b" c => compared(c, |a, b| a > b);
        "_operator.ge a b" c => compared(c, |a, b| a >= b);
        "_operator.and_ a b" c => Value::Number(Number::Bool(c.bool(0) && c.bool(1)));
        "_operator.or_ a b" c => Value::Number(Number::Bool(c.bool(0) || c.bool(1)));
        "math.trunc a" c => rounded(c, f64::trunc);
        "torch._sym_sqrt a" c => Value::Number(Number::Float(c.float(0).sqrt()));
        "torch.sym_float a" c => Value::Number(Number::Float(c.float(0)));
        "torch.sym_int a" c => rounded(c, f64::trunc);
        "torch.sym_max a b" c => number(c, i64::max, f64::max);
        "torch.sym_min a b" c => number(c, i64::min, f64::min);
        "torch.sym_not a" c => Value::Number(Number::Bool(!c.bool(0)));
        "torch.sym_ite a b c" c => Value::Number(if c.bool(0) { c.scalar(1) } else { c.scalar(2) });
        "aten.item.default self" c => item(c);
        "aten._local_scalar_dense.default self" c => item(c);
        "aten._assert_scalar.default self assert_msg" c => {
            assert!(c.scalar(0).to_int() != 0, "{}", c.text(1));
            nothing()
        };
        "aten._assert_tensor_metadata.default a size stride dtype device layout" c => { let _ = c; nothing() };
        "aten._assert_async.msg self assert_msg" c => { let _ = c; nothing() };
        "aten.sym_constrain_range_for_size.default size min max" c => { let _ = c; nothing() };
        "aten.sym_constrain_range.default size min max" c => { let _ = c; nothing() };
    }
}
