//! Result files read back to the bit, and broken ones are named, not misread.

use std::collections::HashSet;
use std::io::{self, Read};

use proptest::prelude::*;
use records::{
    Cell, Cells, Conditions, Dtype, Engine, Hit, Key, Manifest, Outcome, Point, Points, RecordError, Results,
    Role, RunTiming, SCHEMA, TargetError, Targets, digest, save_manifest, write_cell, write_cell_header,
    write_point, write_point_header, write_term_header, write_timing, write_timing_header,
};

fn example() -> Cell {
    Cell {
        key: Key(0x00ab_cdef_0123_4567),
        problem: "direct_fit".to_owned(),
        loss: "mse".to_owned(),
        optimizer: "adam(beta1=0.95, eps=1e-6)".to_owned(),
        schedule: "constant".to_owned(),
        lr: 0.1,
        seed: u64::MAX,
        role: Role::Tuning,
        engine: Engine::Fused,
        dtype: Dtype::Float32,
        outcome: Outcome::Reached,
        budget: 1000,
        steps: 40,
        evaluations: 41,
        start_loss: 4.0,
        final_loss: f64::from(0.1_f32),
        best_loss: 0.0,
        start_error: f64::NAN,
        final_error: f64::INFINITY,
        best_error: 1e-45_f32.into(),
        hits: vec![hit(1.0, Some(7)), hit(1e-5, None)],
        message: String::new(),
    }
}

/// A target, and the step that a run reached it at, by an optimizer that needs two gradients a step.
fn hit(target: f64, step: Option<u64>) -> Hit {
    Hit { target, step, evaluations: step.map(|step| step.saturating_mul(2)) }
}

fn file(cells: &[Cell], targets: &Targets) -> Vec<u8> {
    let mut out = Vec::new();
    write_cell_header(&mut out, targets);
    for cell in cells {
        write_cell(&mut out, cell, targets).unwrap();
    }
    out
}

fn example_file() -> String {
    let targets = Targets::new([1.0, 0.01, 1e-5]).unwrap();
    String::from_utf8(file(&[example()], &targets)).unwrap()
}

/// What is wrong with a file.
fn complaint(text: &str) -> String {
    let cells = Cells::new("cells.csv", text.as_bytes());
    let error = cells.and_then(Iterator::collect::<Result<Vec<_>, _>>).expect_err(text);
    error.to_string()
}

#[test]
fn the_form_of_the_file() {
    let expected = "key,problem,loss,optimizer,schedule,lr,seed,role,engine,dtype,outcome,budget,steps,evaluations,\
        start_loss,final_loss,best_loss,start_error,final_error,best_error,\
        steps_to_1,steps_to_0.01,steps_to_0.00001,\
        evaluations_to_1,evaluations_to_0.01,evaluations_to_0.00001,message\n\
        k00abcdef01234567,direct_fit,mse,\"adam(beta1=0.95, eps=1e-6)\",constant,0.1,18446744073709551615,\
        tuning,fused,float32,reached,1000,40,41,4,0.1,0,NaN,inf,1e-45,7,,inf,14,,inf,\n";
    assert_eq!(example_file(), expected);
}

#[test]
fn a_target_without_a_column_is_not_dropped() {
    let targets = Targets::new([1.0, 0.01]).unwrap();
    let mut out = b"before".to_vec();
    let error = write_cell(&mut out, &example(), &targets).unwrap_err();
    assert_eq!(error, TargetError::Column { key: example().key, target: 1e-5 });
    assert_eq!(out, b"before");

    let mut reversed = example();
    reversed.hits.reverse();
    let targets = Targets::new([1.0, 1e-5]).unwrap();
    assert!(write_cell(&mut out, &reversed, &targets).is_err());
    reversed.hits = vec![hit(1.0, None); 2];
    assert!(write_cell(&mut out, &reversed, &targets).is_err());
}

