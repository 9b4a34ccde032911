//! What *accepted* means on this server as it is set: what it says of itself, not what we wish.
//!
//! `INFO` is allowed where `CONFIG` is not, as on managed servers, and tells all but how often the
//! file is synced. Where that cannot be asked and the server cannot confirm a sync either, it is
//! unknown, and said to be.

use crate::error::{of_reply, strange};
use crate::link::Link;
use redis::{Pipeline, Value};
use roundsman_store::{Guarantee, StoreError};
use std::collections::HashMap;

/// What a server says of itself.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    info: HashMap<String, String>,
    /// `None`: it may not be asked.
    appendfsync: Option<String>,
}

impl Facts {
    pub(crate) async fn ask(link: &Link) -> Result<Self, StoreError> {
        let mut calls = Pipeline::new();
        calls.cmd("INFO").arg("everything");
        calls.cmd("CONFIG").arg("GET").arg("appendfsync");
        let mut answers = link.ask_all(&calls).await?.into_iter();
        let info = match answers.next() {
            Some(Value::BulkString(text)) => String::from_utf8_lossy(&text).into_owned(),
            Some(Value::VerbatimString { text, .. }) => text,
            Some(Value::ServerError(refusal)) => return Err(of_reply(&refusal)),
            _ => return Err(strange("no INFO")),
        };
        let line = |line: &str| {
            line.trim().split_once(':').map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        let appendfsync = answers.next().and_then(setting);
        Ok(Self { info: info.lines().filter_map(line).collect(), appendfsync })
    }

    fn says(&self, name: &str) -> &str {
        self.info.get(name).map_or("", String::as_str)
    }

    fn is_valkey(&self) -> bool {
        self.says("server_name") == "valkey"
    }

    fn version(&self) -> (u32, u32) {
        let version = match self.says("valkey_version") {
            "" => self.says("redis_version"),
            version => version,
        };
        let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    }

    /// Refuses a server that cannot be used at all.
    pub(crate) fn require(&self) -> Result<(), StoreError> {
        if self.version() < (7, 0) {
            return Err(StoreError::Unusable(format!(
                "{} is too old; use Redis 7.0 or newer, or Valkey",
                self.name()
            )));
        }
        if self.says("role") != "master" {
            return Err(StoreError::Unavailable(
                "the server is a read-only replica; give `store` the address of the primary"
                    .to_owned(),
            ));
        }
        if self.says("loading") == "1" {
            return Err(StoreError::Unavailable("the server is still loading its file".to_owned()));
        }
        Ok(())
    }

    /// Whether the server says when what was written is on its disk.
    pub(crate) fn can_wait(&self) -> bool {
        self.has_file() && self.version() >= (7, 2) && self.appendfsync.as_deref() != Some("no")
    }

    fn has_file(&self) -> bool {
        self.says("aof_enabled") == "1"
    }

    fn evicts(&self) -> bool {
        self.says("maxmemory") != "0" && self.says("maxmemory_policy") != "noeviction"
    }

    fn name(&self) -> String {
        let (kind, version) = match self.is_valkey() {
            true => ("Valkey", self.says("valkey_version")),
            false => ("Redis", self.says("redis_version")),
        };
        format!("{kind} {version}")
    }

    /// What a store on this server promises.
    pub(crate) fn guarantee(&self) -> Guarantee {
        let (end, weaker) = self.end();
        let mut weaker: Vec<String> = weaker.into_iter().map(str::to_owned).collect();
        let survives_machine = weaker.is_empty();
        let mut sentence = format!("An accepted message is written by the server {end}");
        if self.evicts() {
            weaker.push("redis-eviction".to_owned());
            sentence.push_str(&format!(
                " When memory runs out the server throws data away (maxmemory-policy {}): set it \
                 to noeviction.",
                self.says("maxmemory_policy")
            ));
        }
        if self.says("aof_last_write_status") == "err" {
            sentence.push_str(" Its last write to that file failed.");
        }
        let survives_machine = survives_machine && !self.evicts();
        let store = self.name();
        Guarantee { store, survives_process: !self.evicts(), survives_machine, sentence, weaker }
    }

    fn end(&self) -> (&'static str, Option<&'static str>) {
        if !self.has_file() {
            return (
                "to its memory: it is kept when this process dies, and lost, all or since the last \
                 snapshot, when the server ends. Set appendonly to yes and appendfsync to always.",
                Some("redis-no-aof"),
            );
        }
        match (self.can_wait(), self.appendfsync.as_deref()) {
            (true, Some("always")) | (false, Some("always")) => (
                "to its append-only file and synced to its disk (appendfsync always): it is kept \
                 when this process, the server or its machine dies, as far as the disk keeps what \
                 it says it has written.",
                None,
            ),
            (true, _) => (
                "to its append-only file, and accepted once the server confirms that it is synced \
                 to its disk (WAITAOF): it is kept when this process, the server or its machine \
                 dies. With appendfsync everysec that takes up to a second; always is faster.",
                None,
            ),
            (false, Some("everysec")) => (
                "to its append-only file, which is synced once a second (appendfsync everysec): it \
                 is kept when this process dies, and the last second or two are lost when the \
                 machine does. Set appendfsync to always, or use Redis 7.2 or newer.",
                Some("redis-everysec"),
            ),
            (false, Some(_)) => (
                "to its append-only file, which is never synced (appendfsync no): it is kept when \
                 this process dies, and lost as far as the system had not written it when the \
                 machine does. Set appendfsync to always.",
                Some("redis-no-fsync"),
            ),
            (false, None) => (
                "to its append-only file; how often that is synced is unknown, since CONFIG GET \
                 appendfsync may not be asked here. Allow it, or use Redis 7.2 or newer.",
                Some("redis-fsync-unknown"),
            ),
        }
    }
}

/// The value of the one setting that was asked for.
fn setting(answer: Value) -> Option<String> {
    let values: Vec<String> = match answer {
        Value::ServerError(_) => return None,
        Value::Map(pairs) => redis::from_redis_value(Value::Map(pairs))
            .map(|pairs: Vec<(String, String)>| {
                pairs.into_iter().flat_map(|(a, b)| [a, b]).collect()
            })
            .ok()?,
        answer => redis::from_redis_value(answer).ok()?,
    };
    values.into_iter().nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(info: &[(&str, &str)], appendfsync: Option<&str>) -> Facts {
        let base = [
            ("redis_version", "7.0.15"),
            ("role", "master"),
            ("aof_enabled", "1"),
            ("maxmemory", "0"),
            ("maxmemory_policy", "noeviction"),
        ];
        let both = base.iter().chain(info);
        let info = both.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Facts { info, appendfsync: appendfsync.map(str::to_owned) }
    }

    #[test]
    fn each_weaker_setting_is_named() {
        let newer = ("redis_version", "7.4.1");
        let evicting = [("maxmemory", "1000"), ("maxmemory_policy", "allkeys-lru")];
        for (info, appendfsync, weaker) in [
            (&[][..], Some("always"), ""),
            (&[("aof_enabled", "0")], Some("always"), "redis-no-aof"),
            (&[], Some("everysec"), "redis-everysec"),
            (&[], Some("no"), "redis-no-fsync"),
            (&[], None, "redis-fsync-unknown"),
            (&[newer], Some("everysec"), ""),
            (&[newer], None, ""),
            (&[newer], Some("no"), "redis-no-fsync"),
            (&evicting, Some("always"), "redis-eviction"),
            (&[("maxmemory", "1000")], Some("always"), ""),
        ] {
            let guarantee = facts(info, appendfsync).guarantee();
            assert_eq!(guarantee.weaker.join(" "), weaker, "{info:?} {appendfsync:?}");
            assert_eq!(guarantee.survives_machine, weaker.is_empty());
        }
    }

    #[test]
    fn servers_that_are_of_no_use() {
        assert!(facts(&[], None).require().is_ok());
        let refused = |info: (&str, &str)| facts(&[info], None).require().unwrap_err();
        assert!(matches!(refused(("redis_version", "6.2.1")), StoreError::Unusable(_)));
        assert!(matches!(refused(("role", "slave")), StoreError::Unavailable(_)));
        assert!(matches!(refused(("loading", "1")), StoreError::Unavailable(_)));
    }
}
