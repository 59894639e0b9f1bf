//! The figures of results, by their structure: which there are, what stands in them, and how much is drawn.

#[expect(dead_code, reason = "what other tests need of it")]
#[path = "../../analysis/tests/common/mod.rs"]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use analysis::table;
use common::{End, cell};
use records::{Cell, Key, Point, Role};
use report::figures::{Picture, Spot, Theme};
use report::{About, Builder, NAMED, Results, page};

/// Results of runs with the points that `points` gives each of them: step, loss, error.
fn recorded(cells: &[Cell], points: impl Fn(&Cell) -> Vec<(u64, f64, f64)>) -> Results {
    let mut first = table::Builder::new();
    for cell in cells {
        first.add(cell);
    }
    let mut second = Builder::new(first.finish_tuned());
    for cell in cells {
        second.add(cell);
    }
    for cell in cells {
        for (step, loss, error) in points(cell) {
            second.add_point(&Point {
                key: cell.key,
                step,
                loss_value: loss,
                error,
                gradient_norm: 1.0,
                step_lr: cell.lr,
            });
        }
    }
    second.finish(&["sgd", "adam", "lion"])
}

/// Results of cells whose errors fall from 2 to where they end, or rise tenfold a step.
fn results(cells: &[Cell]) -> Results {
    recorded(cells, |cell| {
        let point = |step: u64| {
            let falling = 2.0 + (cell.final_error - 2.0) * (step as f64 / 1000.0);
            let error = if falling.is_nan() { 2.0 * 10_f64.powi(step as i32) } else { falling };
            (step, error - 0.5, error)
        };
        [0, 1, 10, 100, 1000].into_iter().filter(|step| *step <= cell.steps).map(point).collect()
    })
}

