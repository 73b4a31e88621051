//! The schema of a server: from files, or else from its reflection.

use std::{fs, path::PathBuf};

use clap::Args;
use protojson::{Pool, Problem, read_set};

use crate::proto;

/// The files with the schema of a server. Without them, it comes from the server's reflection.
#[derive(Debug, Clone, Args)]
pub(crate) struct SchemaArgs {
    /// A .proto file with the schema of the server, if it has no reflection; may be repeated.
    #[arg(long, value_name = "FILE", help_heading = "Schema")]
    proto: Vec<PathBuf>,
    /// A folder with the imports of the --proto files [default: the folder of each file]; may be
    /// repeated.
    #[arg(long, value_name = "DIR", help_heading = "Schema", requires = "proto")]
    import_path: Vec<PathBuf>,
    /// A file with the schema of the server as an encoded FileDescriptorSet, as of protoc
    /// --include_imports --descriptor_set_out; may be repeated.
    #[arg(long, value_name = "FILE", help_heading = "Schema")]
    descriptors: Vec<PathBuf>,
}

impl SchemaArgs {
    /// Returns whether there are files.
    pub(crate) fn has_files(&self) -> bool {
        !(self.proto.is_empty() && self.descriptors.is_empty())
    }

    /// Returns the schema of the files, or `None` if there are none.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be read or has the wrong content.
    pub(crate) fn load(&self) -> Result<Option<Pool>, Problem> {
        if !self.has_files() {
            return Ok(None);
        }
        let mut pool = Pool::default();
        for path in &self.descriptors {
            let name = path.display();
            let bytes = fs::read(path)
                .map_err(|error| Problem::new(format!("cannot read {name}: {error}")))?;
            let files = read_set(&bytes).map_err(|problem| {
                problem.context(&format!("{name} is not an encoded FileDescriptorSet"))
            })?;
            for file in files {
                pool.add(file)?;
            }
        }
        proto::load(&mut pool, &self.proto, &self.import_path)?;
        pool.link()?;
        Ok(Some(pool))
    }
}
