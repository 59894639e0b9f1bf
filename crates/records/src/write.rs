//! Rows as bytes, appended to a buffer that the caller empties when it likes.

use super::{Cell, Dtype, Hit, Key, Point, TargetError, Targets, Term};

/// The columns of `cells.csv` before the targets.
pub(crate) const CELL_COLUMNS: [&str; 20] = [
    "key",
    "problem",
    "loss",
    "optimizer",
    "schedule",
    "lr",
    "seed",
    "role",
    "engine",
    "dtype",
    "outcome",
    "budget",
    "steps",
    "evaluations",
    "start_loss",
    "final_loss",
    "best_loss",
    "start_error",
    "final_error",
    "best_error",
];
/// What stands before the target in the name of its column.
pub(crate) const TARGET_COLUMN: &str = "steps_to_";
/// The same for the gradient evaluations spent until then; these columns come after all those.
pub(crate) const EVALUATIONS_COLUMN: &str = "evaluations_to_";
/// The last column of `cells.csv`.
pub(crate) const MESSAGE_COLUMN: &str = "message";
/// The columns of `curves.csv`.
pub(crate) const POINT_COLUMNS: [&str; 6] = ["key", "step", "loss", "error", "gradient_norm", "lr"];

/// The columns of `terms.csv`.
const TERM_COLUMNS: [&str; 6] = ["key", "step", "term", "value", "gradient_norm", "cosine"];

/// Appends the shortest decimal that reads back to the same number of this type.
///
/// Whole numbers have no `.0`; NaN is `NaN`, infinities are `inf` and `-inf`.
///
/// ```
/// use records::{Dtype, float};
///
/// let mut out = Vec::new();
/// float(&mut out, f64::from(0.1_f32), Dtype::Float32);
/// out.push(b' ');
/// float(&mut out, f64::from(0.1_f32), Dtype::Float64);
/// assert_eq!(out, b"0.1 0.10000000149011612");
/// ```
pub fn float(out: &mut Vec<u8>, value: f64, dtype: Dtype) {
    let mut buffer = ryu::Buffer::new();
    let text = match dtype {
        Dtype::Float32 => buffer.format(value as f32),
        Dtype::Float64 => buffer.format(value),
    };
    out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
}

