//! Texts of formulas: what is refused and how it is said, and that no text breaks anything.

use losses::{Formula, Loss};
use numeric::{LANES, Stream};
use tch::Tensor;

use crate::formula::formula;
use crate::{fused, in_rows};

fn message(value: &str) -> String {
    formula(value).check().expect_err(value)
}

#[test]
fn mistakes_are_shown_with_their_place() {
    let long = format!("{}abss(d) + {}", "0.25*abs(d)**1.5 + ".repeat(5), "d**2 + ".repeat(20));
    let texts = [
        "where(abz(d) < 1, d, 0)",
        "abs(d",
        "abs d",
        "abs(d))",
        "abs()",
        "where(d > 0, d)",
        "where(d, d, 0)",
        "where(d > 0 & d < 1, d, 0)",
        "where(d > 0 and d, d, 0)",
        "d > 0",
        "(d > 0) + 1",
        "2d",
        "d d",
        "d(2)",
        "d = 2",
        "d +",
        "",
        "   ",
        "d; import os",
        "d.grad",
        "d × 2",
        "max(d)",
        "clamp(d, 0)",
        "1e999*d",
        "1.2.3*d",
        "d, d",
        "target**2",
        "where(1 < 2, 3, d)",
        "delta*d",
        "predicton - target",
        "__import__('os')",
        "d\t+ 'é'",
        "d[0]",
        "d % 2",
        "not d",
        "and d",
        "d * * 2",
        &long,
    ];
    let shown: Vec<String> = texts.iter().map(|text| message(text)).collect();
    insta::assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn mistakes_in_constants_are_named() {
    let check =
        |name: &str, value: f64| Loss::Formula(Formula::new("d**2", [(name, value)])).check().unwrap_err();
    let shown =
        [check("d", 1.0), check("where", 1.0), check("2x", 1.0), check("a\nb", 1.0), check("a", f64::NAN)];
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn size_and_depth_are_bounded() {
    let sum = vec!["d"; 2048].join("+");
    assert_eq!(formula(&sum).check(), Ok(()));
    assert!(message(&format!("{sum}+d")).starts_with("the formula is 4097 bytes long"));
    assert!(message(&"é".repeat(2049)).starts_with("the formula is 4098 bytes long"));
    assert_eq!(formula(&format!("{}d{}", "(".repeat(64), ")".repeat(64))).check(), Ok(()));
    for (open, close) in [("(", ")"), ("-", ""), ("abs(", ")"), ("2**", ""), ("where(d > 0, 1, ", ")")] {
        let times = 4000 / (open.len() + close.len());
        let text = format!("{}d{}", open.repeat(times), close.repeat(times));
        assert!(message(&text).starts_with("more than 64 brackets"), "{}", message(&text));
    }
    assert!(message(&format!("where({}d > 0, 1, 2)", "not ".repeat(900))).starts_with("more than 64"));
}

#[test]
fn the_longest_formulas_are_computed() {
    let (p, t) = (in_rows::<f32>(&[0.5; LANES]), in_rows::<f32>(&[0.0; LANES]));
    for text in [
        vec!["d"; 2048].join("+"),
        vec!["relu(d-1)"; 400].join("+") + "+sqrt(d)",
        format!("{}d{}", "sqrt(relu(d)+".repeat(63), ")".repeat(63)),
        format!("{}d{}", "(relu(d)+relu(-d)+".repeat(60), ")**3".repeat(60)),
        format!("{}d{}", "where(d>0,d*".repeat(60), ",1/d)".repeat(60)),
        (0..300).map(|i| format!("sin({i}*d)")).collect::<Vec<_>>().join("*"),
        format!("sqrt({})", (0..200).map(|i| format!("relu(d-{i})")).collect::<Vec<_>>().join("+")),
    ] {
        let loss = formula(&text);
        assert_eq!(loss.check(), Ok(()), "{text}");
        assert!(fused(&loss, 1, &p, &t).is_some());
        let _ = loss.tensor(&Tensor::from(0.5_f32).set_requires_grad(true), &Tensor::from(0.0_f32));
    }
}

#[test]
fn lines_of_a_config_are_one() {
    let loss: Loss = toml::from_str::<toml::Table>("loss.formula.value = '''\n  abs(d)\n    + d**2\n'''")
        .unwrap()["loss"]
        .clone()
        .try_into()
        .unwrap();
    assert_eq!(loss.label(), "formula(value=abs(d) + d**2)");
}

/// Pieces that texts are put together from: those of the language, and those that it must refuse.
const PIECES: [&str; 64] = [
    "d",
    "prediction",
    "target",
    "pi",
    "a",
    "b1",
    "0",
    "1",
    "2",
    "0.5",
    "1e-3",
    ".25",
    "3.",
    "1e308",
    "1e-320",
    "33",
    "+",
    "-",
    "*",
    "/",
    "**",
    "^",
    "<",
    "<=",
    ">",
    ">=",
    "==",
    "!=",
    "(",
    ")",
    "(",
    ")",
    ",",
    ",",
    "&",
    "|",
    "~",
    "!",
    " and ",
    " or ",
    " not ",
    "abs(",
    "sqrt(",
    "exp(",
    "log(",
    "log1p(",
    "expm1(",
    "tanh(",
    "sigmoid(",
    "softplus(",
    "sin(",
    "cos(",
    "pow(",
    "min(",
    "max(",
    "clamp(",
    "sign(",
    "relu(",
    "where(",
    "×",
    "é",
    "\u{0}",
    "e9",
    "=",
];

struct Random(Stream);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        ((self.0.uniform() * bound as f64) as usize).min(bound - 1)
    }

    fn of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len())]
    }

    fn leaf(&mut self) -> String {
        let leaves = if self.below(2) == 0 { 2 } else { 16 };
        self.of(&PIECES[..leaves]).into()
    }

    /// A number by the grammar.
    fn number(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.leaf();
        }
        match self.below(8) {
            0 => self.leaf(),
            1 => format!("-{}", self.number(depth - 1)),
            2 => format!("({})", self.number(depth - 1)),
            3 => {
                let name = self.of(&PIECES[41..51]);
                format!("{name}{})", self.number(depth - 1))
            }
            4 => {
                let name = self.of(&["pow(", "min(", "max("]);
                format!("{name}{}, {})", self.number(depth - 1), self.number(depth - 1))
            }
            5 => {
                let (mask, yes) = (self.truth(depth - 1), self.number(depth - 1));
                format!("where({mask}, {yes}, {})", self.number(depth - 1))
            }
            _ => {
                let op = self.of(&PIECES[16..22]);
                format!("{}{op}{}", self.number(depth - 1), self.number(depth - 1))
            }
        }
    }

    fn truth(&mut self, depth: usize) -> String {
        let depth = depth.saturating_sub(1);
        match self.below(if depth == 0 { 1 } else { 4 }) {
            1 => format!("not ({})", self.truth(depth)),
            2 => format!(
                "({}) {} ({})",
                self.truth(depth),
                self.of(&["and", "or", "&", "|"]),
                self.truth(depth)
            ),
            _ => format!("{}{}{}", self.number(depth), self.of(&PIECES[22..28]), self.number(depth)),
        }
    }

    /// A text by the grammar, one with some of it changed, or pieces in any order.
    fn text(&mut self) -> String {
        let (kind, depth) = ([0, 0, 1, 2][self.below(4)], 1 + self.below(5));
        if kind == 2 {
            let pieces = self.below(40);
            return (0..pieces).map(|_| self.of(&PIECES)).collect();
        }
        let mut text = self.number(depth);
        for _ in 0..kind * (1 + self.below(3)) {
            let boundaries: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let (from, to) = (self.below(boundaries.len()), self.below(boundaries.len()));
            let (from, to) =
                (boundaries[from.min(to)], boundaries[to.min(from + 3)].max(boundaries[from.min(to)]));
            text.replace_range(from..to, self.of(&PIECES));
        }
        text
    }
}

