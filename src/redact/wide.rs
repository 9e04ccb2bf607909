//! Text in UTF-16: turned into UTF-8 on its way into masking, and back on its way out, so that nothing else changes. A
//! half of a pair that stands alone passes as the three bytes that it would have in UTF-8, and comes out as it was.

/// How a text is written, as far as its first two bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Units {
    /// UTF-8, or anything else that has ASCII in it byte by byte.
    Bytes,
    /// UTF-16 with the high byte first, or last; and with a byte order mark.
    Wide { is_big: bool, is_marked: bool },
}

impl Units {
    /// A mark, or an ASCII character and a zero byte in either order: no other text has one in its first character.
    pub(super) fn of(head: [u8; 2]) -> Units {
        match head {
            [0xff, 0xfe] => Units::Wide { is_big: false, is_marked: true },
            [0xfe, 0xff] => Units::Wide { is_big: true, is_marked: true },
            [1..=0x7f, 0] => Units::Wide { is_big: false, is_marked: false },
            [0, 1..=0x7f] => Units::Wide { is_big: true, is_marked: false },
            _ => Units::Bytes,
        }
    }
}

/// Both directions, with what is incomplete on either side.
pub(super) struct Wide {
    is_big: bool,
    odd: Option<u8>,
    high: Option<u16>,
    /// The beginning of a character on its way out.
    partial: Vec<u8>,
}

impl Wide {
    pub(super) fn new(is_big: bool) -> Self {
        Wide { is_big, odd: None, high: None, partial: Vec::new() }
    }

    /// The bytes as UTF-8.
    pub(super) fn narrow(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            let Some(first) = self.odd.take() else {
                self.odd = Some(byte);
                continue;
            };
            let unit = if self.is_big { u16::from_be_bytes([first, byte]) } else { u16::from_le_bytes([first, byte]) };
            self.unit(unit, &mut out);
        }
        out
    }

    fn unit(&mut self, unit: u16, out: &mut Vec<u8>) {
        if let Some(high) = self.high.take() {
            if (0xdc00..0xe000).contains(&unit) {
                let point = 0x10000 + (u32::from(high - 0xd800) << 10) + u32::from(unit - 0xdc00);
                return encode(point, out);
            }
            encode(u32::from(high), out);
        }
        if (0xd800..0xdc00).contains(&unit) {
            self.high = Some(unit);
        } else {
            encode(u32::from(unit), out);
        }
    }

    /// What was kept back on the way in: a half of a pair.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(high) = self.high.take() {
            encode(u32::from(high), &mut out);
        }
        out
    }

    /// The text in UTF-16 again.
    pub(super) fn widen(&mut self, text: &[u8], out: &mut Vec<u8>) {
        for &byte in text {
            self.partial.push(byte);
            let wanted = match self.partial[0] {
                0..=0x7f => 1,
                0xc0..=0xdf => 2,
                0xe0..=0xef => 3,
                _ => 4,
            };
            if self.partial.len() == wanted {
                let point = decode(&self.partial);
                self.partial.clear();
                match u16::try_from(point) {
                    Ok(unit) => self.put(unit, out),
                    Err(_) => {
                        let above = (point - 0x10000) & 0xf_ffff;
                        self.put(0xd800 + (above >> 10) as u16, out);
                        self.put(0xdc00 + (above & 0x3ff) as u16, out);
                    }
                }
            }
        }
    }

    fn put(&self, unit: u16, out: &mut Vec<u8>) {
        out.extend(if self.is_big { unit.to_be_bytes() } else { unit.to_le_bytes() });
    }

    /// The last byte of a text with an odd number of them.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend(self.odd.take());
    }
}

/// UTF-8 (RFC 3629), which surrogates are not refused in.
fn encode(point: u32, out: &mut Vec<u8>) {
    let tail = |shift: u32| 0x80 | (point >> shift & 0x3f) as u8;
    match point {
        0..=0x7f => out.push(point as u8),
        0x80..=0x7ff => out.extend([0xc0 | (point >> 6) as u8, tail(0)]),
        0x800..=0xffff => out.extend([0xe0 | (point >> 12) as u8, tail(6), tail(0)]),
        _ => out.extend([0xf0 | (point >> 18) as u8, tail(12), tail(6), tail(0)]),
    }
}

fn decode(bytes: &[u8]) -> u32 {
    let first = u32::from(bytes[0]);
    let head = match bytes.len() {
        1 => first,
        2 => first & 0x1f,
        3 => first & 0x0f,
        _ => first & 0x07,
    };
    bytes[1..].iter().fold(head, |point, byte| point << 6 | u32::from(byte & 0x3f))
}
