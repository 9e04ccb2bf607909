//! What is no text: said what it is, and its bytes in hex when asked for.

use std::fmt::Write;

use crate::model::ContentHash;
use crate::report::exchange::size;
use crate::report::styled::{Page, Tone};

use super::Content;

/// Bytes of a line of a hex dump.
const ROW: usize = 16;
/// Hex digits of a hash that tell one body from another.
const SHORT_HASH: usize = 16;

/// `PNG image, 640 × 480, 12.0 KiB, BLAKE3 0123456789abcdef`
pub(super) fn describe(essence: &str, content: &Content<'_>, page: &mut Page<'_>) {
    let mut facts = vec![format_of(essence, content.bytes)];
    if let Ok(image) = imagesize::blob_size(content.bytes) {
        facts.push(format!("{} × {}", image.width, image.height));
    }
    if content.is_whole {
        facts.push(size(content.bytes.len() as u64));
        facts.push(format!("BLAKE3 {}", &ContentHash::of(content.bytes).to_hex()[..SHORT_HASH]));
    } else {
        facts.push(format!("more than {}", size(content.bytes.len() as u64)));
    }
    page.say(Tone::Plain, facts.join(", "));
}

/// What the first bytes say, else what the type says.
fn format_of(essence: &str, bytes: &[u8]) -> String {
    const MARKS: [(&[u8], &str); 9] = [
        (b"\x89PNG\r\n\x1a\n", "PNG image"),
        (b"\xff\xd8\xff", "JPEG image"),
        (b"GIF8", "GIF image"),
        (b"%PDF-", "PDF document"),
        (b"PK\x03\x04", "ZIP archive"),
        (b"\x1f\x8b", "gzip data"),
        (b"\0asm", "WebAssembly module"),
        (b"wOF2", "WOFF2 font"),
        (b"wOFF", "WOFF font"),
    ];
    let known = MARKS.iter().find(|(mark, _)| bytes.starts_with(mark)).map(|(_, name)| (*name).to_owned());
    let webp = || (bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP")).then(|| "WebP image".to_owned());
    known.or_else(webp).unwrap_or_else(|| match essence {
        "" | "application/octet-stream" => "binary".to_owned(),
        essence => format!("binary, {essence}"),
    })
}

/// The bytes as `xxd` writes them: offset, hex in pairs, printable characters.
pub fn hexdump(bytes: &[u8], page: &mut Page<'_>) {
    for (row, bytes) in bytes.chunks(ROW).enumerate() {
        let mut hex = String::with_capacity(ROW * 3);
        for pair in bytes.chunks(2) {
            // Writing to a String cannot fail.
            for byte in pair {
                let _ = write!(hex, "{byte:02x}");
            }
            hex.push(' ');
        }
        let printable = |&byte: &u8| if matches!(byte, b' '..=b'~') { char::from(byte) } else { '.' };
        let text: String = bytes.iter().map(printable).collect();
        page.say(Tone::Plain, format!("{:08x}: {hex:<40} {text}", row * ROW));
    }
}