#[test]
fn wrong_headers_are_named() {
    let text = example_file();
    let missing = |columns: &str, are: &str| {
        format!("{columns} of cells.csv of schemas 3 to 4 {are} missing: run its config again")
    };
    let target =
        |name: &str| format!("the column `{name}` should end with a target, such as `steps_to_0.01`");
    let cases = [
        (text.replacen("loss,", "", 1), missing("the column `loss`", "is")),
        // The forms of schemas 1 and 2.
        (text.replacen("budget,", "", 1), missing("the column `budget`", "is")),
        (
            text.replacen("evaluations_to_1,evaluations_to_0.01,evaluations_to_0.00001,", "", 1),
            missing("the column `evaluations_to_1`", "is"),
        ),
        (text.replacen(",seed,role,engine,", ",Seed,Role,Engine,", 1), {
            missing("the columns `seed`, `role` and `engine`", "are")
        }),
        (text.replacen(",seed,", ",lr,", 1), "the column `lr` is there twice".to_owned()),
        (
            text.replacen("steps_to_0.01", "steps_to_1", 1),
            "the column `steps_to_1` is there twice".to_owned(),
        ),
        (text.replacen("steps_to_0.01", "steps_to_0.010", 1), target("steps_to_0.010")),
        (text.replacen("steps_to_0.01", "steps_to_soon", 1), target("steps_to_soon")),
        (text.replacen("steps_to_0.01", "steps_to_-1", 1), target("steps_to_-1")),
        (text.replacen("steps_to_0.01", "steps_to_inf", 1), target("steps_to_inf")),
        (text.replacen("steps_to_0.00001", "steps_to_NaN", 1), target("steps_to_NaN")),
        (text.replacen(",message\n", "\n", 1), missing("the column `message`", "is")),
    ];
    for (text, expected) in cases {
        assert_eq!(complaint(&text), format!("cells.csv:1: {expected}"));
    }
    assert_eq!(complaint(""), "cells.csv is empty: it should begin with a header");
}

