//! Strokes and words on a plotters area, in pixels of the figure.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};
use std::sync::Once;

use super::style::{DASHES, Theme};
use records::text::plain;

/// Of the font that comes with the program.
const FONT: &str = "optbench Sans";
/// What an SVG asks for: fonts of nearly the same width where ours isn't installed.
pub(super) const FAMILY: &str = "optbench Sans, DejaVu Sans, Verdana, sans-serif";

pub type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;
pub(super) type At = (f64, f64);

/// Draws on an area that has `zoom` times as many pixels as the figure.
pub struct Pen<'a, B: DrawingBackend> {
    area: &'a DrawingArea<B, Shift>,
    zoom: f64,
    pub(super) theme: Theme,
}

/// A text's color, size and place against its point.
#[derive(Clone, Copy)]
pub(super) struct Words {
    pub(super) size: f64,
    pub(super) color: RGBColor,
    pub(super) anchor: (HPos, VPos),
}

impl<'a, B: DrawingBackend> Pen<'a, B> {
    pub(super) fn new(area: &'a DrawingArea<B, Shift>, zoom: u32, theme: Theme) -> Self {
        Self { area, zoom: f64::from(zoom), theme }
    }

    fn pixel(&self, (x, y): At) -> (i32, i32) {
        ((x * self.zoom).round() as i32, (y * self.zoom).round() as i32)
    }

    pub(super) fn fill(&self) -> Drawn<B> {
        self.area.fill(&self.theme.ground())
    }

    /// A line through points, with the dashes of a style.
    pub(super) fn path(&self, points: &[At], color: &impl Color, width: u32, dash: usize) -> Drawn<B> {
        let style = color.stroke_width(width * self.zoom as u32);
        let pattern = DASHES[dash % DASHES.len()];
        let strokes = if pattern.is_empty() { vec![points.to_vec()] } else { dashed(points, pattern) };
        for stroke in strokes {
            let mut pixels: Vec<(i32, i32)> = stroke.into_iter().map(|point| self.pixel(point)).collect();
            pixels.dedup();
            for piece in without_spikes(&pixels) {
                self.area.draw(&PathElement::new(piece.to_vec(), style))?;
            }
        }
        Ok(())
    }

    pub(super) fn polygon(&self, points: &[At], color: &impl Color) -> Drawn<B> {
        let pixels: Vec<(i32, i32)> = points.iter().map(|point| self.pixel(*point)).collect();
        self.area.draw(&Polygon::new(pixels, color.filled()))
    }

    pub(super) fn rectangle(&self, from: At, to: At, color: &impl Color) -> Drawn<B> {
        self.area.draw(&Rectangle::new([self.pixel(from), self.pixel(to)], color.filled()))
    }

    pub(super) fn circle(&self, at: At, radius: f64, color: &impl Color, filled: bool) -> Drawn<B> {
        let style = if filled { color.filled() } else { color.stroke_width(2 * self.zoom as u32) };
        self.area.draw(&Circle::new(self.pixel(at), (radius * self.zoom).round() as i32, style))
    }

    pub(super) fn text(&self, text: &str, at: At, words: Words) -> Drawn<B> {
        self.words(text, at, words, FontTransform::None)
    }

    /// A text that is read from the bottom to the top.
    pub(super) fn upright(&self, text: &str, at: At, words: Words) -> Drawn<B> {
        self.words(text, at, words, FontTransform::Rotate270)
    }

    fn words(&self, text: &str, at: At, words: Words, transform: FontTransform) -> Drawn<B> {
        let (horizontal, vertical) = words.anchor;
        let font = font(words.size * self.zoom).transform(transform);
        let style = font.color(&words.color).pos(Pos::new(horizontal, vertical));
        self.area.draw(&Text::new(plain(text).into_owned(), self.pixel(at), style))
    }
}

/// The program's font.
pub(super) fn font(size: f64) -> FontDesc<'static> {
    static FONT_READY: Once = Once::new();
    FONT_READY.call_once(|| {
        // The font is part of the program, and sound.
        let _ = register_font(FONT, FontStyle::Normal, include_bytes!("font.ttf"));
    });
    (FONT, size).into_font()
}

/// The width of a text in pixels.
pub(super) fn width(text: &str, size: f64) -> f64 {
    // Measured large: widths come as whole pixels.
    font(10.0 * size)
        .box_size(text)
        .map_or(0.6 * size * text.chars().count() as f64, |size| f64::from(size.0) / 10.0)
}

/// Pieces without sharp turns: corners are drawn with miters, which would reach far beyond such a turn.
fn without_spikes(points: &[(i32, i32)]) -> Vec<&[(i32, i32)]> {
    let (mut pieces, mut from) = (Vec::new(), 0);
    for at in 1..points.len() {
        let way = |a: (i32, i32), b: (i32, i32)| (f64::from(b.0 - a.0), f64::from(b.1 - a.1));
        let is_sharp = points.get(at + 1).is_none_or(|&next| {
            let (a, b) = (way(points[at - 1], points[at]), way(points[at], next));
            a.0 * b.0 + a.1 * b.1 < 0.0
        });
        if is_sharp {
            pieces.push(&points[from..=at]);
            from = at;
        }
    }
    pieces
}

/// The strokes of a dashed line.
fn dashed(points: &[At], pattern: &[f64]) -> Vec<Vec<At>> {
    let (mut strokes, mut place, mut left) = (vec![vec![points[0]]], 0, pattern[0]);
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            let drawn = place % 2 == 0;
            if length < left {
                left -= length;
                if drawn && let Some(stroke) = strokes.last_mut() {
                    stroke.push(to);
                }
                break;
            }
            let share = left / length.max(1e-12);
            from = (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
            if drawn {
                if let Some(stroke) = strokes.last_mut() {
                    stroke.push(from);
                }
            } else {
                strokes.push(vec![from]);
            }
            place += 1;
            left = pattern[place % pattern.len()];
        }
    }
    strokes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_go_around_corners() {
        let strokes = dashed(&[(0.0, 0.0), (3.0, 0.0), (3.0, 7.0)], &[4.0, 2.0]);
        assert_eq!(strokes, [vec![(0.0, 0.0), (3.0, 0.0), (3.0, 1.0)], vec![(3.0, 3.0), (3.0, 7.0)]]);
        assert_eq!(dashed(&[(1.0, 1.0)], &[4.0, 2.0]), [[(1.0, 1.0)]]);
    }

    #[test]
    fn lines_that_turn_back_are_drawn_in_pieces() {
        let line = [(0, 0), (10, 0), (20, 1), (12, 1), (12, 9)];
        assert_eq!(without_spikes(&line), [&line[..3], &line[2..]]);
        assert!(without_spikes(&line[..1]).is_empty());
    }

    #[test]
    fn wider_texts_are_wider() {
        assert!(width("iiii", 14.0) < width("mmmm", 14.0));
        assert!((width("momentum", 28.0) / width("momentum", 14.0) - 2.0).abs() < 0.05);
    }
}
