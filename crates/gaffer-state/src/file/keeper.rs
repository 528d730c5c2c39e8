//! The thread that has the file open.

use std::{path::PathBuf, sync::Arc};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{rows, schema};
use crate::{Change, Records, StateError};

/// Most calls that share a transaction: enough that the wait for the disk is nothing beside the work, and few enough that none waits
/// for long.
pub(super) const MAX_GROUP: usize = 256;

/// Whoever asked may have gone.
pub(super) type Answer<T> = oneshot::Sender<Result<T, StateError>>;

/// What is asked of the thread.
pub(super) enum Request {
    Read(Answer<Records>),
    Write(Write),
    IsChanged(Answer<bool>),
}

/// Changes of one caller.
pub(super) struct Write {
    pub(super) changes: Vec<Change>,
    /// Whether they are right only while nobody else has written since the last read: they were decided on by what was read.
    pub(super) is_if_current: bool,
    pub(super) answer: Answer<()>,
}

/// Who has the file open.
pub(super) struct Keeper {
    connection: Connection,
    path: PathBuf,
    /// SQLite's number for what was in the file when it was last read. It changes when others write, and not when we do.
    seen: i64,
}

impl Keeper {
    /// Takes an open file.
    pub(super) fn new(connection: Connection, path: PathBuf) -> Result<Self, StateError> {
        let seen = schema::data_version(&connection);
        let seen = seen.map_err(|cause| StateError::database(&path, "read", Arc::new(cause)))?;
        Ok(Self { connection, path, seen })
    }

    /// Does what is asked, one after the other, until nobody is left who could ask.
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut next = requests.blocking_recv();
        while let Some(request) = next {
            next = match request {
                Request::Read(answer) => {
                    tell(answer, self.read());
                    None
                }
                Request::IsChanged(answer) => {
                    tell(answer, self.is_changed());
                    None
                }
                Request::Write(first) => {
                    let (group, other) = gather(first, &mut requests);
                    self.write(group);
                    other
                }
            };
            next = next.or_else(|| requests.blocking_recv());
        }
    }

    fn read(&mut self) -> Result<Records, StateError> {
        let Self { connection, path, seen } = self;
        let failed = |cause| StateError::database(path, "read", Arc::new(cause));
        // In one transaction: what is read is what was there at one moment, and the number is of that moment.
        let moment = connection.transaction().map_err(failed)?;
        schema::check_form(&moment).map_err(failed)?;
        let records = rows::read(&moment, path)?;
        *seen = schema::data_version(&moment).map_err(failed)?;
        Ok(records)
    }

    fn is_changed(&self) -> Result<bool, StateError> {
        let version = schema::data_version(&self.connection);
        let version = version.map_err(|cause| StateError::database(&self.path, "read", Arc::new(cause)))?;
        Ok(version != self.seen)
    }

    /// Writes for all who wait, and tells each.
    fn write(&mut self, group: Vec<Write>) {
        let failed = |cause| StateError::database(&self.path, "written", cause);
        match commit(&mut self.connection, self.seen, &group) {
            Ok(outcomes) => {
                for (write, outcome) in group.into_iter().zip(outcomes) {
                    let outcome = outcome.map_err(|refusal| match refusal {
                        Refusal::Outdated => StateError::Outdated { path: self.path.clone() },
                        Refusal::Database(cause) => failed(Arc::new(cause)),
                    });
                    tell(write.answer, outcome);
                }
            }
            Err(cause) => {
                let cause = Arc::new(cause);
                for write in group {
                    tell(write.answer, Err(failed(cause.clone())));
                }
            }
        }
    }
}

/// Why nothing of one caller is written, where that is not so for all.
enum Refusal {
    /// Others have written since the last read.
    Outdated,
    /// The database says no.
    Database(rusqlite::Error),
}

/// Answers. Whoever has stopped waiting does not care.
fn tell<T>(answer: Answer<T>, outcome: Result<T, StateError>) {
    let _nobody_listens = answer.send(outcome);
}

