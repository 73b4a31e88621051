//! Compiles `proto/` without a `protoc` on the machine: protox reads the
//! files, tonic-prost-build writes the Rust, and the descriptor set is kept
//! for server reflection.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    // An argument of the linker in deploy/static-binary: cargo does not look into it.
    println!("cargo:rerun-if-changed=deploy/cold-code.ld");

    let descriptors = protox::compile(["sample.proto"], ["proto"])?;
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    fs::write(out_dir.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
