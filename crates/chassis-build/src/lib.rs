//! Generates the Rust code of a service's `.proto` files, in its `build.rs`:
//!
//! ```no_run
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     chassis_build::compile("proto")
//! }
//! ```
//!
//! Two files are written to `OUT_DIR`:
//!
//! - `proto.rs`: the code of all packages, each in a module of its name. The crate
//!   includes it with `include!(concat!(env!("OUT_DIR"), "/proto.rs"));`.
//! - `descriptors.bin`: the descriptor set of all files and their imports, encoded.
//!   The method table of each service refers to it.
//!
//! For each service the code holds tonic's client, the trait that handlers implement,
//! which is tonic's too, and a server that runs on the chassis. The messages are from
//! prost-build. The files are read by protox, so that no `protoc` is needed.
//!
//! The crate depends on `prost`, on `chassis` for the servers, on `tonic` and
//! `tonic-prost` for the clients, and on `prost-types` if a file uses a well-known type
//! such as `google.protobuf.Timestamp`.

#![warn(missing_docs)]

mod crates;
mod generator;
mod package;
#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    env,
    error::Error,
    fmt, fs, io,
    path::{Path, PathBuf},
    rc::Rc,
};

use prost_build::{Config, Module};
use protox::Compiler;

use generator::Generator;

pub use crates::name_crates;

/// Generates messages, clients and servers from all `.proto` files below `folder`.
///
/// # Errors
///
/// Returns an error if `folder` has no `.proto` file, if a file cannot be read or
/// compiled, or if `OUT_DIR` cannot be written to.
pub fn compile(folder: impl AsRef<Path>) -> Result<(), Box<dyn Error>> {
    configure().compile(folder)
}

/// Returns a builder that generates messages, clients and servers.
pub fn configure() -> Builder {
    Builder { client: true, server: true }
}

/// Configures the code that is generated for each service.
#[derive(Clone, Debug)]
pub struct Builder {
    client: bool,
    server: bool,
}

/// The contents of the generated files.
struct Generated {
    code: String,
    descriptors: Vec<u8>,
}

impl Builder {
    /// Generates no servers: for a crate that only calls, and does not depend on the
    /// chassis.
    pub fn client_only(self) -> Self {
        Self { client: true, server: false }
    }

    /// Generates no clients: for a crate that only serves. The code of a client needs
    /// the crate tonic-prost.
    pub fn server_only(self) -> Self {
        Self { client: false, server: true }
    }

    /// Generates code from all `.proto` files below `folder`.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`compile`].
    pub fn compile(self, folder: impl AsRef<Path>) -> Result<(), Box<dyn Error>> {
        let folder = folder.as_ref();
        println!("cargo:rerun-if-changed={}", folder.display());

        let out_dir = env::var_os("OUT_DIR").ok_or_else(|| {
            Failure("OUT_DIR is not set: chassis-build is for a build.rs that cargo runs".into())
        })?;
        let out_dir = PathBuf::from(out_dir);
        let generated = self.generate(folder)?;
        write(&out_dir.join("proto.rs"), generated.code.as_bytes())?;
        write(&out_dir.join("descriptors.bin"), &generated.descriptors)?;
        Ok(())
    }

    fn generate(&self, folder: &Path) -> Result<Generated, Box<dyn Error>> {
        let mut compiler = Compiler::new([folder])?;
        compiler.include_imports(true).include_source_info(true);
        let files = proto_files(folder)?;
        if files.is_empty() {
            return Err(Failure(format!("no .proto file in {}", folder.display())).into());
        }
        compiler.open_files(files)?;

        let files = compiler.file_descriptor_set().file;
        let files = files
            .into_iter()
            .map(|file| (Module::from_protobuf_package_name(file.package()), file))
            .collect();

        // Not `Config::compile_fds`: it writes one file per package, and that of the
        // package `proto` has the name of the file that includes all others.
        let error = Rc::new(RefCell::new(None));
        let generator = Generator::new(self.client, self.server, Rc::clone(&error));
        let packages =
            Config::new().format(false).service_generator(Box::new(generator)).generate(files)?;
        if let Some(error) = error.take() {
            return Err(Failure(error).into());
        }

        // Not `FileDescriptorSet::encode_to_vec`: it drops custom options.
        let descriptors = compiler.encode_file_descriptor_set();
        Ok(Generated { code: package::nest(packages)?, descriptors })
    }
}

/// Returns the `.proto` files below `folder`, sorted.
///
/// # Errors
///
/// Returns an error if a folder cannot be read.
pub fn proto_files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    find(folder, &mut files).map_err(|error| {
        Failure(format!("cannot look for .proto files in {}: {error}", folder.display()))
    })?;
    files.sort();
    Ok(files)
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}

fn write(path: &Path, contents: &[u8]) -> Result<(), Failure> {
    fs::write(path, contents)
        .map_err(|error| Failure(format!("cannot write {}: {error}", path.display())))
}

/// The message of an error. `Debug` is the message too, because an error that `main`
/// returns is printed with `Debug`.
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Failure {}
