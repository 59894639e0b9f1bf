//! What the source text in a TorchScript archive says of a module, which is neither loaded nor run for it.
//!
//! A `.pt` holds its code as text, below `code/`, in a subset of Python: one class for each module, with its
//! parameters, buffers and typed attributes, and operators written as `torch.NAME(…)`.

use std::io::Read as _;
use std::path::Path;

use files::archive;

/// What is said about a module. Where the text leaves a doubt, the answer is yes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Whether a call may change what later calls return. It may if the module, or one inside it, has
    ///
    /// - a buffer, or another attribute that holds tensors, lists or dictionaries;
    /// - code that assigns to an attribute;
    /// - parameters or constant tensors, and code with an in-place operator.
    pub keeps_state: bool,
    /// Whether it may draw from libtorch's global generator, or seed it.
    pub is_random: bool,
    /// Whether a call may change the tensors that it is given (an in-place operator) or libtorch's grad mode.
    pub has_effects: bool,
}

/// Operators that draw whenever they are called, without the `_` of their in-place forms.
const ALWAYS: [&str; 29] = [
    "_fused_dropout",
    "_sample_dirichlet",
    "_standard_gamma",
    "bernoulli",
    "binomial",
    "cauchy",
    "exponential",
    "fractional_max_pool2d",
    "fractional_max_pool3d",
    "geometric",
    "log_normal",
    "manual_seed",
    "multinomial",
    "native_dropout",
    "normal",
    "normal_functional",
    "poisson",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "random",
    "randperm",
    "rrelu_with_noise",
    "rrelu_with_noise_functional",
    "seed",
    "uniform",
];

/// Operators that draw unless an argument, by its place, has this value.
const UNLESS: [(&str, &[(usize, &str)]); 10] = [
    ("alpha_dropout", &[(1, "0."), (2, "False")]),
    ("dropout", &[(1, "0."), (2, "False")]),
    ("feature_alpha_dropout", &[(1, "0."), (2, "False")]),
    ("feature_dropout", &[(1, "0."), (2, "False")]),
    ("gru", &[(5, "0."), (6, "False")]),
    ("lstm", &[(5, "0."), (6, "False")]),
    ("rnn_relu", &[(5, "0."), (6, "False")]),
    ("rnn_tanh", &[(5, "0."), (6, "False")]),
    ("rrelu", &[(3, "False")]),
    ("scaled_dot_product_attention", &[(4, "0.")]),
];

impl Script {
    /// Reads the text in an archive.
    ///
    /// # Errors
    /// If it is no archive.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut archive = archive::open(bytes)?;
        // PyTorch's own layers, and the code of the user.
        let (mut layers, mut own) = (String::new(), String::new());
        let (mut training, mut constants) = (false, false);
        for index in 0..archive.len() {
            let entry = archive.by_index(index).map_err(|error| error.to_string())?;
            let name = entry.name().to_owned();
            constants |= name.contains("/constants/");
            let is_code =
                name.contains("/code/") && Path::new(&name).extension().is_some_and(|end| end == "py");
            if !is_code && !name.ends_with("/data.pkl") {
                continue;
            }
            let mut bytes = Vec::new();
            let announced = entry.size();
            entry.take(announced).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
            if is_code {
                let text = if name.contains("/code/__torch__/torch/nn/") { &mut layers } else { &mut own };
                text.push_str(&String::from_utf8_lossy(&bytes));
                text.push('\n');
            } else {
                training |= is_training(&bytes);
            }
        }
        Ok(Self {
            keeps_state: keeps_state(&layers, constants) || keeps_state(&own, constants),
            is_random: is_random(&layers, &own, training),
            has_effects: [&layers, &own]
                .into_iter()
                .any(|code| has_in_place_operator(code) || code.contains("grad")),
        })
    }
}

fn keeps_state(code: &str, constants: bool) -> bool {
    let in_place = has_in_place_operator(code);
    let mut tensors = constants;
    let mut parameters: Vec<&str> = Vec::new();
    let mut in_module = false;
    for line in code.lines() {
        if line.starts_with("class ") {
            in_module = line.contains("(Module)");
            parameters.clear();
        }
        // An attribute of anything, wherever: `self.count = torch.add(count, 1)`.
        if line.split_once(" = ").is_some_and(|(left, _)| left.contains('.') && !left.contains(" : ")) {
            return true;
        }
        // The head of a class: two spaces, and no statement.
        let Some(head) = line.strip_prefix("  ").filter(|head| in_module && !head.starts_with(' ')) else {
            continue;
        };
        if let Some(list) = head.strip_prefix("__parameters__ = ") {
            parameters = list.split('"').skip(1).step_by(2).collect();
            tensors |= !parameters.is_empty();
        } else if let Some(list) = head.strip_prefix("__buffers__ = ") {
            if list.contains('"') {
                return true;
            }
        } else if let Some((name, kind)) = attribute(head) {
            let changeable = ["Tensor", "List[", "Dict["].iter().any(|part| kind.contains(part));
            if changeable && !kind.starts_with("Final[") && !parameters.contains(&name) {
                return true;
            }
        }
    }
    tensors && in_place
}

