//! Generates the health service.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    chassis_build::configure().server_only().compile("proto")
}
