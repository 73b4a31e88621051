//! Finds `.proto` files and their imports.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use protojson::{Pool, Problem};

use super::{bundled::bundled, parser::parse};

/// Adds files and all that they import to a pool. Imports are looked for in `folders`, then beside
/// the files.
///
/// # Errors
///
/// Returns an error if a file cannot be read or parsed, or if an import is not found.
pub(crate) fn load(pool: &mut Pool, files: &[PathBuf], folders: &[PathBuf]) -> Result<(), Problem> {
    let mut folders = folders.to_vec();
    for file in files {
        let beside = file.parent().unwrap_or(Path::new("")).to_owned();
        if !folders.contains(&beside) {
            folders.push(beside);
        }
    }
    for file in files {
        // As with protoc, a file can also be named by the name with which other files import it.
        let path = folders.iter().map(|folder| folder.join(file)).find(|path| path.exists());
        let path = if file.exists() { file } else { path.as_ref().unwrap_or(file) };
        // The pool knows the file by the name with which other files import it.
        let name = folders.iter().find_map(|folder| path.strip_prefix(folder).ok());
        let name = name.unwrap_or(path).to_string_lossy();
        if !pool.has_file(&name) {
            add(pool, &name, path)?;
        }
    }
    loop {
        let missing = pool.missing();
        if missing.is_empty() {
            return Ok(());
        }
        for name in missing {
            let path = folders.iter().map(|folder| folder.join(&name)).find(|path| path.exists());
            match (path, bundled(&name)) {
                (Some(path), _) => add(pool, &name, &path)?,
                (None, Some(file)) => pool.add(file)?,
                (None, None) => {
                    let importer = pool.importer(&name);
                    return Err(Problem::new(format!(
                        "{importer} imports {name:?}, which is not found: pass the folder in \
                         which it is with --import-path"
                    )));
                }
            }
        }
    }
}

fn add(pool: &mut Pool, name: &str, path: &Path) -> Result<(), Problem> {
    let cannot =
        |error: io::Error| Problem::new(format!("cannot read {}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(cannot)?;
    let mut file = parse(&path.to_string_lossy(), &text)?;
    name.clone_into(&mut file.name);
    pool.add(file)
}
