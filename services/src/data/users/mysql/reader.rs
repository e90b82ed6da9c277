//! Reads users, by statements that are prepared where the server prepares statements.

use super::wire::{Cell, Error, Prepared, Row, Session};
use crate::data::loader::Answer;
use crate::data::users::{User, sql};

/// A session that reads users.
#[derive(Debug)]
pub(in crate::data::users) struct Reader {
    session: Session,
    statements: Statements,
}

#[derive(Debug)]
enum Statements {
    /// One for each size of a batch, prepared when it is needed first.
    Prepared(Box<[Option<Prepared>; sql::SIZES.len()]>),
    /// Sent as they are. Ids are numbers, so nothing has to be escaped. Kept to be filled again.
    Text(String),
}

/// What a server or proxy says that forgot a statement, or has another server do the work meanwhile.
const UNKNOWN_STATEMENT: u16 = 1243;

impl Reader {
    /// Reads once, to see whether the table can be read. Says why statements are not prepared if the server refuses to.
    pub(super) async fn open(session: Session) -> Result<(Self, Option<Error>), Error> {
        let mut reader = Self { session, statements: Statements::Prepared(Box::default()) };
        match reader.read_zero().await {
            // Whatever the reason is: if the same statement does without preparation, that was it, and if not, the server says why.
            Err(refused @ Error::Server { .. }) => {
                reader.statements = Statements::Text(String::new());
                reader.read_zero().await?;
                Ok((reader, Some(refused)))
            }
            outcome => outcome.map(|()| (reader, None)),
        }
    }

    /// The same, without an attempt to prepare statements.
    pub(super) async fn open_plain(session: Session) -> Result<Self, Error> {
        let mut reader = Self { session, statements: Statements::Text(String::new()) };
        reader.read_zero().await?;
        Ok(reader)
    }

    async fn read_zero(&mut self) -> Result<(), Error> {
        self.read(&[0], &mut [Answer::Missing]).await
    }

    /// Reads the users `ids` (ascending) into `answers`.
    pub(super) async fn read(&mut self, ids: &[i64], answers: &mut [Answer<User>]) -> Result<(), Error> {
        if let Statements::Prepared(statements) = &mut self.statements {
            match read_prepared(&mut self.session, statements, ids, answers).await {
                Err(Error::Server { number: UNKNOWN_STATEMENT, .. }) => self.statements = Statements::Text(String::new()),
                outcome => return outcome,
            }
        }
        let Statements::Text(statement) = &mut self.statements else { return Ok(()) };
        sql::write(statement, ids);
        self.session.query(statement, |row| place(row, ids, answers)).await
    }
}

async fn read_prepared(
    session: &mut Session,
    statements: &mut [Option<Prepared>; sql::SIZES.len()],
    ids: &[i64],
    answers: &mut [Answer<User>],
) -> Result<(), Error> {
    let statement = sql::select(ids);
    let prepared = match statements[statement.size] {
        Some(prepared) => prepared,
        None => *statements[statement.size].insert(session.prepare(statement.text).await?),
    };
    session.execute(prepared, statement.ids, |row| place(row, ids, answers)).await
}

/// Puts the user in `row` where `ids` has it.
fn place(mut row: Row<'_>, ids: &[i64], answers: &mut [Answer<User>]) -> Result<(), Error> {
    let (id, name, email) = (id(row.cell()?)?, row.cell()?, row.cell()?);
    let Some(place) = id.and_then(|id| ids.binary_search(&id).ok()) else { return Ok(()) };
    let user = || Ok::<_, String>(User { id: ids[place], name: text("name", name)?, email: text("email", email)? });
    answers[place] = match user() {
        Ok(user) => Answer::Found(user),
        Err(problem) => Answer::Malformed(format!("user_info, id {}: {problem}", ids[place]).into()),
    };
    Ok(())
}

/// The id in `cell`; none for one that no caller can ask for.
fn id(cell: Cell<'_>) -> Result<Option<i64>, Error> {
    match cell {
        Cell::Signed(id) => Ok(Some(id)),
        Cell::Unsigned(id) => Ok(i64::try_from(id).ok()),
        Cell::Bytes(digits) => {
            let digits = String::from_utf8_lossy(digits);
            digits.trim().parse().map(Some).map_err(|_| Error::Id(digits.into_owned()))
        }
        // A whole number within what doubles tell apart.
        Cell::Float(id) if id.fract() == 0.0 && id.abs() < 9e15 => Ok(Some(id as i64)),
        other => Err(Error::Id(format!("{other:?}"))),
    }
}

/// The text in `cell`; NULL counts as empty, as in the Go demo.
fn text(column: &str, cell: Cell<'_>) -> Result<String, String> {
    match cell {
        Cell::Null => Ok(String::new()),
        Cell::Bytes(bytes) => sql::utf8(column, bytes),
        Cell::Signed(number) => Ok(number.to_string()),
        Cell::Unsigned(number) => Ok(number.to_string()),
        Cell::Float(number) => Ok(number.to_string()),
        Cell::Time => Err(format!("the column {column} is a date or a time, not text")),
    }
}
