//! A map of numbers: a row a name, a column a learning rate.

use plotters::prelude::DrawingBackend;
use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};

use super::WIDTH;
use super::draw::{Draw, head};
use super::labels::shortened;
use super::pen::{Drawn, Pen, Words, width};
use super::scale::{Scale, label};
use super::style::viridis;
use records::number::short;

/// The height of a row, and the letters.
const ROW: f64 = 20.0;
const LETTERS: f64 = 13.0;
const LONGEST: usize = 40;
/// The width of the colors' scale with its numbers.
const SCALE: f64 = 120.0;

/// Numbers above 0 as colors, the lower the brighter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeatMap {
    /// Stands above it.
    pub title: String,
    /// Stands below the title.
    pub note: String,
    /// The names of the rows, from the top.
    pub rows: Vec<String>,
    /// What the columns are.
    pub x: String,
    /// The columns.
    pub columns: Vec<f64>,
    /// What the numbers are.
    pub value: String,
    /// Row by row; infinite where the runs diverged, NaN where there were none.
    pub values: Vec<Vec<f64>>,
    /// In each row the column that was chosen.
    pub chosen: Vec<Option<usize>>,
}

impl Draw for HeatMap {
    fn size(&self) -> (u32, u32) {
        (WIDTH, (head(&self.note) + ROW * self.rows.len().max(8) as f64 + 66.0) as u32)
    }

    fn title(&self) -> (&str, &str) {
        (&self.title, &self.note)
    }

    fn body<B: DrawingBackend>(&self, pen: &Pen<B>, top: f64) -> Drawn<B> {
        let names: Vec<String> = self.rows.iter().map(|name| shortened(name, LONGEST)).collect();
        let left = 28.0 + names.iter().map(|name| width(name, LETTERS)).fold(0.0, f64::max);
        let (top, right) = (top + 8.0, f64::from(WIDTH) - SCALE - 24.0);
        let bottom = top + ROW * self.rows.len() as f64;
        let cell = (right - left) / self.columns.len().max(1) as f64;
        let colors = Scale::around(self.values.iter().flatten().copied(), true);
        let theme = pen.theme;
        let words = |color, anchor| Words { size: LETTERS, color, anchor };
        for (row, values) in self.values.iter().enumerate() {
            let y = top + ROW * row as f64;
            pen.text(
                &names[row],
                (left - 10.0, y + 0.5 * ROW),
                words(theme.ink(), (HPos::Right, VPos::Center)),
            )?;
            for (column, value) in values.iter().enumerate() {
                let x = left + cell * column as f64;
                let (from, to) = ((x, y), (x + cell - 1.0, y + ROW - 1.0));
                if value.is_nan() {
                    continue;
                }
                let ink = if value.is_infinite() {
                    pen.rectangle(from, to, &theme.grid())?;
                    pen.path(&[(x, y + ROW - 1.0), (x + cell - 1.0, y)], &theme.soft(), 1, 0)?;
                    theme.ink()
                } else {
                    // 0 is below every number on a logarithmic scale.
                    let share = if *value > 0.0 { colors.share(*value) } else { 0.0 };
                    pen.rectangle(from, to, &viridis(1.0 - share))?;
                    if share < 0.5 { RGBColor(0, 0, 0) } else { RGBColor(255, 255, 255) }
                };
                if self.chosen[row] == Some(column) {
                    pen.circle((x + 0.5 * cell, y + 0.5 * ROW), 4.0, &ink, false)?;
                }
            }
        }
        let mut free = f64::NEG_INFINITY;
        for (column, value) in self.columns.iter().enumerate() {
            let (at, text) = (left + cell * (column as f64 + 0.5), short(*value));
            let half = 0.5 * width(&text, LETTERS);
            if at - half > free {
                free = at + half + 8.0;
                pen.text(&text, (at, bottom + 6.0), words(theme.soft(), (HPos::Center, VPos::Top)))?;
            }
        }
        let named = Words { size: 14.0, color: theme.ink(), anchor: (HPos::Center, VPos::Center) };
        pen.text(&self.x, (0.5 * (left + right), bottom + 36.0), named)?;
        self.draw_scale(pen, &colors, (right + 28.0, top, top + (ROW * 8.0).max(bottom - top).min(260.0)))
    }
}

impl HeatMap {
    /// The colors with their numbers, and what has none.
    fn draw_scale<B: DrawingBackend>(
        &self,
        pen: &Pen<B>,
        colors: &Scale,
        place: (f64, f64, f64),
    ) -> Drawn<B> {
        const STEPS: usize = 64;
        let theme = pen.theme;
        let words = |anchor| Words { size: LETTERS, color: theme.soft(), anchor };
        let (x, top, bottom) = place;
        let (top, bottom) = (top + 22.0, bottom - 30.0);
        let at = |share: f64| bottom - share * (bottom - top);
        let has_numbers = self.values.iter().flatten().any(|value| value.is_finite() && *value > 0.0);
        if has_numbers {
            pen.text(&self.value, (x, top - 16.0), words((HPos::Left, VPos::Center)))?;
        }
        for step in (0..STEPS).filter(|_| has_numbers) {
            let share = |step: usize| step as f64 / STEPS as f64;
            pen.rectangle(
                (x, at(share(step + 1))),
                (x + 16.0, at(share(step))),
                &viridis(1.0 - share(step)),
            )?;
        }
        for tick in colors.ticks(6).into_iter().filter(|_| has_numbers) {
            let y = at(colors.share(tick));
            pen.path(&[(x + 16.0, y), (x + 21.0, y)], &theme.soft(), 1, 0)?;
            pen.text(&label(tick), (x + 25.0, y), words((HPos::Left, VPos::Center)))?;
        }
        let y = bottom + 12.0;
        pen.rectangle((x, y), (x + 16.0, y + 14.0), &theme.grid())?;
        pen.path(&[(x, y + 14.0), (x + 16.0, y)], &theme.soft(), 1, 0)?;
        pen.text("diverged", (x + 25.0, y + 7.0), words((HPos::Left, VPos::Center)))
    }
}
