//! What is drawn where: rows and columns, ups and downs, and what is missing, by the coordinates in the SVG and the
//! pixels of the PNG.

use records::AxisScale;
use report::figures::raster::{Bar, Raster, Rgb, Side, ramp};
use report::figures::{
    Axis, COLORS, Figure, Ground, HeatMap, Line, Mark, Panel, Picture, RankDiagram, Ranked, Spot, Style,
    Theme,
};

/// Two for each pixel of the figure.
type Point = (f64, f64);

/// The elements of this name in an SVG that have this text in them.
fn elements<'a>(svg: &'a str, name: &str, with: &str) -> Vec<&'a str> {
    let begins = format!("<{name} ");
    svg.split_inclusive('>')
        .filter_map(|part| part.find(&begins).map(|at| &part[at..]))
        .filter(|part| part.contains(with))
        .collect()
}

fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    element.split(&format!(" {name}=\"")).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default()
}

fn number(element: &str, name: &str) -> f64 {
    attribute(element, name).parse().unwrap()
}

fn points(element: &str) -> Vec<Point> {
    let pair = |text: &str| {
        let (x, y) = text.split_once(',').unwrap();
        (x.parse().unwrap(), y.parse().unwrap())
    };
    attribute(element, "points").split_whitespace().map(pair).collect()
}

/// Left, top, right and bottom, and the color.
fn rectangle(element: &str) -> ([f64; 4], &str) {
    let [x, y, width, height] = ["x", "y", "width", "height"].map(|name| number(element, name));
    ([x, y, x + width, y + height], attribute(element, "fill"))
}

/// Where a text of an SVG stands.
fn text_at(svg: &str, text: &str) -> Point {
    let before = svg.find(&format!("\n{text}\n")).unwrap_or_else(|| panic!("{text} in {svg}"));
    let element = &svg[svg[..before].rfind("<text ").unwrap()..before];
    (number(element, "x"), number(element, "y"))
}

fn light(picture: &impl Picture) -> String {
    picture.svg(Theme::Light).unwrap()
}

fn hex([r, g, b]: Rgb) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}

#[test]
fn a_heat_map_has_its_first_row_at_the_top_and_what_is_missing_empty() {
    let map = HeatMap {
        rows: ["upper", "lower"].map(str::to_owned).to_vec(),
        columns: vec![0.125, 1.0, 8.0],
        values: vec![vec![1.0, f64::NAN, 100.0], vec![f64::INFINITY, 10.0, 0.0]],
        chosen: vec![Some(0), Some(1)],
        ..HeatMap::default()
    };
    let svg = light(&map);
    let (upper, lower) = (text_at(&svg, "upper"), text_at(&svg, "lower"));
    let columns = ["0.125", "1", "8"].map(|text| text_at(&svg, text).0);
    // What lies over the middle of a column at the height of a row.
    let covering = |row: Point, x: f64| {
        let of = |element: &&str| {
            let ([left, top, right, bottom], _) = rectangle(element);
            left <= x && x <= right && top <= row.1 && row.1 <= bottom
        };
        // The first is the ground.
        elements(&svg, "rect", "")
            .into_iter()
            .skip(1)
            .filter(of)
            .map(|element| rectangle(element).1)
            .collect::<Vec<_>>()
    };
    assert!(upper.1 < lower.1 && columns.is_sorted(), "{svg}");
    // Numbers from 1 to 100 are even in their logarithm, with a room of 4 % at both ends, and 0 is the brightest.
    let at = |share: f64| hex(ramp((share + 0.04) / 1.08));
    let expected =
        [vec![at(0.0)], vec![], vec![at(1.0)], vec!["#E4E4E4".into()], vec![at(0.5)], vec![hex(ramp(0.0))]];
    for (place, expected) in expected.into_iter().enumerate() {
        let row = if place < 3 { upper } else { lower };
        assert_eq!(covering(row, columns[place % 3]), expected, "{place}");
    }
    // The chosen ones have a ring, and what diverged a stroke from the lower left to the upper right.
    let rings: Vec<Point> = elements(&svg, "circle", "fill=\"none\"")
        .iter()
        .map(|ring| (number(ring, "cx"), number(ring, "cy")))
        .collect();
    assert_eq!(rings, [(columns[0], upper.1), (columns[1], lower.1)]);
    let strokes: Vec<Vec<Point>> = elements(&svg, "polyline", "").iter().map(|line| points(line)).collect();
    let diagonal = strokes.iter().find(|stroke| stroke[0].0 < columns[0]).unwrap();
    assert!(diagonal[0].1 > lower.1 && diagonal[1].1 < lower.1 && diagonal[1].0 > columns[0], "{diagonal:?}");
    // On the scale, more is higher and darker.
    let scale: Vec<([f64; 4], &str)> =
        elements(&svg, "rect", "").iter().map(|element| rectangle(element)).collect();
    let scale: Vec<_> = scale.into_iter().filter(|(place, _)| place[0] > columns[2] + 300.0).collect();
    let place = |color: &Rgb| scale.iter().find(|(_, fill)| *fill == hex(*color)).unwrap().0[1];
    assert!(place(&ramp(0.0)) > place(&ramp(0.5)) && text_at(&svg, "100").1 < place(&ramp(0.5)), "{scale:?}");
}

