//! The examples of the question that the project answers, in `float32` as it runs them.

use losses::Loss;

use crate::{assert_near, fused, in_rows, traced, widened};

#[test]
fn its_examples_give_these_values_and_gradients() {
    // Loss, prediction, target, value, gradient.
    for (name, prediction, target, value, slope) in [
        ("plateau", 0.3, 0.8, 0.5, -1.0),
        ("plateau", 0.29, 0.8, 0.500_01, -0.001),
        ("asymmetric", 0.5, 1.0, 0.25, -1.0),
        ("asymmetric", 1.5, 1.0, 1.25, 5.0),
        ("poorly_conditioned", 0.2, 1.0, -0.7936, 0.984),
        ("poorly_conditioned", 1.2, 1.0, 0.2004, 1.004),
    ] {
        let loss = Loss::named(name).unwrap();
        let (prediction, target) = (in_rows::<f32>(&[prediction]), in_rows::<f32>(&[target]));
        let (values, slopes) = fused(&loss, 1, &prediction, &target).unwrap();
        let what = format!("{name} at {}", prediction[0][0]);
        assert_near(&what, &widened(&values)[..1], &[value], 5e-7, 0.0);
        assert_near(&what, &widened(&slopes)[..1], &[slope], 5e-7, 0.0);
        let (values, slopes) = traced(&loss, 1, &prediction, &target);
        assert_near(&what, &values[..1], &[value], 5e-7, 0.0);
        assert_near(&what, &slopes[..1], &[slope], 5e-7, 0.0);
    }
}
