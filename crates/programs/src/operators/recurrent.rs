//! Recurrent networks.

use tch::Tensor;

use super::{Rule, operators};
use crate::call::Call;

/// What all of them take: biases, layers, dropout, training, directions, batches first.
fn options(c: &Call) -> (bool, i64, f64, bool, bool, bool) {
    let dropout = c.float(5);
    assert!(
        !(c.bool(6) && dropout > 0.0 && c.int(4) > 1),
        "dropout between layers draws random numbers: call eval() on it"
    );
    (c.bool(3), c.int(4), dropout, c.bool(6), c.bool(7), c.bool(8))
}

/// A network of inputs, a first state and weights, with the [`options`].
type Network = fn(&Tensor, &Tensor, &[Tensor], bool, i64, f64, bool, bool, bool) -> (Tensor, Tensor);

fn plain(c: &Call, run: Network) -> (Tensor, Tensor) {
    let (biases, layers, dropout, training, both, first) = options(c);
    run(&c.tensor(0), &c.tensor(1), &c.tensors(2), biases, layers, dropout, training, both, first)
}

operators! {
    Rule::Looped => {
        "aten.lstm.input input hx params has_biases num_layers dropout train bidirectional batch_first" c => {
            let (biases, layers, dropout, training, both, first) = options(c);
            c.tensor(0).lstm(&c.tensors(1), &c.tensors(2), biases, layers, dropout, training, both, first)
        };
        "aten.gru.input input hx params has_biases num_layers dropout train bidirectional batch_first" c => plain(c, Tensor::gru);
        "aten.rnn_tanh.input input hx params has_biases num_layers dropout train bidirectional batch_first" c => plain(c, Tensor::rnn_tanh);
        "aten.rnn_relu.input input hx params has_biases num_layers dropout train bidirectional batch_first" c => plain(c, Tensor::rnn_relu);
        "aten.lstm_cell.default input hx w_ih w_hh b_ih b_hh" c => c.tensor(0).lstm_cell(&c.tensors(1), &c.tensor(2), &c.tensor(3), c.option(4), c.option(5));
        "aten.gru_cell.default input hx w_ih w_hh b_ih b_hh" c => c.tensor(0).gru_cell(&c.tensor(1), &c.tensor(2), &c.tensor(3), c.option(4), c.option(5));
        "aten.rnn_tanh_cell.default input hx w_ih w_hh b_ih b_hh" c => c.tensor(0).rnn_tanh_cell(&c.tensor(1), &c.tensor(2), &c.tensor(3), c.option(4), c.option(5));
        "aten.rnn_relu_cell.default input hx w_ih w_hh b_ih b_hh" c => c.tensor(0).rnn_relu_cell(&c.tensor(1), &c.tensor(2), &c.tensor(3), c.option(4), c.option(5));
    }
}
