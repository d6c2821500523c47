//! The reader over foreign octets. It is the one place of `pdu` that knows about bounds: everything else takes what it
//! needs and passes the error on, so no index is ever computed from what a network sent. It also knows where in the input
//! it stands, so an error can say so.

use super::fault::{Field, PduError, Rule};

/// A position in octets; taking moves it.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    rest: &'a [u8],
    /// Offset of the end of `rest` within the whole input: the position follows from it, so taking moves one thing only.
    end: usize,
}

impl<'a> Cursor<'a> {
    /// At the beginning of `octets`.
    #[must_use]
    pub fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets, end: octets.len() }
    }

    /// Offset within the whole input.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    /// The next `n` octets, which belong to `field`.
    ///
    /// # Errors
    /// [`Rule::CutOff`] when there are fewer; nothing is taken then.
    pub fn take(&mut self, n: usize, field: Field) -> Result<&'a [u8], PduError> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or_else(|| self.cut_off(n, field))?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `n` octets as a reader of their own.
    ///
    /// # Errors
    /// [`Rule::CutOff`] when there are fewer; nothing is taken then.
    pub fn part(&mut self, n: usize, field: Field) -> Result<Self, PduError> {
        let rest = self.take(n, field)?;
        Ok(Self { rest, end: self.offset() })
    }

    /// The next octet.
    ///
    /// # Errors
    /// [`Rule::CutOff`] at the end.
    pub fn u8(&mut self, field: Field) -> Result<u8, PduError> {
        let [octet] = self.array(field)?;
        Ok(octet)
    }

    /// The next `N` octets by value.
    ///
    /// # Errors
    /// [`Rule::CutOff`] when there are fewer; nothing is taken then.
    pub fn array<const N: usize>(&mut self, field: Field) -> Result<[u8; N], PduError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| self.cut_off(N, field))?;
        self.rest = rest;
        Ok(*taken)
    }

    /// How many octets are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// All that is left, without taking it.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[cold]
    fn cut_off(&self, wanted: usize, field: Field) -> PduError {
        PduError { field, offset: self.offset(), rule: Rule::CutOff { wanted, present: self.remaining() } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_too_much_takes_nothing_and_says_where() {
        let cut = |field, offset, wanted, present| PduError {
            field,
            offset,
            rule: Rule::CutOff { wanted, present },
        };
        let mut cursor = Cursor::new(&[1, 2, 3]);
        assert_eq!(cursor.u8(Field::Status), Ok(1));
        assert_eq!(cursor.take(3, Field::UserData), Err(cut(Field::UserData, 1, 3, 2)));
        assert_eq!(cursor.array::<2>(Field::Time), Ok([2, 3]));
        assert_eq!((cursor.remaining(), cursor.offset()), (0, 3));
        assert_eq!(cursor.u8(Field::Status), Err(cut(Field::Status, 3, 1, 0)));
    }

    #[test]
    fn a_part_counts_from_the_beginning_of_the_input() {
        let mut cursor = Cursor::new(&[1, 2, 3, 4]);
        assert_eq!(cursor.u8(Field::Status), Ok(1));
        let mut part = cursor.part(2, Field::UserData).unwrap();
        assert_eq!((part.u8(Field::Header), part.offset()), (Ok(2), 2));
        assert_eq!(part.take(2, Field::Header).unwrap_err().offset, 2);
        assert_eq!((part.rest(), cursor.rest()), (&[3][..], &[4][..]));
    }
}