/// Reads and computes random formulas; how many were refused. None may panic.
fn survive(count: u64, seed: u64) -> u64 {
    let mut random = Random(Stream::new("formulas", &[seed]));
    let points = [0.0, -0.0, 0.5, -1.5, 1e30, -1e30, f64::INFINITY, f64::NAN];
    let (p, t) = (in_rows::<f32>(&points), in_rows::<f32>(&[0.5; LANES]));
    let mut refused = 0;
    for i in 0..count {
        let value = random.text();
        let loss = Loss::Formula(Formula::new(&value, [("a", 0.5), ("b1", -2.0)]));
        if let Err(message) = loss.check() {
            refused += 1;
            assert!(message.len() < 700 && message.lines().count() == 3, "{message}");
            continue;
        }
        assert!(fused(&loss, 1, &p, &t).is_some());
        if i % 20 == 0 {
            let leaf = Tensor::from_slice(&points).set_requires_grad(true);
            assert_eq!(loss.tensor(&leaf, &Tensor::from(0.5)).size(), [8], "{}", loss.label());
        }
    }
    refused
}

#[test]
fn no_text_breaks_anything() {
    // The full million, on two threads: OPTBENCH_FORMULAS=1000000 cargo test --package losses no_text
    let count: u64 = std::env::var("OPTBENCH_FORMULAS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let halves = [0, 1].map(|seed| std::thread::spawn(move || survive(count / 2, seed)));
    let refused: u64 = halves.into_iter().map(|half| half.join().expect("no formula panics")).sum();
    println!("{refused} of {count} were refused");
    assert!(refused > count / 5 && refused < count * 4 / 5, "{refused} of {count} were refused");
}