/// In-place operators end in `_`, or are those of `&=`, `|=`, `^=`, `<<=` and `>>=`; others write to an `out`; and a few
/// change a tensor that isn't their first.
fn has_in_place_operator(code: &str) -> bool {
    const OTHERS: [&str; 11] = [
        "__iand__",
        "__ior__",
        "__ixor__",
        "__ilshift__",
        "__irshift__",
        "batch_norm",
        "fused_moving_avg",
        "instance_norm",
        "out=",
        "rrelu_with_noise",
        "set_data",
    ];
    let ends_in_one = |(at, _): (usize, &str)| !code[..at].ends_with('_');
    code.match_indices("_(").any(ends_in_one) || OTHERS.iter().any(|name| code.contains(name))
}

/// Name and type in `name : Type` or `__annotations__["name"] = Type`.
fn attribute(head: &str) -> Option<(&str, &str)> {
    let annotated = head.strip_prefix("__annotations__[\"").and_then(|rest| rest.split_once("\"] = "));
    annotated.or_else(|| head.split_once(" : ").filter(|(name, _)| !name.contains(['(', ' '])))
}

fn is_random(layers: &str, own: &str, training: bool) -> bool {
    let mut doubt = false;
    for (code, is_own) in [(layers, false), (own, true)] {
        for (name, arguments) in calls(code) {
            let name = name.trim_end_matches('_');
            if ALWAYS.contains(&name) {
                return true;
            }
            if let Some((_, values)) = UNLESS.iter().find(|(known, _)| *known == name) {
                let arguments = split(arguments);
                let is = |(place, value): &(usize, &str)| {
                    arguments.get(*place).is_some_and(|argument| {
                        argument == value || (*value == "0." && matches!(*argument, "0" | "0.0"))
                    })
                };
                if values.iter().any(is) {
                    continue;
                }
                // Of the user's own code nothing says what a variable is; layers take the mode of their module.
                if is_own {
                    return true;
                }
                doubt = true;
            }
        }
    }
    doubt && (training || (own.contains("nn.functional.") && own.contains("True")))
}

/// The operators that a text calls, each with the text after the opening parenthesis.
fn calls(code: &str) -> impl Iterator<Item = (&str, &str)> {
    code.match_indices('(').filter_map(|(at, _)| {
        let before = &code[..at];
        let start = before.rfind(|c: char| !(c.is_ascii_alphanumeric() || "_.".contains(c)));
        let path = &before[start.map_or(0, |start| start + 1)..];
        let is_operator = path.starts_with("torch.") || path.starts_with("ops.");
        is_operator.then(|| (path.rsplit('.').next().unwrap_or(path), &code[at + 1..]))
    })
}

/// The arguments up to the closing parenthesis.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut arguments) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth > 0 => depth -= 1,
            ',' if depth == 0 => {
                arguments.push(text[from..at].trim());
                from = at + 1;
            }
            ')' => {
                arguments.push(text[from..at].trim());
                break;
            }
            _ => {}
        }
    }
    arguments
}

