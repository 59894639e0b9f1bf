//! Rows as bytes, appended to a buffer that the caller empties when it likes.

use documented::DocumentedFields;

use super::{Cell, Dtype, Hit, Key, Point, RunTiming, TargetError, Targets, Term};

/// One row a run.
pub(crate) const CELLS_FILE: &str = "cells.csv";
/// The points of their curves.
pub(crate) const CURVES_FILE: &str = "curves.csv";

/// The columns of `cells.csv` before the targets.
pub(crate) const CELL_COLUMNS: &[&str] = Cell::FIELD_NAMES.split_at(20).0;
/// What stands before the target in the name of its column.
pub(crate) const TARGET_COLUMN: &str = "steps_to_";
/// The same for the gradient evaluations spent until then; these columns come after all those.
pub(crate) const EVALUATIONS_COLUMN: &str = "evaluations_to_";
/// The last column of `cells.csv`.
pub(crate) const MESSAGE_COLUMN: &str = "message";

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
    out.push(b'k');
    out.extend((0..16).rev().map(|digit| DIGITS[(key.0 >> (4 * digit)) as usize & 15]));
}

fn header(out: &mut Vec<u8>, columns: &[&str]) {
    out.extend_from_slice(columns.join(",").as_bytes());
    out.push(b'\n');
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
    let words: [&str; 4] = [cell.role.into(), cell.engine.into(), cell.dtype.into(), cell.outcome.into()];
    for word in words {
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
    header(out, Point::FIELD_NAMES);
}

/// Appends a row of `curves.csv`; `dtype` is that of the run.
pub fn write_point(out: &mut Vec<u8>, point: &Point, dtype: Dtype) {
    key(out, point.key);
    out.push(b',');
    integer(out, point.step);
    for value in [point.loss_value, point.error, point.gradient_norm] {
        out.push(b',');
        float(out, value, dtype);
    }
    out.push(b',');
    float(out, point.step_lr, Dtype::Float64);
    out.push(b'\n');
}

/// Appends the header of `terms.csv`.
pub fn write_term_header(out: &mut Vec<u8>) {
    header(out, Term::FIELD_NAMES);
}

/// Appends a row of `terms.csv`; `dtype` is that of the run.
pub fn write_term(out: &mut Vec<u8>, term: &Term, dtype: Dtype) {
    key(out, term.key);
    out.push(b',');
    integer(out, term.step);
    out.push(b',');
    write_text(out, term.term);
    for value in [term.term_value, term.term_gradient_norm, term.term_cosine] {
        out.push(b',');
        float(out, value, dtype);
    }
    out.push(b'\n');
}

/// Appends the header of `timings.csv`.
pub fn write_timing_header(out: &mut Vec<u8>) {
    header(out, RunTiming::FIELD_NAMES);
}

/// Appends a row of `timings.csv`.
pub fn write_timing(out: &mut Vec<u8>, timing: &RunTiming) {
    key(out, timing.key);
    out.push(b',');
    write_text(out, timing.part);
    for count in [timing.part_cells, timing.part_wall_us] {
        out.push(b',');
        integer(out, count);
    }
    for text in [timing.host, timing.cpu] {
        out.push(b',');
        write_text(out, text);
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
    fn a_timing_is_a_row_of_its_run() {
        let mut out = Vec::new();
        write_timing_header(&mut out);
        let part = "0123456789012345.part";
        let timing = RunTiming { key: Key(7), part, part_cells: 9, part_wall_us: 215, host: "=vm", cpu: "" };
        write_timing(&mut out, &timing);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "key,part,part_cells,part_wall_us,host,cpu\nk0000000000000007,0123456789012345.part,9,215,'=vm,\n"
        );
    }

    /// The last two columns stand around the targets.
    #[test]
    fn the_columns_of_a_cell_are_its_fields() {
        assert_eq!(Cell::FIELD_NAMES[20..], ["hits", MESSAGE_COLUMN]);
    }

    #[test]
    fn a_point_is_a_row() {
        let mut out = Vec::new();
        write_point_header(&mut out);
        let point = Point {
            key: Key(0xfeed),
            step: 12,
            loss_value: f64::from(0.1_f32),
            error: f64::NAN,
            gradient_norm: 2.0,
            step_lr: 0.1,
        };
        write_point(&mut out, &point, Dtype::Float32);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "key,step,loss_value,error,gradient_norm,step_lr\nk000000000000feed,12,0.1,NaN,2,0.1\n"
        );
        let mut out = Vec::new();
        write_term_header(&mut out);
        let (key, term) = (Key(0xfeed), "huber(delta=2, x=1)");
        write_term(
            &mut out,
            &Term { key, step: 12, term, term_value: 0.5, term_gradient_norm: 2.0, term_cosine: -1.0 },
            Dtype::Float32,
        );
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "key,step,term,term_value,term_gradient_norm,term_cosine\n\
             k000000000000feed,12,\"huber(delta=2, x=1)\",0.5,2,-1\n"
        );
    }
}