/// The columns of a file in another order, with others between them and quoted texts in those.
fn shuffled(text: &str) -> String {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let mut writer = csv::Writer::from_writer(Vec::new());
    for (line, record) in reader.records().enumerate() {
        let mut values: Vec<String> = record.unwrap().iter().rev().map(str::to_owned).collect();
        let half = values.len() / 2;
        values.insert(half, if line == 0 { "trial".into() } else { "one, or \"two\"".into() });
        values.push(if line == 0 { "group".into() } else { String::new() });
        values.rotate_left(3);
        writer.write_record(&values).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

#[test]
fn columns_are_found_by_name_in_any_order_and_between_others() {
    let text = shuffled(&example_file());
    assert!(text.starts_with("evaluations_to_1,") && text.contains(",trial,"), "{text}");
    let cells = Cells::new("cells.csv", text.as_bytes()).unwrap();
    assert_eq!(cells.targets().values(), [1.0, 0.01, 1e-5]);
    let read: Vec<Cell> = cells.map(Result::unwrap).collect();
    // NaN equals NaN there.
    assert_eq!(format!("{read:?}"), format!("{:?}", [example()]));

    let text = "group,step_lr,gradient_norm,error,loss_value,step,key\n,0.1,2,3,4,5,k0000000000000009\n";
    let points: Vec<Point> =
        Points::new("curves.csv", text.as_bytes()).unwrap().map(Result::unwrap).collect();
    let (loss_value, error, gradient_norm, step_lr) = (4.0, 3.0, 2.0, 0.1);
    assert_eq!(points, [Point { key: Key(9), step: 5, loss_value, error, gradient_norm, step_lr }]);
}

#[test]
fn files_of_schema_3_are_read_as_what_they_are_today() {
    let old = example_file()
        .replace("k00abcdef01234567", "00abcdef01234567")
        .replace("direct_fit", "matrix_factorisation(rank=2)")
        .replace("\"adam(beta1=0.95, eps=1e-6)\"", "cautious(rule=gradient_descent)");
    let read = |text: &str| Cells::new("cells.csv", text.as_bytes()).unwrap().next().unwrap().unwrap();
    let cell = read(&old);
    assert_eq!(cell.key, example().key);
    assert_eq!(cell.problem, "matrix_factorization(rank=2)");
    assert_eq!(cell.optimizer, "cautious(rule=backtracking_gd)");
    // Today an entry may have any name.
    let today = read(&old.replace("00abcdef01234567", "k00abcdef01234567"));
    assert_eq!(today.optimizer, "cautious(rule=gradient_descent)");

    let curves = "key,step,loss,error,gradient_norm,lr\n0000000000000009,5,4,3,2,0.1\n";
    let points: Vec<Point> =
        Points::new("curves.csv", curves.as_bytes()).unwrap().map(Result::unwrap).collect();
    assert_eq!((points[0].key, points[0].loss_value, points[0].step_lr), (Key(9), 4.0, 0.1));

    let mut old = Manifest { schema: 3, ..manifest() };
    old.conditions[0].workloads = vec![["fit".into(), "learnt_gaussian_nll".into()]];
    let read = |manifest: &Manifest| Manifest::parse(&serde_json::to_vec(manifest).unwrap(), "manifest.json");
    let today = read(&old).unwrap();
    assert_eq!(today.conditions[0].workloads, [["fit".to_owned(), "learned_gaussian_nll".to_owned()]]);
    let newer = Manifest { schema: 4, ..old };
    assert_eq!(read(&newer).unwrap(), newer);
    for (schema, help) in
        [(2, "run its config again"), (5, "read it with the version of optbench that wrote it")]
    {
        let error = read(&Manifest { schema, ..manifest() }).unwrap_err().to_string();
        let wanted = format!("manifest.json is of schema {schema}, and this version reads 3 to 4: {help}");
        assert!(error.starts_with(&wanted), "{error}");
    }
}

/// Whichever two are put together, no column but the run and its step is in both.
#[test]
fn files_merge_on_the_key_without_a_clash() {
    let mut headers: [Vec<u8>; 4] = Default::default();
    write_cell_header(&mut headers[0], &Targets::new([0.1]).unwrap());
    write_point_header(&mut headers[1]);
    write_term_header(&mut headers[2]);
    write_timing_header(&mut headers[3]);
    let columns = headers.map(|header| {
        let header = String::from_utf8(header).unwrap();
        header.trim_end().split(',').map(str::to_owned).collect::<HashSet<_>>()
    });
    for (place, left) in columns.iter().enumerate() {
        assert!(left.contains("key"));
        for right in &columns[place + 1..] {
            let both: Vec<&String> = left.intersection(right).filter(|name| *name != "key").collect();
            assert!(both.is_empty() || both == ["step"], "{both:?}");
        }
    }
}

#[test]
fn a_key_is_no_number_to_any_reader() {
    for key in [0, 9, 12_345, 0x1234_5e67_8901_2345, u64::MAX] {
        let text = Key(key).to_string();
        assert!(text.parse::<f64>().is_err() && text.starts_with('k') && text.len() == 17, "{text}");
        assert!(u64::from_str_radix(&text, 16).is_err(), "{text}");
    }
}

#[test]
fn wrong_values_are_named() {
    let text = example_file();
    let cases = [
        (
            "00abcdef01234567",
            "00ABcdef01234567",
            "key is `k00ABcdef01234567`, which is not `k` and 16 hexadecimal digits",
        ),
        ("00abcdef01234567", "abcdef", "key is `kabcdef`, which is not `k` and 16 hexadecimal digits"),
        (",0.1,1844", ",fast,1844", "lr is `fast`, which is not a number of float64"),
        (",0.1,1844", ",1e400,1844", "lr is `1e400`, which is not a number of float64"),
        (
            ",18446744073709551615,",
            ",18446744073709551616,",
            "seed is `18446744073709551616`, which is not a whole number from 0 up",
        ),
        (",40,41,", ",+40,41,", "steps is `+40`, which is not a whole number from 0 up"),
        (",40,41,", ",40,,", "evaluations is ``, which is not a whole number from 0 up"),
        (
            ",reached,",
            ",ok,",
            "outcome is `ok`, which is not one of `reached`, `budget`, `diverged`, `failed`",
        ),
        (",4,0.1,", ",4,1e39,", "final_loss is `1e39`, which is not a number of float32"),
        (",4,0.1,", ",4, 0.1,", "final_loss is ` 0.1`, which is not a number of float32"),
        (",7,,inf,14", ",7,,never,14", "steps_to_0.00001 is `never`, which is not a step, `inf` or empty"),
        (",7,,inf,14", ",7.5,,inf,14", "steps_to_1 is `7.5`, which is not a step, `inf` or empty"),
        (",inf,14,", ",inf,,", "evaluations_to_1 is ``, which is not a number where the steps have one"),
        (",14,,inf,\n", ",14,,inf\n", "the row has 26 columns where the header has 27"),
        (",14,,inf,\n", ",14,,inf,,\n", "the row has 28 columns where the header has 27"),
    ];
    for (from, to, expected) in cases {
        assert!(text.contains(from), "{from}");
        let expected = match expected.strip_prefix("the row") {
            Some(rest) => format!("cells.csv:2: the row{rest}"),
            None => format!("cells.csv:2: {expected}"),
        };
        assert_eq!(complaint(&text.replacen(from, to, 1)), expected);
    }
}

#[test]
fn lines_are_counted_through_labels_that_wrap() {
    let mut cell = example();
    cell.optimizer = "two\nlines".to_owned();
    let targets = Targets::new([1.0, 1e-5]).unwrap();
    let text = String::from_utf8(file(&[cell, example()], &targets)).unwrap();
    let text = text.replace("k00abcdef01234567,direct_fit,mse,\"adam", "oh,direct_fit,mse,\"adam");
    assert_eq!(complaint(&text), "cells.csv:4: key is `oh`, which is not `k` and 16 hexadecimal digits");
}

#[test]
fn a_file_cut_anywhere_is_an_error_or_whole_rows() {
    let mut failed = example();
    failed.outcome = Outcome::Failed;
    failed.message = "it said \"no\",\nand no more".to_owned();
    failed.key = Key(2);
    let third = Cell { key: Key(3), ..example() };
    let targets = Targets::new([1.0, 1e-5]).unwrap();
    let bytes = file(&[example(), failed.clone(), third], &targets);
    let mut whole = Vec::new();
    for end in 0..=bytes.len() {
        let cells = Cells::new("cells.csv", &bytes[..end]);
        match cells.and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(cells) => whole.push((end, cells.len())),
            Err(RecordError::Truncated { line, .. }) => assert!((1..=5).contains(&line), "{line}"),
            Err(RecordError::Empty { .. }) => assert_eq!(end, 0),
            Err(error) => panic!("{end}: {error}"),
        }
    }
    let row = file(&[example()], &targets).len();
    let header = file(&[], &targets).len();
    let two = file(&[example(), failed], &targets).len();
    assert_eq!(whole, [(header, 0), (row, 1), (two, 2), (bytes.len(), 3)]);
}

#[test]
fn it_ends_after_an_error() {
    let text = example_file() + "oh\n" + "00abcdef01234567,a";
    let cells: Vec<_> = Cells::new("cells.csv", text.as_bytes()).unwrap().collect();
    assert!(matches!(cells[..], [Ok(_), Err(RecordError::Length { line: 3, .. })]));
}

#[test]
fn other_line_ends_and_a_byte_order_mark_are_read() {
    let text = format!("\u{feff}{}", example_file().replace('\n', "\r\n"));
    assert_eq!(Cells::new("cells.csv", text.as_bytes()).unwrap().count(), 1);
}

/// A disk that fails.
struct Broken;
impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("unplugged"))
    }
}

