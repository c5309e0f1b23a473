//! The fields of a message, written one after the other.

/// A message so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// Adds a number.
    pub fn number(&mut self, field: u32, value: u64) {
        self.tag(field, 0);
        self.varint(value);
    }

    /// Adds a number of four bytes.
    pub fn fixed32(&mut self, field: u32, value: u32) {
        self.tag(field, 5);
        self.0.extend(value.to_le_bytes());
    }

    /// Adds a number of eight bytes.
    pub fn fixed64(&mut self, field: u32, value: u64) {
        self.tag(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    /// Adds bytes, a text or a message.
    pub fn bytes(&mut self, field: u32, value: &[u8]) {
        self.tag(field, 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }

    /// Returns the message.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    fn tag(&mut self, field: u32, wire_type: u64) {
        self.varint(u64::from(field) << 3 | wire_type);
    }

    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fields;
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut writer = Writer::default();
            writer.number(1, value);
            writer.fixed32(9, 7);
            writer.bytes(200, &[5; 200]);
            writer.fixed64(7, value);
            let message = writer.finish();
            let read: Vec<_> = fields(&message).map(Result::unwrap).collect();
            assert_eq!(read[0].number().unwrap().cast_unsigned(), value);
            assert_eq!((read[1].number, read[2].number), (9, 200));
            assert_eq!(read[2].bytes().unwrap(), [5; 200]);
            assert_eq!((read[3].number, read.len()), (7, 4));
        }
    }
}