/// Every optimizer at three rates, two tuning seeds and three others.
fn grid(problems: &[&str], optimizers: &[String], end: impl Fn(usize, usize) -> End) -> Vec<Cell> {
    let mut cells = Vec::new();
    for problem in problems {
        for (o, optimizer) in optimizers.iter().enumerate() {
            for (r, lr) in [0.01, 0.1, 1.0].into_iter().enumerate() {
                for seed in 1..=5 {
                    let role = if seed <= 2 { Role::Tuning } else { Role::Reporting };
                    let labels = [*problem, "mse", optimizer.as_str(), "constant"];
                    let key = Key(cells.len() as u64);
                    cells.push(Cell { key, ..cell(labels, lr, role, seed, end(o, r)) });
                }
            }
        }
    }
    cells
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The texts of an SVG, and in how many colors each other kind of element is drawn: dashes are many elements.
fn structure(svg: &str) -> String {
    let mut colors: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut out = String::new();
    for element in svg.split('<').skip(1).filter(|element| !element.starts_with('/')) {
        let name = element.split([' ', '>']).next().unwrap_or_default();
        if name == "text" {
            let text = element.split_once('>').map_or("", |(_, text)| text.trim());
            let _ = writeln!(out, "  {text}");
        } else {
            let color = element.split("=\"#").nth(1).map_or("none", |rest| &rest[..6]);
            colors.entry(name).or_default().insert(color);
        }
    }
    let counts: Vec<String> = colors.iter().map(|(name, all)| format!("{name} in {}", all.len())).collect();
    format!("  {}\n{out}", counts.join(", "))
}

fn structures(results: &Results) -> String {
    let gallery = results.gallery();
    let one = |(name, drawing): &(String, _)| {
        format!("{name}\n{}", structure(&Picture::svg(drawing, Theme::Light).unwrap()))
    };
    gallery.iter().map(one).collect()
}

fn mixed(o: usize, r: usize) -> End {
    match (o, r) {
        (0, 2) => End::Diverged(7),
        (0, _) => End::Budget(0.5),
        (1, 1) => End::Reached(40),
        _ => End::Budget(0.1 * (r + 1) as f64),
    }
}

#[test]
fn the_figures_of_two_workloads() {
    let cells = grid(&["fit", "other"], &names(&["sgd", "adam", "adam(beta1=0.5)"]), mixed);
    insta::assert_snapshot!(structures(&results(&cells)));
}

#[test]
fn the_figures_where_everything_diverged() {
    let cells = grid(&["fit"], &names(&["sgd", "adam"]), |_, _| End::Diverged(3));
    insta::assert_snapshot!(structures(&results(&cells)));
}

#[test]
fn the_figures_of_a_single_run() {
    let labels = ["fit", "mse", "sgd", "constant"];
    insta::assert_snapshot!(structures(&results(&[cell(
        labels,
        0.1,
        Role::Reporting,
        1,
        End::Budget(0.25)
    )])));
}

#[test]
fn profiles_are_of_solvers_that_ran_on_the_same_workloads() {
    let end = |o: usize, r: usize| End::Reached(10 * (o + 1) as u64 + r as u64);
    let mut cells = grid(&["a", "b"], &names(&["sgd", "adam", "yogi"]), end);
    cells.extend(grid(&["a", "b", "c"], &names(&["lion"]), end));
    cells.extend(grid(&["c"], &names(&["adan"]), end));
    // Keys are counted anew by each grid.
    for (key, cell) in cells.iter_mut().enumerate() {
        cell.key = Key(key as u64);
    }
    let results = results(&cells);
    let gallery = results.gallery();
    let svg = |name: &str| gallery.iter().find(|one| one.0 == name).unwrap().1.svg(Theme::Light).unwrap();
    for figure in ["profiles", "ranks"] {
        let svg = svg(figure);
        assert!(svg.contains("over 2 workloads; 2 others ran on other workloads"), "{figure}: {svg}");
        let named = |name: &str| svg.contains(name);
        assert!(["sgd", "adam", "yogi"].into_iter().all(named), "{figure}: {svg}");
        assert!(!["lion", "adan"].into_iter().any(named), "{figure}: {svg}");
    }
    let page = page(&results, &About::default());
    assert!(page.contains("ran on the same 2 workloads; 2 others ran on other workloads"));
    let order = page.split("\"order\":").nth(1).unwrap().split(']').next().unwrap();
    assert_eq!(order.split(',').count(), 3, "{order}");
}

#[test]
fn a_profile_begins_at_the_fastest_even_if_that_is_none_of_those_shown() {
    let mut cells = grid(&["a", "b"], &names(&["sgd", "adam"]), |o, _| End::Reached(20 + 10 * o as u64));
    cells.extend(grid(&["a", "b", "c"], &names(&["lion"]), |_, _| End::Reached(10)));
    let data = data(&recorded(&numbered(cells), |_| Vec::new()));
    // lion is twice and three times as fast, and ran on another workload, too.
    assert_eq!(
        (&data["order"], &data["profile"]["x"]),
        (&serde_json::json!([0, 1]), &serde_json::json!([1, 2, 3]))
    );
    assert_eq!(data["profile"]["y"], serde_json::json!([[0, 1, 1], [0, 0, 1], [1, 1, 1]]));
}

#[test]
fn a_page_says_which_workloads_mix_budgets() {
    let mut cells = grid(&["fit"], &names(&["sgd", "adam"]), |_, _| End::Reached(10));
    cells.iter_mut().filter(|cell| cell.optimizer == "adam").for_each(|cell| cell.budget = 50);
    let page = page(&results(&cells), &About::default());
    assert!(page.contains("rows of fit with mse differ in budget (50, 1000)"));
}

#[test]
fn of_forty_optimizers_the_best_are_named() {
    let many: Vec<String> = (0..40).map(|k| format!("optimizer_{k:02}")).collect();
    let cells = grid(&["fit"], &many, |o, r| End::Budget(0.01 * (o + 1) as f64 + 0.001 * r as f64));
    let results = results(&cells);
    let gallery = results.gallery();
    let svg = |name: &str| gallery.iter().find(|one| one.0 == name).unwrap().1.svg(Theme::Light).unwrap();
    let named = |svg: &str| many.iter().filter(|name| svg.contains(name.as_str())).count();
    assert_eq!(named(&svg("curves-fit-mse")), NAMED);
    assert!(svg("curves-fit-mse").contains("the best 8 of 40 named"));
    assert!(
        svg("curves-fit-mse").contains("optimizer_00") && !svg("curves-fit-mse").contains("optimizer_08")
    );
    assert_eq!(named(&svg("heat-fit-mse")), 40);
    assert_eq!(named(&page(&results, &About::default())), 40);
}

#[test]
fn numbers_in_figures_are_those_of_the_table() {
    let results = results(&grid(&["fit"], &names(&["sgd", "adam"]), mixed));
    let workload = &results.workloads()[0];
    let figure = results.convergence(workload).unwrap();
    for (line, row) in figure.panels[0].lines.iter().zip(&workload.rows) {
        let row = &results.table.rows[*row];
        assert_eq!(line.label, row.optimizer);
        // A run that reached its target at step 40 was recorded until step 10.
        if row.steps_median.is_infinite() {
            assert_eq!(line.points.last().unwrap().1, row.final_error_median);
        }
    }
    let rates = results.sensitivity(workload);
    for (line, row) in rates.panels[0].lines.iter().zip(&workload.rows) {
        let chosen = line.spots[0].0;
        assert_eq!(chosen.0, results.table.rows[*row].lr);
        let rate = results.grids[*row].iter().find(|rate| rate.lr == chosen.0).unwrap();
        assert_eq!(chosen.1, rate.error);
        assert_eq!(line.points.len(), results.table.rows[*row].rates as usize);
    }
}

#[test]
fn the_page_is_whole_and_always_the_same() {
    let results = results(&grid(&["<fit>", "other"], &names(&["sgd", "adam"]), mixed));
    let about = About { name: "</title><script>".into(), config: "</pre>&".into(), ..About::default() };
    let html = page(&results, &about);
    assert_eq!(html, page(&results, &about));
    assert!(html.contains("<title>&lt;/title&gt;&lt;script&gt;: optbench</title>"));
    assert!(html.contains("&lt;/pre&gt;&amp;</pre>"));
    assert!(html.contains("<td class=\"l\">&lt;fit&gt;") && html.contains("\\u003cfit> · mse"));
    assert_eq!(html.matches("</script>").count(), 3);
    // The only addresses are names of forms, and that in the library's comment.
    for address in html.split("http").skip(1) {
        assert!(
            address.starts_with("-equiv")
                || address.starts_with("s://github.com/leeoniya/uPlot")
                || address.starts_with("://www.w3.org/"),
            "http{}",
            &address[..40]
        );
    }
}

fn numbered(mut cells: Vec<Cell>) -> Vec<Cell> {
    for (key, cell) in cells.iter_mut().enumerate() {
        cell.key = Key(key as u64);
    }
    cells
}

/// The numbers behind the charts of a page.
fn data(results: &Results) -> serde_json::Value {
    let page = page(results, &About::default());
    let begin = page.split("id=\"data\">").nth(1).unwrap();
    serde_json::from_str(begin.split("</script>").next().unwrap()).unwrap()
}

/// The error at step 10 of five reporting runs is 0.1 to 0.5, of a sixth 9, and of runs at other seeds or rates 7 or 8.
#[test]
fn curves_are_quartiles_of_the_reporting_seeds_at_the_chosen_rate() {
    let labels = ["fit", "mse", "sgd", "constant"];
    let ended = |errors: &[f64]| errors.iter().map(|error| End::Budget(*error)).collect::<Vec<_>>();
    let cells = numbered(
        [
            common::seeds(labels, 0.1, Role::Tuning, &ended(&[0.05, 0.06])),
            common::seeds(labels, 1.0, Role::Tuning, &ended(&[0.7, 0.7])),
            common::seeds(labels, 0.1, Role::Reporting, &ended(&[0.5, 0.1, 0.4, 0.2, 0.3])),
            common::seeds(labels, 1.0, Role::Reporting, &ended(&[0.01, 0.01])),
        ]
        .concat(),
    );
    let points = |cell: &Cell| {
        let end = if cell.role == Role::Reporting && cell.lr == 0.1 { cell.final_error } else { 7.0 };
        vec![(0, 10.0, 2.0), (3, 6.0, 1.0 + end), (10, 3.0 * end, end)]
    };
    let results = recorded(&cells, points);
    let [curve] = &results.curves[..] else { panic!("one row") };
    assert_eq!(curve.steps, [0, 3, 10]);
    assert_eq!(curve.error, [[2.0, 1.2, 0.2], [2.0, 1.3, 0.3], [2.0, 1.4, 0.4]]);
    let threefold = [0.2, 0.3, 0.4].map(|error| 3.0 * error);
    assert_eq!(curve.loss, [0, 1, 2].map(|k| [10.0, 6.0, threefold[k]]));

    // The figure and the page show these, from the first to the last recorded step.
    let figure = results.convergence(&results.workloads()[0]).unwrap();
    let line = &figure.panels[0].lines[0];
    assert_eq!(line.points, [(1.0, 2.0), (4.0, 1.3), (11.0, 0.3)]);
    assert_eq!(line.band, [(2.0, 2.0), (1.2, 1.4), (0.2, 0.4)]);
    assert_eq!(figure.panels[1].lines[0].points[2], (11.0, threefold[1]));
    let row = &data(&results)["workloads"][0]["rows"][0];
    assert_eq!(row["steps"], serde_json::json!([0, 3, 10]));
    assert_eq!(row["error"], serde_json::json!([[2, 1.2, 0.2], [2, 1.3, 0.3], [2, 1.4, 0.4]]));
    assert_eq!(row["loss"], serde_json::json!([[10, 6, 0.6], [10, 6, 0.9], [10, 6, 1.2]]));
    // What the tuning seeds are for: the chart of rates, with the two of each.
    assert_eq!(row["rate_error"], serde_json::json!([0.055, 0.7]));
}

#[test]
fn a_run_that_ends_before_the_others_is_infinite_in_figures_and_null_in_pages() {
    let cells =
        grid(&["fit"], &names(&["sgd"]), |_, r| if r == 0 { End::Budget(0.5) } else { End::Diverged(3) });
    // Of three reporting seeds two have a NaN or no point at the end.
    let points = |cell: &Cell| match cell.seed {
        4 => vec![(0, 1.0, 1.0), (5, f64::NAN, f64::NAN)],
        5 => vec![(0, 1.0, 3.0)],
        _ => vec![(0, 1.0, 2.0), (5, -1.0, 0.25)],
    };
    let results = recorded(&cells, points);
    let curve = &results.curves[0];
    assert_eq!(curve.error, [[1.0, 0.25], [2.0, f64::INFINITY], [3.0, f64::INFINITY]]);
    let figure = results.convergence(&results.workloads()[0]).unwrap();
    let line = &figure.panels[0].lines[0];
    assert_eq!(line.points, [(1.0, 2.0), (6.0, f64::INFINITY)]);
    assert!(
        line.band[0] == (1.0, 3.0) && line.band[1].0.is_nan() && line.band[1].1.is_nan(),
        "{:?}",
        line.band
    );
    assert_eq!(
        data(&results)["workloads"][0]["rows"][0]["error"],
        serde_json::json!([[1, 0.25], [2, null], [3, null]])
    );
}

#[test]
fn a_page_thins_curves_to_eighty_points_and_keeps_their_ends() {
    let cells = numbered(grid(&["fit"], &names(&["sgd"]), |_, _| End::Budget(0.5)));
    let curve = |count: u64| {
        let results = recorded(&cells, |_| (0..count).map(|k| (2 * k, 1.0, 3.0 + k as f64)).collect());
        let row = data(&results)["workloads"][0]["rows"][0].clone();
        let list = |value: &serde_json::Value| value.as_array().unwrap().clone();
        (list(&row["steps"]), list(&row["error"][1]))
    };
    let (steps, errors) = curve(80);
    assert_eq!((steps.len(), &steps[1], &errors[79]), (80, &2.into(), &82.into()));
    let (steps, errors) = curve(400);
    assert_eq!((steps.len(), &steps[0], &steps[79]), (80, &0.into(), &798.into()));
    assert_eq!((&errors[0], &errors[79]), (&3.into(), &402.into()));
    // A million numbers are six of each of 66 points and 2500 rows.
    let row = |k: u64| {
        let optimizer = format!("o{k}");
        Cell {
            key: Key(k),
            ..cell(["fit", "mse", &optimizer, "constant"], 0.1, Role::Reporting, 1, End::Budget(0.5))
        }
    };
    let many: Vec<Cell> = (0..2500).map(row).collect();
    let data = data(&recorded(&many, |_| (0..70).map(|step| (step, 1.0, 1.0)).collect()));
    assert_eq!(data["workloads"][0]["rows"][2499]["steps"].as_array().unwrap().len(), 66);
}

#[test]
fn a_page_has_three_hundred_places_of_a_profile_and_its_ends() {
    let many: Vec<String> = (0..350).map(|k| format!("optimizer_{k:03}")).collect();
    let places = |count: usize| {
        let cells = grid(&["fit"], &many[..count], |o, _| End::Reached(100 + o as u64));
        let x = data(&recorded(&numbered(cells), |_| Vec::new()))["profile"]["x"].clone();
        let x = x.as_array().unwrap().clone();
        (x.len(), x[0].as_f64().unwrap(), x[x.len() - 1].as_f64().unwrap())
    };
    assert_eq!([300, 350].map(places), [(300, 1.0, 3.99), (300, 1.0, 4.49)]);
}

/// Two optimizers: sgd at three rates, adam at two others.
fn two_grids() -> Vec<Cell> {
    let of = |optimizer, lr, role, ends: &[End]| {
        common::seeds(["fit", "mse", optimizer, "constant"], lr, role, ends)
    };
    numbered(
        [
            of("sgd", 0.01, Role::Tuning, &[End::Reached(100), End::Reached(200)]),
            of("sgd", 0.1, Role::Tuning, &[End::Reached(40), End::Budget(0.5)]),
            of("sgd", 1.0, Role::Tuning, &[End::Budget(0.5), End::Diverged(3)]),
            of("sgd", 0.01, Role::Reporting, &[End::Reached(100), End::Reached(120), End::Budget(0.03)]),
            of("adam", 0.001, Role::Tuning, &[End::Budget(0.25), End::Budget(0.75)]),
            of("adam", 0.1, Role::Tuning, &[End::Reached(60), End::Reached(60)]),
            of("adam", 0.1, Role::Reporting, &[End::Reached(40), End::Reached(50), End::Reached(60)]),
        ]
        .concat(),
    )
}

#[test]
fn the_page_has_the_numbers_of_the_rates() {
    let data = data(&recorded(&two_grids(), |_| Vec::new()));
    let workload = &data["workloads"][0];
    assert_eq!((&workload["name"], &workload["target"]), (&"fit · mse".into(), &0.01.into()));
    // The best first.
    let [adam, sgd] = [0, 1].map(|row| &workload["rows"][row]);
    assert_eq!(
        (&data["solvers"][1]["name"], &adam["solver"], &sgd["solver"]),
        (&"adam".into(), &1.into(), &0.into())
    );
    assert_eq!(
        (&sgd["lr"], &sgd["edge"], &adam["lr"], &adam["edge"]),
        (&0.01.into(), &"low".into(), &0.1.into(), &"high".into())
    );
    assert_eq!(
        (&sgd["rates"], &adam["rates"]),
        (&serde_json::json!([0.01, 0.1, 1.0]), &serde_json::json!([0.001, 0.1]))
    );
    // The steps of all runs over the successes: (40 + 1000)/1, and none.
    assert_eq!(
        (&sgd["ert"], &adam["ert"]),
        (&serde_json::json!([150, 1040, null]), &serde_json::json!([null, 60]))
    );
    assert_eq!(sgd["rate_error"], serde_json::json!([0.009, 0.2545, null]));
    assert_eq!(
        (&sgd["basin"], &adam["rate_error"]),
        (&serde_json::json!([0.01, 0.01]), &serde_json::json!([0.5, 0.009]))
    );
    assert_eq!(sgd["steps"], serde_json::json!([]));
    // t is 120 against 50.
    assert_eq!(data["order"], serde_json::json!([1, 0]));
    assert_eq!(data["profile"], serde_json::json!({ "x": [1, 2.4], "y": [[0, 1], [1, 1]] }));
    // Of three runs each with one target, by the budget of 1000, from a thousandth of it to all.
    let at = |solver: usize, share: f64| {
        let x = data["ecdf"]["x"].as_array().unwrap();
        let place = x.iter().rposition(|x| x.as_f64().unwrap() <= share).unwrap();
        data["ecdf"]["y"][solver][place].as_f64().unwrap()
    };
    assert_eq!([0.039, 0.045, 0.055, 0.065].map(|share| at(1, share)), [0.0, 0.3333, 0.6667, 1.0]);
    assert_eq!([0.099, 0.11, 0.13, 1.0].map(|share| at(0, share)), [0.0, 0.3333, 0.6667, 0.6667]);
    assert_eq!((&data["ecdf"]["x"][0], &data["ecdf"]["x"][120]), (&0.001.into(), &1.into()));
}

#[test]
fn the_rows_of_the_page_are_those_of_the_table() {
    let page = page(&recorded(&two_grids(), |_| Vec::new()), &About::default());
    let rows: Vec<&str> = page.lines().filter(|line| line.contains("<td class=\"l\">fit<td")).collect();
    assert_eq!(
        rows,
        [
            "<tr><td class=\"l\">fit<td class=\"l\">mse<td class=\"l\">sgd<td class=\"l\">constant<td>0.01↓<td>2/3\
             <td>120 [100..–]<td>120<td>610<td>0.009<td><td>0<td>",
            "<tr class=\"best\"><td class=\"l\">fit<td class=\"l\">mse<td class=\"l\">adam<td class=\"l\">constant<td>0.1↑\
             <td>3/3<td>50 [40..60]<td>50<td>50<td>0.009<td><td>0<td>",
        ]
    );
    // Solvers by their score: r is 2.4 against 1.
    let solvers: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("<tr><td class=\"l\">") && !rows.contains(line))
        .collect();
    assert_eq!(
        solvers,
        [
            "<tr><td class=\"l\">adam<td class=\"l\">constant<td>1.000<td>1.00<td>1<td>1",
            "<tr><td class=\"l\">sgd<td class=\"l\">constant<td>0.533<td>2.00<td>1<td>1",
        ]
    );
    // Tuned on what is reported, some diverged, none arrived.
    let cells = common::seeds(
        ["fit", "mse", "sgd", "constant"],
        0.1,
        Role::Reporting,
        &[End::Budget(0.5), End::Diverged(1), End::Budget(0.25)],
    );
    let page = self::page(&recorded(&numbered(cells), |_| Vec::new()), &About::default());
    assert!(page.contains("<td>0.1†<td>0/3<td>–<td>–<td>–<td>0.5<td>33 %<td>0<td>oscillates\n"), "{page}");
}