/// Whether a pickle sets the attribute `training` of any module.
fn is_training(pickle: &[u8]) -> bool {
    /// The length of the text, and the text.
    const KEY: &[u8] = b"X\x08\0\0\0training";
    /// `True`
    const NEWTRUE: u8 = 0x88;
    let Some(first) = pickle.windows(KEY.len()).position(|window| window == KEY) else { return false };
    let rest = &pickle[first + KEY.len()..];
    // The text is kept under a number, by which it is called again.
    let (again, rest) = match rest {
        [b'q', number, rest @ ..] => (vec![b'h', *number], rest),
        [b'r', a, b, c, d, rest @ ..] => (vec![b'j', *a, *b, *c, *d], rest),
        _ => return true,
    };
    rest.first() == Some(&NEWTRUE)
        || rest
            .windows(again.len() + 1)
            .any(|window| window[..again.len()] == again && window[again.len()] == NEWTRUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(attributes: &str, body: &str) -> String {
        format!(
            "class Mine(Module):\n  __parameters__ = [\"weight\", ]\n  __buffers__ = []\n  training : bool\n\
             {attributes}  def forward(self: __torch__.Mine,\n    prediction: Tensor) -> Tensor:\n{body}"
        )
    }

    #[test]
    fn state_is_what_a_call_may_leave_behind() {
        let return_it = "    return torch.mean(prediction)\n";
        for (attributes, body, expected) in [
            ("  weight : Tensor\n  p : float\n  inner : __torch__.Inner\n", return_it, false),
            ("  sizes : Final[List[int]] = [1, 2]\n", return_it, false),
            ("  count : Tensor\n", return_it, true),
            ("  __annotations__[\"0\"] = Optional[Tensor]\n", return_it, true),
            ("  seen : List[int]\n", return_it, true),
            ("  seen : Dict[str, int]\n", return_it, true),
            ("  steps : int\n", "    self.steps = torch.add(steps, 1)\n", true),
            ("  steps : int\n", "    inner = self.inner\n    (inner).steps = 3\n", true),
            ("  weight : Tensor\n", "    weight = self.weight\n    _0 = torch.add_(weight, 1)\n", true),
        ] {
            let code = head(attributes, body);
            assert_eq!(keeps_state(&code, false), expected, "{code}");
        }
        let buffers = head("", return_it).replace("__buffers__ = []", "__buffers__ = [\"count\", ]");
        assert!(keeps_state(&buffers, false));
        // A constant can only be changed in place.
        let constant =
            "class Mine(Module):\n  def forward(self) -> Tensor:\n    _0 = torch.add_(CONSTANTS.c0, 1)\n";
        assert!(keeps_state(constant, true) && !keeps_state(constant, false));
    }

    #[test]
    fn operators_that_change_what_they_are_given_are_found() {
        for (code, expected) in [
            ("    x = torch.add(target, 1.)\n    if torch.__is__(x, None):\n", false),
            ("    x = torch.add_(target, 1.)\n", true),
            ("    x = torch.__ior__(target, mask)\n", true),
            ("    x = torch.add(x, 1., out=target)\n", true),
            ("    x = torch.requires_grad_(target, False)\n", true),
            ("    x = torch.native_batch_norm(x, w, b, target, v, True, 0.1, 0.1)\n", true),
        ] {
            assert_eq!(has_in_place_operator(code), expected, "{code}");
        }
    }

    #[test]
    fn operators_that_draw_are_found_and_dropout_that_is_off_is_not() {
        for (own, expected) in [
            ("    _1 = torch.mul(torch.randn_like(target), 6)\n", true),
            ("    noise = torch.uniform_(torch.empty_like(target), 0., 1.)\n", true),
            ("    noise = torch.bernoulli(target)\n", true),
            ("    torch.manual_seed(3)\n", true),
            ("    x = torch.dropout(torch.add(x, 1), 0.5, True)\n", true),
            ("    x = torch.dropout(torch.add(x, 1), 0.5, train)\n", true),
            ("    x = torch.dropout(torch.add(x, 1), 0.5, False)\n", false),
            ("    x = torch.scaled_dot_product_attention(q, k, v, None, 0., True)\n", false),
            ("    x = torch.scaled_dot_product_attention(q, k, v, None, 0.10000000000000001, True)\n", true),
            ("    randomness = torch.add(rand, 1)\n    x = (self).rand(x, )\n", false),
        ] {
            assert_eq!(is_random("", own, false), expected, "{own}");
        }
        let layer = "    _2 = torch.dropout(input, p, training)\n";
        let module = "    _0 = (dropout).forward(x, )\n    _1 = torch.mean(_0, [1], True)\n";
        assert!(is_random(layer, module, true) && !is_random(layer, module, false));
        // `torch.nn.functional.dropout` is on unless it is told otherwise.
        let function = "    _0 = __torch__.torch.nn.functional.dropout\n    _1 = _0(x, 0.5, True, False, )\n";
        assert!(is_random(layer, function, false));
    }

    #[test]
    fn a_pickle_says_whether_a_module_is_in_training() {
        let pickle = |first: u8, second: u8| {
            [b"\x80\x02X\x08\0\0\0trainingq\x01", &[first][..], b"X\x01\0\0\0aq\x02h\x01", &[second], b"u."]
                .concat()
        };
        assert!(!is_training(&pickle(0x89, 0x89)) && !is_training(b"\x80\x02)."));
        assert!(is_training(&pickle(0x88, 0x89)) && is_training(&pickle(0x89, 0x88)));
    }

    #[test]
    fn modules_that_pytorch_wrote_are_judged() {
        let read = |file: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            Script::read(&std::fs::read(path).unwrap()).unwrap()
        };
        for name in ["plateau", "plateau_none", "learned", "leaky", "classes", "classes_none"] {
            assert_eq!(read(&format!("tests/modules/{name}.pt")), Script::default(), "{name}");
        }
        assert!(read("tests/modules/bad_fixed.pt").keeps_state, "it has a buffer");
    }
}
