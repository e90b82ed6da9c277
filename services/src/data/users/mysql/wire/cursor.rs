//! What stands in a packet, from left to right.

use super::error::Error;

const SHORT: Error = Error::Protocol("a packet of the server ends too early");

/// The part of a packet that was not read yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }

    /// A number of one to nine bytes; none for NULL, which has the same place in rows.
    pub(super) fn number(&mut self) -> Result<Option<u64>, Error> {
        Ok(Some(match self.u8()? {
            0xfb => return Ok(None),
            0xfc => u64::from(self.u16()?),
            0xfd => {
                let [a, b, c] = self.array()?;
                u64::from(u32::from_le_bytes([a, b, c, 0]))
            }
            0xfe => self.u64()?,
            0xff => return Err(Error::Protocol("a packet of the server has an error where a number belongs")),
            small => u64::from(small),
        }))
    }

    /// Bytes after a number that says how many; none for NULL.
    pub(super) fn text(&mut self) -> Result<Option<&'a [u8]>, Error> {
        let Some(length) = self.number()? else { return Ok(None) };
        self.bytes(usize::try_from(length).map_err(|_| SHORT)?).map(Some)
    }

    /// Bytes up to a zero, or to the end where there is none.
    pub(super) fn until_zero(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|&byte| byte == 0).unwrap_or(self.0.len());
        let taken = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_lengths() {
        let cases: [(&[u8], Option<u64>); 6] = [
            (&[250], Some(250)),
            (&[0xfb], None),
            (&[0xfc, 1, 2], Some(0x201)),
            (&[0xfd, 1, 2, 3], Some(0x3_0201)),
            (&[0xfe, 1, 0, 0, 0, 0, 0, 0, 1], Some(0x0100_0000_0000_0001)),
            (&[0], Some(0)),
        ];
        for (bytes, number) in cases {
            let mut cursor = Cursor(bytes);
            assert_eq!(cursor.number().expect("whole"), number);
            assert!(cursor.0.is_empty());
        }
        for bytes in [&[][..], &[0xfc, 1], &[0xfd, 1, 2], &[0xfe, 1], &[0xff]] {
            assert!(Cursor(bytes).number().is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_too_short_is_refused() {
        assert!(Cursor(&[3, b'a', b'b']).text().is_err());
        assert!(Cursor(&[0xfe, 255, 255, 255, 255, 255, 255, 255, 255]).text().is_err());
        assert_eq!(Cursor(b"abc").until_zero(), b"abc");
        let mut cursor = Cursor(b"a\0bc");
        assert_eq!((cursor.until_zero(), cursor.0), (&b"a"[..], &b"bc"[..]));
    }
}
