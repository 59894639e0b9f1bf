//! Tests that every loss of the registry goes through, on both engines.

mod contract;
#[path = "../../../../scripts/golden/entries.rs"]
mod entries;
mod formula;
mod formula_text;
mod golden;
mod large;
mod options;
mod program;
mod question;
mod update;
mod waveforms;

use losses::Loss;
use numeric::{Float, LANES, Row, rows};
use tch::{Kind, Tensor};

type Rows<F> = Vec<Row<F>>;

/// Every loss at its defaults, but those that need a file.
fn all_losses() -> Vec<Loss> {
    Loss::all().into_iter().filter(|loss| loss.files().is_empty()).collect()
}

/// Numbers in rows of lanes, the last row filled up with zeros.
fn in_rows<F: Float>(numbers: &[f64]) -> Rows<F> {
    let mut filled = vec![rows::zero::<F>(); rows::chunks(numbers.len())];
    for (place, &number) in filled.as_flattened_mut().iter_mut().zip(numbers) {
        *place = F::from_f64(number);
    }
    filled
}

/// Mean value of every lane and its slopes by the fused kernel; `None` where the loss has none.
fn fused<F: Float>(
    loss: &Loss,
    elements: usize,
    prediction: &[Row<F>],
    target: &[Row<F>],
) -> Option<(Rows<F>, Rows<F>)> {
    let kernel = loss.kernel::<F>()?;
    let mut slope = vec![rows::zero(); prediction.len()];
    let mut value = vec![rows::zero(); prediction.len() / elements];
    kernel.mean(elements, prediction, target, &mut slope, &mut value);
    Some((value, slope))
}

/// The same by libtorch and autograd.
fn traced<F: Float>(
    loss: &Loss,
    elements: usize,
    prediction: &[Row<F>],
    target: &[Row<F>],
) -> (Vec<f64>, Vec<f64>) {
    let tensor = |rows: &[Row<F>]| {
        let shape = [rows.len() / elements, elements, LANES].map(size);
        Tensor::from_slice(&widened(rows)).reshape(shape).to_kind(F::KIND)
    };
    let prediction = tensor(prediction).set_requires_grad(true);
    let value = loss.tensor(&prediction, &tensor(target)).mean_dim(1, false, None::<Kind>);
    assert_eq!(value.kind(), F::KIND, "{} changes the dtype", loss.label());
    value.sum(None::<Kind>).backward();
    (numbers(&value), numbers(&prediction.grad()))
}

/// A length in the type that libtorch counts in.
fn size(length: usize) -> i64 {
    length.try_into().expect("lengths of tests are small")
}

/// The elements of a tensor.
fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1)).expect("one dimension of doubles")
}

/// The elements of rows.
fn widened<F: Float>(rows: &[Row<F>]) -> Vec<f64> {
    rows.as_flattened().iter().map(|number| number.to_f64()).collect()
}

/// Fails unless every number of `ours` is near its number in `theirs`: within `relative` of it, where
/// `floor` is the size below which differences are rounding. Returns the largest relative difference.
#[track_caller]
fn assert_near(what: &str, ours: &[f64], theirs: &[f64], relative: f64, floor: f64) -> f64 {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let mut most = 0.0_f64;
    for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        let near = (ours - theirs).abs() <= relative * theirs.abs().max(floor);
        assert!(near, "{what}, number {index}: {ours:e}, and should be {theirs:e}");
        if ours != theirs {
            most = most.max((ours - theirs).abs() / theirs.abs().max(floor));
        }
    }
    most
}
