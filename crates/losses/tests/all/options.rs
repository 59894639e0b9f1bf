//! Options: slopes at random options, what is refused, and how a config writes them.

use losses::{Loss, TargetKind};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tch::{Kind, Tensor};

use crate::{all_losses, assert_near, fused, in_rows, numbers};

/// The loss with every option that is a number multiplied by the next factor; a 0 becomes a tenth of it.
fn scaled(loss: &Loss, factors: &[f64]) -> Loss {
    let mut options = loss.options();
    let numbers = options.as_object_mut().unwrap().values_mut().filter(|option| option.is_number());
    for (option, factor) in numbers.zip(factors) {
        let default = option.as_f64().expect("a number");
        *option = json!(factor * if default == 0.0 { 0.1 } else { default });
    }
    serde_json::from_value(json!({ loss.name(): options })).unwrap()
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Config {
    loss: Loss,
}

fn read(text: &str) -> Loss {
    toml::from_str::<Config>(text).unwrap().loss
}

proptest! {
    #[test]
    fn slopes_match_central_differences(
        prediction in -4.0..4.0_f64,
        // A residual's target may be anything; a probability must be in here.
        target in 0.0..1.0_f64,
        factors in prop::collection::vec(0.3..1.9_f64, 3),
    ) {
        let h = 1e-5;
        for loss in all_losses().iter().map(|loss| scaled(loss, &factors)) {
            prop_assert_eq!(loss.check(), Ok(()));
            let points = [prediction - h, prediction, prediction + h];
            let Some((values, slopes)) = fused::<f64>(&loss, 1, &in_rows(&points), &in_rows(&[target; 3])) else {
                continue;
            };
            let [left, middle, right, ..] = values[0];
            // Where the slopes of the two sides differ, there is a kink or a jump in between.
            let bend = ((right - middle) - (middle - left)).abs();
            let kink = bend > 1e-3 * h;
            let (slope, estimate) = (slopes[0][1], (right - left) / (2.0 * h));
            // Near a cusp the bend itself changes within h, by up to a hundredth.
            let near = (slope - estimate).abs() < 1e-7 * slope.abs().max(1.0) + 0.01 * bend / h;
            prop_assert!(kink || near, "{} at {prediction}, {target}: {slope}, and should be {estimate}", loss.label());
        }
    }

    #[test]
    fn slopes_by_logits_match_central_differences(
        logits in prop::collection::vec(-4.0..4.0_f64, 5),
        class in 0..5_i64,
    ) {
        for loss in all_losses().iter().filter(|loss| loss.targets() == TargetKind::Classes) {
            let (class, h) = (Tensor::from(class), 1e-5);
            let leaf = Tensor::from_slice(&logits).set_requires_grad(true);
            loss.tensor(&leaf, &class).backward();
            let steps = Tensor::eye(5, (Kind::Double, tch::Device::Cpu)) * h;
            let moved = |steps: Tensor| loss.tensor(&(leaf.detach() + steps), &class);
            let estimate = (moved(steps.shallow_clone()) - moved(-steps)) / (2.0 * h);
            assert_near(loss.name(), &numbers(&leaf.grad()), &numbers(&estimate), 1e-7, 1.0);
        }
    }

    #[test]
    fn a_config_is_read_back_as_it_was_written(factors in prop::collection::vec(0.3..1.9_f64, 3)) {
        for default in all_losses() {
            for loss in [scaled(&default, &factors), default] {
                let config = Config { loss };
                let text = toml::to_string(&config).unwrap();
                prop_assert_eq!(toml::from_str::<Config>(&text).unwrap(), config, "{}", text);
            }
        }
    }
}

#[test]
fn a_label_names_the_options_that_were_changed() {
    for loss in all_losses() {
        assert_eq!(loss.label(), loss.name());
        let changed = scaled(&loss, &[0.5; 9]);
        for (option, _) in loss.options().as_object().unwrap().iter().filter(|(_, value)| value.is_number()) {
            assert!(changed.label().contains(&format!("{option}=")), "{}", changed.label());
        }
    }
    assert_eq!(read("loss = { huber = { delta = 2 } }").label(), "huber(delta=2)");
    let formula = "loss = { formula = { value = 'a*abs(d)', constants = { a = 0.5 } } }";
    assert_eq!(read(formula).label(), "formula(constants={a=0.5}, value=a*abs(d))");
}

#[test]
fn every_loss_says_what_it_is() {
    for loss in all_losses() {
        let info = loss.info();
        assert_eq!(info.faults(), Vec::<String>::new(), "{}", loss.name());
        assert!(!info.formula.is_empty(), "{}", loss.name());
    }
}

#[test]
fn options_out_of_range_are_refused() {
    for (text, message) in [
        ("huber = { delta = -1 }", "`delta` must be above 0, and is -1"),
        ("huber = { delta = inf }", "`delta` must be finite, and is inf"),
        ("pseudo_huber = { delta = 0 }", "`delta` must be above 0, and is 0"),
        ("plateau = { edge = -0.5 }", "`edge` must be above 0, and is -0.5"),
        ("asymmetric = { scale = 0 }", "`scale` must be above 0, and is 0"),
        ("quantile = { quantile = 1 }", "`quantile` must be above 0, and below 1, and is 1"),
        ("quantile = { quantile = 0 }", "`quantile` must be above 0, and below 1, and is 0"),
        ("power = { exponent = 0 }", "`exponent` must be above 0, and is 0"),
        ("linex = { a = 0 }", "`a` must be other than 0, and is 0"),
        ("epsilon_insensitive = { epsilon = -0.1 }", "`epsilon` must be 0 or above, and is -0.1"),
        ("cross_entropy = { label_smoothing = 1.5 }", "`label_smoothing` must be from 0 to 1, and is 1.5"),
        ("focal = { alpha = 1 }", "`alpha` must be above 0, and below 1, and is 1"),
        ("multiclass_focal = { gamma = -1 }", "`gamma` must be 0 or above, and is -1"),
        ("learned_gaussian_nll = { least = 0 }", "`least` must be above 0, and is 0"),
        ("focal = { gamma = -1 }", "`gamma` must be 0 or above, and is -1"),
    ] {
        assert_eq!(read(&format!("loss = {{ {text} }}")).check(), Err(message.to_owned()));
    }
}

#[test]
fn no_option_may_be_nan() {
    for loss in all_losses() {
        let options = loss.options();
        for (option, _) in options.as_object().unwrap().iter().filter(|(_, value)| value.is_number()) {
            let bad = read(&format!("loss = {{ {} = {{ {option} = nan }} }}", loss.name()));
            let message = bad.check().expect_err(option);
            assert!(message.contains(&format!("`{option}`")) && message.contains("NaN"), "{message}");
        }
    }
}
