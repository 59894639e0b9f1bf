//! A pair of axes.

use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::{HPos, VPos};

use super::Axis;
use super::pen::{At, Drawn, Pen, Words, width};
use super::scale::{Scale, label};

/// The size of the letters at the ticks.
const TICK: f64 = 13.0;

/// Where numbers lie on the figure.
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) x: Scale,
    pub(super) y: Scale,
    /// Whether 0 stands at the bottom of a logarithmic axis.
    pub(super) has_zero: bool,
}

impl Frame {
    /// The place of a point, which both scales must show.
    pub(super) fn at(&self, (x, y): At) -> At {
        (
            self.left + self.x.share(x) * (self.right - self.left),
            self.bottom - self.y.share(y) * (self.bottom - self.top),
        )
    }

    /// 0 has its place at the bottom of a logarithmic axis.
    pub(super) fn shows(&self, (x, y): At) -> bool {
        self.x.shows(x) && (self.y.shows(y) || self.has_zero && y == 0.0)
    }

    /// Grid, ticks and the names of the axes; `grid` is left out where something lies on the ground.
    pub(super) fn draw<B: DrawingBackend>(&self, pen: &Pen<B>, x: &Axis, y: &Axis, grid: bool) -> Drawn<B> {
        let theme = pen.theme;
        let words = |anchor| Words { size: TICK, color: theme.soft(), anchor };
        let mut free = f64::NEG_INFINITY;
        for tick in self.x.ticks(10) {
            let (at, text) = (self.at((tick, self.y.low())).0, label(tick));
            if grid {
                pen.path(&[(at, self.top), (at, self.bottom)], &theme.grid(), 1, 0)?;
            }
            let half = 0.5 * width(&text, TICK);
            if at - half > free {
                free = at + half + 8.0;
                pen.path(&[(at, self.bottom), (at, self.bottom + 4.0)], &theme.soft(), 1, 0)?;
                pen.text(&text, (at, self.bottom + 7.0), words((HPos::Center, VPos::Top)))?;
            }
        }
        for tick in self.y.ticks(7) {
            let at = self.at((self.x.low(), tick)).1;
            if self.has_zero && at > self.bottom - TICK {
                continue;
            }
            if grid {
                pen.path(&[(self.left, at), (self.right, at)], &theme.grid(), 1, 0)?;
            }
            pen.path(&[(self.left - 4.0, at), (self.left, at)], &theme.soft(), 1, 0)?;
            pen.text(&label(tick), (self.left - 8.0, at), words((HPos::Right, VPos::Center)))?;
        }
        if self.has_zero {
            pen.text("0", (self.left - 8.0, self.bottom), words((HPos::Right, VPos::Center)))?;
        }
        let corners = [(self.left, self.top), (self.left, self.bottom), (self.right, self.bottom)];
        pen.path(&corners, &theme.soft(), 1, 0)?;
        let named = |size| Words { size, color: theme.ink(), anchor: (HPos::Center, VPos::Center) };
        pen.text(&x.label, (0.5 * (self.left + self.right), self.bottom + 34.0), named(14.0))?;
        pen.upright(&y.label, (self.left - 62.0, 0.5 * (self.top + self.bottom)), named(14.0))
    }
}
