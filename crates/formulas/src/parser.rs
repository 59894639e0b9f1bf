//! From tokens to a graph, by precedence climbing. Precedence is Python's, but `^` is a power.

use std::collections::BTreeMap;

use crate::error::Mistake;
use crate::functions::{FUNCTIONS, Function, NAMES, WORDS};
use crate::graph::{Binary, Graph, Id, Unary};
use crate::lexer::{Placed, Token, split};

/// The most bytes of a formula.
pub const MOST_BYTES: usize = 4096;
/// The most brackets, powers and signs inside one another.
pub const MOST_DEPTH: usize = 64;

/// A formula that has been read.
#[derive(Clone, Debug)]
pub(crate) struct Parsed {
    pub graph: Graph,
    pub root: Id,
}

/// Reads a formula.
pub(crate) fn parse(text: &str, constants: &BTreeMap<String, f64>) -> Result<Parsed, Mistake> {
    if text.len() > MOST_BYTES {
        let mut end = MOST_BYTES;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let what = format!("the formula is {} bytes long and goes beyond {MOST_BYTES}", text.len());
        return Err(Mistake::new(end, what, "shorten it, or write the loss in Rust or PyTorch"));
    }
    let mut parser = Parser { tokens: split(text)?, next: 0, depth: 0, graph: Graph::default(), constants };
    let whole = parser.expression(0)?;
    let end = parser.peek();
    if end.token != Token::End {
        let what = format!("`{}` is not expected", end.text);
        return Err(Mistake::new(end.at, what, remedy_for_the_rest(end)));
    }
    let root = number(whole)?;
    let prediction = parser.graph.prediction();
    if !parser.graph.used(&[root])[prediction.index()] {
        let what = "a formula that doesn't depend on `prediction` begins";
        return Err(Mistake::new(
            whole.at,
            what,
            "nothing could be learned from it; use `prediction` or `d`",
        ));
    }
    Ok(Parsed { graph: parser.graph, root })
}

fn remedy_for_the_rest(end: Placed) -> &'static str {
    match end.token {
        Token::Sign(")") => "no bracket is open here",
        Token::Sign("=") => "comparisons are written ==",
        Token::Sign(",") => "the formula is one expression",
        Token::Sign(_) => "the formula could end here",
        _ => "an operator is missing before it, such as *",
    }
}

/// A part of a formula and the byte where it begins.
#[derive(Clone, Copy)]
struct Part {
    id: Id,
    truth: bool,
    at: usize,
}

fn number(part: Part) -> Result<Id, Mistake> {
    if part.truth {
        let remedy = "put it into where(condition, yes, no)";
        return Err(Mistake::new(part.at, "a number is needed, and a comparison stands", remedy));
    }
    Ok(part.id)
}

fn truth(part: Part, of: &str) -> Result<Id, Mistake> {
    if !part.truth {
        let what = format!("`{of}` needs a comparison, and a number stands");
        let remedy =
            "compare it, and put brackets around comparisons that `&` or `|` joins: (d > 0) & (d < 1)";
        return Err(Mistake::new(part.at, what, remedy));
    }
    Ok(part.id)
}

struct Parser<'a> {
    tokens: Vec<Placed<'a>>,
    next: usize,
    depth: usize,
    graph: Graph,
    constants: &'a BTreeMap<String, f64>,
}

/// What stands between two parts. A higher level binds closer.
#[derive(Clone, Copy)]
enum Infix {
    Logic(Binary),
    Comparison,
    Arithmetic(Binary),
}

fn infix(token: Token) -> Option<(u8, Infix)> {
    Some(match token {
        Token::Name("or") | Token::Sign("||") => (1, Infix::Logic(Binary::Or)),
        Token::Name("and") | Token::Sign("&&") => (2, Infix::Logic(Binary::And)),
        Token::Sign("<" | "<=" | ">" | ">=" | "==" | "!=") => (COMPARISON, Infix::Comparison),
        Token::Sign("|") => (5, Infix::Logic(Binary::Or)),
        Token::Sign("&") => (6, Infix::Logic(Binary::And)),
        Token::Sign("+") => (7, Infix::Arithmetic(Binary::Add)),
        Token::Sign("-") => (7, Infix::Arithmetic(Binary::Sub)),
        Token::Sign("*") => (8, Infix::Arithmetic(Binary::Mul)),
        Token::Sign("/") => (8, Infix::Arithmetic(Binary::Div)),
        _ => return None,
    })
}

