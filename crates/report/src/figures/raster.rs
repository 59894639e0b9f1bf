//! A picture of one number a pixel, with axes and a key.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use records::AxisScale;

use super::FigureError;
use super::draw::bitmap;
use super::pen::font;
use super::scale::{Scale, label};
use super::style::{COLORS, viridis};

/// Red, green and blue.
pub type Rgb = [u8; 3];

/// Pixels over two axes, and what their colors mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Raster {
    /// Stands above it.
    pub title: String,
    /// Smaller, below the title.
    pub subtitle: String,
    /// The horizontal axis.
    pub x: Side,
    /// The vertical axis.
    pub y: Side,
    /// Row by row from the bottom, `x.pixels` a row.
    pub pixels: Vec<Rgb>,
    /// What the [`ramp`] stands for, if the colors are of it.
    pub bar: Option<Bar>,
    /// Colors with a meaning of their own.
    pub swatches: Vec<(Rgb, String)>,
}

/// An axis of a raster: from the edge of the first pixel to the edge of the last.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// What it shows.
    pub label: String,
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// How its numbers are spaced.
    pub scale: AxisScale,
    /// How many pixels it has.
    pub pixels: usize,
}

/// A logarithmic color bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What it shows.
    pub label: String,
    /// The number of the ramp's start.
    pub low: f64,
    /// The number of its end.
    pub high: f64,
}

impl Bar {
    /// The color of a number.
    #[must_use]
    pub fn color(&self, value: f64) -> Rgb {
        ramp(libm::log(value / self.low) / libm::log(self.high / self.low))
    }
}

/// Viridis from its bright end (0) to its dark one (1): even in lightness, so that it survives gray print and
/// any color vision.
#[must_use]
pub fn ramp(share: f64) -> Rgb {
    let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
    let RGBColor(r, g, b) = viridis(1.0 - share);
    [r, g, b]
}

/// The colors of a few kinds, apart for any color vision; more kinds than colors begin anew.
#[must_use]
pub fn kind(index: usize) -> Rgb {
    // Neighbors far apart, and no black, which darkening couldn't change.
    const ORDER: [usize; 6] = [1, 5, 3, 2, 4, 6];
    COLORS[ORDER[index % ORDER.len()]][0]
}

/// A color, darker: 0 leaves it, 1 is black.
#[must_use]
pub fn darkened(color: Rgb, share: f64) -> Rgb {
    color.map(|part| (f64::from(part) * (1.0 - share.clamp(0.0, 1.0))).round() as u8)
}

impl Side {
    /// Numbers to mark, with where they are from 0 to 1.
    fn ticks(&self) -> Vec<(f64, String)> {
        let log = self.scale != AxisScale::Linear;
        let (low, high) = match self.scale {
            AxisScale::Complement => (1.0 - self.high, 1.0 - self.low),
            _ => (self.low, self.high),
        };
        let place = |value: f64| {
            let share = if log {
                libm::log(value / low) / libm::log(high / low)
            } else {
                (value - low) / (high - low)
            };
            if self.scale == AxisScale::Complement { 1.0 - share } else { share }
        };
        let number = |value: f64| if self.scale == AxisScale::Complement { 1.0 - value } else { value };
        let ticks = Scale::between((low, high), log).ticks(7).into_iter();
        ticks.map(|tick| (place(tick), label(number(tick)))).collect()
    }
}

/// The picture is at least so wide or high.
const LEAST: u32 = 480;
/// Below so many pixels writing is of the size it is written here; larger pictures have it larger.
const COMMON: f64 = 800.0;

type Area<'a, B> = DrawingArea<B, Shift>;
type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// Where things are, in pixels.
struct Layout {
    /// How much larger than written here everything beside the pixels is.
    unit: f64,
    /// How many times each pixel is enlarged.
    by: i32,
    width: i32,
    height: i32,
}

impl Layout {
    fn of(raster: &Raster) -> Self {
        let side = raster.x.pixels.max(raster.y.pixels) as u32;
        let by = LEAST.div_ceil(side);
        let [width, height] = [&raster.x, &raster.y].map(|side| (side.pixels as u32 * by) as i32);
        Self { unit: (f64::from(side * by) / COMMON).max(1.0), by: by as i32, width, height }
    }

