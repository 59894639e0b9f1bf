//! Attention.

use tch::Tensor;

use super::{Rule, operators};
use crate::call::Call;

/// softmax(Q Kᵀ · scale + mask) V
fn attention(c: &Call) -> Tensor {
    assert!(c.float_or(4, 0.0) == 0.0, "attention with dropout draws random numbers: call eval() on it");
    let [q, k, v] = [0, 1, 2].map(|index| c.tensor(index));
    let rank = q.dim();
    let mask = c.option(3).map(|mask| {
        if c.shift == 1 { (mask.dim()..rank).fold(mask, |mask, _| mask.unsqueeze(1)) } else { mask }
    });
    let scale = c.has(6).then(|| c.float(6));
    // What lanes share is as long as what they don't.
    let lanes = |tensor: Tensor| {
        if c.shift == 0 {
            return tensor;
        }
        let sizes: Vec<i64> =
            [c.context.lanes as i64].into_iter().chain(tensor.size()[1..].iter().copied()).collect();
        tensor.expand(sizes, false)
    };
    Tensor::scaled_dot_product_attention(
        &lanes(q),
        &lanes(k),
        &lanes(v),
        mask,
        0.0,
        c.bool(5),
        scale,
        c.bool(7),
    )
}

operators! {
    Rule::Shifted => {
        "aten.scaled_dot_product_attention.default query key value attn_mask dropout_p is_causal scale enable_gqa" c => attention(c);
    }
}