#[test]
fn bytes_that_are_no_text_and_disks_that_fail_are_errors() {
    let mut bytes = example_file().into_bytes();
    let at = example_file().find("direct_fit").unwrap();
    bytes[at] = 0xff;
    let error = Cells::new("cells.csv", bytes.as_slice()).unwrap().next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "cells.csv:2: the row isn't UTF-8");

    let text = example_file();
    let error = Cells::new("cells.csv", text.as_bytes().chain(Broken)).unwrap().find_map(Result::err);
    assert_eq!(error.unwrap().to_string(), "can't read cells.csv");
    assert!(matches!(Cells::open("no/such/file"), Err(RecordError::Io { .. })));
}

#[test]
fn points_are_read_back() {
    let mut out = Vec::new();
    write_point_header(&mut out);
    let (loss_value, error, gradient_norm, step_lr) = (0.5, f64::INFINITY, 1e-9, 0.1);
    let point = Point { key: Key(9), step: 3, loss_value, error, gradient_norm, step_lr };
    write_point(&mut out, &point, Dtype::Float64);
    let points: Vec<_> = Points::new("curves.csv", out.as_slice()).unwrap().map(Result::unwrap).collect();
    assert_eq!(points, [point]);
    out.truncate(out.len() - 2);
    let error = Points::new("curves.csv", out.as_slice()).unwrap().next().unwrap().unwrap_err();
    assert!(matches!(error, RecordError::Truncated { line: 2, .. }));
    assert!(matches!(Points::new("curves.csv", "key\n".as_bytes()), Err(RecordError::Missing { .. })));
}