#[test]
fn a_map_of_rates_has_a_column_for_each_and_gaps_where_nobody_ran() {
    let results = recorded(&two_grids(), |_| Vec::new());
    let workload = &results.workloads()[0];
    let map = results.heat(workload);
    assert_eq!(
        (&map.rows[..], &map.columns[..]),
        (&names(&["adam", "sgd"])[..], &[0.001, 0.01, 0.1, 1.0][..])
    );
    assert_eq!(map.chosen, [Some(2), Some(1)]);
    // Medians over the tuning seeds.
    let texts: Vec<String> = map.values.iter().map(|row| format!("{row:?}")).collect();
    assert_eq!(texts, ["[0.5, NaN, 0.009, NaN]", "[NaN, 0.009, 0.2545, inf]"]);

    let figure = results.sensitivity(workload);
    let [errors, steps] = &figure.panels[..] else { panic!("{figure:?}") };
    assert_eq!(errors.lines[1].points, [(0.01, 0.009), (0.1, 0.2545), (1.0, f64::INFINITY)]);
    assert_eq!(steps.lines[1].points, [(0.01, 150.0), (0.1, 1040.0), (1.0, f64::INFINITY)]);
    assert_eq!(errors.lines[1].spots, [((0.01, 0.009), Spot::Left)]);
    assert_eq!(steps.lines[0].spots, [((0.1, 60.0), Spot::Right)]);
    assert_eq!((errors.lines[0].thick, errors.lines[1].thick), (None, None));
    let wide =
        recorded(&numbered(grid(&["fit"], &names(&["sgd"]), |_, r| End::Budget([0.3, 0.2, 0.5][r]))), |_| {
            Vec::new()
        });
    let figure = wide.sensitivity(&wide.workloads()[0]);
    assert_eq!(figure.panels[0].lines[0].thick, Some((0.01, 0.1)));
    assert_eq!(figure.panels[0].lines[0].spots, [((0.1, 0.2), Spot::Ring)]);
    // Nobody arrived, so that there are no steps to show.
    assert_eq!(figure.panels.len(), 1);
}

