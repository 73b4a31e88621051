//! Generates messages, clients and servers from `proto/`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    chassis_build::compile("proto")
}
