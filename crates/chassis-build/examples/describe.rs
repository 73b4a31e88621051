//! Prints the services of the `.proto` files below a folder, for `deploy/new-service`:
//!
//! ```sh
//! cargo run --package chassis-build --example describe -- proto
//! ```
//!
//! One line per service and per method, in the order of the files, with tabs between:
//!
//! ```text
//! service  full name  path of the Rust module  name
//! method   name  name in Rust  stream of requests?  stream of responses?  request  response
//! ```

use std::{
    cell::RefCell,
    env,
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
};

use prost_build::{Config, Module, Service, ServiceGenerator};
use protox::Compiler;

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: describe FOLDER");
        return ExitCode::from(64);
    };
    match describe(&folder) {
        Ok(lines) => print!("{lines}"),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn describe(folder: &Path) -> Result<String, Box<dyn Error>> {
    let mut compiler = Compiler::new([folder])?;
    compiler.include_imports(true);
    compiler.open_files(chassis_build::proto_files(folder)?)?;

    let lines = Rc::new(RefCell::new(String::new()));
    let files = compiler.file_descriptor_set().file;
    let files = files
        .into_iter()
        .map(|file| (Module::from_protobuf_package_name(file.package()), file))
        .collect();
    Config::new()
        .format(false)
        .service_generator(Box::new(Describe(Rc::clone(&lines))))
        .generate(files)?;
    Ok(lines.take())
}

/// Appends the lines of each service.
struct Describe(Rc<RefCell<String>>);

impl ServiceGenerator for Describe {
    fn generate(&mut self, service: Service, code: &mut String) {
        // prost-build panics if a package with a service has no code.
        code.push('\n');
        let module = Module::from_protobuf_package_name(&service.package);
        let module: Vec<&str> = module.parts().collect();
        let full_name = match service.package.as_str() {
            "" => service.proto_name.clone(),
            package => format!("{package}.{}", service.proto_name),
        };
        let mut lines = self.0.borrow_mut();
        lines.push_str(&format!("service\t{full_name}\t{}\t{}\n", module.join("::"), service.name));
        for method in &service.methods {
            lines.push_str(&format!(
                "method\t{}\t{}\t{}\t{}\t{}\t{}\n",
                method.proto_name,
                method.name,
                method.client_streaming,
                method.server_streaming,
                path(&module, &method.input_type),
                path(&module, &method.output_type),
            ));
        }
    }
}

/// Returns the path of a type of the module: from the crate's `proto`, if it is generated.
fn path(module: &[&str], name: &str) -> String {
    let is_primitive =
        matches!(name, "()" | "bool" | "f32" | "f64" | "i32" | "i64" | "u32" | "u64");
    if is_primitive || name.starts_with("::") {
        return name.to_owned();
    }
    let mut module = module.to_vec();
    let mut name = name;
    while let Some(rest) = name.strip_prefix("super::") {
        module.pop();
        name = rest;
    }
    ["crate", "proto"].into_iter().chain(module).chain([name]).collect::<Vec<_>>().join("::")
}
