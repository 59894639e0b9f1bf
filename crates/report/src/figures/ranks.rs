//! Mean ranks on a line, and which of them can't be told apart: a critical-difference diagram.

use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::{HPos, VPos};

use super::draw::{Draw, head};
use super::labels::shortened;
use super::pen::{At, Drawn, Pen, Words};
use super::scale::{Scale, label};
use super::{Style, WIDTH};

const ROW: f64 = 20.0;
const BAR: f64 = 9.0;
/// The axis with its numbers.
const AXIS: f64 = 56.0;
/// Left and right of the axis is the room for names.
const SIDE: f64 = 270.0;
const LETTERS: usize = 32;

/// Somebody's mean rank.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranked {
    /// Who.
    pub name: String,
    /// The mean rank; 1 is the best.
    pub rank: f64,
    /// The color.
    pub style: Style,
}

/// Mean ranks, the lowest first, with bars over those that the tests can't tell apart.
///
/// Paper: Demšar 2006, *Statistical comparisons of classifiers over multiple data sets*. Differs from the paper: bars
/// are by pairwise signed-rank tests with Holm's correction, as Benavoli, Corani & Mangili 2016 advise, rather than by
/// Nemenyi's critical difference, which depends on who else takes part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RankDiagram {
    /// Stands above it.
    pub title: String,
    /// Stands below the title.
    pub note: String,
    /// By rank, ascending.
    pub ranked: Vec<Ranked>,
    /// First and last place of each set of which no two are apart.
    pub groups: Vec<(usize, usize)>,
}

impl RankDiagram {
    fn rows(&self) -> usize {
        self.ranked.len().div_ceil(2)
    }
    fn bars(&self) -> f64 {
        BAR * self.groups.len() as f64 + 12.0
    }
}

impl Draw for RankDiagram {
    fn size(&self) -> (u32, u32) {
        (WIDTH, (head(&self.note) + AXIS + self.bars() + ROW * self.rows() as f64 + 22.0) as u32)
    }

    fn title(&self) -> (&str, &str) {
        (&self.title, &self.note)
    }

    fn body<B: DrawingBackend>(&self, pen: &Pen<B>, top: f64) -> Drawn<B> {
        let (left, right) = (SIDE, f64::from(WIDTH) - SIDE);
        let axis = top + AXIS - 8.0;
        let scale = Scale::around(self.ranked.iter().map(|one| one.rank), false);
        let x = |rank: f64| left + scale.share(rank) * (right - left);
        let theme = pen.theme;
        pen.path(&[(left, axis), (right, axis)], &theme.soft(), 1, 0)?;
        for tick in scale.ticks(8) {
            pen.path(&[(x(tick), axis - 5.0), (x(tick), axis)], &theme.soft(), 1, 0)?;
            let words = Words { size: 13.0, color: theme.soft(), anchor: (HPos::Center, VPos::Bottom) };
            pen.text(&label(tick), (x(tick), axis - 8.0), words)?;
        }
        let named = Words { size: 14.0, color: theme.ink(), anchor: (HPos::Center, VPos::Center) };
        pen.text("mean rank (1 is the fastest)", (0.5 * (left + right), axis - 36.0), named)?;
        for (place, (first, last)) in self.groups.iter().enumerate() {
            let y = axis + 10.0 + BAR * place as f64;
            let (from, to) = (x(self.ranked[*first].rank) - 4.0, x(self.ranked[*last].rank) + 4.0);
            pen.path(&[(from, y), (to, y)], &theme.soft(), 4, 0)?;
        }
        // The better half to the left, so that the lines never cross.
        let (names, rows) = (axis + self.bars() + 8.0, self.rows());
        for (place, one) in self.ranked.iter().enumerate() {
            let on_left = place < rows;
            let row = if on_left { place } else { self.ranked.len() - 1 - place };
            let y = names + ROW * (row as f64 + 0.5);
            let end = if on_left { left - 8.0 } else { right + 8.0 };
            let way: [At; 3] = [(x(one.rank), axis), (x(one.rank), y), (end, y)];
            let color = theme.color(one.style);
            pen.path(&way, &color, 1, one.style.dash)?;
            pen.circle(way[0], 3.0, &color, true)?;
            let (side, at) = if on_left { (HPos::Right, end - 6.0) } else { (HPos::Left, end + 6.0) };
            let words = Words { size: 13.0, color, anchor: (side, VPos::Center) };
            let number = format!("{:.1}", one.rank);
            let name = shortened(&one.name, LETTERS);
            pen.text(
                &if on_left { format!("{name}  {number}") } else { format!("{number}  {name}") },
                (at, y),
                words,
            )?;
        }
        Ok(())
    }
}
