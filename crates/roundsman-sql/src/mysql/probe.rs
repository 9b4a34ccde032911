//! What *accepted* means on this server as it is set.

use super::connect::Connection;
use super::error::Sql;
use super::row::{int, text};
use crate::served::promise;
use roundsman_store::Guarantee;

const SETTINGS: &str =
    "SELECT VERSION(), @@innodb_flush_log_at_trx_commit, @@log_bin, @@sync_binlog,
            @@global.read_only, @@innodb_doublewrite, @@innodb_flush_method";
const ENGINES: &str = "SELECT COUNT(*) FROM information_schema.tables
     WHERE table_schema = ? AND table_name LIKE 'roundsman\\_%' AND engine <> 'InnoDB'";

/// What the server says of itself.
struct Settings {
    version: String,
    flush_log: i64,
    log_bin: bool,
    sync_binlog: i64,
    is_read_only: bool,
    doublewrite: bool,
    flushes: bool,
    others: i64,
}

/// Asks the server, not the code that set anything up.
pub(super) async fn probe(connection: &mut Connection) -> Sql<Guarantee> {
    let database = connection.database.clone();
    let engines = connection.query(ENGINES, vec![database.into()]).await?;
    let rows = connection.query(SETTINGS, Vec::new()).await?;
    let Some(row) = rows.first() else {
        return Err(mysql_async::Error::Other("the server does not tell its settings".into()));
    };
    let word = |column| text(row, column).to_ascii_lowercase();
    Ok(guarantee(&Settings {
        version: text(row, 0).to_string(),
        flush_log: int(row, 1),
        log_bin: int(row, 2) != 0,
        sync_binlog: int(row, 3),
        is_read_only: int(row, 4) != 0,
        doublewrite: int(row, 5) != 0 || word(5).contains("on"),
        flushes: !word(6).contains("nosync"),
        others: engines.first().map_or(0, |row| int(row, 0)),
    }))
}

fn guarantee(settings: &Settings) -> Guarantee {
    let Settings { flush_log, sync_binlog, .. } = settings;
    let logged = !settings.log_bin || *sync_binlog == 1;
    let flaws = [
        (
            settings.is_read_only,
            "mysql-read-only",
            "nothing can be accepted here, since the server is read-only".to_owned(),
        ),
        (
            *flush_log != 1,
            "mysql-flush-log-at-trx-commit",
            format!(
                "the last moments are lost when the machine dies, since \
                 innodb_flush_log_at_trx_commit is {flush_log} and not 1"
            ),
        ),
        (
            !logged,
            "mysql-sync-binlog",
            format!(
                "the last moments may be missing from the binary log when the machine dies, and so \
                 on replicas, since sync_binlog is {sync_binlog} and not 1"
            ),
        ),
        (
            !settings.doublewrite,
            "mysql-doublewrite-off",
            "pages that a power cut tears cannot be mended, since innodb_doublewrite is off"
                .to_owned(),
        ),
        (
            !settings.flushes,
            "mysql-nosync",
            "it is lost when the machine dies, since innodb_flush_method is nosync".to_owned(),
        ),
        (
            settings.others > 0,
            "mysql-engine",
            "it may be lost when the server dies, since tables are not in InnoDB".to_owned(),
        ),
    ];
    let kind = if settings.version.contains("MariaDB") { "MariaDB" } else { "MySQL" };
    let survives = *flush_log == 1 && settings.flushes && settings.others == 0;
    let place = "written to the disk of the server (innodb_flush_log_at_trx_commit=1)";
    promise(format!("{kind} {}", settings.version), place, survives, &flaws)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Settings {
        Settings {
            version: "8".to_owned(),
            flush_log: 1,
            log_bin: true,
            sync_binlog: 1,
            is_read_only: false,
            doublewrite: true,
            flushes: true,
            others: 0,
        }
    }

    #[test]
    fn every_setting_that_makes_it_weaker_has_a_name() {
        assert!(guarantee(&good()).weaker.is_empty());
        assert!(
            guarantee(&Settings { log_bin: false, sync_binlog: 0, ..good() }).weaker.is_empty()
        );
        for (settings, name) in [
            (Settings { flush_log: 2, ..good() }, "mysql-flush-log-at-trx-commit"),
            (Settings { sync_binlog: 0, ..good() }, "mysql-sync-binlog"),
            (Settings { is_read_only: true, ..good() }, "mysql-read-only"),
            (Settings { doublewrite: false, ..good() }, "mysql-doublewrite-off"),
            (Settings { flushes: false, ..good() }, "mysql-nosync"),
            (Settings { others: 1, ..good() }, "mysql-engine"),
        ] {
            assert_eq!(guarantee(&settings).weaker, [name]);
        }
    }
}