/// The writes that wait behind a first one, and the other request that ended their row.
fn gather(first: Write, requests: &mut mpsc::Receiver<Request>) -> (Vec<Write>, Option<Request>) {
    let mut group = vec![first];
    while group.len() < MAX_GROUP {
        match requests.try_recv() {
            Ok(Request::Write(write)) => group.push(write),
            Ok(other @ (Request::Read(_) | Request::IsChanged(_))) => return (group, Some(other)),
            // Nobody waits now, or will ever.
            Err(_) => break,
        }
    }
    (group, None)
}

/// Writes for all in one transaction, as it is the end of a transaction that waits for the disk. What fails for one of them is taken
/// back for that one. `seen` is the number of what was read last.
///
/// # Errors
/// When it failed for all.
fn commit(connection: &mut Connection, seen: i64, group: &[Write]) -> rusqlite::Result<Vec<Result<(), Refusal>>> {
    // At once for writing: to become so later could fail where waiting would not help.
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    schema::check_form(&transaction)?;
    // From here on nobody else can write. What this group writes does not change the number, nor did the groups before it.
    let is_current = schema::data_version(&transaction)? == seen;
    let mut outcomes = Vec::with_capacity(group.len());
    for write in group {
        if write.is_if_current && !is_current {
            outcomes.push(Err(Refusal::Outdated));
            continue;
        }
        let mut part = transaction.savepoint()?;
        let outcome = rows::apply(&part, &write.changes);
        if let Err(cause) = outcome {
            // After some errors, such as a full disk, SQLite takes back everything. What is written then would be outside.
            if part.is_autocommit() {
                return Err(cause);
            }
            part.rollback()?;
            outcomes.push(Err(Refusal::Database(cause)));
        } else {
            outcomes.push(Ok(()));
        }
        part.commit()?;
    }
    transaction.commit()?;
    Ok(outcomes)
}

#[cfg(test)]
mod tests {
    use gaffer_core::access::Permissions;

    use super::{super::private, *};
    use crate::{KeyDigest, KeyRecord};

    fn put(number: u64, created: u64) -> Change {
        let id = format!("{number:012x}").parse().unwrap();
        let (digest, permissions) = (KeyDigest::of("a key"), Permissions::admin());
        let label = Some("x".repeat(3000));
        Change::PutKey(KeyRecord { id, digest, label, permissions, parent: None, user: None, created, expires: None })
    }

    fn keeper() -> Keeper {
        Keeper::new(schema::in_memory().unwrap(), schema::IN_MEMORY.into()).unwrap()
    }

    /// Writes in one group, and returns what each is told.
    fn write(keeper: &mut Keeper, group: Vec<Vec<Change>>) -> Vec<Result<(), StateError>> {
        let (group, told): (Vec<_>, Vec<_>) = group.into_iter().map(asked).unzip();
        keeper.write(group);
        told.into_iter().map(|told| told.blocking_recv().unwrap()).collect()
    }

    fn asked(changes: Vec<Change>) -> (Write, oneshot::Receiver<Result<(), StateError>>) {
        let (answer, told) = oneshot::channel();
        (Write { changes, is_if_current: false, answer }, told)
    }

    fn kept(keeper: &mut Keeper) -> Vec<u64> {
        let keys = keeper.read().unwrap().keys;
        keys.iter().map(|key| u64::from_str_radix(key.id.as_str(), 16).unwrap()).collect()
    }

    #[test]
    fn what_fails_for_one_fails_for_that_one_alone() {
        let mut keeper = keeper();
        let group = vec![vec![put(1, 1)], vec![put(2, 1), put(3, u64::MAX)], vec![], vec![put(4, 1), put(5, 1)]];
        let told = write(&mut keeper, group);
        assert!(told[0].is_ok() && told[2].is_ok() && told[3].is_ok(), "{told:?}");
        let error = told[1].as_ref().unwrap_err().to_string();
        assert!(error.contains("`:memory:` cannot be written: key `000000000003`: "), "{error}");
        assert_eq!(kept(&mut keeper), [1, 4, 5]);
    }