#[test]
fn each_column_of_a_curve_is_read_as_itself() {
    let text = "key,step,loss_value,error,gradient_norm,step_lr\n\
        k00000000000000ab,12,-0.1,2.5e-7,inf,0.30000000000000004\n\
        kffffffffffffffff,18446744073709551615,NaN,5e-324,1.7976931348623157e308,1e-6\n";
    let points: Vec<Point> =
        Points::new("curves.csv", text.as_bytes()).unwrap().map(Result::unwrap).collect();
    let [first, last] = points[..] else { panic!("{points:?}") };
    let expected = Point {
        key: Key(0xab),
        step: 12,
        loss_value: -0.1,
        error: 2.5e-7,
        gradient_norm: f64::INFINITY,
        step_lr: 0.1 + 0.2,
    };
    assert_eq!(first, expected);
    assert_eq!((last.key, last.step, last.step_lr), (Key(u64::MAX), u64::MAX, 1e-6));
    assert!(last.loss_value.is_nan());
    assert_eq!((last.error, last.gradient_norm), (f64::from_bits(1), f64::MAX));
    // Written again it is the same text.
    let mut out = Vec::new();
    write_point_header(&mut out);
    for point in &points {
        write_point(&mut out, point, Dtype::Float64);
    }
    assert_eq!(String::from_utf8(out).unwrap(), text);
}

/// Digits of single precision are those of its own shortest decimals, whatever the column.
#[test]
fn single_precision_keeps_its_digits() {
    let values = [0.1_f32, 1.0 / 3.0, 16_777_217.0, f32::MIN_POSITIVE, f32::MAX, 1e-45];
    let mut cell = example();
    [cell.start_loss, cell.final_loss, cell.best_loss] = [values[0], values[1], values[2]].map(f64::from);
    [cell.start_error, cell.final_error, cell.best_error] = [values[3], values[4], values[5]].map(f64::from);
    let targets = Targets::new([1.0, 1e-5]).unwrap();
    let text = String::from_utf8(file(&[cell.clone()], &targets)).unwrap();
    assert!(text.contains(",0.1,0.33333334,16777216,1.1754944e-38,3.4028235e38,1e-45,"), "{text}");
    let read: Vec<Cell> = Cells::new("cells.csv", text.as_bytes()).unwrap().map(Result::unwrap).collect();
    assert_eq!(read, [cell]);
}