/// Where one is faster on five of five problems p is 1/16, and on six of six 1/32.
#[test]
fn bars_are_over_those_that_no_test_tells_apart() {
    let ranks = |problems: &[&str]| {
        let end = |o: usize, _| End::Reached([30, 10][o]);
        recorded(&numbered(grid(problems, &names(&["slow", "fast"]), end)), |_| Vec::new()).ranks().unwrap()
    };
    let (five, six) = (ranks(&["a", "b", "c", "d", "e"]), ranks(&["a", "b", "c", "d", "e", "f"]));
    assert_eq!((&five.groups[..], &six.groups[..]), (&[(0, 1)][..], &[][..]));
    let ranked: Vec<(&str, f64)> = six.ranked.iter().map(|one| (one.name.as_str(), one.rank)).collect();
    assert_eq!(ranked, [("fast", 1.0), ("slow", 2.0)]);
}

#[test]
fn profiles_are_stairs_from_the_first_to_the_largest_ratio() {
    let results = recorded(&two_grids(), |_| Vec::new());
    let figure = results.profiles();
    let [profile, ecdf] = &figure.panels[..] else { panic!("{figure:?}") };
    // The best first; scores count up to 4.
    assert_eq!((profile.lines[0].label.as_str(), profile.lines[1].label.as_str()), ("adam", "sgd"));
    assert_eq!(profile.lines[0].points, [(1.0, 1.0), (4.0, 1.0), (4.0, 1.0)]);
    assert_eq!(profile.lines[1].points, [(1.0, 0.0), (2.4, 0.0), (2.4, 1.0), (4.0, 1.0), (4.0, 1.0)]);
    assert_eq!((ecdf.lines[1].points[0], ecdf.lines[1].points[120]), ((0.001, 0.0), (1.0, 2.0 / 3.0)));
}

/// What the page's script looks for by name.
#[test]
fn the_page_has_every_place_that_its_script_fills() {
    let page = page(&recorded(&two_grids(), |_| Vec::new()), &About::default());
    let script = include_str!("../src/page.js");
    let ids = script.split("getElementById(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let ids: Vec<&str> = ids.collect();
    assert!(ids.contains(&"profiles") && ids.contains(&"explorer"), "{ids:?}");
    for id in ids {
        assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
    }
}