/// Appends a whole number.
pub fn integer(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A text as a column of a CSV file: in quotes if it has to be, and nothing that a spreadsheet would compute.
#[must_use]
pub fn csv_text(value: &str) -> String {
    let mut out = Vec::new();
    write_text(&mut out, value);
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends a text, in quotes if it has to be. One that a spreadsheet would take for a formula gets an apostrophe in
/// front: messages come from files that others wrote. So does one that begins with an apostrophe, so that it can be taken
/// away again.
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    // A lone `-` is what stands for the loss of a landscape.
    let is_formula = text.len() > 1 && text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula || text.starts_with('\'') {
        return quoted(out, &format!("'{text}"));
    }
    quoted(out, text);
}

fn quoted(out: &mut Vec<u8>, text: &str) {
    if text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        out.push(b'"');
        for byte in text.bytes() {
            if byte == b'"' {
                out.push(b'"');
            }
            out.push(byte);
        }
        out.push(b'"');
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

fn key(out: &mut Vec<u8>, key: Key) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend((0..16).rev().map(|digit| DIGITS[(key.0 >> (4 * digit)) as usize & 15]));
}

/// Appends the header of `cells.csv`.
pub fn write_cell_header(out: &mut Vec<u8>, targets: &Targets) {
    for name in CELL_COLUMNS {
        out.extend_from_slice(name.as_bytes());
        out.push(b',');
    }
    for count in [TARGET_COLUMN, EVALUATIONS_COLUMN] {
        for &target in targets.values() {
            out.extend_from_slice(count.as_bytes());
            float(out, target, Dtype::Float64);
            out.push(b',');
        }
    }
    out.extend_from_slice(MESSAGE_COLUMN.as_bytes());
    out.push(b'\n');
}

/// Appends a row of `cells.csv`.
///
/// # Errors
/// The run has a target that is not among `targets`, or they don't go from the largest to the
/// smallest; then nothing is appended.
pub fn write_cell(out: &mut Vec<u8>, cell: &Cell, targets: &Targets) -> Result<(), TargetError> {
    let start = out.len();
    key(out, cell.key);
    for label in [&cell.problem, &cell.loss, &cell.optimizer, &cell.schedule] {
        out.push(b',');
        write_text(out, label);
    }
    out.push(b',');
    float(out, cell.lr, Dtype::Float64);
    out.push(b',');
    integer(out, cell.seed);
    for word in [cell.role.as_str(), cell.engine.as_str(), cell.dtype.as_str(), cell.outcome.as_str()] {
        out.push(b',');
        out.extend_from_slice(word.as_bytes());
    }
    for count in [cell.budget, cell.steps, cell.evaluations] {
        out.push(b',');
        integer(out, count);
    }
    let losses = [cell.start_loss, cell.final_loss, cell.best_loss];
    let errors = [cell.start_error, cell.final_error, cell.best_error];
    for value in losses.into_iter().chain(errors) {
        out.push(b',');
        float(out, value, cell.dtype);
    }
    for count in [|hit: &Hit| hit.step, |hit: &Hit| hit.evaluations] {
        let mut hits = cell.hits.iter().peekable();
        for &target in targets.values() {
            out.push(b',');
            if let Some(hit) = hits.next_if(|hit| hit.target == target) {
                match count(hit) {
                    Some(count) => integer(out, count),
                    None => out.extend_from_slice(b"inf"),
                }
            }
        }
        if let Some(hit) = hits.next() {
            out.truncate(start);
            return Err(TargetError::Column { key: cell.key, target: hit.target });
        }
    }
    out.push(b',');
    write_text(out, &cell.message);
    out.push(b'\n');
    Ok(())
}

/// Appends the header of `curves.csv`.
pub fn write_point_header(out: &mut Vec<u8>) {
    out.extend_from_slice(POINT_COLUMNS.join(",").as_bytes());
    out.push(b'\n');
}

/// Appends a row of `curves.csv`; `dtype` is that of the run.
pub fn write_point(out: &mut Vec<u8>, point: &Point, dtype: Dtype) {
    key(out, point.key);
    out.push(b',');
    integer(out, point.step);
    for value in [point.loss, point.error, point.gradient_norm] {
        out.push(b',');
        float(out, value, dtype);
    }
    out.push(b',');
    float(out, point.lr, Dtype::Float64);
    out.push(b'\n');
}

/// Appends the header of `terms.csv`.
pub fn write_term_header(out: &mut Vec<u8>) {
    out.extend_from_slice(TERM_COLUMNS.join(",").as_bytes());
    out.push(b'\n');
}

/// Appends a row of `terms.csv`; `dtype` is that of the run.
pub fn write_term(out: &mut Vec<u8>, term: &Term, dtype: Dtype) {
    key(out, term.key);
    out.push(b',');
    integer(out, term.step);
    out.push(b',');
    write_text(out, term.name);
    for value in [term.value, term.gradient_norm, term.cosine] {
        out.push(b',');
        float(out, value, dtype);
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: f64, dtype: Dtype) -> String {
        let mut out = Vec::new();
        float(&mut out, value, dtype);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn floats_are_short() {
        let double = |value| written(value, Dtype::Float64);
        assert_eq!(
            [1.0, 0.1, -0.0, 1e-5, 1e-6, 1e300].map(double),
            ["1", "0.1", "-0", "0.00001", "1e-6", "1e300"]
        );
        assert_eq!([f64::NAN, f64::INFINITY, -f64::INFINITY].map(double), ["NaN", "inf", "-inf"]);
        assert_eq!(double(5e-324), "5e-324");
        let single = |value: f32| written(f64::from(value), Dtype::Float32);
        assert_eq!([0.3, 100.0, 1e-45].map(single), ["0.3", "100", "1e-45"]);
        assert_eq!([f32::NAN, f32::INFINITY].map(single), ["NaN", "inf"]);
    }

    #[test]
    fn no_text_is_a_formula_to_a_spreadsheet() {
        for wrong in ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\tx", "\r=1", "'=1"] {
            let mut out = Vec::new();
            write_text(&mut out, wrong);
            assert_eq!(out.iter().find(|byte| **byte != b'"'), Some(&b'\''), "{wrong}");
        }
    }

    #[test]
    fn texts_are_quoted_where_they_must() {
        let mut out = Vec::new();
        for label in ["adam", "adam(beta1=0.95, eps=1e-6)", "say \"no\"", ""] {
            write_text(&mut out, label);
            out.push(b';');
        }
        assert_eq!(out, b"adam;\"adam(beta1=0.95, eps=1e-6)\";\"say \"\"no\"\"\";;");
    }

    #[test]
    fn a_point_is_a_row() {
        let mut out = Vec::new();
        write_point_header(&mut out);
        let point = Point {
            key: Key(0xfeed),
            step: 12,
            loss: f64::from(0.1_f32),
            error: f64::NAN,
            gradient_norm: 2.0,
            lr: 0.1,
        };
        write_point(&mut out, &point, Dtype::Float32);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "key,step,loss,error,gradient_norm,lr\n000000000000feed,12,0.1,NaN,2,0.1\n"
        );
        let mut out = Vec::new();
        write_term_header(&mut out);
        let (key, name) = (Key(0xfeed), "huber(delta=2, x=1)");
        write_term(
            &mut out,
            &Term { key, step: 12, name, value: 0.5, gradient_norm: 2.0, cosine: -1.0 },
            Dtype::Float32,
        );
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "key,step,term,value,gradient_norm,cosine\n000000000000feed,12,\"huber(delta=2, x=1)\",0.5,2,-1\n"
        );
    }
}