    /// A length.
    fn px(&self, length: i32) -> i32 {
        (f64::from(length) * self.unit).round() as i32
    }

    /// The corner of the picture.
    fn corner(&self) -> (i32, i32) {
        (self.px(92), self.px(76))
    }

    fn size(&self) -> (u32, u32) {
        let (left, top) = self.corner();
        let height = self.height.max(self.px(280));
        ((self.width + left + self.px(240)) as u32, (height + top + self.px(70)) as u32)
    }

    fn font(&self, size: i32, color: RGBColor) -> TextStyle<'static> {
        font(f64::from(self.px(size))).color(&color)
    }
}

const GRAY: RGBColor = RGBColor(90, 90, 90);

impl Raster {
    /// A PNG file.
    ///
    /// # Errors
    /// If it can't be drawn.
    ///
    /// # Panics
    /// If there aren't `x.pixels · y.pixels` pixels.
    pub fn png(&self) -> Result<Vec<u8>, FigureError> {
        assert_eq!(self.pixels.len(), self.x.pixels * self.y.pixels, "one color a pixel");
        let layout = Layout::of(self);
        bitmap(layout.size(), |area| self.draw(area, &layout))
    }

    fn draw<B: DrawingBackend>(&self, area: &Area<B>, at: &Layout) -> Drawn<B> {
        area.fill(&WHITE)?;
        let (left, top) = at.corner();
        area.draw(&Text::new(self.title.clone(), (left, at.px(16)), at.font(20, BLACK)))?;
        area.draw(&Text::new(self.subtitle.clone(), (left, at.px(44)), at.font(15, GRAY)))?;
        for (i, [r, g, b]) in self.pixels.iter().enumerate() {
            let (column, row) = ((i % self.x.pixels) as i32, (i / self.x.pixels) as i32);
            let (x, y) = (left + column * at.by, top + at.height - (row + 1) * at.by);
            for (dx, dy) in (0..at.by).flat_map(|dx| (0..at.by).map(move |dy| (dx, dy))) {
                area.draw_pixel((x + dx, y + dy), &RGBColor(*r, *g, *b))?;
            }
        }
        area.draw(&Rectangle::new([(left - 1, top - 1), (left + at.width, top + at.height)], GRAY))?;
        self.draw_axes(area, at)?;
        self.draw_key(area, at)
    }

    fn draw_axes<B: DrawingBackend>(&self, area: &Area<B>, at: &Layout) -> Drawn<B> {
        let (left, top) = at.corner();
        let bottom = top + at.height;
        let line = GRAY.stroke_width(at.px(1) as u32);
        let below = at.font(14, BLACK).pos(Pos::new(HPos::Center, VPos::Top));
        for (share, text) in self.x.ticks() {
            let x = left + (share * f64::from(at.width)).round() as i32;
            area.draw(&PathElement::new([(x, bottom), (x, bottom + at.px(5))], line))?;
            area.draw(&Text::new(text, (x, bottom + at.px(9)), below.clone()))?;
        }
        let beside = at.font(14, BLACK).pos(Pos::new(HPos::Right, VPos::Center));
        for (share, text) in self.y.ticks() {
            let y = bottom - (share * f64::from(at.height)).round() as i32;
            area.draw(&PathElement::new([(left - at.px(5), y), (left, y)], line))?;
            area.draw(&Text::new(text, (left - at.px(9), y), beside.clone()))?;
        }
        let place = (left + at.width / 2, bottom + at.px(36));
        let centered = at.font(16, BLACK).pos(Pos::new(HPos::Center, VPos::Top));
        area.draw(&Text::new(self.x.label.clone(), place, centered))?;
        let turned = font(f64::from(at.px(16))).transform(FontTransform::Rotate270).color(&BLACK);
        let place = (at.px(18), top + at.height / 2);
        let turned = turned.pos(Pos::new(HPos::Center, VPos::Center));
        area.draw(&Text::new(self.y.label.clone(), place, turned))
    }