    #[test]
    fn who_decided_on_what_is_outdated_is_refused_and_the_others_of_the_group_are_not() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        private::make(&path).unwrap();
        let [mut one, mut other] = [(); 2].map(|()| Keeper::new(schema::open(&path).unwrap(), path.clone()).unwrap());
        // Two that write in any case around two that do so only if nobody else has: which of them are told that one has.
        let outdated = |keeper: &mut Keeper, number: u64| {
            let asked = (0..4).map(|place| asked(vec![put(number + place, 1)]));
            let (mut group, told): (Vec<_>, Vec<_>) = asked.unzip();
            group[1].is_if_current = true;
            group[2].is_if_current = true;
            keeper.write(group);
            let told = told.into_iter().map(|told| match told.blocking_recv().unwrap() {
                Ok(()) => false,
                Err(StateError::Outdated { path: told }) if told == path => true,
                Err(error) => panic!("{error:?}"),
            });
            told.collect::<Vec<_>>()
        };
        assert_eq!(outdated(&mut one, 1), [false; 4]);
        assert_eq!(outdated(&mut one, 5), [false; 4], "own writes do not count");
        assert_eq!(outdated(&mut other, 11), [false, true, true, false]);
        assert_eq!(outdated(&mut other, 15), [false, true, true, false], "until it is read");
        assert_eq!(kept(&mut other), [1, 2, 3, 4, 5, 6, 7, 8, 11, 14, 15, 18]);
        assert_eq!(outdated(&mut other, 21), [false; 4]);
        assert_eq!(outdated(&mut one, 31), [false, true, true, false]);
    }

    #[test]
    fn a_full_disk_fails_all_and_keeps_nothing_of_them() {
        let mut keeper = keeper();
        assert!(write(&mut keeper, vec![vec![put(1, 1)]])[0].is_ok());
        let pages: i64 = keeper.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let limit = |keeper: &Keeper, pages: i64| {
            let set =
                keeper.connection.pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0));
            assert_eq!(set, Ok(pages));
        };
        limit(&keeper, pages + 5);
        let told = write(&mut keeper, (2..30).map(|number| vec![put(number, 1)]).collect());
        for told in told {
            let error = told.unwrap_err().to_string();
            assert!(error.contains("is full; make room on its disk"), "{error}");
        }
        assert_eq!(kept(&mut keeper), [1]);

        limit(&keeper, pages + 1000);
        assert!(write(&mut keeper, vec![vec![put(2, 1)]])[0].is_ok());
        assert_eq!(kept(&mut keeper), [1, 2]);
    }

    #[test]
    fn a_group_has_a_bound_and_ends_where_something_else_is_asked() {
        let (sender, mut requests) = mpsc::channel(2 * MAX_GROUP + 2);
        let (answer, _told) = oneshot::channel();
        for _ in 0..MAX_GROUP + 1 {
            sender.try_send(Request::Write(asked(vec![]).0)).ok().unwrap();
        }
        sender.try_send(Request::IsChanged(answer)).ok().unwrap();
        sender.try_send(Request::Write(asked(vec![]).0)).ok().unwrap();

        let gathered = |(group, other): (Vec<Write>, Option<Request>)| (group.len(), other.is_some());
        assert_eq!(gathered(gather(asked(vec![]).0, &mut requests)), (MAX_GROUP, false));
        assert_eq!(gathered(gather(asked(vec![]).0, &mut requests)), (3, true));
        assert_eq!(gathered(gather(asked(vec![]).0, &mut requests)), (2, false));
    }

    #[test]
    fn nobody_need_wait_for_an_answer() {
        let mut keeper = keeper();
        let (write, told) = asked(vec![put(1, 1)]);
        drop(told);
        keeper.write(vec![write]);
        assert_eq!(kept(&mut keeper), [1]);
    }
}