const NOT: u8 = 3;
const COMPARISON: u8 = 4;
const SIGN: u8 = 9;

impl<'a> Parser<'a> {
    fn peek(&self) -> Placed<'a> {
        self.tokens[self.next]
    }

    fn take(&mut self) -> Placed<'a> {
        let placed = self.peek();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        placed
    }

    fn takes(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek().token, Token::Sign(next) if next == sign);
        self.next += usize::from(found);
        found
    }

    /// Goes one level down, as far as it may.
    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Mistake>) -> Result<T, Mistake> {
        if self.depth == MOST_DEPTH {
            let what = format!("more than {MOST_DEPTH} brackets, powers and signs stand inside one another");
            return Err(Mistake::new(self.peek().at, what, "write it flatter"));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Parts joined by operators of at least this level.
    fn expression(&mut self, level: u8) -> Result<Part, Mistake> {
        let mut left = self.prefixed()?;
        while let Some((own, operator)) = infix(self.peek().token).filter(|(own, _)| *own >= level) {
            let at = left.at;
            left = match operator {
                Infix::Comparison => self.comparisons(left)?,
                Infix::Logic(op) => {
                    let sign = self.take().text;
                    let right = self.expression(own + 1)?;
                    let (a, b) = (truth(left, sign)?, truth(right, sign)?);
                    Part { id: self.graph.binary(op, a, b), truth: true, at }
                }
                Infix::Arithmetic(op) => {
                    self.take();
                    let right = self.expression(own + 1)?;
                    let (a, b) = (number(left)?, number(right)?);
                    let square = matches!(op, Binary::Mul) && a == b;
                    let two = self.graph.constant(2.0);
                    let id = if square {
                        self.graph.binary(Binary::Pow, a, two)
                    } else {
                        self.graph.binary(op, a, b)
                    };
                    Part { id, truth: false, at }
                }
            };
        }
        Ok(left)
    }

    /// `a < b`, and as in Python `a < b < c` too.
    fn comparisons(&mut self, first: Part) -> Result<Part, Mistake> {
        let (mut left, mut all) = (first, None);
        while let Token::Sign(sign @ ("<" | "<=" | ">" | ">=" | "==" | "!=")) = self.peek().token {
            self.take();
            let right = self.expression(COMPARISON + 1)?;
            let (a, b) = (number(left)?, number(right)?);
            let graph = &mut self.graph;
            let holds = match sign {
                "<" => graph.binary(Binary::Less, a, b),
                ">" => graph.binary(Binary::Less, b, a),
                "<=" => graph.binary(Binary::AtMost, a, b),
                ">=" => graph.binary(Binary::AtMost, b, a),
                "==" => graph.binary(Binary::Equal, a, b),
                _ => graph.binary(Binary::Unequal, a, b),
            };
            all = Some(all.map_or(holds, |before| graph.binary(Binary::And, before, holds)));
            left = right;
        }
        Ok(Part { id: all.expect("called at a comparison"), truth: true, at: first.at })
    }

    /// A part with what stands before it: a sign, or a negation.
    fn prefixed(&mut self) -> Result<Part, Mistake> {
        let Placed { token, at, text } = self.peek();
        match token {
            Token::Sign("-" | "+") => {
                self.take();
                let part = self.deeper(|parser| parser.expression(SIGN))?;
                let x = number(part)?;
                let id = if text == "-" { self.graph.unary(Unary::Neg, x) } else { x };
                Ok(Part { id, truth: false, at })
            }
            Token::Name("not") | Token::Sign("~" | "!") => {
                self.take();
                let level = if text == "not" { NOT } else { SIGN };
                let part = self.deeper(|parser| parser.expression(level))?;
                let x = truth(part, text)?;
                Ok(Part { id: self.graph.unary(Unary::Not, x), truth: true, at })
            }
            _ => self.power(),
        }
    }

    /// A part, to a power that may have a sign and a power of its own.
    fn power(&mut self) -> Result<Part, Mistake> {
        let base = self.primary()?;
        if !(self.takes("**") || self.takes("^")) {
            return Ok(base);
        }
        let exponent = self.deeper(Self::prefixed)?;
        let (a, b) = (number(base)?, number(exponent)?);
        Ok(Part { id: self.graph.binary(Binary::Pow, a, b), truth: false, at: base.at })
    }

    fn primary(&mut self) -> Result<Part, Mistake> {
        let Placed { token, at, text } = self.take();
        let part = |id| Ok(Part { id, truth: false, at });
        match token {
            Token::Number(value) => part(self.graph.constant(value)),
            Token::Name(name) => self.name(name, at),
            Token::Sign("(") => {
                let part = self.deeper(|parser| parser.expression(0))?;
                self.close(at)?;
                Ok(Part { at, ..part })
            }
            Token::Sign(_) => {
                let what = format!("`{text}` is not expected");
                Err(Mistake::new(at, what, "a number, a name or a bracket belongs here"))
            }
            Token::End => {
                Err(Mistake::new(at, "the formula ends", "a number, a name or a bracket belongs here"))
            }
        }
    }

    fn close(&mut self, opened: usize) -> Result<(), Mistake> {
        if self.takes(")") {
            return Ok(());
        }
        let next = self.peek();
        if next.token == Token::End {
            return Err(Mistake::new(opened, "a bracket is not closed", "add `)`"));
        }
        Err(Mistake::new(
            next.at,
            format!("`{}` is not expected", next.text),
            "`)` or an operator belongs here",
        ))
    }

    fn name(&mut self, name: &str, at: usize) -> Result<Part, Mistake> {
        if let Some((function, arguments)) = Function::named(name) {
            return self.call(name, function, arguments, at);
        }
        let id = match name {
            "prediction" => self.graph.prediction(),
            "target" => self.graph.target(),
            "d" => {
                let (prediction, target) = (self.graph.prediction(), self.graph.target());
                self.graph.binary(Binary::Sub, prediction, target)
            }
            "pi" => self.graph.constant(std::f64::consts::PI),
            _ => match self.constants.get(name) {
                Some(value) => self.graph.constant(*value),
                None => return Err(self.unknown(name, at)),
            },
        };
        if self.peek().token == Token::Sign("(") {
            let what = format!("`{name}` is a number, and is called");
            return Err(Mistake::new(at, what, "an operator is missing before the bracket, such as *"));
        }
        Ok(Part { id, truth: false, at })
    }

    fn unknown(&self, name: &str, at: usize) -> Mistake {
        let functions = FUNCTIONS.iter().map(|(name, ..)| *name);
        let names = NAMES.into_iter().chain(self.constants.keys().map(String::as_str));
        let remedy = if WORDS.contains(&name) {
            "it joins comparisons, and one is missing before it".into()
        } else if let Some(near) = registry::nearest(name, names.chain(functions)) {
            format!("did you mean `{near}`?")
        } else {
            "there are prediction, target, d, pi and functions such as abs and where; others go into `constants`"
                .into()
        };
        // A name may be as long as the formula.
        let short: String = name.chars().take(40).collect();
        let more = if short.len() < name.len() { "…" } else { "" };
        Mistake::new(at, format!("unknown name `{short}{more}`"), remedy)
    }

    fn call(&mut self, name: &str, function: Function, arguments: &str, at: usize) -> Result<Part, Mistake> {
        let open = self.peek().at;
        if !self.takes("(") {
            let what = format!("`{name}` is a function");
            return Err(Mistake::new(at, what, format!("write {name}({arguments})")));
        }
        let mut ids = Vec::new();
        let mut more = self.peek().token != Token::Sign(")");
        while more {
            let part = self.deeper(|parser| parser.expression(0))?;
            let condition = matches!(function, Function::Where) && ids.is_empty();
            ids.push(if condition { truth(part, name)? } else { number(part)? });
            more = self.takes(",");
        }
        self.close(open)?;
        if !function.takes(ids.len()) {
            let what = format!("`{name}` with {} arguments stands", ids.len());
            return Err(Mistake::new(at, what, format!("write {name}({arguments})")));
        }
        Ok(Part { id: function.call(&mut self.graph, &ids), truth: false, at })
    }
}
