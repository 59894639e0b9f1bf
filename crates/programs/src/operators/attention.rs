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
    Tensor::scaled_dot_product_attention(
        &c.spread(q),
        &c.spread(k),
        &c.spread(v),
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
