//! The diagonal of the Hessian, estimated from its product with random signs.

use numeric::Stream;
use tch::Tensor;

use crate::Oracle;

/// `z·Hz` for signs z, whose mean over z is the diagonal of H (Hutchinson 1989; Bekas et al. 2007).
///
/// The signs depend on the step and on the element's place alone: all lanes have the same.
pub(crate) fn diagonal(step: u64, parameters: &[Tensor], oracle: &mut dyn Oracle) -> Vec<Tensor> {
    let signs = |(index, p): (usize, &Tensor)| {
        let mut stream = Stream::new("hutchinson", &[step, index as u64]);
        let count = p.numel() as i64 / p.size()[0];
        let signs: Vec<f64> = (0..count).map(|_| if stream.uniform() < 0.5 { -1.0 } else { 1.0 }).collect();
        let shape: Vec<i64> = std::iter::once(1).chain(p.size().into_iter().skip(1)).collect();
        let signs = Tensor::from_slice(&signs).reshape(shape).to_kind(p.kind()).to_device(p.device());
        signs.expand_as(p).contiguous()
    };
    let signs: Vec<Tensor> = parameters.iter().enumerate().map(signs).collect();
    let points: Vec<Tensor> = parameters.iter().map(Tensor::detach).collect();
    let products = oracle.hessian_product(&points, &signs);
    products.iter().zip(&signs).map(|(product, signs)| product * signs).collect()
}
