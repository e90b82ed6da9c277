//! Results: what columns are, and the rows.

use super::cursor::Cursor;
use super::error::Error;
use super::packets::Packets;

/// Types of columns, as far as they are told apart.
pub(super) mod kind {
    pub(in super::super) const TINY: u8 = 1;
    pub(in super::super) const SHORT: u8 = 2;
    pub(in super::super) const LONG: u8 = 3;
    pub(in super::super) const FLOAT: u8 = 4;
    pub(in super::super) const DOUBLE: u8 = 5;
    pub(in super::super) const NULL: u8 = 6;
    pub(in super::super) const TIMESTAMP: u8 = 7;
    pub(in super::super) const LONGLONG: u8 = 8;
    pub(in super::super) const INT24: u8 = 9;
    pub(in super::super) const DATE: u8 = 10;
    pub(in super::super) const TIME: u8 = 11;
    pub(in super::super) const DATETIME: u8 = 12;
    pub(in super::super) const YEAR: u8 = 13;
    pub(in super::super) const STRING: u8 = 254;
}

/// The character set of bytes that are no text.
const BINARY: u16 = 63;
/// Another result follows.
const MORE: u16 = 8;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// All as text: the answer to a statement that was sent as it is.
    Text,
    /// Numbers as such: the answer to one that was prepared.
    Binary,
}

#[derive(Debug, Clone, Copy)]
struct Column {
    kind: u8,
    unsigned: bool,
    /// Filled up with zeros to the length of the column, as `BINARY(16)` is.
    padded: bool,
}

impl Column {
    fn parse(packet: &[u8]) -> Result<Self, Error> {
        let mut cursor = Cursor(packet);
        // Names: catalog, schema, table, column, the latter two as they were asked for as well.
        for _ in 0..6 {
            cursor.text()?;
        }
        cursor.u8()?;
        let charset = cursor.u16()?;
        cursor.u32()?;
        let (kind, flags) = (cursor.u8()?, cursor.u16()?);
        Ok(Self { kind, unsigned: flags & 0x20 != 0, padded: kind == kind::STRING && charset == BINARY })
    }
}

/// What stands in a row under a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) enum Cell<'a> {
    Null,
    Bytes(&'a [u8]),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    /// A date or a time.
    Time,
}

impl<'a> Cell<'a> {
    /// The bytes; none for what is NULL or no bytes.
    pub(super) const fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Cell::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// A row, whose cells are taken from left to right.
#[derive(Debug)]
pub(in super::super) struct Row<'a> {
    columns: &'a [Column],
    format: Format,
    /// A bit each for cells that are NULL, from the third bit on; of binary rows only.
    nulls: &'a [u8],
    rest: Cursor<'a>,
    next: usize,
}

impl<'a> Row<'a> {
    fn new(columns: &'a [Column], format: Format, packet: &'a [u8]) -> Result<Self, Error> {
        let mut rest = Cursor(packet);
        let nulls = match format {
            Format::Text => &[],
            Format::Binary => &rest.bytes(1 + (columns.len() + 9) / 8)?[1..],
        };
        Ok(Self { columns, format, nulls, rest, next: 0 })
    }

    /// Columns that there are.
    pub(super) const fn len(&self) -> usize {
        self.columns.len()
    }

    /// The next cell.
    pub(in super::super) fn cell(&mut self) -> Result<Cell<'a>, Error> {
        let place = self.next;
        let column = *self.columns.get(place).ok_or(Error::Protocol("a row has fewer columns than were asked for"))?;
        self.next += 1;
        let is_null = |bit: usize| self.nulls.get(bit / 8).is_some_and(|byte| byte & (1 << (bit % 8)) != 0);
        if self.format == Format::Binary && is_null(place + 2) {
            return Ok(Cell::Null);
        }
        if self.format == Format::Binary
            && let Some(cell) = self.number(column)?
        {
            return Ok(cell);
        }
        Ok(match self.rest.text()? {
            None => Cell::Null,
            Some(bytes) if column.padded => Cell::Bytes(&bytes[..bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)]),
            Some(bytes) => Cell::Bytes(bytes),
        })
    }

    /// A cell that is no text in a binary row.
    fn number(&mut self, column: Column) -> Result<Option<Cell<'a>>, Error> {
        let rest = &mut self.rest;
        let (signed, unsigned): (i64, u64) = match column.kind {
            kind::TINY => rest.array().map(|bytes| (i8::from_le_bytes(bytes).into(), u8::from_le_bytes(bytes).into()))?,
            kind::SHORT | kind::YEAR => rest.array().map(|bytes| (i16::from_le_bytes(bytes).into(), u16::from_le_bytes(bytes).into()))?,
            kind::LONG | kind::INT24 => rest.array().map(|bytes| (i32::from_le_bytes(bytes).into(), u32::from_le_bytes(bytes).into()))?,
            kind::LONGLONG => rest.array().map(|bytes| (i64::from_le_bytes(bytes), u64::from_le_bytes(bytes)))?,
            kind::FLOAT => return Ok(Some(Cell::Float(f32::from_le_bytes(rest.array()?).into()))),
            kind::DOUBLE => return Ok(Some(Cell::Float(f64::from_le_bytes(rest.array()?)))),
            kind::NULL => return Ok(Some(Cell::Null)),
            kind::TIMESTAMP | kind::DATE | kind::TIME | kind::DATETIME => {
                rest.text()?;
                return Ok(Some(Cell::Time));
            }
            _ => return Ok(None),
        };
        Ok(Some(if column.unsigned { Cell::Unsigned(unsigned) } else { Cell::Signed(signed) }))
    }
}