    fn draw_key<B: DrawingBackend>(&self, area: &Area<B>, at: &Layout) -> Drawn<B> {
        let (left, mut y) = at.corner();
        let left = left + at.width + at.px(28);
        let small = at.font(14, BLACK).pos(Pos::new(HPos::Left, VPos::Center));
        let width = at.px(18);
        if let Some(bar) = &self.bar {
            area.draw(&Text::new(bar.label.clone(), (left, y), small.clone()))?;
            y += at.px(18);
            let height = at.px(170);
            for row in 0..height {
                let [r, g, b] = ramp(f64::from(row) / f64::from(height - 1));
                area.draw(&PathElement::new([(left, y + row), (left + width, y + row)], RGBColor(r, g, b)))?;
            }
            for tick in Scale::between((bar.low, bar.high), true).ticks(6) {
                let share = libm::log(tick / bar.low) / libm::log(bar.high / bar.low);
                let tick_y = y + (share * f64::from(height - 1)).round() as i32;
                let end = left + width + at.px(5);
                area.draw(&PathElement::new([(left + width, tick_y), (end, tick_y)], BLACK))?;
                area.draw(&Text::new(label(tick), (end + at.px(4), tick_y), small.clone()))?;
            }
            y += height + at.px(28);
        }
        for ([r, g, b], text) in &self.swatches {
            let square = [(left, y - width / 2), (left + width, y + width / 2)];
            area.draw(&Rectangle::new(square, RGBColor(*r, *g, *b).filled()))?;
            area.draw(&Rectangle::new(square, GRAY))?;
            area.draw(&Text::new(text.clone(), (left + width + at.px(9), y), small.clone()))?;
            y += at.px(26);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(low: f64, high: f64, scale: AxisScale) -> Side {
        Side { label: "x".into(), low, high, scale, pixels: 3 }
    }

    #[test]
    fn ticks_stand_where_their_numbers_are() {
        let shown = |side: Side| -> Vec<(i64, String)> {
            side.ticks().into_iter().map(|(share, text)| ((share * 1000.0).round() as i64, text)).collect()
        };
        let of = |ticks: &[(i64, &str)]| -> Vec<(i64, String)> {
            ticks.iter().map(|(share, text)| (*share, (*text).to_owned())).collect()
        };
        assert_eq!(
            shown(side(-1.0, 1.0, AxisScale::Linear)),
            of(&[(0, "-1"), (250, "-0.5"), (500, "0"), (750, "0.5"), (1000, "1")])
        );
        assert_eq!(
            shown(side(0.01, 100.0, AxisScale::Log)),
            of(&[(0, "0.01"), (250, "0.1"), (500, "1"), (750, "10"), (1000, "100")])
        );
        let mut complement = shown(side(0.0, 0.999, AxisScale::Complement));
        complement.sort();
        assert_eq!(complement, of(&[(0, "0"), (333, "0.9"), (667, "0.99"), (1000, "0.999")]));
    }

    #[test]
    fn a_picture_shows_its_pixels_upright() {
        let mut pixels = vec![[255, 255, 255]; 6];
        // The first pixel of the lowest row.
        pixels[0] = [1, 2, 3];
        let raster = Raster {
            title: "one".into(),
            subtitle: String::new(),
            x: Side { pixels: 3, ..side(0.0, 1.0, AxisScale::Linear) },
            y: Side { pixels: 2, ..side(0.0, 1.0, AxisScale::Linear) },
            pixels,
            bar: Some(Bar { label: "steps".into(), low: 1.0, high: 500.0 }),
            swatches: vec![([9, 9, 9], "never".into())],
        };
        let image = image::load_from_memory(&raster.png().unwrap()).unwrap().to_rgb8();
        let (left, top) = (92, 76);
        assert_eq!(image.get_pixel(left + 1, top + 2 * 160 - 2).0, [1, 2, 3]);
        assert_eq!(image.get_pixel(left + 1, top + 1).0, [255, 255, 255]);
    }

    #[test]
    fn the_ramp_darkens() {
        let gray = |color: Rgb| color.iter().map(|part| u32::from(*part)).sum::<u32>();
        let steps: Vec<u32> = (0..=10).map(|i| gray(ramp(f64::from(i) / 10.0))).collect();
        assert!(steps[0] > steps[10], "{steps:?}");
        assert_eq!(ramp(-1.0), ramp(0.0));
        assert_eq!(ramp(f64::NAN), ramp(0.0));
        assert_eq!(darkened([100, 50, 0], 0.5), [50, 25, 0]);
    }
}
