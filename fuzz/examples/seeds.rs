//! Writes what each target begins with into `corpus/`, where `cargo fuzz` looks for it.

use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    for (name, _, seeds) in retake::fuzzing::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        fs::create_dir_all(&folder)?;
        for (at, seed) in seeds().iter().enumerate() {
            fs::write(folder.join(format!("seed-{at}")), seed)?;
        }
    }
    Ok(())
}