fn manifest() -> Manifest {
    let pair = |name: &str, digest: &str| vec![(name.to_owned(), digest.to_owned())];
    Manifest {
        schema: SCHEMA,
        source: Some("../fit.toml".into()),
        name: "fit".into(),
        version: "0.1.0".into(),
        build: "b01d".into(),
        libtorch: Some("2.13.0".into()),
        engines: vec!["fused".into(), "libtorch".into()],
        cells: 40,
        diverged: 7,
        failed: 2,
        // The SHA-256 of `abc`, of FIPS 180-4's examples.
        files: pair("cells.csv", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        inputs: pair("loss.pt", "5678"),
        conditions: vec![Conditions {
            facts: [("budget".to_owned(), serde_json::json!(1000))].into(),
            workloads: vec![["fit".into(), "mse".into()]],
        }],
        config: "name = \"fit\"".into(),
    }
}

#[test]
fn each_field_of_a_manifest_is_read_back() {
    let json = serde_json::to_value(manifest()).unwrap();
    let expected = serde_json::json!({
        "schema": 4, "source": "../fit.toml", "name": "fit", "version": "0.1.0", "build": "b01d",
        "libtorch": "2.13.0", "engines": ["fused", "libtorch"], "cells": 40, "diverged": 7, "failed": 2,
        "files": [["cells.csv", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"]],
        "inputs": [["loss.pt", "5678"]],
        "conditions": [{ "facts": { "budget": 1000 }, "workloads": [["fit", "mse"]] }],
        "config": "name = \"fit\"",
    });
    assert_eq!(json, expected);
    assert_eq!(Manifest::parse(json.to_string().as_bytes(), "x").unwrap(), manifest());
    // What an older one lacks is empty, and what is empty isn't written.
    let lacking = Manifest { schema: 3, ..Manifest::default() };
    assert_eq!(Manifest::parse(br#"{"schema": 3}"#, "x").unwrap(), lacking);
    assert!(matches!(Manifest::parse(b"{}", "x"), Err(RecordError::Schema { schema: 0, .. })));
    let names = serde_json::to_value(Manifest::default()).unwrap();
    assert!(
        ["source", "inputs", "random", "conditions"].iter().all(|name| names.get(name).is_none()),
        "{names}"
    );
}

#[test]
fn a_result_file_is_whole_if_it_has_the_hash_of_the_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
    write("manifest.json", &serde_json::to_vec(&manifest()).unwrap());
    write("cells.csv", b"abc");
    let results = Results::open(files::Folder::new(folder.path())).unwrap();
    assert_eq!(results.manifest, Some(manifest()));
    assert!(results.verify("cells.csv").is_ok() && results.damaged().is_empty());
    write("cells.csv", b"abd");
    assert!(matches!(results.verify("cells.csv"), Err(RecordError::Changed { .. })));
    assert_eq!(results.damaged(), ["cells.csv"]);
    // One that the manifest doesn't name is nobody's.
    write("curves.csv", b"abc");
    assert!(matches!(results.verify("curves.csv"), Err(RecordError::Changed { .. })));
    assert_eq!(digest(&b"abc"[..]).unwrap(), manifest().files[0].1);
}

#[test]
fn a_manifest_that_says_the_same_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manifest.json");
    let save = |manifest: &Manifest| {
        save_manifest(&files::Folder::new(folder.path()), manifest).unwrap();
        std::fs::read_to_string(&path).unwrap()
    };
    let first = save(&manifest());
    assert_eq!(Manifest::parse(first.as_bytes(), "x").unwrap(), manifest());
    assert!(first.ends_with("}\n") && first.contains("b01d"), "{first}");
    assert_eq!(save(&Manifest { build: "0ther".into(), ..manifest() }), first);
    // A change of anything else is one.
    let other = save(&Manifest { build: "0ther".into(), cells: 41, ..manifest() });
    assert!(other.contains("0ther") && other.contains("41"), "{other}");
    std::fs::write(&path, "{").unwrap();
    assert_eq!(save(&manifest()), first);
}

#[test]
fn timings_tell_the_parts_that_the_runs_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let results = Results::open(files::Folder::new(folder.path())).unwrap();
    assert!(results.parts().is_empty());
    let mut out = Vec::new();
    write_timing_header(&mut out);
    for (key, part) in [(1, "a.part"), (2, "a.part"), (3, "b.part")] {
        let (key, part_cells, part_wall_us) = (Key(key), 2, 3);
        write_timing(&mut out, &RunTiming { key, part, part_cells, part_wall_us, host: "vm", cpu: "" });
    }
    std::fs::write(folder.path().join("timings.csv"), out).unwrap();
    assert_eq!(results.parts(), ["a.part", "b.part"]);
}

/// Any number there is of this type, every NaN as one.
fn number(dtype: Dtype) -> BoxedStrategy<f64> {
    let special =
        prop::sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0, 1e10]);
    let any = match dtype {
        Dtype::Float32 => any::<u32>().prop_map(|bits| f64::from(f32::from_bits(bits))).boxed(),
        Dtype::Float64 => any::<u64>().prop_map(f64::from_bits).boxed(),
    };
    let subnormal = match dtype {
        Dtype::Float32 => (1..1_u32 << 23).prop_map(|bits| f64::from(f32::from_bits(bits))).boxed(),
        Dtype::Float64 => (1..1_u64 << 52).prop_map(f64::from_bits).boxed(),
    };
    prop_oneof![special, any, subnormal]
        .prop_map(|value| if value.is_nan() { f64::NAN } else { value })
        .boxed()
}

