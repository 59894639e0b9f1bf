//! The worker's own sources, which this program carries along, and where it keeps them.

#[cfg(unix)]
use std::io::Write;
use std::path::PathBuf;
use std::sync::LazyLock;

use files::Folder;

use crate::digest::sha256;

/// The package of the worker: modules by name.
const PACKAGE: [(&str, &str); 3] = [
    ("__init__.py", ""),
    ("export.py", include_str!("../../../../python/optbench/export.py")),
    ("worker.py", include_str!("../../../../python/optbench/worker.py")),
];

/// What the interpreter is told to run. Modules in the current folder aren't in the way; where there is no torch, that is
/// the answer to whatever is asked first.
#[cfg(unix)]
pub(crate) const BOOT: &str = "\
import json, os, struct, sys
sys.path[:] = [sys.argv[1], *(path for path in sys.path if path)]
try:
    from optbench_worker.worker import main
except ImportError as error:
    message = f'{error}, in the Python {sys.executable}: OPTBENCH_PYTHON=... names one that has torch 2.13 or newer'
    text = json.dumps({'error': message, 'tensors': []}).encode()
    os.write(0, struct.pack('<I', len(text)) + text)
    sys.exit(1)
sys.path.remove(sys.argv[1])
main()
";

/// The SHA-256 of the sources: programs of another exporter are exported anew.
pub(crate) static DIGEST: LazyLock<String> = LazyLock::new(|| {
    let all: Vec<&str> = PACKAGE.iter().flat_map(|(name, text)| [*name, "\0", *text, "\0"]).collect();
    sha256(all.concat().as_bytes())
});

/// A folder of the cache, which is there.
///
/// # Errors
/// If it can't be made: where it should be.
pub(crate) fn cache(name: &str) -> Result<Folder, String> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let root = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    let root = root.ok_or("there is no folder for exported programs: set XDG_CACHE_HOME, or HOME")?;
    let folder = Folder::new(root.join("optbench").join(name));
    folder.create().map_err(|error| {
        let path = folder.path().display();
        format!("can't make {path} ({error}), where exported programs are kept: set XDG_CACHE_HOME to another folder")
    })?;
    Ok(folder)
}

/// The folder that holds the package `optbench_worker`, written where it isn't there yet.
///
/// # Errors
/// If it can't be written.
#[cfg(unix)]
pub(crate) fn unpacked() -> Result<PathBuf, String> {
    let name = format!("python/{}", &DIGEST[..16]);
    let package = cache(&format!("{name}/optbench_worker"))?;
    for (module, text) in PACKAGE {
        let there = package.read_text(module, files::TEXT).is_ok_and(|known| known == text);
        if !there {
            let written = package.write(module, |file| file.write_all(text.as_bytes()));
            written.map_err(|error| format!("can't write {}: {error}", package.path().display()))?;
        }
    }
    Ok(cache(&name)?.path().to_owned())
}