#[test]
fn a_map_of_nothing_but_divergence_has_no_scale() {
    let map = HeatMap {
        rows: vec!["one".into()],
        columns: vec![1.0],
        value: "error".into(),
        values: vec![vec![f64::INFINITY]],
        chosen: vec![None],
        ..HeatMap::default()
    };
    let svg = light(&map);
    assert!(!svg.contains("error") && svg.contains("diverged") && elements(&svg, "circle", "").is_empty());
    // The ground, the cell, and the key's.
    assert_eq!(elements(&svg, "rect", "").len(), 3);
}

fn panel(line: Line, log: bool) -> Panel {
    let axis = || Axis { label: String::new(), log };
    Panel { x: axis(), y: axis(), lines: vec![line], ..Panel::default() }
}

fn one(panel: Panel) -> String {
    light(&Figure { panels: vec![panel], ..Figure::default() })
}

/// Strokes of a line, which are twice two pixels wide.
fn strokes(svg: &str) -> Vec<Vec<Point>> {
    elements(svg, "polyline", "stroke-width=\"4\"").iter().map(|line| points(line)).collect()
}

#[test]
fn lines_go_up_and_to_the_right_and_have_gaps_where_there_is_no_number() {
    let points_of =
        [(0.0, 0.0), (1.0, 1.0), (2.0, f64::NAN), (3.0, 1.0), (4.0, 0.5), (5.0, f64::INFINITY), (6.0, 0.25)];
    let bands = [(0.0, 0.2), (0.9, 1.0), (0.0, 1.0), (0.9, 1.0), (0.4, f64::NAN), (0.0, 1.0), (0.2, 0.3)];
    let svg = one(panel(Line { points: points_of.to_vec(), band: bands.to_vec(), ..Line::default() }, false));
    // The frame is from 92 to 936 and from 52 to 326 pixels of the figure, and has a room of 4 % at the ends.
    let at = |x: f64, y: f64| {
        let share = |value: f64, most: f64| (value / most + 0.04) / 1.08;
        ((2.0 * (92.0 + 844.0 * share(x, 6.0))).round(), (2.0 * (326.0 - 274.0 * share(y, 1.0))).round())
    };
    let near = |found: &[Point], expected: &[Point]| {
        let close = |(a, b): (&Point, &Point)| (a.0 - b.0).abs() <= 24.0 && (a.1 - b.1).abs() <= 24.0;
        found.len() == expected.len() && found.iter().zip(expected).all(close)
    };
    let found = strokes(&svg);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(near(&found[0], &[at(0.0, 0.0), at(1.0, 1.0)]), "{found:?}");
    assert!(near(&found[1], &[at(3.0, 1.0), at(4.0, 0.5)]), "{found:?}");
    // A number between gaps is a dot.
    let dots: Vec<Point> =
        elements(&svg, "circle", "").iter().map(|dot| (number(dot, "cx"), number(dot, "cy"))).collect();
    assert!(near(&dots, &[at(6.0, 0.25)]), "{dots:?}");
    // The band is where it has both ends and its line, from the low ends to the high ones and back.
    let polygons: Vec<Vec<Point>> = elements(&svg, "polygon", "").iter().map(|band| points(band)).collect();
    assert_eq!(polygons.len(), 1, "{polygons:?}");
    assert!(near(&polygons[0], &[at(0.0, 0.0), at(1.0, 0.9), at(1.0, 1.0), at(0.0, 0.2)]), "{polygons:?}");
}

