//! Lines that a thread of its own writes: whoever is to read them may stand still, and holds nobody up.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use user_info_layers::room::Room;

/// Most lines that wait to be written; some 2 MB.
const WAITING: usize = 8192;
/// Most of them when a line of a dependency comes: the rest of the room is for our own.
const WAITING_FOR_OTHERS: usize = WAITING / 4;
/// Time between two looks at whether all are written.
const LOOK: Duration = Duration::from_millis(1);

/// Takes lines. Those for which there is no room, and those that cannot be written, are dropped and counted.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    sender: SyncSender<Vec<u8>>,
    counts: Arc<Counts>,
    most: usize,
}

#[derive(Debug, Default)]
struct Counts {
    waiting: Room,
    dropped: AtomicU64,
}

impl Lines {
    /// Starts a thread called `name` that writes the lines to `file`.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub(super) fn to(name: &str, mut file: impl Write + Send + 'static) -> std::io::Result<Self> {
        let (sender, lines) = sync_channel::<Vec<u8>>(WAITING);
        let counts = Arc::new(Counts::default());
        let of_thread = Arc::clone(&counts);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            for line in lines {
                let lost = file.write_all(&line).is_err();
                of_thread.dropped.fetch_add(lost.into(), Relaxed);
                of_thread.waiting.give_back(1);
            }
        })?;
        Ok(Self { sender, counts, most: WAITING })
    }

    /// The same, for lines that must leave room for others.
    pub(super) fn of_others(&self) -> Self {
        Self { most: WAITING_FOR_OTHERS, ..self.clone() }
    }

    /// Takes a line, with its end.
    pub(super) fn put(&self, line: Vec<u8>) {
        let room = self.counts.waiting.take(1, self.most);
        if !room || self.sender.try_send(line).is_err() {
            self.counts.waiting.give_back(room.into());
            self.counts.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Lines dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.counts.dropped.load(Relaxed)
    }

    /// Waits until all lines are written, for `limit` at most.
    pub(super) fn flush(&self, limit: Duration) {
        let end = Instant::now() + limit;
        while self.counts.waiting.taken() > 0 && Instant::now() < end {
            std::thread::sleep(LOOK);
        }
    }
}

/// Each write is a line.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.put(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, Read, Result, pipe};

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn lines_are_written_in_their_order() {
        let (mut reader, writer) = pipe().expect("a pipe");
        let lines = Lines::to("test", writer).expect("a thread");
        for n in 0..3 {
            lines.put(format!("{n}\n").into_bytes());
        }
        lines.flush(LONG);
        let mut text = [0; 6];
        reader.read_exact(&mut text).expect("written");
        assert_eq!((&text, lines.dropped()), (b"0\n1\n2\n", 0));
    }

    #[test]
    fn where_nobody_reads_lines_are_dropped_and_nobody_waits() {
        let (reader, writer) = pipe().expect("a pipe");
        let lines = Lines::to("test", writer).expect("a thread");
        let (taken, line) = (WAITING as u64 * 4, vec![b'x'; 1 << 10]);
        for _ in 0..taken {
            lines.put(line.clone());
        }
        let dropped = lines.dropped();
        assert!(dropped > taken / 2, "{dropped}");
        lines.flush(Duration::from_millis(10));
        // Its thread ends, and with it the test.
        drop(reader);
        lines.flush(LONG);
        assert_eq!(lines.counts.waiting.taken(), 0);
    }

    #[test]
    fn lines_of_others_leave_room_for_ours() {
        let (_reader, writer) = pipe().expect("a pipe");
        let ours = Lines::to("test", writer).expect("a thread");
        let (others, line) = (ours.of_others(), vec![b'x'; 1 << 10]);
        for _ in 0..WAITING * 2 {
            others.put(line.clone());
        }
        let lost = ours.dropped();
        assert!(lost > WAITING as u64, "{lost}");
        for _ in 0..WAITING / 2 {
            ours.put(line.clone());
        }
        assert_eq!(ours.dropped(), lost);
    }

    #[test]
    fn what_cannot_be_written_is_counted() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> Result<usize> {
                Err(Error::other("full"))
            }

            fn flush(&mut self) -> Result<()> {
                Ok(())
            }
        }
        let lines = Lines::to("test", Full).expect("a thread");
        lines.put(b"lost\n".to_vec());
        lines.flush(LONG);
        assert_eq!(lines.dropped(), 1);
    }
}
