//! Figures on plotters' backends.

use std::path::Path;
use std::sync::Once;

use plotters::coord::Shift;
use plotters::coord::ranged1d::Ranged;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};

use super::scale::label;
use super::{Figure, FigureError, Line, Mark, Panel, Scale, WIDTH};

/// The height of the title in pixels.
pub(super) const TITLE: u32 = 44;
/// The width of the legend in pixels.
const LEGEND: u32 = 230;
pub(super) const FONT: &str = "optbench Sans";

/// Okabe & Ito 2008, “Color universal design”, without the yellow, which is pale on white.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 0, 0),
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

type Area<'a, B> = DrawingArea<B, Shift>;

pub(super) fn svg(figure: &Figure) -> Result<String, FigureError> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (WIDTH, figure.height())).into_drawing_area();
        draw(figure, &area).map_err(|error| FigureError::Draw(error.to_string()))?;
    }
    Ok(text)
}

pub(super) fn png(figure: &Figure, path: &Path) -> Result<(), FigureError> {
    let area = BitMapBackend::new(path, (WIDTH, figure.height())).into_drawing_area();
    draw(figure, &area).map_err(|error| FigureError::Write {
        path: path.display().to_string(),
        source: std::io::Error::other(error.to_string()),
    })
}

/// Makes the font known to plotters.
pub(super) fn ready_font() {
    static FONT_READY: Once = Once::new();
    FONT_READY.call_once(|| {
        // The font is part of the program, and sound.
        let _ = register_font(FONT, FontStyle::Normal, include_bytes!("font.ttf"));
    });
}

fn draw<B: DrawingBackend>(
    figure: &Figure,
    area: &Area<B>,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    ready_font();
    area.fill(&WHITE)?;
    let title = (FONT, 20).into_font().color(&BLACK);
    area.draw(&Text::new(figure.title.clone(), (16, 14), title))?;
    let (_, body) = area.split_vertically(TITLE);
    for (panel, part) in figure.panels.iter().zip(body.split_evenly((figure.panels.len().max(1), 1))) {
        draw_panel(panel, &part)?;
    }
    area.present()
}

fn draw_panel<B: DrawingBackend>(
    panel: &Panel,
    area: &Area<B>,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let (chart, legend) = area.split_horizontally(WIDTH - LEGEND);
    let points = || panel.lines.iter().flat_map(|line| &line.points);
    let at = |x: bool| {
        panel.marks.iter().filter_map(move |mark| match mark {
            Mark::Vertical(at, _) if x => Some(*at),
            Mark::Horizontal(at, _) if !x => Some(*at),
            _ => None,
        })
    };
    let x = Scale::around(points().map(|p| p.0).chain(at(true)), panel.x.log);
    let y = Scale::around(points().map(|p| p.1).chain(at(false)), panel.y.log);
    let small = (FONT, 14).into_font();
    let mut chart = ChartBuilder::on(&chart)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(76)
        .build_cartesian_2d(x.clone(), y.clone())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(225, 225, 225))
        .axis_style(RGBColor(90, 90, 90))
        .x_desc(panel.x.label.as_str())
        .y_desc(panel.y.label.as_str())
        .label_style(small.clone())
        .axis_desc_style((FONT, 15))
        .x_label_formatter(&|value| label(*value))
        .y_label_formatter(&|value| label(*value))
        .draw()?;
    let grey = RGBColor(120, 120, 120);
    let (x_range, y_range) = (x.range(), y.range());
    for mark in &panel.marks {
        let (from, to, text, vertical) = match mark {
            Mark::Vertical(at, text) => ((*at, y_range.start), (*at, y_range.end), text, true),
            Mark::Horizontal(at, text) => ((x_range.start, *at), (x_range.end, *at), text, false),
        };
        chart.draw_series(DashedLineSeries::new([from, to], 5, 4, grey.stroke_width(1)))?;
        let anchor =
            if vertical { Pos::new(HPos::Left, VPos::Top) } else { Pos::new(HPos::Left, VPos::Bottom) };
        let style = (FONT, 13).into_font().color(&grey).pos(anchor);
        let place = if vertical { to } else { from };
        chart.draw_series([Text::new(format!(" {text}"), place, style)])?;
    }
    for (i, line) in panel.lines.iter().enumerate() {
        let style = style_of(i);
        for run in runs(line, &x, &y) {
            if let [point] = run[..] {
                chart.draw_series([Circle::new(point, 3, style.filled())])?;
            } else {
                chart.draw_series(LineSeries::new(run, style))?;
            }
        }
    }
    for (i, line) in panel.lines.iter().enumerate() {
        let height = 24 + 22 * i as i32;
        legend.draw(&PathElement::new(vec![(4, height), (28, height)], style_of(i)))?;
        let style = small.clone().color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
        legend.draw(&Text::new(shortened(&line.label), (36, height), style))?;
    }
    Ok(())
}

fn style_of(i: usize) -> ShapeStyle {
    COLOURS[i % COLOURS.len()].stroke_width(2)
}

fn shortened(label: &str) -> String {
    if label.chars().count() <= 26 {
        return label.to_owned();
    }
    label.chars().take(25).chain(['…']).collect()
}

/// The stretches of a line that can be drawn.
fn runs(line: &Line, x: &Scale, y: &Scale) -> Vec<Vec<(f64, f64)>> {
    let shown = |point: &(f64, f64)| x.shows(point.0) && y.shows(point.1);
    line.points.split(|point| !shown(point)).filter(|run| !run.is_empty()).map(<[_]>::to_vec).collect()
}