#[test]
fn a_logarithm_has_0_at_the_bottom_and_nothing_below() {
    let line = |points: &[Point]| one(panel(Line { points: points.to_vec(), ..Line::default() }, true));
    let svg =
        line(&[(1.0, 100.0), (10.0, 1.0), (100.0, 0.0), (1000.0, -1.0), (10_000.0, 10.0), (100_000.0, 10.0)]);
    let found = strokes(&svg);
    assert_eq!(found.len(), 2, "{found:?}");
    let [falling, rest] = &found[..] else { panic!("{found:?}") };
    // Decades are as far apart as others, and 0 is at the foot of the axis.
    let across = falling[1].0 - falling[0].0;
    assert!(
        (falling[2].0 - falling[1].0 - across).abs() <= 1.0 && (rest[1].0 - rest[0].0 - across).abs() <= 1.0
    );
    let axis =
        elements(&svg, "polyline", "").iter().map(|line| points(line)).find(|line| line.len() == 3).unwrap();
    assert_eq!(falling[2].1, axis[1].1);
    // It has a place of its own below the numbers, of a tenth of the axis or so.
    assert!(axis[1].1 - falling[1].1 > 0.1 * (axis[1].1 - axis[0].1), "{falling:?}");
    assert!(
        (falling[0].1 + falling[1].1 - 2.0 * rest[0].1).abs() <= 1.0,
        "10 is between 1 and 100: {found:?}"
    );
    assert_eq!(text_at(&svg, "0").1, axis[1].1);
    // Without a 0 there is no place for it.
    assert!(!line(&[(1.0, 100.0), (10.0, 1.0)]).contains("\n0\n"));
    assert!(line(&[(1.0, -1.0), (10.0, f64::NAN)]).contains("no finite numbers to show"));
}

#[test]
fn the_first_row_of_a_ground_is_at_the_bottom_and_its_first_place_at_the_left() {
    let ground = Ground { x: (0.0, 2.0), y: (0.0, 2.0), columns: 2, values: vec![0.0, 1.0, 2.0, f64::NAN] };
    let svg = one(Panel { ground: Some(ground), ..Panel::default() });
    let places: Vec<([f64; 4], &str)> =
        elements(&svg, "rect", "").into_iter().skip(1).map(rectangle).collect();
    assert_eq!(places.len(), 4, "{places:?}");
    let [[a, _], [b, _], [c, _], [d, _]] = std::array::from_fn(|k| [places[k].0, [0.0; 4]]);
    assert!(a[0] == c[0] && b[0] == d[0] && a[2] == b[0], "columns: {places:?}");
    assert!(a[1] == b[1] && c[1] == d[1] && c[3] == a[1], "rows: {places:?}");
    // Brighter is less, and what is no number is as dark as can be.
    let sum = |color: &str| -> u32 {
        (1..6).step_by(2).map(|k| u32::from_str_radix(&color[k..k + 2], 16).unwrap()).sum()
    };
    let bright: Vec<u32> = places.iter().map(|(_, color)| sum(color)).collect();
    assert!(bright.is_sorted_by(|a, b| a > b), "{bright:?}");
    assert_eq!((places[0].1, places[3].1), ("#FCFCFD", "#96A6C4"));
}

