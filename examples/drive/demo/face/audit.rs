//! What is in the database in the end.

use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// Looks whether the database has every record of a terminal once, in the order in which they were
/// recorded, and tells what it finds instead.
///
/// The terminal gives every record the next number, from 1 on, as `user_id`.
pub(super) fn audit(database: &Path, serial: &str, recorded: u64) -> Vec<String> {
    match first_fault(database, serial, recorded) {
        Ok(fault) => fault.into_iter().collect(),
        Err(error) => vec![format!("the database cannot be read: {error}")],
    }
}

fn first_fault(
    database: &Path,
    serial: &str,
    recorded: u64,
) -> Result<Option<String>, rusqlite::Error> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let sql = "SELECT user_id FROM records WHERE device_sn = ?1 ORDER BY id";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([serial])?;
    let mut kept = 0;
    while let Some(row) = rows.next()? {
        kept += 1;
        let number: String = row.get(0)?;
        if number != kept.to_string() {
            return Ok(Some(format!(
                "the database has record {number} where {kept} belongs"
            )));
        }
    }
    Ok((kept != recorded).then(|| format!("{kept} of {recorded} records are in the database")))
}

#[cfg(test)]
mod tests {
    use super::super::Scratch;
    use super::*;

    fn faults(numbers: &[&str], recorded: u64) -> Vec<String> {
        let folder = Scratch::new().unwrap();
        let path = folder.path().join("records.db");
        let connection = Connection::open(&path).unwrap();
        let sql = "CREATE TABLE records (id INTEGER PRIMARY KEY, device_sn, user_id)";
        connection.execute(sql, []).unwrap();
        for number in numbers {
            let sql = "INSERT INTO records (device_sn, user_id) VALUES ('A', ?1), ('B', '9')";
            connection.execute(sql, [number]).unwrap();
        }
        audit(&path, "A", recorded)
    }

    #[test]
    fn every_record_once_and_in_order_is_no_fault() {
        assert!(faults(&["1", "2", "3"], 3).is_empty());
    }

    #[test]
    fn missing_doubled_and_displaced_records_are_faults() {
        let cases = [
            (&["1", "2"][..], "2 of 3 records are in the database"),
            (&["1", "3"], "the database has record 3 where 2 belongs"),
            (
                &["1", "2", "2", "3"],
                "the database has record 2 where 3 belongs",
            ),
            (
                &["1", "3", "2"],
                "the database has record 3 where 2 belongs",
            ),
        ];
        for (numbers, fault) in cases {
            assert_eq!(faults(numbers, 3), [fault]);
        }
    }

    #[test]
    fn database_that_is_not_there_is_a_fault() {
        let folder = Scratch::new().unwrap();
        let faults = audit(&folder.path().join("records.db"), "A", 0);
        assert!(faults[0].contains("cannot be read"), "{faults:?}");
    }
}
