//! Source files as programs: exported behind the scenes, into a cache.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::digest::sha256;
use crate::program::Program;
use crate::python::link::{Link, Place};
use crate::python::sources::{DIGEST, cache};
use crate::python::{About, Code, Python, Wanted};

/// The most bytes of a file that an export depends on.
const MOST_BYTES: u64 = 8 << 30;

/// A program that was made of a source file, and the bytes that tell it from others.
pub(crate) struct Exported {
    pub bytes: Vec<u8>,
    pub program: Result<Program, String>,
}

/// What is kept of an export, beside the program, if there is one.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    record: Record,
    about: Option<About>,
    /// Why it is evaluated in Python.
    reason: Option<String>,
}

/// What an export depends on, besides its request.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// The SHA-256 of every file, by its path.
    files: BTreeMap<PathBuf, String>,
    torch: String,
    nonce: Option<String>,
}

impl Record {
    fn is_fresh(&self) -> bool {
        let same = |(path, digest): (&PathBuf, &String)| {
            files::read(path, MOST_BYTES).is_ok_and(|bytes| sha256(&bytes) == *digest)
        };
        !self.files.is_empty() && self.files.iter().all(same)
    }
}

/// The interpreter to use: `OPTBENCH_PYTHON`, that of the active environment, or `python3`.
fn interpreter() -> PathBuf {
    let given = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let of_environment = || Some(given("VIRTUAL_ENV")?.join("bin/python"));
    given("OPTBENCH_PYTHON").or_else(of_environment).unwrap_or_else(|| "python3".into())
}

/// The program of a source file: out of the cache, where nothing that it depends on has changed; else, where Python may be
/// started, made anew.
///
/// # Errors
/// If Python may not be started and would have to be; if the code can't be loaded or called.
pub(crate) fn export(
    (folder, python, seeds): (&Path, Python, u64),
    name: &str,
    wanted: &Wanted,
) -> Result<Exported, String> {
    let folder = std::path::absolute(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
        .map_err(|error| format!("can't find the current folder: {error}"))?;
    let data = Some(wanted.data).filter(|data| !data.is_empty());
    let code = json!({
        "source": name, "folder": folder.to_string_lossy(), "role": wanted.role, "inputs": wanted.inputs, "data": data,
        "seeds": seeds,
    });
    let not_yet = || format!("`{name}` isn't exported yet: `optbench run`, `diagnose` and `map` do that");
    if name.starts_with("notebook:") {
        let socket = std::env::var_os("OPTBENCH_WORKER").ok_or_else(|| {
            format!("`{name}` is an object of a notebook, which runs its configs itself, by optbench.run of the Python package")
        })?;
        let told = python.told().ok_or_else(not_yet)?;
        let place = Place::Notebook(socket.into());
        let (kept, bytes) = ask(&place, &code)?;
        return Ok(made(name, (kept, bytes), (code, python, place), told));
    }
    let place = Place::Process(interpreter());
    let file = folder.join(name.split_once(".py:").map_or(name.to_owned(), |(file, _)| format!("{file}.py")));
    if !file.is_file() {
        let path = file.display();
        return Err(format!(
            "there is no file {path}; its name in `{name}` is relative to the config's folder"
        ));
    }
    let cache = cache("programs")?;
    let Place::Process(interpreter) = &place else { unreachable!("it is one") };
    let key = sha256(json!([code, interpreter, *DIGEST]).to_string().as_bytes());
    let [about, program] = ["json", "pt2"].map(|ending| format!("{key}.{ending}"));
    let known = cache.read_text(&about, files::TEXT).ok();
    let known = known.and_then(|text| serde_json::from_str::<Kept>(&text).ok());
    let known = known.filter(|kept| kept.record.is_fresh()).and_then(|kept| {
        let bytes = if kept.about.is_some() { Vec::new() } else { cache.read(&program, MOST_BYTES).ok()? };
        Some((kept, bytes))
    });
    let told = python.told();
    let found = match (known, told) {
        (Some(known), _) => known,
        (None, None) => return Err(not_yet()),
        (None, Some(told)) => {
            told(&format!("exporting {name} with {}", interpreter.display()));
            let (kept, bytes) = ask(&place, &code)?;
            let text = serde_json::to_string_pretty(&kept).expect("plain data");
            // The program first: the text says that it is there.
            let written = if kept.about.is_some() {
                Ok(())
            } else {
                cache.write(&program, |file| file.write_all(&bytes))
            };
            let written = written.and_then(|()| cache.write(&about, |file| file.write_all(text.as_bytes())));
            written.map_err(|error| format!("can't write to {}: {error}", cache.path().display()))?;
            (kept, bytes)
        }
    };
    Ok(made(name, found, (code, python, place), told.unwrap_or(|_| {})))
}

/// Has it exported; and described, where what was exported can't be read here.
fn ask(place: &Place, code: &Value) -> Result<(Kept, Vec<u8>), String> {
    let mut link = Link::new(place)?;
    let mut export = |code: &Value| {
        let (answer, tensors) = link.ask_patiently(json!({ "op": "export", "code": code }), &[])?;
        let kept: Kept =
            serde_json::from_value(answer).map_err(|error| format!("the worker's answer: {error}"))?;
        let bytes = match tensors.first() {
            Some(tensor) => Vec::<u8>::try_from(tensor).map_err(|error| error.to_string())?,
            None => Vec::new(),
        };
        Ok::<_, String>((kept, bytes))
    };
    let (kept, bytes) = export(code)?;
    if kept.about.is_some() {
        return Ok((kept, bytes));
    }
    let refused = Program::read(&bytes).and_then(|program| program.check());
    match refused {
        Err(refused) if code["role"] != "model" => {
            let mut code = code.clone();
            code["refused"] = refused.into();
            export(&code)
        }
        _ => Ok((kept, bytes)),
    }
}

/// The program, or what stands for it.
fn made(
    name: &str,
    (kept, bytes): (Kept, Vec<u8>),
    (request, python, place): (Value, Python, Place),
    told: fn(&str),
) -> Exported {
    let Some(about) = kept.about else {
        let program = Program::read(&bytes).and_then(|program| program.check().map(|()| program));
        return Exported { bytes, program };
    };
    let reason = kept.reason.unwrap_or_default();
    told(&format!("{name} is evaluated in Python, which is slower: {reason}"));
    // Without the places of files, so that results don't depend on where the project is.
    let mut digests: Vec<&String> = kept.record.files.values().collect();
    digests.sort();
    let identity = json!([about, digests, kept.record.torch, kept.record.nonce, *DIGEST]);
    let program = Program::in_python(Code { request, about, python, place });
    Exported { bytes: identity.to_string().into_bytes(), program: Ok(program) }
}
