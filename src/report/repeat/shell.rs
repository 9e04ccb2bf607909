//! Words for a POSIX shell: whatever the bytes are, the shell makes the same bytes of them, and does nothing else.

use std::fmt::Write;

use super::VARIABLE;
use super::labels::Piece;
use crate::report::terminal::clean_line;

/// One word; none if it holds NUL, which no argument can.
pub(super) fn word(pieces: &[Piece<'_>]) -> Option<String> {
    let mut out = String::new();
    // Pieces of text that follow each other are quoted as one.
    let mut text = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Secret(label) => {
                quote(&std::mem::take(&mut text), &mut out);
                let _ = write!(out, "\"${{{VARIABLE}{label}:?}}\"");
            }
            Piece::Bytes(bytes) if bytes.contains(&0) => return None,
            Piece::Bytes(bytes) => text.extend_from_slice(bytes),
        }
    }
    quote(&text, &mut out);
    Some(if out.is_empty() { "''".to_owned() } else { out })
}

/// The bytes as quoted pieces that stand together: text in single quotes; what a terminal would act on, and what is no
/// text, from `printf` in octal. A line feed stays: command substitution would drop it at the end.
fn quote(bytes: &[u8], out: &mut String) {
    for chunk in bytes.utf8_chunks() {
        let mut open = false;
        for character in chunk.valid().chars() {
            let is_safe = character == '\n' || clean_line(character.encode_utf8(&mut [0; 4])).chars().count() == 1;
            if !is_safe {
                close(&mut open, out);
                octal(character.encode_utf8(&mut [0; 4]).as_bytes(), out);
            } else if character == '\'' {
                close(&mut open, out);
                out.push_str("\\'");
            } else {
                if !open {
                    out.push('\'');
                    open = true;
                }
                out.push(character);
            }
        }
        close(&mut open, out);
        if !chunk.invalid().is_empty() {
            octal(chunk.invalid(), out);
        }
    }
}

fn close(open: &mut bool, out: &mut String) {
    if std::mem::take(open) {
        out.push('\'');
    }
}

fn octal(bytes: &[u8], out: &mut String) {
    out.push_str("\"$(printf '");
    for byte in bytes {
        let _ = write!(out, "\\{byte:03o}");
    }
    out.push_str("')\"");
}

/// A group of commands that writes the pieces to its stdout: for what is no argument, or too long for one.
pub(super) fn group(pieces: &[Piece<'_>]) -> String {
    use base64::Engine;
    let mut out = String::from("{\n");
    for piece in pieces {
        match piece {
            Piece::Secret(label) => {
                let _ = writeln!(out, "printf %s \"${VARIABLE}{label}\"");
            }
            Piece::Bytes(bytes) => {
                let text = base64::engine::general_purpose::STANDARD.encode(bytes);
                out.push_str("base64 -d <<'END'\n");
                for line in text.as_bytes().chunks(76) {
                    out.push_str(&String::from_utf8_lossy(line));
                    out.push('\n');
                }
                out.push_str("END\n");
            }
        }
    }
    out.push('}');
    out
}