fn label() -> impl Strategy<Value = String> {
    prop_oneof![Just("adam(beta1=0.95, eps=1e-6)".to_owned()), "[a-z,\"'\n\r =;|é∞\t#-]{0,12}"]
}

fn any_cell(targets: Targets) -> impl Strategy<Value = Cell> {
    let dtype = prop::sample::select(vec![Dtype::Float32, Dtype::Float64]);
    let asked =
        prop::collection::vec(prop::option::of(prop::option::of(any::<u64>())), targets.values().len());
    dtype.prop_flat_map(move |dtype| {
        let targets = targets.clone();
        let labels = prop::array::uniform5(label());
        let numbers = prop::collection::vec(number(dtype), 6);
        let words = (0..2_usize, 0..2_usize, 0..4_usize);
        let counts = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
        (labels, numbers, number(Dtype::Float64), words, counts, asked.clone()).prop_map(
            move |(labels, numbers, lr, words, counts, asked)| {
                let [problem, loss, optimizer, schedule, message] = labels;
                let hits = targets.values().iter().zip(asked);
                let budget = counts.4;
                // What no run has is refused.
                let lr = if lr.abs() > 0.0 && lr.is_finite() { lr.abs() } else { 0.1 };
                Cell {
                    key: Key(counts.0),
                    problem,
                    loss,
                    optimizer,
                    schedule,
                    lr,
                    seed: counts.1,
                    role: [Role::Tuning, Role::Reporting][words.0],
                    engine: [Engine::Fused, Engine::Libtorch][words.1],
                    dtype,
                    outcome: [Outcome::Reached, Outcome::Budget, Outcome::Diverged, Outcome::Failed][words.2],
                    budget,
                    steps: counts.2.min(budget),
                    evaluations: counts.3,
                    start_loss: numbers[0],
                    final_loss: numbers[1],
                    best_loss: numbers[2],
                    start_error: numbers[3],
                    final_error: numbers[4],
                    best_error: numbers[5],
                    hits: hits
                        .filter_map(|(&target, step)| {
                            step.map(|step| hit(target, step.map(|step| step.min(budget))))
                        })
                        .collect(),
                    message,
                }
            },
        )
    })
}

/// Numbers as bits, so that NaN equals itself and 0 isn't -0.
fn bits(cell: &Cell) -> [u64; 7] {
    let numbers = [
        cell.start_loss,
        cell.final_loss,
        cell.best_loss,
        cell.start_error,
        cell.final_error,
        cell.best_error,
    ];
    let mut bits = [cell.lr.to_bits(); 7];
    bits[1..].iter_mut().zip(numbers).for_each(|(bits, number)| *bits = number.to_bits());
    bits
}

proptest! {
    #[test]
    fn cells_are_read_back_to_the_bit(
        (targets, cells) in prop::collection::vec(0.0..f64::MAX, 0..4).prop_flat_map(|targets| {
            let targets = Targets::new(targets).unwrap();
            (Just(targets.clone()), prop::collection::vec(any_cell(targets), 0..4))
        })
    ) {
        let bytes = file(&cells, &targets);
        let reader = Cells::new("cells.csv", bytes.as_slice()).unwrap();
        prop_assert_eq!(reader.targets(), &targets);
        let read: Vec<Cell> = reader.map(Result::unwrap).collect();
        prop_assert_eq!(read.len(), cells.len());
        for (read, cell) in read.iter().zip(&cells) {
            prop_assert_eq!(bits(read), bits(cell));
            // Their debug forms say the rest, and there NaN equals NaN.
            prop_assert_eq!(format!("{read:?}"), format!("{cell:?}"));
        }
        prop_assert_eq!(file(&read, &targets), bytes);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>()) {
        let mut whole = example_file().into_bytes();
        let at = at.index(whole.len());
        whole.splice(at..at, bytes);
        if let Ok(cells) = Cells::new("cells.csv", whole.as_slice()) {
            cells.for_each(drop);
        }
    }
}