/// How a result ended.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct End {
    /// Rows that the statement changed.
    pub(super) changed: u64,
    /// Whether another result follows.
    pub(super) more: bool,
}

/// Reads results; keeps what it needs for the next.
#[derive(Debug, Default)]
pub(super) struct Rows {
    columns: Vec<Column>,
}

impl Rows {
    /// Reads one result, and gives each row to `each`. All rows are received, even if one is refused.
    pub(super) async fn read(
        &mut self,
        packets: &mut Packets,
        format: Format,
        mut each: impl FnMut(Row<'_>) -> Result<(), Error>,
    ) -> Result<End, Error> {
        let mut cursor = Cursor(packets.receive().await?);
        let columns = match cursor.number()? {
            None => return Err(Error::Protocol("the server asks for a file")),
            Some(0) => {
                let changed = cursor.number()?.unwrap_or(0);
                cursor.number()?;
                return Ok(End { changed, more: cursor.u16()? & MORE != 0 });
            }
            Some(columns) => columns,
        };
        self.columns.clear();
        for _ in 0..columns {
            self.columns.push(Column::parse(packets.receive().await?)?);
        }
        packets.receive().await?;
        let mut outcome = Ok(());
        loop {
            let packet = packets.receive().await?;
            if let [0xfe, _, _, status @ ..] = packet
                && packet.len() < 9
            {
                let more = Cursor(status).u16()? & MORE != 0;
                return outcome.map(|()| End { changed: 0, more });
            }
            let row = Row::new(&self.columns, format, packet)?;
            outcome = outcome.and_then(|()| each(row));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(kinds: &[(u8, bool, bool)], format: Format, packet: &[u8]) -> Result<Vec<String>, String> {
        let columns: Vec<_> = kinds.iter().map(|&(kind, unsigned, padded)| Column { kind, unsigned, padded }).collect();
        let read = || {
            let mut row = Row::new(&columns, format, packet)?;
            (0..row.len()).map(|_| row.cell().map(|cell| format!("{cell:?}"))).collect::<Result<_, Error>>()
        };
        read().map_err(|error: Error| error.to_string())
    }

    #[test]
    fn d7_cells_are_read_by_the_type_of_their_column() {
        let binary = |kind, unsigned, bytes: &[u8]| cells(&[(kind, unsigned, false)], Format::Binary, &[&[0, 0], bytes].concat());
        let cases = [
            (binary(kind::TINY, false, &[255]), "Signed(-1)"),
            (binary(kind::TINY, true, &[255]), "Unsigned(255)"),
            (binary(kind::SHORT, false, &[0, 128]), "Signed(-32768)"),
            (binary(kind::YEAR, true, &[0xea, 7]), "Unsigned(2026)"),
            (binary(kind::INT24, false, &[1, 0, 0, 0]), "Signed(1)"),
            (binary(kind::LONG, true, &[255; 4]), "Unsigned(4294967295)"),
            (binary(kind::LONGLONG, true, &[255; 8]), "Unsigned(18446744073709551615)"),
            (binary(kind::LONGLONG, false, &[255; 8]), "Signed(-1)"),
            (binary(kind::FLOAT, false, &1.5_f32.to_le_bytes()), "Float(1.5)"),
            (binary(kind::DOUBLE, false, &2.5_f64.to_le_bytes()), "Float(2.5)"),
            (binary(kind::DATE, false, &[4, 0xea, 7, 1, 1]), "Time"),
            (binary(252, false, &[2, b'a', 0]), "Bytes([97, 0])"),
            (cells(&[(kind::STRING, false, true)], Format::Binary, &[0, 0, 3, b'a', 0, 0]), "Bytes([97])"),
            (cells(&[(kind::STRING, false, true)], Format::Text, &[2, 0, 0]), "Bytes([])"),
            (cells(&[(kind::LONGLONG, false, false)], Format::Text, &[2, b'4', b'2']), "Bytes([52, 50])"),
            (cells(&[(kind::LONGLONG, false, false)], Format::Text, &[0xfb]), "Null"),
            (cells(&[(kind::LONGLONG, false, false)], Format::Binary, &[0, 4]), "Null"),
        ];
        for (cells, expected) in cases {
            assert_eq!(cells, Ok(vec![expected.to_owned()]));
        }
    }

    #[test]
    fn columns_that_are_null_take_no_place() {
        let kinds = [(kind::LONGLONG, false, false); 8];
        let mut packet = vec![0, 0b1111_1000, 0b11];
        packet.extend_from_slice(&7_i64.to_le_bytes());
        let row = cells(&kinds, Format::Binary, &packet).expect("whole");
        assert_eq!((row[0].as_str(), row[1..].iter().all(|cell| cell == "Null")), ("Signed(7)", true));
        assert!(cells(&kinds, Format::Binary, &packet[..9]).is_err(), "too short");
    }
}
