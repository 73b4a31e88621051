//! Generates the health service, and names the crates of the program.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    chassis_build::name_crates();
    chassis_build::configure().server_only().compile("proto")
}
