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

#[cfg(test)]
mod tests {
    use super::*;

    /// Two lanes, each with a Hessian of its own.
    struct Quadratics(Tensor);
    impl Oracle for Quadratics {
        fn loss(&self) -> Tensor {
            unreachable!("only products are asked for")
        }
        fn evaluate(&mut self, _points: &[Tensor], _asking: &[bool]) -> (Tensor, Vec<Tensor>) {
            unreachable!("only products are asked for")
        }
        fn hessian_product(&mut self, _points: &[Tensor], directions: &[Tensor]) -> Vec<Tensor> {
            vec![self.0.bmm(&directions[0].unsqueeze(2)).squeeze_dim(2)]
        }
    }

    #[test]
    fn the_mean_of_the_estimates_is_the_diagonal() {
        let hessians =
            [3.0, 1.0, 0.5, 1.0, -2.0, 0.3, 0.5, 0.3, 0.0, 1.0, 0.0, 2.0, 0.0, 5.0, 0.0, 2.0, 0.0, 9.0];
        let mut oracle = Quadratics(Tensor::from_slice(&hessians).reshape([2, 3, 3]));
        let p = [Tensor::zeros([2, 3], (tch::Kind::Double, tch::Device::Cpu))];
        let draws = 2000;
        let sum = (0..draws).map(|step| diagonal(step, &p, &mut oracle).remove(0)).reduce(|a, b| a + b);
        let mean: Vec<f64> = Vec::try_from((sum.unwrap() / draws as f64).reshape(-1)).unwrap();
        for (mean, exact) in mean.into_iter().zip([3.0, -2.0, 0.0, 1.0, 5.0, 9.0]) {
            // Five standard errors: an estimate's variance is the sum of squares beside the diagonal, at most 4.
            assert!((mean - exact).abs() < 5.0 * 2.0 / (draws as f64).sqrt(), "{mean}, not {exact}");
        }
    }
}