#[test]
fn marks_spots_and_thick_parts_are_where_they_say() {
    let line = Line {
        points: (0..=4).map(|k| (f64::from(k), f64::from(k))).collect(),
        thick: Some((1.0, 3.0)),
        spots: vec![
            ((0.0, 0.0), Spot::Left),
            ((4.0, 4.0), Spot::Right),
            ((2.0, 2.0), Spot::Ring),
            ((2.0, f64::NAN), Spot::Dot),
        ],
        ..Line::default()
    };
    let marks =
        vec![Mark::Vertical(1.0, "across".into()), Mark::Horizontal(3.0, "up".into()), Mark::Cross(3.0, 1.0)];
    let svg = one(Panel { marks, ..panel(line, false) });
    let line = &strokes(&svg)[0];
    let thick = points(elements(&svg, "polyline", "stroke-width=\"16\"")[0]);
    assert_eq!(thick, [line[1], line[2], line[3]]);
    // The tips point to where something better may lie.
    let tips: Vec<Vec<Point>> = elements(&svg, "polygon", "").iter().map(|spot| points(spot)).collect();
    let [left, right] = &tips[..] else { panic!("{tips:?}") };
    assert!(left[2].0 < line[0].0 && left[0].0 > line[0].0 && left[2].1 == line[0].1, "{left:?}");
    assert!(right[2].0 > line[4].0 && right[0].0 < line[4].0 && right[2].1 == line[4].1, "{right:?}");
    let rings: Vec<Point> =
        elements(&svg, "circle", "").iter().map(|ring| (number(ring, "cx"), number(ring, "cy"))).collect();
    assert_eq!(rings, [line[2]; 2], "a ring has its ground");
    // Names of marks stand beside them.
    let (across, up) = (text_at(&svg, "across"), text_at(&svg, "up"));
    assert!(
        (across.0 - line[1].0 - 10.0).abs() <= 1.0 && (line[3].1 - up.1).abs() <= 40.0,
        "{across:?} {up:?}"
    );
    let cross: Vec<Vec<Point>> =
        elements(&svg, "polyline", "#141414").iter().map(|line| points(line)).collect();
    let middle = |stroke: &Vec<Point>| (stroke[0].0.midpoint(stroke[1].0), stroke[0].1.midpoint(stroke[1].1));
    assert_eq!(cross.iter().map(middle).collect::<Vec<_>>(), [(line[3].0, line[1].1); 2]);
}

#[test]
fn names_stand_at_the_last_number_of_their_line() {
    let line = |label: &str, points: &[Point]| Line {
        label: label.into(),
        points: points.to_vec(),
        ..Line::default()
    };
    let lines = vec![
        line("falls", &[(0.0, 4.0), (1.0, 0.0), (2.0, f64::NAN)]),
        line("rises", &[(0.0, 0.0), (2.0, 4.0)]),
        Line { faint: true, ..line("faint", &[(0.0, 1.0), (2.0, 2.0)]) },
        line("none", &[(0.0, f64::NAN)]),
    ];
    let svg = one(Panel { lines, ..Panel::default() });
    // The first line is on top, so that it is drawn last.
    let found = strokes(&svg);
    let [rises, falls] = &found[..] else { panic!("{found:?}") };
    assert!(rises[0].1 > rises[1].1 && falls[0].1 < falls[1].1, "{found:?}");
    assert!(
        (text_at(&svg, "rises").1 - rises[1].1).abs() <= 12.0
            && (text_at(&svg, "falls").1 - falls[1].1).abs() <= 12.0
    );
    assert!(!svg.contains("\nfaint\n") && !svg.contains("\nnone\n"));
}

