//! A diagnosis asked in one line, without a file.

use std::fmt::Write;

use clap::Args;

/// What a config file would say. A value is written as there, and a word may go without quotes.
#[derive(Args, Default)]
#[group(conflicts_with_all = ["suite"], multiple = true, required = false)]
pub(super) struct Line {
    /// A loss as a formula over prediction, target and d = prediction − target
    #[arg(long, value_name = "FORMULA", group = "what", allow_hyphen_values = true)]
    formula: Option<String>,
    /// A loss that scripts/export.py wrote: forward(prediction, target)
    #[arg(long, value_name = "FILE", group = "what")]
    program: Option<String>,
    /// A loss of the registry, such as plateau or '{ huber = { delta = 0.5 } }'
    #[arg(long, value_name = "LOSS", group = "what")]
    loss: Option<String>,
    /// A problem of the registry (then --loss is its loss), such as rosenbrock
    #[arg(long, value_name = "PROBLEM")]
    problem: Option<String>,
    /// Where predictions start [default: '{ offset = { normal = { std = 2 } } }']
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    start: Option<String>,
    /// Where they should end [default: '{ normal = { shape = [16] } }']
    #[arg(long, value_name = "NUMBERS", allow_hyphen_values = true)]
    target: Option<String>,
    /// From prediction to target: identity, sigmoid, softmax, relu, tanh, exp, product, first, or
    /// '{ program = { file = "readout.pt2" } }' [default: found out]
    #[arg(long, value_name = "NAME")]
    readout: Option<String>,
    /// Your optimizer [default: sgd]
    #[arg(long, value_name = "OPTIMIZER")]
    optimizer: Option<String>,
    /// Its schedule [default: constant]
    #[arg(long, value_name = "SCHEDULE")]
    schedule: Option<String>,
    /// Your learning rate [default: 0.1]
    #[arg(long)]
    lr: Option<String>,
    /// Your budget [default: 2000]
    #[arg(long)]
    steps: Option<String>,
    /// The error that is good enough [default: a twentieth of that at the start]
    #[arg(long, value_name = "ERROR")]
    tolerance: Option<String>,
    /// float32 or float64 [default: float32]
    #[arg(long)]
    dtype: Option<String>,
    /// What everything random is drawn from [default: 0]
    #[arg(long)]
    seed: Option<String>,
    /// The results folder's name [default: diagnosis]
    #[arg(long)]
    name: Option<String>,
}

impl Line {
    /// Whether nothing is asked in it.
    pub(super) fn is_empty(&self) -> bool {
        self.as_toml(None) == Self::default().as_toml(None)
    }

    /// Whether it names a loss.
    pub(super) fn names_loss(&self) -> bool {
        self.formula.is_some() || self.program.is_some() || self.loss.is_some()
    }

    /// The config file that says the same, of a loss in Python where one is named.
    pub(super) fn as_toml(&self, code: Option<&str>) -> String {
        let mut text = String::new();
        let quoted = |word: &str| toml::Value::String(word.to_owned()).to_string();
        let mut line =
            |key: &str, value: String| writeln!(text, "{key} = {value}").expect("text takes everything");
        line("name", quoted(self.name.as_deref().unwrap_or("diagnosis")));
        if let Some(code) = code {
            line("loss", quoted(code));
        }
        if let Some(formula) = &self.formula {
            line("loss", format!("{{ formula = {{ value = {} }} }}", quoted(formula)));
        }
        if let Some(file) = &self.program {
            line("loss", format!("{{ program = {{ file = {} }} }}", quoted(file)));
        }
        for (key, value) in [
            ("loss", &self.loss),
            ("problem", &self.problem),
            ("start", &self.start),
            ("target", &self.target),
            ("readout", &self.readout),
            ("optimizer", &self.optimizer),
            ("schedule", &self.schedule),
            ("lr", &self.lr),
            ("steps", &self.steps),
            ("tolerance", &self.tolerance),
            ("dtype", &self.dtype),
            ("seed", &self.seed),
        ] {
            if let Some(value) = value {
                let is_value =
                    toml::from_str::<toml::Table>(&format!("x = {value}")).is_ok_and(|t| t.len() == 1);
                line(key, if is_value { value.clone() } else { quoted(value) });
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[arg(long)]
        config: Option<String>,
        #[arg(long)]
        suite: Option<String>,
        #[command(flatten)]
        line: Line,
    }

    #[test]
    fn words_are_quoted_and_values_are_not() {
        let words =
            ["x", "--formula", "abs(d)", "--start", "-2", "--target", "[1, 2]", "--optimizer", "adam"];
        let text = Cli::parse_from(words).line.as_toml(None);
        assert_eq!(
            text,
            "name = \"diagnosis\"\nloss = { formula = { value = \"abs(d)\" } }\nstart = -2\ntarget = [1, 2]\noptimizer = \"adam\"\n"
        );
        let table = Cli::parse_from(["x", "--loss", "{ huber = { delta = 2 } }"]).line.as_toml(None);
        assert!(table.ends_with("loss = { huber = { delta = 2 } }\n"));
    }
}
