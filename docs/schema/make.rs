//! Writes the JSON Schemas of this folder anew after a change of the types: `cargo run --example make-schemas`.

fn main() -> std::io::Result<()> {
    for (path, text) in retake::collection::schema::published() {
        std::fs::write(path, text)?;
    }
    for (path, text) in retake::report::schema::published() {
        std::fs::write(path, text)?;
    }
    Ok(())
}