#[test]
fn the_best_rank_is_on_the_left_and_bars_reach_from_the_first_to_the_last() {
    let ranked =
        |name: &str, rank, color| Ranked { name: name.into(), rank, style: Style { color, dash: 0 } };
    let diagram = RankDiagram {
        ranked: vec![ranked("best", 1.0, 1), ranked("second", 2.0, 2), ranked("last", 4.0, 3)],
        groups: vec![(0, 1)],
        ..RankDiagram::default()
    };
    let svg = light(&diagram);
    let dots: Vec<Point> =
        elements(&svg, "circle", "").iter().map(|dot| (number(dot, "cx"), number(dot, "cy"))).collect();
    let [best, second, last] = dots[..] else { panic!("{dots:?}") };
    // Ranks 1, 2 and 4 on one scale, in the colors of their names.
    assert!((last.0 - second.0 - 2.0 * (second.0 - best.0)).abs() <= 2.0 && best.0 < second.0, "{dots:?}");
    let fills: Vec<&str> = elements(&svg, "circle", "").iter().map(|dot| attribute(dot, "fill")).collect();
    assert_eq!(fills, [1, 2, 3].map(|color: usize| hex(COLORS[color][0])));
    let bar = points(elements(&svg, "polyline", "stroke-width=\"8\"")[0]);
    assert_eq!([bar[0].0, bar[1].0], [best.0 - 8.0, second.0 + 8.0]);
    // The better half is named at the left, the rest at the right.
    let names = ["best  1.0", "second  2.0", "4.0  last"].map(|name| text_at(&svg, name));
    assert!(names[0].0 < best.0 && names[1].0 < best.0 && names[2].0 > last.0, "{names:?}");
    assert!(names[0].1 < names[1].1 && names[0].1 == names[2].1, "{names:?}");
}

#[test]
fn every_pixel_of_a_raster_is_at_its_place() {
    let side = |pixels| Side { label: String::new(), low: 0.0, high: 1.0, scale: AxisScale::Linear, pixels };
    // Row by row from the bottom.
    let pixels: Vec<Rgb> = (0..6).map(|k| [40 * k, 10, 255 - 40 * k]).collect();
    let bar = Some(Bar { label: String::new(), low: 1.0, high: 100.0 });
    let swatches = vec![([1, 2, 3], "never".to_owned()), ([9, 8, 7], "nan".to_owned())];
    let raster = Raster {
        title: String::new(),
        subtitle: String::new(),
        x: side(3),
        y: side(2),
        pixels: pixels.clone(),
        bar,
        swatches,
    };
    let image = image::load_from_memory(&raster.png().unwrap()).unwrap().to_rgb8();
    // The picture begins at (92, 76), and each pixel is enlarged to 160.
    for (k, expected) in (0_u32..).zip(&pixels) {
        let (column, row) = (k % 3, k / 3);
        // Within the frame, which lies on the outermost pixels.
        for inset in [2, 80, 157] {
            let at = (92 + 160 * column + inset, 76 + 160 * (1 - row) + inset);
            assert_eq!(image.get_pixel(at.0, at.1).0, *expected, "{column} {row} {inset}");
        }
    }
    // Ticks are at every fifth of an axis, 0 at the lower left.
    let gray = |x: u32, y: u32| image.get_pixel(x, y).0 == [90; 3];
    let places = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    assert_eq!(places.map(|tenth| gray(92 + 48 * tenth, 396 + 3)), places.map(|tenth| tenth % 2 == 0));
    assert_eq!(places.map(|tenth| gray(92 - 3, 396 - 32 * tenth)), places.map(|tenth| tenth % 2 == 0));
    // The bar goes from its low end at the top to its high one; then come the swatches in their order.
    let left = 92 + 480 + 28;
    let bar: Vec<Rgb> = [0, 169].map(|row| image.get_pixel(left + 2, 76 + 18 + row).0).to_vec();
    assert_eq!(bar, [ramp(0.0), ramp(1.0)]);
    let below = 76 + 18 + 170 + 28;
    assert_eq!([0, 26].map(|row| image.get_pixel(left + 9, below + row).0), [[1, 2, 3], [9, 8, 7]]);
}

#[test]
fn colors_of_a_bar_are_even_in_the_logarithm() {
    let bar = Bar { label: String::new(), low: 0.01, high: 100.0 };
    for (value, share) in [
        (0.01, 0.0),
        (0.1, 0.25),
        (1.0, 0.5),
        (10.0, 0.75),
        (100.0, 1.0),
        (1e9, 1.0),
        (0.0, 0.0),
        (f64::NAN, 0.0),
    ] {
        assert_eq!(bar.color(value), ramp(share), "{value}");
    }
    // Viridis' own ends, and its middle.
    assert_eq!([ramp(0.0), ramp(1.0)], [[253, 231, 37], [68, 1, 84]]);
    assert_eq!(ramp(4.0 / 9.0), [31, 158, 137]);
}
